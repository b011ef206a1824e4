package sealing_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
)

// A party is an agent and the investigator who asked it.
type party struct {
	key     *sealing.ReplyKey
	id      *signing.Identity
	binding sealing.Binding
}

func newParty(t testing.TB) *party {
	t.Helper()
	key, err := sealing.NewReplyKey()
	if err != nil {
		t.Fatal(err)
	}
	id, err := signing.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return &party{key: key, id: id, binding: sealing.Binding{Fleet: [16]byte{1}, Plan: [16]byte{2}, Agent: id.ID()}}
}

func (p *party) sign(msg []byte) []byte { return p.id.Sign(sealing.Kind, msg) }

func (p *party) sealer(t testing.TB, first uint32) *sealing.Sealer {
	t.Helper()
	s, err := sealing.NewSealer(p.key.Public(), p.binding, p.sign, first)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// seal makes the chunks of an answer, the last of which ends it.
func (p *party) seal(t testing.TB, plains ...string) [][]byte {
	t.Helper()
	s := p.sealer(t, 0)
	var chunks [][]byte
	for i, plain := range plains {
		chunks = append(chunks, mustSeal(t, s, plain, i == len(plains)-1))
	}
	return chunks
}

func (p *party) opener() *sealing.Opener {
	return sealing.NewOpener(p.key, p.binding, p.id.Public())
}

func mustSeal(t testing.TB, s *sealing.Sealer, plain string, final bool) []byte {
	t.Helper()
	c, err := s.Seal([]byte(plain), final)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func opens(t *testing.T, o *sealing.Opener, chunk []byte, plain string, final bool) {
	t.Helper()
	got, end, err := o.Open(chunk)
	if err != nil || string(got) != plain || end != final {
		t.Fatalf("opened to %.40q, last %v, %v; want %.40q, %v", got, end, err, plain, final)
	}
}

func refuses(t *testing.T, o *sealing.Opener, chunk []byte, want error) {
	t.Helper()
	if got, _, err := o.Open(chunk); !errors.Is(err, want) {
		t.Fatalf("opened to %.40q, %v; want %v", got, err, want)
	}
}

// Whatever is sealed is opened, in pieces of any size, over any restarts.
func TestRoundTrip(t *testing.T) {
	p := newParty(t)
	rapid.Check(t, func(rt *rapid.T) {
		plains := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 1, 8).Draw(rt, "plains")
		s, o := p.sealer(t, 0), p.opener()
		for i, plain := range plains {
			if i > 0 && rapid.Bool().Draw(rt, "restart") {
				s = p.sealer(t, uint32(i))
			}
			c, err := s.Seal(plain, i == len(plains)-1)
			if err != nil {
				rt.Fatal(err)
			}
			got, final, err := o.Open(c)
			if err != nil || !bytes.Equal(got, plain) || final != (i == len(plains)-1) {
				rt.Fatalf("chunk %d: %q, %v, %v; want %q", i, got, final, err, plain)
			}
		}
		if err := o.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// The largest chunk fits its bound, whether it can be compressed or not.
func TestBounds(t *testing.T) {
	p := newParty(t)
	random := make([]byte, sealing.MaxPlain)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	for _, plain := range [][]byte{nil, random, make([]byte, sealing.MaxPlain)} {
		c, err := p.sealer(t, 0).Seal(plain, true)
		if err != nil || len(c) > sealing.MaxChunk {
			t.Fatalf("%d bytes in a chunk of %d: %v", len(plain), len(c), err)
		}
		opens(t, p.opener(), c, string(plain), true)
	}
	s := p.sealer(t, 0)
	if _, err := s.Seal(make([]byte, sealing.MaxPlain+1), false); err == nil {
		t.Error("more than MaxPlain was sealed")
	}
	mustSeal(t, s, "last", true)
	if _, err := s.Seal(nil, false); err == nil {
		t.Error("something was sealed after the last chunk")
	}
	if _, err := sealing.NewSealer([]byte("short"), p.binding, p.sign, 0); err == nil {
		t.Error("sealed to a reply key of five bytes")
	}
}

// A reply key is made again from its seed; its cancel secret says nothing of it.
func TestReplyKey(t *testing.T) {
	k := newParty(t).key
	same, err := sealing.ParseReplyKey(k.Seed())
	if err != nil || !bytes.Equal(same.Public(), k.Public()) || !bytes.Equal(same.CancelSecret(), k.CancelSecret()) {
		t.Error("the seed does not make the key again:", err)
	}
	if k.CancelDigest() != sha256.Sum256(k.CancelSecret()) || slices.Equal(k.CancelSecret(), k.Seed()) {
		t.Error("the cancel secret and its digest")
	}
	if _, err := sealing.ParseReplyKey([]byte("short")); err == nil {
		t.Error("a seed of five bytes")
	}
	if len(newParty(t).id.Public()) != ed25519.PublicKeySize {
		t.Error("an identity of another kind")
	}
}
