package account

import (
	"bytes"
	"crypto/ed25519"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
)

// A privateKey is what a file of a private key says without its passphrase.
type privateKey struct {
	publicKey
	encrypted bool
	cipher    string // "" where it is not encrypted, or not said
	comment   string
}

// parsePrivate reads a private key: that of OpenSSH, RSA, EC and DSA keys of
// old, and PKCS#8. Of an encrypted one, but for OpenSSH's, little is known.
func parsePrivate(text []byte) (privateKey, bool) {
	block, _ := pem.Decode(text)
	if block == nil {
		return privateKey{}, false
	}
	if block.Type == "OPENSSH PRIVATE KEY" {
		return parseOpenSSH(block.Bytes)
	}
	if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		cipher, _, _ := strings.Cut(block.Headers["DEK-Info"], ",")
		k := privateKey{encrypted: true, cipher: strings.ToLower(cipher)}
		k.algorithm = map[string]string{"RSA PRIVATE KEY": "ssh-rsa", "DSA PRIVATE KEY": "ssh-dss"}[block.Type]
		return k, strings.HasSuffix(block.Type, " PRIVATE KEY")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		return rsaKey(block.Bytes)
	case "DSA PRIVATE KEY":
		var der struct {
			Version       int
			P, Q, G, Y, X *big.Int
		}
		_, err := asn1.Unmarshal(block.Bytes, &der)
		return made(err == nil, []byte("ssh-dss"), number(der.P), number(der.Q), number(der.G), number(der.Y))
	case "EC PRIVATE KEY":
		return ecKey(block.Bytes, nil)
	case "PRIVATE KEY":
		return parsePKCS8(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return privateKey{encrypted: true, cipher: pkcs8Cipher(block.Bytes)}, true
	}
	return privateKey{}, false
}

// number writes a number of a key; one that is missing or negative is none.
func number(n *big.Int) []byte {
	if n == nil || n.Sign() < 0 {
		return nil
	}
	return mpint(n)
}

// made makes a key of the texts of its public half.
func made(ok bool, texts ...[]byte) (privateKey, bool) {
	if !ok {
		return privateKey{}, false
	}
	k, ok := parsePublic(wired(texts...))
	return privateKey{publicKey: k}, ok
}

func rsaKey(der []byte) (privateKey, bool) {
	var key struct {
		Version int
		N, E    *big.Int
	}
	_, err := asn1.Unmarshal(der, &key)
	return made(err == nil, []byte("ssh-rsa"), number(key.E), number(key.N))
}

// ecKey reads a key of RFC 5915. Its public half may be left out, and is then
// not worked out.
func ecKey(der []byte, curve asn1.ObjectIdentifier) (privateKey, bool) {
	var key struct {
		Version int
		D       []byte
		Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
	}
	if _, err := asn1.Unmarshal(der, &key); err != nil {
		return privateKey{}, false
	}
	if len(key.Curve) > 0 {
		curve = key.Curve
	}
	name := map[string]string{
		"1.2.840.10045.3.1.7": "nistp256", "1.3.132.0.34": "nistp384", "1.3.132.0.35": "nistp521",
	}[curve.String()]
	if len(key.Public.Bytes) == 0 || name == "" {
		k := privateKey{}
		if name != "" {
			k.algorithm = "ecdsa-sha2-" + name
			k.bits, _ = curveBits(name)
		}
		return k, true
	}
	return made(true, []byte("ecdsa-sha2-"+name), []byte(name), key.Public.Bytes)
}

// An algorithmID is that of X.509.
type algorithmID struct {
	OID    asn1.ObjectIdentifier
	Params asn1.RawValue `asn1:"optional"`
}

func parsePKCS8(der []byte) (privateKey, bool) {
	var key struct {
		Version   int
		Algorithm algorithmID
		Key       []byte
	}
	if _, err := asn1.Unmarshal(der, &key); err != nil {
		return privateKey{}, false
	}
	switch key.Algorithm.OID.String() {
	case "1.2.840.113549.1.1.1":
		return rsaKey(key.Key)
	case "1.2.840.10045.2.1":
		var curve asn1.ObjectIdentifier
		if _, err := asn1.Unmarshal(key.Algorithm.Params.FullBytes, &curve); err != nil {
			return privateKey{}, false
		}
		return ecKey(key.Key, curve)
	case "1.3.101.112":
		var seed []byte
		if _, err := asn1.Unmarshal(key.Key, &seed); err != nil || len(seed) != ed25519.SeedSize {
			return privateKey{}, false
		}
		return made(true, []byte("ssh-ed25519"), ed25519.NewKeyFromSeed(seed)[ed25519.SeedSize:])
	case "1.2.840.10040.4.1":
		return dsaKey(key.Algorithm.Params.FullBytes, key.Key)
	}
	return privateKey{}, true
}

// dsaKey makes the public half of the private one.
func dsaKey(params, key []byte) (privateKey, bool) {
	var p struct{ P, Q, G *big.Int }
	x := new(big.Int)
	_, err1 := asn1.Unmarshal(params, &p)
	_, err2 := asn1.Unmarshal(key, &x)
	// The bound keeps a hostile key from costing much.
	if err1 != nil || err2 != nil || p.P.Sign() <= 0 || x.Sign() <= 0 || p.P.BitLen() > 8192 || x.BitLen() > 1024 {
		return privateKey{}, false
	}
	y := new(big.Int).Exp(p.G, x, p.P)
	return made(true, []byte("ssh-dss"), number(p.P), number(p.Q), number(p.G), number(y))
}

// pkcs8Cipher names what an encrypted PKCS#8 key is encrypted with; "" where
// it is none of the usual.
func pkcs8Cipher(der []byte) string {
	var key struct {
		Algorithm algorithmID
		Data      []byte
	}
	var params struct{ KDF, Cipher algorithmID }
	if _, err := asn1.Unmarshal(der, &key); err != nil || key.Algorithm.OID.String() != "1.2.840.113549.1.5.13" {
		return ""
	}
	if _, err := asn1.Unmarshal(key.Algorithm.Params.FullBytes, &params); err != nil {
		return ""
	}
	return map[string]string{
		"2.16.840.1.101.3.4.1.2": "aes-128-cbc", "2.16.840.1.101.3.4.1.22": "aes-192-cbc",
		"2.16.840.1.101.3.4.1.42": "aes-256-cbc", "1.2.840.113549.3.7": "des-ede3-cbc",
	}[params.Cipher.OID.String()]
}

// parseOpenSSH reads OpenSSH's own format: openssh-key-v1 and a zero, the
// texts cipher, kdf and options, a number of keys, which is 1, the public key,
// and the private one with its comment, which may be encrypted.
func parseOpenSSH(b []byte) (privateKey, bool) {
	b, ok := bytes.CutPrefix(b, []byte("openssh-key-v1\x00"))
	w := wire(b)
	cipher, ok2 := w.next()
	if !ok || !ok2 || !w.skip(2) || !bytes.HasPrefix(w, []byte{0, 0, 0, 1}) {
		return privateKey{}, false
	}
	w = w[4:]
	blob, ok := w.next()
	private, ok2 := w.next()
	if !ok || !ok2 {
		return privateKey{}, false
	}
	key, ok := parsePublic(blob)
	k := privateKey{publicKey: key, encrypted: string(cipher) != "none"}
	if k.encrypted {
		k.cipher = string(cipher)
	} else {
		k.comment = openComment(private)
	}
	return k, ok
}

// openComment finds the comment behind the private key: two numbers, its
// type, and as many texts as the type has.
func openComment(private wire) string {
	if len(private) < 8 {
		return ""
	}
	w := private[8:]
	name, _ := w.next()
	texts, known := map[string]int{
		"ssh-rsa": 6, "ssh-dss": 5, "ssh-ed25519": 2,
		"ecdsa-sha2-nistp256": 3, "ecdsa-sha2-nistp384": 3, "ecdsa-sha2-nistp521": 3,
	}[string(name)]
	if !known || !w.skip(texts) {
		return ""
	}
	comment, _ := w.next()
	return string(comment)
}
