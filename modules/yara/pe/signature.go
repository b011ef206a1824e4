package pe

import (
	"bytes"
	"crypto/sha1"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/yara/view"
)

// A Signature is the certificate of one who signed. Nothing says that the
// signature is good, or that somebody trusts the certificate.
type Signature struct {
	Thumbprint, Issuer, Subject string
	Version                     int64
	Algorithm, AlgorithmOID     string
	Serial                      string
	NotBefore, NotAfter         int64 // seconds since 1970
}

// Bounds and marks of signatures.
const (
	certificateHead = 8
	revision2       = 0x200
	kindPKCS7       = 2
	maxSignatures   = 64 // nested ones included
)

var (
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidNested     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 4, 1}
)

// Signatures lists who signed, those that signed beside others included.
func (f *File) Signatures() []Signature { return f.signatures.get(f.readSignatures) }

func (f *File) readSignatures() []Signature {
	dir, ok := f.directory(dirSecurity) // its place is one in the file
	if !ok || !f.data.Fits(dir.At, dir.Size) {
		return nil
	}
	var list []Signature
	for at := dir.At; at+certificateHead < dir.At+dir.Size && len(list) < maxSignatures; {
		length, _ := f.u32(at)
		revision, _ := f.u16(at + 4)
		kind, _ := f.u16(at + 6)
		end := at + int64(length)
		if length <= certificateHead || end > dir.At+dir.Size {
			break
		}
		if revision == revision2 && kind == kindPKCS7 && length <= view.MaxBytes {
			list = signers(list, f.data.Bytes(at+certificateHead, int64(length)-certificateHead))
		}
		at = (end + 7) &^ 7
	}
	return list
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,optional,tag:0"`
}

type signedData struct {
	Version      int
	Digests      asn1.RawValue
	Content      asn1.RawValue
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	Lists        asn1.RawValue `asn1:"optional,tag:1"`
	Signers      asn1.RawValue
}

type signerInfo struct {
	Version       int
	Certificate   issuerAndSerial
	Digest        asn1.RawValue
	Authenticated asn1.RawValue `asn1:"optional,tag:0"`
	Encryption    asn1.RawValue
	Signature     asn1.RawValue
	Others        asn1.RawValue `asn1:"optional,tag:1"`
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type certificate struct {
	TBS       toBeSigned
	Algorithm algorithm
	Signature asn1.BitString
}

type algorithm struct {
	OID        asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

type toBeSigned struct {
	Version   int `asn1:"optional,explicit,default:0,tag:0"`
	Serial    asn1.RawValue
	Algorithm algorithm
	Issuer    asn1.RawValue
	Validity  struct{ NotBefore, NotAfter time.Time }
	Subject   asn1.RawValue
	Key       asn1.RawValue
	IssuerID  asn1.RawValue `asn1:"optional,tag:1"`
	SubjectID asn1.RawValue `asn1:"optional,tag:2"`
	Rest      asn1.RawValue `asn1:"optional,explicit,tag:3"`
}

// signers appends those who signed a message in PKCS#7, and those whose
// messages are nested in it.
func signers(list []Signature, message []byte) []Signature {
	var info contentInfo
	var signed signedData
	if _, err := asn1.Unmarshal(message, &info); err != nil || !info.Type.Equal(oidSignedData) {
		return list
	}
	if _, err := asn1.Unmarshal(info.Content.Bytes, &signed); err != nil {
		return list
	}
	certificates := readCertificates(signed.Certificates.Bytes)
	for rest := signed.Signers.Bytes; len(rest) > 0 && len(list) < maxSignatures; {
		var s signerInfo
		var err error
		if rest, err = asn1.Unmarshal(rest, &s); err != nil {
			break
		}
		for _, c := range certificates {
			if bytes.Equal(c.parsed.TBS.Issuer.FullBytes, s.Certificate.Issuer.FullBytes) && sameNumber(c.parsed.TBS.Serial.Bytes, s.Certificate.Serial) {
				list = append(list, c.signature())
				break
			}
		}
		list = nested(list, s.Others.Bytes)
	}
	return list
}

// nested reads the messages among the attributes that nobody signed.
func nested(list []Signature, attributes []byte) []Signature {
	for rest := attributes; len(rest) > 0 && len(list) < maxSignatures; {
		var a struct {
			Type   asn1.ObjectIdentifier
			Values asn1.RawValue
		}
		var err error
		if rest, err = asn1.Unmarshal(rest, &a); err != nil {
			return list
		}
		if !a.Type.Equal(oidNested) {
			continue
		}
		for values := a.Values.Bytes; len(values) > 0 && len(list) < maxSignatures; {
			var v asn1.RawValue
			if values, err = asn1.Unmarshal(values, &v); err != nil {
				break
			}
			list = signers(list, v.FullBytes)
		}
	}
	return list
}

type parsedCertificate struct {
	raw    []byte
	parsed certificate
}

func readCertificates(b []byte) (list []parsedCertificate) {
	for len(b) > 0 {
		var raw asn1.RawValue
		rest, err := asn1.Unmarshal(b, &raw)
		if err != nil {
			return list
		}
		b = rest
		c := parsedCertificate{raw: raw.FullBytes}
		if _, err := asn1.Unmarshal(c.raw, &c.parsed); err == nil {
			list = append(list, c)
		}
	}
	return list
}

func sameNumber(content []byte, n *big.Int) bool {
	if n == nil {
		return false
	}
	var v big.Int
	v.SetBytes(content)
	if len(content) > 0 && content[0]&0x80 != 0 {
		v.Sub(&v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(content))))
	}
	return v.Cmp(n) == 0
}

func (c *parsedCertificate) signature() Signature {
	sum := sha1.Sum(c.raw)
	t := &c.parsed.TBS
	oid := c.parsed.Algorithm.OID.String()
	s := Signature{
		Thumbprint: hex.EncodeToString(sum[:]), Issuer: distinguished(t.Issuer.Bytes), Subject: distinguished(t.Subject.Bytes),
		Version: int64(t.Version) + 1, Algorithm: oid, AlgorithmOID: oid, Serial: colons(t.Serial.Bytes),
		NotBefore: t.Validity.NotBefore.Unix(), NotAfter: t.Validity.NotAfter.Unix(),
	}
	if name, ok := algorithms()[oid]; ok {
		s.Algorithm = name
	}
	return s
}

func colons(b []byte) string {
	parts := make([]string, len(b))
	for i, c := range b {
		parts[i] = hex.EncodeToString([]byte{c})
	}
	return strings.Join(parts, ":")
}

// distinguished writes a name as OpenSSL does on one line: /C=US/O=Acme.
func distinguished(names []byte) string {
	var out strings.Builder
	for len(names) > 0 {
		var set asn1.RawValue
		var err error
		if names, err = asn1.Unmarshal(names, &set); err != nil {
			break
		}
		for members := set.Bytes; len(members) > 0; {
			var attribute struct {
				Type  asn1.ObjectIdentifier
				Value asn1.RawValue
			}
			if members, err = asn1.Unmarshal(members, &attribute); err != nil {
				break
			}
			oid := attribute.Type.String()
			if short, ok := attributes()[oid]; ok {
				oid = short
			}
			fmt.Fprintf(&out, "/%s=", oid)
			for _, c := range attribute.Value.Bytes {
				if c < ' ' || c > '~' {
					fmt.Fprintf(&out, `\x%02X`, c)
				} else {
					out.WriteByte(c)
				}
			}
		}
	}
	return out.String()
}

// attributes are the short names of what a name is made of.
func attributes() map[string]string {
	return map[string]string{
		"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
		"2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description",
		"2.5.4.15": "businessCategory", "2.5.4.17": "postalCode", "2.5.4.18": "postOfficeBox", "2.5.4.20": "telephoneNumber",
		"2.5.4.41": "name", "2.5.4.42": "GN", "2.5.4.43": "initials", "2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym",
		"2.5.4.97": "organizationIdentifier", "0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC",
		"1.2.840.113549.1.9.1": "emailAddress", "1.2.840.113549.1.9.2": "unstructuredName",
		"1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL", "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST", "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
	}
}

// algorithms are OpenSSL's names of what certificates are signed with.
func algorithms() map[string]string {
	return map[string]string{
		"1.2.840.113549.1.1.2": "md2WithRSAEncryption", "1.2.840.113549.1.1.3": "md4WithRSAEncryption",
		"1.2.840.113549.1.1.4": "md5WithRSAEncryption", "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
		"1.2.840.113549.1.1.10": "rsassaPss", "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
		"1.2.840.113549.1.1.12": "sha384WithRSAEncryption", "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
		"1.2.840.113549.1.1.14": "sha224WithRSAEncryption", "1.3.14.3.2.29": "sha1WithRSA", "1.3.14.3.2.15": "shaWithRSAEncryption",
		"1.2.840.10040.4.3": "dsaWithSHA1", "1.2.840.10045.4.1": "ecdsa-with-SHA1", "1.2.840.10045.4.3.1": "ecdsa-with-SHA224",
		"1.2.840.10045.4.3.2": "ecdsa-with-SHA256", "1.2.840.10045.4.3.3": "ecdsa-with-SHA384", "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
		"1.3.101.112": "ED25519",
	}
}
