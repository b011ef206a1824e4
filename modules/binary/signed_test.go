package binary

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// certificate makes one of a name, signed by itself.
func certificate(t *testing.T, name string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Organization: []string{"O"}}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

// element makes one of DER: a tag, a length, and what is in it.
func element(tag byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	head := []byte{tag}
	switch n := len(body); {
	case n < 0x80:
		head = append(head, byte(n))
	case n < 0x100:
		head = append(head, 0x81, byte(n))
	default:
		head = append(head, 0x82, byte(n>>8), byte(n))
	}
	return append(head, body...)
}

// pkcs7 makes signed data, as RFC 2315 has it, with a signer of the first
// certificate.
func pkcs7(t *testing.T, all ...*x509.Certificate) []byte {
	t.Helper()
	oid := func(numbers ...int) []byte {
		b, err := asn1.Marshal(asn1.ObjectIdentifier(numbers))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	number := func(n *big.Int) []byte { b, _ := asn1.Marshal(n); return b }
	var certificates []byte
	for _, c := range slices.Backward(all) {
		certificates = append(certificates, c.Raw...)
	}
	sha := element(0x30, oid(2, 16, 840, 1, 101, 3, 4, 2, 1), []byte{5, 0})
	signer := element(0x30, number(big.NewInt(1)), element(0x30, all[0].RawIssuer, number(all[0].SerialNumber)), sha, sha, element(4, []byte("signature")))
	signed := element(0x30, number(big.NewInt(1)), element(0x31, sha), element(0x30, oid(1, 3, 6, 1, 4, 1, 311, 2, 1, 4)), element(0xa0, certificates), element(0x31, signer))
	return element(0x30, oid(1, 2, 840, 113549, 1, 7, 2), element(0xa0, signed))
}

func wide(s string) []byte {
	var b []byte
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// part makes one of a version: lengths, kind, name, value, parts.
func part(kind uint16, name string, value []byte, parts ...[]byte) []byte {
	fill := func(b []byte) []byte { return append(b, make([]byte, (4-len(b)%4)%4)...) }
	size := len(value)
	if kind == 1 {
		size /= 2
	}
	b := binary.LittleEndian.AppendUint16(nil, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(size))
	b = binary.LittleEndian.AppendUint16(b, kind)
	b = fill(append(b, wide(name)...))
	b = append(b, value...)
	for _, p := range parts {
		b = append(fill(b), p...)
	}
	binary.LittleEndian.PutUint16(b, uint16(len(b)))
	return b
}

// versionResource makes resources with a version at an address.
func versionResource(address uint32, info []byte) []byte {
	e := binary.LittleEndian
	dir := func(number, next uint32) []byte {
		b := make([]byte, 24)
		b[14] = 1
		e.PutUint32(b[16:], number)
		e.PutUint32(b[20:], next)
		return b
	}
	data := make([]byte, 16)
	e.PutUint32(data, address+24*3+16)
	e.PutUint32(data[4:], uint32(len(info)))
	return slices.Concat(dir(16, 1<<31|24), dir(1, 1<<31|48), dir(1033, 72), data, info)
}

func versionBlock() []byte {
	fixed := make([]byte, 52)
	for i, n := range []uint32{0xfeef04bd, 0x10000, 10<<16 | 0, 19041<<16 | 1, 10<<16 | 0, 19041<<16 | 2} {
		binary.LittleEndian.PutUint32(fixed[4*i:], n)
	}
	text := func(name, s string) []byte { return part(1, name, wide(s)) }
	return part(0, "VS_VERSION_INFO", fixed,
		part(1, "StringFileInfo", nil, part(1, "040904B0", nil,
			text("CompanyName", "Müller & Co"), text("ProductName", "Shell"), text("OriginalFilename", "PowerShell.EXE"), text("Empty", ""), text("FileDescription", "A shell"), text("InternalName", "POWERSHELL"))),
		part(1, "VarFileInfo", nil, part(0, "Translation", []byte{9, 4, 0xb0, 4})))
}

// peOf makes a file of PE as pecoff of Microsoft has it: 64 bits, a section of
// resources, and a signature at the end.
func peOf(resources, signature []byte) []byte {
	e := binary.LittleEndian
	const header, address, raw = 0x40, 0x1000, 0x200
	b := make([]byte, raw)
	copy(b, "MZ")
	e.PutUint32(b[0x3c:], header)
	copy(b[header:], "PE\x00\x00")
	f := b[header+4:]
	e.PutUint16(f, 0x8664)
	e.PutUint16(f[2:], 1)     // sections
	e.PutUint16(f[16:], 240)  // the optional header
	e.PutUint16(f[18:], 0x22) // characteristics
	o := f[20:]
	e.PutUint16(o, 0x20b)
	e.PutUint16(o[68:], 3) // console
	e.PutUint32(o[108:], 16)
	e.PutUint32(o[112+8*2:], address)
	e.PutUint32(o[112+8*2+4:], uint32(len(resources)))
	s := o[240:]
	copy(s, ".rsrc")
	e.PutUint32(s[8:], uint32(len(resources)))
	e.PutUint32(s[12:], address)
	e.PutUint32(s[16:], uint32(len(resources)))
	e.PutUint32(s[20:], raw)
	b = append(b, resources...)
	b = append(b, make([]byte, (8-len(b)%8)%8)...)
	if signature != nil {
		e.PutUint32(b[header+4+20+112+8*4:], uint32(len(b)))
		e.PutUint32(b[header+4+20+112+8*4+4:], uint32(8+len(signature)))
		head := make([]byte, 8)
		e.PutUint32(head, uint32(8+len(signature)))
		e.PutUint16(head[4:], 0x200)
		e.PutUint16(head[6:], 2)
		b = slices.Concat(b, head, signature)
	}
	return b
}

const peSaid = "path signed signer signer_issuer signer_thumbprint file_version product_version product company description original_name internal_name"

func TestSignedPE(t *testing.T) {
	root := t.TempDir()
	mine, other := certificate(t, "Contoso Ltd", 7), certificate(t, "Root CA", 7)
	resources := versionResource(0x1000, versionBlock())
	sum := sha1.Sum(mine.Raw)
	broken := slices.Clone(resources)
	binary.LittleEndian.PutUint32(broken[20:], 1<<31|0xfffff)
	for name, b := range map[string][]byte{
		"a.exe": peOf(resources, pkcs7(t, mine, other)), "b.exe": peOf(resources[:0], nil),
		"c.exe": peOf(broken, []byte("no signature")), "d.exe": peOf(resources, pkcs7(t, mine, other))[:len(peOf(resources, nil))+20],
	} {
		if err := os.WriteFile(filepath.Join(root, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, skips := rows(t, peModule(), root, peSaid, "/*")
	const said = " | 10.0.19041.1 | 10.0.19041.2 | Shell | Müller & Co | A shell | PowerShell.EXE | POWERSHELL"
	none := strings.Repeat(" | null", 10)
	want := []string{
		"/a.exe | true | Contoso Ltd | Contoso Ltd | " + hex.EncodeToString(sum[:]) + said,
		"/b.exe | false" + none, "/c.exe | true" + none, "/d.exe | true | null | null | null" + said,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	var where []string
	for _, s := range skips {
		where = append(where, s.Where)
	}
	if want := []string{"pe /c.exe.signer", "pe /c.exe.file_version", "pe /d.exe.signer"}; !slices.Equal(where, want) {
		t.Errorf("%+v", skips)
	}
}

func TestSigner(t *testing.T) {
	mine, other := certificate(t, "A", 1), certificate(t, "B", 2)
	for n, c := range [][]*x509.Certificate{{mine, other}, {other, mine}} {
		s, err := parseSigner(pkcs7(t, c...))
		if err != nil || s.name != []string{"A", "B"}[n] {
			t.Errorf("%+v, %v", s, err)
		}
	}
	whole := pkcs7(t, mine)
	for cut := range len(whole) {
		if s, err := parseSigner(whole[:cut]); !errors.Is(err, hostfs.ErrMalformed) {
			t.Fatalf("%d bytes: %+v, %v", cut, s, err)
		}
	}
}

// blob makes one of a signature of macOS.
func blob(magic uint32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, magic)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(body)+8)), body...)
}

// superBlob puts blobs behind their index.
func superBlob(kinds []uint32, blobs ...[]byte) []byte {
	e := binary.BigEndian
	index := e.AppendUint32(nil, uint32(len(blobs)))
	off := 12 + 8*len(blobs)
	for i, b := range blobs {
		index = e.AppendUint32(e.AppendUint32(index, kinds[i]), uint32(off))
		off += len(b)
	}
	return blob(0xfade0cc0, append(index, slices.Concat(blobs...)...))
}

func directoryOf(identifier, team string, flags uint32, hash byte) []byte {
	b := make([]byte, 52-8)
	e := binary.BigEndian
	e.PutUint32(b, 0x20400)
	e.PutUint32(b[4:], flags)
	e.PutUint32(b[12:], 52)
	b[29] = hash
	if team != "" {
		e.PutUint32(b[40:], uint32(52+len(identifier)+1))
	}
	return blob(0xfade0c02, append(b, identifier+"\x00"+team+"\x00"...))
}

func TestCodeSign(t *testing.T) {
	mine := certificate(t, "Developer ID Application: Ann (ABCDE12345)", 3)
	strong := directoryOf("com.example.tool", "ABCDE12345", 0x10000, 2)
	b := superBlob([]uint32{0, 5, 0x1000, 0x10000},
		directoryOf("old", "", 2, 1), blob(0xfade7171, []byte("<?xml version='1.0'?><plist><dict><key>com.apple.security.get-task-allow</key><true/><key>no</key><false/></dict></plist>")), strong, blob(0xfade0b01, pkcs7(t, mine)))
	s, err := parseCodeSign(b)
	sum := sha256.Sum256(strong)
	if err != nil || s.identifier != "com.example.tool" || s.team != "ABCDE12345" || !slices.Equal(s.flagNames(), []string{"runtime"}) ||
		s.hash != hex.EncodeToString(sum[:20]) || !slices.Equal(s.entitlements, []string{"com.apple.security.get-task-allow"}) || s.signer.name != mine.Subject.CommonName {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := parseCodeSign(superBlob([]uint32{5}, blob(0xfade7171, nil))); err == nil {
		t.Error("there is no code directory")
	}
	for cut := range 12 + 8*4 + 52 {
		if _, err := parseCodeSign(b[:cut]); err == nil {
			t.Fatalf("%d bytes are a signature", cut)
		}
	}
}

// What the linker of Go signs by nobody, as macOS asks on its own processors.
func TestLinkerSigned(t *testing.T) {
	root := built(t, "darwin", "arm64", "tiny")
	got, skips := rows(t, machoModule(), root, "identifier team sign_flags entitlements signer signer_issuer", "/tiny")
	if want := []string{"a.out | null | [adhoc, linker-signed] | [] | null | null"}; !slices.Equal(got, want) || len(skips) != 0 {
		t.Errorf("%q, %+v", got, skips)
	}
	if got, _ := rows(t, machoModule(), root, "cdhash", "/tiny"); len(got) != 1 || len(got[0]) != 40 {
		t.Errorf("%q", got)
	}
}

func FuzzSigned(f *testing.F) {
	f.Add(versionBlock())
	f.Add(superBlob([]uint32{0}, directoryOf("x", "y", 2, 2)))
	f.Add(peOf(versionResource(0x1000, versionBlock()), []byte("x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		v := versionInfo{texts: map[string]string{}}
		v.parse(b, 0)
		parseSigner(b)
		if s, err := parseCodeSign(b); err == nil && len(s.hash) != 40 {
			t.Errorf("%+v", s)
		}
		if p, err := openPE(sectionOf(b)); err == nil {
			p.version()
			p.signer()
		}
	})
}

func sectionOf(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}
