package binary

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// maxSignature is how much of a signature is read, in bytes: certificates and
// stamps of time have some ten thousand.
const maxSignature = 4 << 20

// A signer is who a signature says that it is of. Nothing of it is verified:
// whoever writes a file writes this, too.
type signer struct{ name, issuer, thumbprint string }

// A contentInfo and a signedData are those of RFC 2315 and RFC 5652, as far as
// they are needed; so is a signerInfo.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version      int
	Digests      asn1.RawValue
	Content      asn1.RawValue
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	Revoked      asn1.RawValue `asn1:"optional,tag:1"`
	Signers      asn1.RawValue
}

type signerInfo struct {
	Version int
	Who     struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
}

// parseSigner reads a PKCS #7 structure of signed data, and gives the subject
// of the certificate that its first signer names.
func parseSigner(der []byte) (signer, error) {
	bad := func(err error) (signer, error) {
		return signer{}, fmt.Errorf("signature: %w: %w", hostfs.ErrMalformed, err)
	}
	var outer contentInfo
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return bad(err)
	}
	var signed signedData
	if _, err := asn1.Unmarshal(outer.Content.Bytes, &signed); err != nil {
		return bad(err)
	}
	var first signerInfo
	if _, err := asn1.Unmarshal(signed.Signers.Bytes, &first); err != nil {
		return bad(err)
	}
	rest := signed.Certificates.Bytes
	for len(rest) > 0 {
		var one asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return bad(err)
		}
		c, err := x509.ParseCertificate(one.FullBytes)
		if err != nil || c.SerialNumber.Cmp(first.Who.Serial) != 0 || !bytes.Equal(c.RawIssuer, first.Who.Issuer.FullBytes) {
			continue // of those who vouch, or of a kind that is not understood
		}
		sum := sha1.Sum(one.FullBytes)
		return signer{nameOf(c.Subject.CommonName, c.Subject.String()), nameOf(c.Issuer.CommonName, c.Issuer.String()), hex.EncodeToString(sum[:])}, nil
	}
	return signer{}, fmt.Errorf("signature: no certificate of its signer: %w", hostfs.ErrMalformed)
}

func nameOf(common, whole string) string {
	if common != "" {
		return common
	}
	return whole
}
