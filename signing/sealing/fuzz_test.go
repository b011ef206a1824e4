package sealing_test

import (
	"testing"

	"github.com/quaestor-engine/quaestor/signing/sealing"
)

// FuzzOpen: nothing opens but what was sealed.
func FuzzOpen(f *testing.F) {
	p := newParty(f)
	chunks := p.seal(f, "zero", "one")
	f.Add(chunks[0])
	f.Add(chunks[1])
	f.Add([]byte("QSC1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		plain, _, err := p.opener().Open(b)
		if err == nil && string(b) != string(chunks[0]) {
			t.Fatalf("%d foreign bytes opened to %q", len(b), plain)
		}
	})
}

// FuzzBody: an enrolled agent signs and seals what it likes. It may be said
// plainly, and never is it more than MaxPlain.
func FuzzBody(f *testing.F) {
	p := newParty(f)
	f.Add([]byte("\x00plain"))
	f.Add(zstdBody(f, 0))
	f.Add(zstdBody(f, 5, []byte("\x28\xb5\x2f\xfd\x04\x00\x29\x00\x00hello")))
	f.Add(zstdBody(f, 1000, []byte("\x28\xb5\x2f\xfd\x60\xe8\x02\x03\x1f\x00\x00")))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > sealing.MaxPlain {
			return
		}
		plain, _, err := p.opener().Open(forge(t, p, body))
		if len(plain) > sealing.MaxPlain || (err != nil) != (plain == nil) && len(body) > 1 {
			t.Fatalf("%d bytes, error %v", len(plain), err)
		}
	})
}
