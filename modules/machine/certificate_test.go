package machine

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// issued makes a certificate in DER.
func issued(t testing.TB, name string, key crypto.Signer, ca bool) []byte {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: name, Organization: []string{"Org, Inc"}, Country: []string{"DE"}},
		NotBefore: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), NotAfter: time.Date(2034, 1, 2, 3, 4, 5, 0, time.UTC),
		BasicConstraintsValid: true, IsCA: ca, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		DNSNames: []string{"a.example", "*.b.example"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}, EmailAddresses: []string{"x@y.example"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, SubjectKeyId: []byte{1, 0xff},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func ecKey(t testing.TB) crypto.Signer {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// keystore makes a key store of Java with a key, whose chain is one
// certificate, and a trusted certificate.
func keystore(chain, trusted []byte) string {
	var b bytes.Buffer
	number := func(n int) { b.Write(binary.BigEndian.AppendUint32(nil, uint32(n))) }
	text := func(s string) { b.Write(binary.BigEndian.AppendUint16(nil, uint16(len(s)))); b.WriteString(s) }
	cert := func(der []byte) { text("X.509"); number(len(der)); b.Write(der) }
	entry := func(tag int, alias string) { number(tag); text(alias); b.Write(make([]byte, 8)) }
	b.WriteString("\xfe\xed\xfe\xed")
	number(2)
	number(2)
	entry(1, "mine")
	number(3)
	b.WriteString("key")
	number(1)
	cert(chain)
	entry(2, "root")
	cert(trusted)
	b.Write(make([]byte, 20))
	return b.String()
}

func TestCertificate(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	root1, ed, ec := issued(t, "root", rsaKey, true), issued(t, "ed", edKey, false), issued(t, "ec", ecKey(t), false)
	root := tree(t, map[string]string{
		"usr/share/ca-certificates/a.crt":        pemOf("CERTIFICATE", root1),
		"etc/ssl/certs/a.pem":                    "->/usr/share/ca-certificates/a.crt",
		"etc/ssl/certs/0a1b2c3d.0":               "->a.pem",
		"etc/ssl/certs/bundle":                   "text\n" + pemOf("CERTIFICATE", ed) + "-----BEGIN CERTIFICATE-----\nbroken\n" + pemOf("PRIVATE KEY", []byte("x")) + pemOf("TRUSTED CERTIFICATE", append(bytes.Clone(ec), 0x30, 0)) + pemOf("CERTIFICATE", []byte("0\x00")),
		"etc/ssl/certs/java/cacerts":             keystore(ed, ec),
		"usr/local/share/ca-certificates/x.der":  string(ec),
		"usr/local/share/ca-certificates/y.crt":  "nothing",
		"usr/local/share/ca-certificates/README": "nothing",
		"etc/nginx/tls/site.pem":                 pemOf("CERTIFICATE", ec),
	})
	got, rec := moduletest.Rows(t, certificates(), root, []string{"path", "index", "store", "common_name", "key_type", "key_bits", "is_ca", "self_signed"}, nil)
	same(t, got, []string{
		"/etc/ssl/certs/a.pem | 1 | /etc/ssl/certs | root | rsa | 2048 | true | true",
		"/etc/ssl/certs/bundle | 1 | /etc/ssl/certs | ed | ed25519 | 256 | false | true",
		"/etc/ssl/certs/bundle | 3 | /etc/ssl/certs | ec | ecdsa | 256 | false | true",
		"/etc/ssl/certs/java/cacerts | 1 | /etc/ssl/certs | ed | ed25519 | 256 | false | true",
		"/etc/ssl/certs/java/cacerts | 2 | /etc/ssl/certs | ec | ecdsa | 256 | false | true",
		"/usr/local/share/ca-certificates/x.der | 1 | /usr/local/share/ca-certificates | ec | ecdsa | 256 | false | true",
	})
	same(t, skipped(rec), []string{"io_error /etc/ssl/certs/bundle:2", "io_error /etc/ssl/certs/bundle:4", "io_error /usr/local/share/ca-certificates/y.crt"})
	sum := sha256.Sum256(ec)
	got, _ = moduletest.Rows(t, certificates(), root, []string{"path", "store", "subject", "issuer_common_name", "serial", "not_before", "not_after", "sha256", "signature_algorithm", "dns_names", "ip_addresses", "emails", "key_usage", "extended_key_usage", "subject_key_id", "authority_key_id", "version"}, []string{"/etc/nginx/**"})
	same(t, got, []string{`/etc/nginx/tls/site.pem | null | CN=ec,O=Org\, Inc,C=DE | ec | abc | 2024-01-02T03:04:05Z | 2034-01-02T03:04:05Z | ` + hex.EncodeToString(sum[:]) + " | ECDSA-SHA256 | [a.example, *.b.example] | [10.0.0.1] | [x@y.example] | [digital_signature, cert_sign] | [server_auth] | 01ff | null | 3"})
	_, rec = moduletest.Rows(t, certificates(), root, []string{"path"}, []string{"/none.pem"})
	same(t, skipped(rec), []string{"not_found /none.pem"})
	_, rec = moduletest.Rows(t, certificates(), tree(t, map[string]string{"a": "->b", "b": "->a"}), []string{"path"}, []string{"/a/x.pem"})
	same(t, skipped(rec), []string{"loop /a/x.pem"})
	moduletest.Run(t, certificates(), root)
	moduletest.Run(t, certificates(), root, "/etc/nginx/tls/site.pem", "/etc/**/*.pem")
}

func TestCertificateUnreadable(t *testing.T) {
	if os.Getuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("LEFT OUT: everything can be read here")
	}
	root := tree(t, map[string]string{"etc/ssl/certs/a.pem": "x", "etc/ssl/certs/b.pem": "->/none"})
	if err := os.Chmod(filepath.Join(root, "etc/ssl/certs/a.pem"), 0); err != nil {
		t.Fatal(err)
	}
	_, rec := moduletest.Rows(t, certificates(), root, []string{"path"}, nil)
	same(t, skipped(rec), []string{"permission /etc/ssl/certs/a.pem", "vanished /etc/ssl/certs/b.pem"})
}

// TestCertificateHugeKey has a key by which no signature may be checked.
func TestCertificateHugeKey(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 1<<22)
	c := &x509.Certificate{PublicKey: &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 1<<31 - 1}, SignatureAlgorithm: x509.SHA256WithRSA, Signature: make([]byte, 1<<19)}
	if !selfSigned(c) {
		t.Error("it is its own issuer")
	}
}

// TestCertificateLive compares with openssl what stands in each file of a
// trust store that holds one certificate.
func TestCertificateLive(t *testing.T) {
	columns := []string{"path", "serial", "sha1", "sha256", "not_before", "not_after", "issuer", "subject"}
	rows, _ := moduletest.Rows(t, certificates(), "", columns, []string{"/usr/share/ca-certificates/**.crt", "/usr/local/share/ca-certificates/**.crt"})
	if len(rows) == 0 {
		t.Skip("LEFT OUT: there is no trust store here")
	}
	step := max(1, len(rows)/20)
	for i := 0; i < len(rows); i += step {
		f := strings.Split(rows[i], " | ")
		out := tool(t, "openssl", "x509", "-in", f[0], "-noout", "-serial", "-fingerprint", "-sha1", "-startdate", "-enddate", "-issuer", "-subject", "-nameopt", "RFC2253,-esc_msb,utf8", "-dateopt", "iso_8601")
		out += tool(t, "openssl", "x509", "-in", f[0], "-noout", "-fingerprint", "-sha256")
		want := opensslSays(out)
		for j, name := range columns[1:] {
			if got := strings.ReplaceAll(f[j+1], `\\`, `\`); !strings.EqualFold(got, want[name]) { // SERIALNUMBER is serialNumber to openssl
				t.Errorf("%s: %s is %q, not %q", f[0], name, got, want[name])
			}
		}
	}
}

// opensslSays turns what openssl writes into what columns say.
func opensslSays(out string) map[string]string {
	says := map[string]string{}
	for line := range strings.Lines(out) {
		name, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name = strings.ToLower(strings.TrimSuffix(name, " Fingerprint")); name {
		case "serial":
			v = strings.TrimLeft(strings.ToLower(v), "0")
			if v == "" {
				v = "0"
			}
		case "sha1", "sha256":
			v = strings.ToLower(strings.ReplaceAll(v, ":", ""))
		case "notbefore", "notafter":
			name, v = map[string]string{"notbefore": "not_before", "notafter": "not_after"}[name], strings.Replace(v, " ", "T", 1)
		}
		says[name] = v
	}
	return says
}

func FuzzCertificates(f *testing.F) {
	der := issued(f, "ec", ecKey(f), true)
	f.Add([]byte(pemOf("CERTIFICATE", der)))
	f.Add(der)
	f.Add([]byte(keystore(der, der)))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, c := range parseCertificates("x.pem", text, func(int, error) {}) {
			distinguished(c.RawSubject)
			keyOf(c.Certificate)
			selfSigned(c.Certificate)
			purposes(c.Certificate)
		}
	})
}
