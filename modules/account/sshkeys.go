package account

import (
	"bytes"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// maxKeyFile is how much of a file is read to see whether it is a key, in
// bytes. A key of 16,384 bits has 13 kB.
const maxKeyFile = 64 << 10

// A keyFile is a file of a private or a public key.
type keyFile struct {
	place
	kind string
	privateKey
}

const (
	kindPrivate = "private"
	kindPublic  = "public"
)

func sshKeys() modules.Module {
	type row = keyFile
	return table.New(modules.Schema{
		Name: "ssh_key", Doc: "The files of keys of SSH, private and public, in the .ssh of every home and in /etc/ssh.",
		Locator: pathLocator("/root/.ssh/id_*"),
	}, []table.Column[row]{
		table.Text("path", "The file.", func(r *row) string { return r.path }).To("file").Shown(),
		table.Text("user", "The user in whose home it is.", func(r *row) string { return r.user }).To("user").Shown(),
		table.Text("kind", "Whether it is a private key or a public one.", func(r *row) string { return r.kind }).OneOf(kindPrivate, kindPublic).Shown(),
		table.Text("type", "The type of the key, such as ssh-ed25519; null where encryption hides it.", func(r *row) string { return r.algorithm }).Shown(),
		table.Value("bits", value.Int, "The length of the key in bits; null where encryption hides it.", func(r *row) value.Value {
			if r.bits == 0 {
				return value.Value{}
			}
			return value.NewInt(r.bits)
		}).Shown(),
		table.Text("fingerprint", "The fingerprint by SHA-256, as ssh-keygen writes it, which is the same for both halves; null where encryption hides it.", func(r *row) string { return r.fingerprint }).Shown(),
		table.Text("md5", "The fingerprint by MD5, as ssh-keygen wrote it of old, without its name in front.", func(r *row) string { return r.md5 }),
		table.Value("encrypted", value.Bool, "Whether a private key needs a passphrase; null for a public one.", func(r *row) value.Value {
			if r.kind == kindPublic {
				return value.Value{}
			}
			return value.NewBool(r.encrypted)
		}).Shown(),
		table.Text("cipher", "What an encrypted key is encrypted with, such as aes256-ctr.", func(r *row) string { return r.cipher }),
		table.Text("comment", "What the key says of whose it is; null where encryption hides it.", func(r *row) string { return r.comment }),
	}, listKeyFiles).By()
}

func listKeyFiles(s *table.Scan, yield func(*keyFile) error) error {
	for p, err := range places(s, ".ssh/*", "/etc/ssh/*") {
		if err != nil {
			return err
		}
		text, ok := keyText(s.FS, p.path)
		if !ok {
			continue
		}
		k := keyFile{place: p, kind: kindPrivate}
		switch {
		case isPrivate(text):
			k.privateKey, ok = parsePrivate(text)
		case strings.HasSuffix(p.path, ".pub"):
			k.kind = kindPublic
			k.publicKey, k.comment, ok = parseKeyText(string(bytes.TrimSpace(text)))
		default:
			continue
		}
		if !ok {
			s.Fail(p.path, hostfs.ErrMalformed)
			continue
		}
		if err := yield(&k); err != nil {
			return err
		}
	}
	return nil
}

// isPrivate says whether a text has the first line of a private key that one
// may log in by.
func isPrivate(text []byte) bool {
	_, rest, found := bytes.Cut(text, []byte("-----BEGIN "))
	name, _, _ := bytes.Cut(rest, []byte("\n"))
	return found && bytes.Contains(name, []byte("PRIVATE KEY-----"))
}

// keyText reads a file that may be a key. A longer one is not.
func keyText(f *hostfs.FS, name string) ([]byte, bool) {
	st, err := f.Stat(name)
	if err == nil && (st.IsDir() || !st.Mode().IsRegular() || st.Size() > maxKeyFile) {
		return nil, false
	}
	file, err := f.Open(name)
	if err != nil {
		f.Fail(name, err)
		return nil, false
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		f.Fail(name, err)
	}
	return text, err == nil
}

// A knownHost is a line of a file of known hosts, as sshd(8) has it.
type knownHost struct {
	place
	line    int
	marker  string
	hosts   []string
	key     publicKey
	comment string
}

func knownHosts() modules.Module {
	type row = knownHost
	return table.New(modules.Schema{
		Name: "known_host", Doc: "The hosts that users of SSH have been to, or that the system knows, with their keys.",
		Locator: pathLocator("/home/*/.ssh/known_hosts"),
	}, []table.Column[row]{
		table.Text("path", "The file that lists the host.", func(r *row) string { return r.path }).To("file").Shown(),
		table.Text("user", "The user in whose home it is.", func(r *row) string { return r.user }).To("user").Shown(),
		table.Int("line", "The number of the line, from 1.", func(r *row) int64 { return int64(r.line) }),
		table.Texts("hosts", "The names, addresses and patterns of the host, or what their hash is.", func(r *row) []string { return r.hosts }).Shown(),
		table.Bool("hashed", "Whether the name of the host is hashed.", func(r *row) bool { return strings.HasPrefix(r.hosts[0], "|1|") }).Shown(),
		table.Text("marker", "What the line says besides: that the key signs those of hosts, or that it is revoked.", func(r *row) string { return r.marker }).OneOf("@cert-authority", "@revoked"),
		table.Text("type", "The type of the key, such as ssh-ed25519.", func(r *row) string { return r.key.algorithm }).Shown(),
		table.Int("bits", "The length of the key in bits.", func(r *row) int64 { return r.key.bits }),
		table.Text("fingerprint", "The fingerprint by SHA-256, as ssh-keygen writes it.", func(r *row) string { return r.key.fingerprint }).Shown(),
		table.Text("key", "The public key itself, in base64.", func(r *row) string { return r.key.encoded }),
		table.Text("comment", "What follows the key.", func(r *row) string { return r.comment }),
	}, listKnownHosts).By()
}

func listKnownHosts(s *table.Scan, yield func(*knownHost) error) error {
	for p, err := range places(s, ".ssh/known_hosts*", "/etc/ssh/ssh_known_hosts*") {
		if err != nil {
			return err
		}
		text, ok := content(s.FS, path.Clean(p.path))
		if !ok {
			continue
		}
		for n, line := range table.Lines(text) {
			if line == "" || line[0] == '#' {
				continue
			}
			h, ok := parseKnownHost(line)
			if !ok {
				s.Fail(p.path+":"+strconv.Itoa(n), hostfs.ErrMalformed)
				continue
			}
			h.place, h.line = p, n
			if err := yield(&h); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseKnownHost reads a line: perhaps a marker, hosts with commas between
// them, and a key.
func parseKnownHost(line string) (knownHost, bool) {
	var h knownHost
	first, rest := word(line)
	if strings.HasPrefix(first, "@") {
		if first != "@cert-authority" && first != "@revoked" {
			return h, false
		}
		h.marker = first
		first, rest = word(rest)
	}
	h.hosts = strings.FieldsFunc(first, func(r rune) bool { return r == ',' })
	var ok bool
	h.key, h.comment, ok = parseKeyText(rest)
	return h, ok && len(h.hosts) > 0
}
