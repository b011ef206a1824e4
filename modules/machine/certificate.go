package machine

import (
	"crypto/sha1" // lists of indicators name certificates by it
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A certificate is one of a file.
type certificate struct {
	*x509.Certificate
	path, store string
	index       int
}

func certificates() modules.Module {
	return table.New(modules.Schema{
		Name: "certificate", Key: "sha256",
		Doc:     "The certificates in the trust stores of the system, or in the files that are named.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "path", Doc: "a glob of paths; without one, the trust stores", Example: "/etc/nginx/**"},
	}, append(identity(), purpose()...), listCertificates).By()
}

// identity makes the columns about who a certificate speaks of.
func identity() []table.Column[certificate] {
	return []table.Column[certificate]{
		table.Text("path", "The file in which it stands; links of a store to the same file are left out.", func(c *certificate) string { return c.path }).Shown().To("file"),
		table.Int("index", "Which certificate of the file it is, from 1.", func(c *certificate) int64 { return int64(c.index) }),
		table.Text("store", "The trust store in which it was found; null for files that a query names.", func(c *certificate) string { return c.store }),
		table.Text("subject", "Whom it speaks of, as in CN=name,O=organisation.", func(c *certificate) string { return distinguished(c.RawSubject) }),
		table.Text("common_name", "The common name of its subject.", func(c *certificate) string { return c.Subject.CommonName }).Shown(),
		table.Text("issuer", "Who issued it, in the same form as the subject.", func(c *certificate) string { return distinguished(c.RawIssuer) }).Shown(),
		table.Text("issuer_common_name", "The common name of its issuer.", func(c *certificate) string { return c.Issuer.CommonName }),
		table.Text("serial", "The number that its issuer gave it, in hexadecimal digits without zeros in front.", func(c *certificate) string { return c.SerialNumber.Text(16) }),
		table.Time("not_before", "When it begins to be valid.", func(c *certificate) time.Time { return c.NotBefore }),
		table.Time("not_after", "When it ceases to be valid.", func(c *certificate) time.Time { return c.NotAfter }).Shown(),
		fingerprint("sha1", "The SHA-1 of the certificate in DER.", sha1.Size, func(der []byte) []byte { h := sha1.Sum(der); return h[:] }),
		fingerprint("sha256", "The SHA-256 of the certificate in DER.", sha256.Size, func(der []byte) []byte { h := sha256.Sum256(der); return h[:] }).Shown(),
	}
}

// fingerprint is a column of a hash of the whole certificate.
func fingerprint(name, doc string, size int, sum func([]byte) []byte) table.Column[certificate] {
	c := table.Value(name, value.Hash, doc, func(c *certificate) value.Value { return value.NewHash(sum(c.Raw)) })
	c.HashBytes = size
	return c
}

// purpose makes the columns about the key and what it may be used for.
func purpose() []table.Column[certificate] {
	return []table.Column[certificate]{
		table.Text("key_type", "The kind of its key: rsa, ecdsa, ed25519 or dsa; null for others.", func(c *certificate) string { kind, _ := keyOf(c.Certificate); return kind }).Shown(),
		table.Value("key_bits", value.Int, "The size of its key in bits; null for a kind that is not known.", func(c *certificate) value.Value {
			kind, bits := keyOf(c.Certificate)
			if kind == "" {
				return value.Value{}
			}
			return value.NewInt(int64(bits))
		}).Shown(),
		table.Text("signature_algorithm", "How its issuer signed it, as in SHA256-RSA; a number where it is not known.", func(c *certificate) string { return c.SignatureAlgorithm.String() }),
		table.Texts("dns_names", "The names of hosts that it speaks of.", func(c *certificate) []string { return c.DNSNames }),
		table.Value("ip_addresses", value.List, "The addresses that it speaks of, as texts.", func(c *certificate) value.Value {
			list := make([]value.Value, len(c.IPAddresses))
			for i, a := range c.IPAddresses {
				list[i] = value.NewText(a.String())
			}
			return value.NewList(list)
		}).Of(value.Text),
		table.Texts("emails", "The mail addresses that it speaks of.", func(c *certificate) []string { return c.EmailAddresses }),
		table.Bool("is_ca", "Whether it may issue others.", func(c *certificate) bool { return c.IsCA }).Shown(),
		table.Bool("self_signed", "Whether its own subject issued it and its own key signed it; signatures by MD5 and SHA-1, and by keys of more than 16,384 bits, are not checked.", func(c *certificate) bool { return selfSigned(c.Certificate) }),
		table.Texts("key_usage", "What its key may be used for, as in cert_sign; none listed means anything.", func(c *certificate) []string { return usages(c.Certificate) }),
		table.Texts("extended_key_usage", "What it is for, as in server_auth; none listed means anything.", func(c *certificate) []string { return purposes(c.Certificate) }),
		table.Text("subject_key_id", "The identifier of its key, in hexadecimal digits.", func(c *certificate) string { return hex.EncodeToString(c.SubjectKeyId) }),
		table.Text("authority_key_id", "The identifier of the key that signed it, in hexadecimal digits.", func(c *certificate) string { return hex.EncodeToString(c.AuthorityKeyId) }),
		table.Int("version", "The version of X.509, from 1.", func(c *certificate) int64 { return int64(c.Version) }),
	}
}

// trustStores are the directories of which Debian, Red Hat, SUSE, Arch and
// their like make the list of whom the system trusts.
func trustStores() []string {
	return []string{
		"/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/source", "/etc/pki/trust", "/etc/ca-certificates",
		"/usr/local/share/ca-certificates", "/usr/share/ca-certificates", "/usr/share/pki/trust", "/var/lib/ca-certificates",
	}
}

func listCertificates(s *table.Scan, yield func(*certificate) error) error {
	w := &certWalk{walk: walk{Scan: s, seen: map[string]bool{}}, yield: yield}
	if len(s.Locators) > 0 && s.Keys == nil {
		for _, l := range s.Locators {
			if err := w.glob(l, w.file); err != nil {
				return err
			}
		}
		return nil
	}
	for _, dir := range trustStores() {
		w.store = dir
		if err := w.glob(dir+"/**", w.file); err != nil {
			return err
		}
	}
	return nil
}

// A certWalk reads the files that a walk comes to.
type certWalk struct {
	walk
	store string
	yield func(*certificate) error
}

// file yields the certificates of a file.
func (w *certWalk) file(name string) error {
	text, err := w.FS.ReadFile(name)
	if err != nil {
		w.Fail(name, err)
		return nil
	}
	list := parseCertificates(name, text, func(n int, err error) {
		where := name
		if n > 0 {
			where += ":" + strconv.Itoa(n)
		}
		w.Fail(where, err)
	})
	for _, c := range list {
		if err := w.yield(&certificate{Certificate: c.Certificate, path: name, store: w.store, index: c.index}); err != nil {
			return err
		}
	}
	return nil
}
