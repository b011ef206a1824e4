package registry

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf8"
)

// A value holds what a program wrote, whatever its type says.
func FuzzValue(f *testing.F) {
	f.Add(uint32(typeText), []byte("a\x00b\x00\x00\x00"))
	f.Add(uint32(typeMulti), []byte("a\x00\x00\x00b\x00\x00\x00\x00\x00"))
	f.Add(uint32(typeText), []byte("0\x00x\x001\x000\x00"))
	f.Add(uint32(typeDWord), binary.LittleEndian.AppendUint32(nil, 7))
	f.Add(uint32(typeQWord), make([]byte, 8))
	f.Add(uint32(typeLink), []byte{0xd8, 0, 0xdc})
	f.Add(uint32(99), []byte(strings.Repeat("x", 300)))
	f.Fuzz(func(t *testing.T, kind uint32, b []byte) {
		v := Value{Type: kind, read: func() ([]byte, error) { return b, nil }}
		text, err := v.Text()
		if err != nil || v.TypeName() == "" {
			t.Fatalf("%d %q: %v", kind, b, err)
		}
		if !utf8.ValidString(text) || len(text) > 4*len(b)+100 {
			t.Fatalf("%d %q: %q", kind, b, text)
		}
		if _, _, err := v.Int(); err != nil {
			t.Fatal(err)
		}
		for _, s := range Multi(b) {
			if s == "" || strings.Contains(s, "\x00") {
				t.Fatalf("%q: %q", b, s)
			}
		}
	})
}
