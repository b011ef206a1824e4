package machine

import (
	"bytes"
	"crypto/dsa"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// maxCertificates bounds how many certificates of one file are read: the
// bundles of systems have some 150.
const maxCertificates = 10_000

var errTooMany = fmt.Errorf("more than %d certificates: %w", maxCertificates, hostfs.ErrTooLarge)

// A certFail takes what could not be read of a file: the n-th certificate, or
// the file where n is 0.
type certFail func(n int, err error)

// A placed certificate is the n-th of its file, from 1.
type placed struct {
	*x509.Certificate
	index int
}

// parseCertificates finds the certificates of a file, in PEM among anything
// else, in DER, or in a store of Java's. Whether a file whose bytes are none of
// these was to be one is told by its name.
func parseCertificates(name string, text []byte, fail certFail) []placed {
	switch {
	case bytes.HasPrefix(text, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return parseKeystore(text, fail)
	case bytes.Contains(text, []byte("-----BEGIN ")):
		return parsePEM(text, fail)
	case len(text) > 0 && text[0] == 0x30:
		c, err := parseDER(text)
		if err == nil {
			return []placed{{c, 1}}
		}
		if named(name) {
			fail(0, err)
		}
	case named(name):
		fail(0, hostfs.ErrMalformed)
	}
	return nil
}

// named says whether a file is called as certificates are.
func named(name string) bool {
	return slices.Contains([]string{".crt", ".cer", ".der", ".pem", ".cert", ".jks"}, strings.ToLower(path.Ext(name)))
}

// certTypes are the words in front of a certificate in PEM; the second is of
// OpenSSL, which appends what the certificate is trusted for.
func certTypes() []string {
	return []string{"CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"}
}

// parsePEM reads each block on its own, so that one that is broken neither
// hides others nor goes unnamed.
func parsePEM(text []byte, fail certFail) []placed {
	var list []placed
	n := 0
	for {
		begin := bytes.Index(text, []byte("-----BEGIN "))
		if begin < 0 {
			return list
		}
		text = text[begin:]
		end := bytes.Index(text[1:], []byte("-----BEGIN ")) + 1
		if end == 0 {
			end = len(text)
		}
		part := text[:end]
		text = text[end:]
		kind, _, _ := strings.Cut(string(part[len("-----BEGIN "):min(len(part), 64)]), "-----")
		if !slices.Contains(certTypes(), kind) {
			continue
		}
		if n++; n > maxCertificates {
			fail(0, errTooMany)
			return list
		}
		block, _ := pem.Decode(part)
		if block == nil {
			fail(n, hostfs.ErrMalformed)
			continue
		}
		c, err := parseDER(block.Bytes)
		if err != nil {
			fail(n, err)
			continue
		}
		list = append(list, placed{c, n})
	}
}

// parseDER reads one certificate, and leaves out what stands behind it.
func parseDER(der []byte) (*x509.Certificate, error) {
	var raw asn1.RawValue
	if _, err := asn1.Unmarshal(der, &raw); err != nil {
		return nil, hostfs.ErrMalformed
	}
	c, err := x509.ParseCertificate(raw.FullBytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", hostfs.ErrMalformed, err)
	}
	return c, nil
}

// parseKeystore reads the certificates of a Java key store (JKS). It is
//
//	fe ed fe ed, version (1 or 2), count; then for each entry
//	tag, alias, 8 bytes of time, and with tag 2, a trusted certificate,
//	type, length, the certificate in DER
//
// in numbers of 4 bytes and texts that begin with their length in 2. Entries
// with tag 1 are private keys with their certificates.
func parseKeystore(text []byte, fail certFail) []placed {
	r := storeReader{rest: text[4:]}
	version, count := r.number(), r.number()
	var list []placed
	n := 0
	take := func() {
		if version == 2 {
			r.text() // X.509
		}
		der := r.bytes(r.number())
		if r.broken {
			return
		}
		n++
		c, err := parseDER(der)
		if err != nil {
			fail(n, err)
			return
		}
		list = append(list, placed{c, n})
	}
	for i := uint32(0); i < count && !r.broken; i++ {
		if n > maxCertificates {
			fail(0, errTooMany)
			return list
		}
		tag := r.number()
		r.text() // the alias
		r.bytes(8)
		switch tag {
		case 1:
			r.bytes(r.number()) // the key, encrypted
			for j, chain := uint32(0), r.number(); j < chain && !r.broken && n <= maxCertificates; j++ {
				take()
			}
		case 2:
			take()
		default:
			r.broken = true
		}
	}
	if r.broken || version != 1 && version != 2 {
		fail(0, hostfs.ErrMalformed)
	}
	return list
}

// A storeReader takes pieces from the front of a key store.
type storeReader struct {
	rest   []byte
	broken bool
}

func (r *storeReader) bytes(n uint32) []byte {
	if r.broken || uint64(n) > uint64(len(r.rest)) {
		r.broken = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *storeReader) number() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *storeReader) text() {
	if b := r.bytes(2); b != nil {
		r.bytes(uint32(binary.BigEndian.Uint16(b)))
	}
}

// distinguished writes a name as RFC 2253 has it, in the order in which it
// stands in the certificate.
func distinguished(raw []byte) string {
	var name pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &name); err != nil {
		return ""
	}
	return name.String()
}

// keyOf says what kind of key a certificate holds, and of how many bits.
func keyOf(c *x509.Certificate) (kind string, bits int) {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "rsa", k.N.BitLen()
	case *ecdsa.PublicKey:
		return "ecdsa", k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return "ed25519", 8 * len(k)
	case *dsa.PublicKey:
		return "dsa", k.P.BitLen()
	}
	return "", 0
}

// maxKeyBits bounds the keys by which signatures are checked, as what that
// takes grows faster than they do: one that fills a file would take hours.
const maxKeyBits = 16 << 10

// selfSigned says whether a certificate was issued by its own subject and
// signed by its own key. Signatures by MD5 and SHA-1, which are no longer
// verified, and by keys that are too large, are taken on trust.
func selfSigned(c *x509.Certificate) bool {
	if !bytes.Equal(c.RawSubject, c.RawIssuer) {
		return false
	}
	if _, bits := keyOf(c); bits > maxKeyBits {
		return true
	}
	err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	insecure := x509.InsecureAlgorithmError(0)
	return err == nil || errors.As(err, &insecure) || errors.Is(err, x509.ErrUnsupportedAlgorithm)
}

// usages gives what the key of a certificate may be used for.
func usages(c *x509.Certificate) []string {
	names := [...]string{
		"digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
		"key_agreement", "cert_sign", "crl_sign", "encipher_only", "decipher_only",
	}
	var list []string
	for bit, name := range names {
		if c.KeyUsage&(1<<bit) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// purposes gives what a certificate is for; one without a name here is a
// number with dots.
func purposes(c *x509.Certificate) []string {
	names := map[x509.ExtKeyUsage]string{
		x509.ExtKeyUsageAny: "any", x509.ExtKeyUsageServerAuth: "server_auth", x509.ExtKeyUsageClientAuth: "client_auth",
		x509.ExtKeyUsageCodeSigning: "code_signing", x509.ExtKeyUsageEmailProtection: "email_protection",
		x509.ExtKeyUsageTimeStamping: "time_stamping", x509.ExtKeyUsageOCSPSigning: "ocsp_signing",
	}
	var list []string
	for _, u := range c.ExtKeyUsage {
		if name, ok := names[u]; ok {
			list = append(list, name)
		} else {
			list = append(list, "usage_"+strconv.Itoa(int(u)))
		}
	}
	for _, u := range c.UnknownExtKeyUsage {
		list = append(list, u.String())
	}
	return list
}
