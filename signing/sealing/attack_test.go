package sealing_test

import (
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
)

// TestEveryBit: a chunk with any one bit changed is refused, and the right one
// is taken after it.
func TestEveryBit(t *testing.T) {
	p := newParty(t)
	chunks := p.seal(t, "first", "second", strings.Repeat("third ", 20))
	o := p.opener()
	for n, c := range chunks {
		for bit := range len(c) * 8 {
			c[bit/8] ^= 1 << (bit % 8)
			if plain, _, err := o.Open(c); err == nil {
				t.Fatalf("chunk %d with bit %d changed opened to %q", n, bit, plain)
			}
			c[bit/8] ^= 1 << (bit % 8)
		}
		if _, _, err := o.Open(c); err != nil {
			t.Fatalf("chunk %d itself: %v", n, err)
		}
	}
}

// TestEveryLength: a chunk cut at any length, or made longer, is refused.
func TestEveryLength(t *testing.T) {
	p := newParty(t)
	c, o := p.seal(t, "only")[0], p.opener()
	for n := range len(c) {
		if _, _, err := o.Open(c[:n]); err == nil {
			t.Fatalf("opened with %d bytes of %d", n, len(c))
		}
	}
	refuses(t, o, append(c[:len(c):len(c)], 0), sealing.ErrForged)
	refuses(t, o, make([]byte, sealing.MaxChunk+1), sealing.ErrMalformed)
	opens(t, o, c, "only", true)
}

func TestOrder(t *testing.T) {
	p := newParty(t)
	c := p.seal(t, "zero", "one", "two", "three")
	o := p.opener()
	refuses(t, o, c[1], sealing.ErrOrder) // the first is held back
	opens(t, o, c[0], "zero", false)
	refuses(t, o, c[0], sealing.ErrOrder) // doubled
	refuses(t, o, c[2], sealing.ErrOrder) // a gap
	refuses(t, o, c[3], sealing.ErrOrder) // the end comes forward
	opens(t, o, c[1], "one", false)
	refuses(t, o, c[0], sealing.ErrOrder)
	opens(t, o, c[2], "two", false)
	if err := o.Close(); !isCut(err) {
		t.Errorf("cut before the end: %v", err)
	}
	opens(t, o, c[3], "three", true)
	refuses(t, o, c[3], sealing.ErrOrder) // the end twice
	refuses(t, o, c[0], sealing.ErrOrder)
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if err := p.opener().Close(); !isCut(err) {
		t.Errorf("nothing came: %v", err)
	}
}

func isCut(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), sealing.ErrCut.Error())
}

// TestTwoEnds: an agent that ends its answer twice is not heard the second time.
func TestTwoEnds(t *testing.T) {
	p := newParty(t)
	o := p.opener()
	opens(t, o, mustSeal(t, p.sealer(t, 0), "end", true), "end", true)
	refuses(t, o, mustSeal(t, p.sealer(t, 0), "another", true), sealing.ErrOrder)
	refuses(t, o, mustSeal(t, p.sealer(t, 1), "another", true), sealing.ErrOrder)
}

// TestSplice: a chunk of another plan, fleet, agent or key is refused.
func TestSplice(t *testing.T) {
	p, q := newParty(t), newParty(t)
	otherPlan, otherFleet, otherKey, otherAgent := *p, *p, *p, *p
	otherPlan.binding.Plan[15] ^= 1
	otherFleet.binding.Fleet[0] ^= 1
	otherKey.key = q.key
	otherAgent.id, otherAgent.binding.Agent = q.id, q.id.ID()
	lying := *p // it says that it is the agent, and has not its key
	lying.id = q.id
	for name, from := range map[string]*party{
		"plan": &otherPlan, "fleet": &otherFleet, "key": &otherKey, "agent": &otherAgent, "identity": &lying,
	} {
		t.Run(name, func(t *testing.T) {
			o, mine, theirs := p.opener(), p.seal(t, "zero", "one", "two"), from.seal(t, "zero", "one", "two")
			refuses(t, o, theirs[0], sealing.ErrForged)
			opens(t, o, mine[0], "zero", false)
			refuses(t, o, theirs[1], sealing.ErrForged)
			opens(t, o, mine[1], "one", false)
			refuses(t, o, theirs[2], sealing.ErrForged)
			opens(t, o, mine[2], "two", true)
		})
	}
}

// resign gives a chunk a signature of p.
func resign(p *party, unsigned []byte) []byte {
	sum := sha256.Sum256(unsigned)
	msg := append(append(append([]byte(nil), p.binding.Fleet[:]...), p.binding.Plan[:]...), p.binding.Agent[:]...)
	return append(unsigned[:len(unsigned):len(unsigned)], p.sign(append(msg, sum[:]...))...)
}

// TestStolenAnswer: an agent that puts its signature to what another sealed for
// the same plan does not pass it off as its own.
func TestStolenAnswer(t *testing.T) {
	honest, thief := newParty(t), newParty(t)
	thief.key = honest.key
	c := honest.seal(t, "mine")[0]
	stolen := resign(thief, c[:len(c)-64])
	refuses(t, thief.opener(), stolen, sealing.ErrForged)
	// That the test can fail: the agent's own body with the same signature opens.
	c = thief.seal(t, "mine")[0]
	opens(t, thief.opener(), resign(thief, c[:len(c)-64]), "mine", true)
}

// TestOtherKind: what the identity signed as something else is no chunk.
func TestOtherKind(t *testing.T) {
	p := newParty(t)
	s, err := sealing.NewSealer(p.key.Public(), p.binding, func(m []byte) []byte { return p.id.Sign("facts", m) }, 0)
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, p.opener(), mustSeal(t, s, "facts", true), sealing.ErrForged)
}

// TestRestart: an agent that was started again goes on with a key chunk.
func TestRestart(t *testing.T) {
	p := newParty(t)
	first, second := p.sealer(t, 0), p.sealer(t, 2)
	a := [][]byte{mustSeal(t, first, "0", false), mustSeal(t, first, "1", false), mustSeal(t, first, "2 of the first life", false)}
	b := [][]byte{mustSeal(t, second, "2", false), mustSeal(t, second, "3", false)}
	third := p.sealer(t, 4)
	c := [][]byte{mustSeal(t, third, "4", false), mustSeal(t, third, "5", true)}

	o := p.opener()
	refuses(t, o, b[0], sealing.ErrOrder)
	opens(t, o, a[0], "0", false)
	refuses(t, o, b[0], sealing.ErrOrder)
	opens(t, o, a[1], "1", false)
	opens(t, o, b[0], "2", false)
	refuses(t, o, b[0], sealing.ErrOrder) // the key chunk replayed
	refuses(t, o, a[2], sealing.ErrOrder)
	refuses(t, o, c[0], sealing.ErrOrder) // the next key chunk too early
	opens(t, o, b[1], "3", false)
	opens(t, o, c[0], "4", false)
	for _, old := range [][]byte{a[0], b[0], c[0]} {
		refuses(t, o, old, sealing.ErrOrder)
	}
	opens(t, o, c[1], "5", true)
}

// TestLivesDoNotMix: chunks of a life that was left behind open no more, and
// those of a new one not before its key chunk.
func TestLivesDoNotMix(t *testing.T) {
	p := newParty(t)
	old := p.sealer(t, 0)
	a := [][]byte{mustSeal(t, old, "0", false), mustSeal(t, old, "1", false), mustSeal(t, old, "2", false)}
	young := p.sealer(t, 1)
	b := [][]byte{mustSeal(t, young, "1 again", false), mustSeal(t, young, "2 again", true)}

	o := p.opener()
	opens(t, o, a[0], "0", false)
	opens(t, o, b[0], "1 again", false)
	refuses(t, o, a[2], sealing.ErrForged)
	opens(t, o, b[1], "2 again", true)

	o = p.opener()
	opens(t, o, a[0], "0", false)
	opens(t, o, a[1], "1", false)
	refuses(t, o, b[1], sealing.ErrForged)
	opens(t, o, a[2], "2", false)
}

// TestMovedKeyChunk: a key chunk that the agent itself is made to sign with
// another number, or without its flag, does not open.
func TestMovedKeyChunk(t *testing.T) {
	p := newParty(t)
	c := mustSeal(t, p.sealer(t, 5), "five", false)
	unsigned := append([]byte(nil), c[:len(c)-64]...)
	binary.BigEndian.PutUint32(unsigned[5:], 0)
	refuses(t, p.opener(), resign(p, unsigned), sealing.ErrForged)
	unsigned[4] = 0
	refuses(t, p.opener(), resign(p, unsigned), sealing.ErrMalformed)
}

// forge seals a body of the attacker's choice as chunk 0, with the agent's key.
func forge(t testing.TB, p *party, body []byte) []byte {
	t.Helper()
	pub, err := hpke.MLKEM768X25519().NewPublicKey(p.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	info := fmt.Sprintf("quaestor answer v1\x00%s%s%s\x00\x00\x00\x00", p.binding.Fleet[:], p.binding.Plan[:], p.binding.Agent[:])
	enc, sender, err := hpke.NewSender(pub, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info))
	if err != nil {
		t.Fatal(err)
	}
	head := []byte("QSC1\x03\x00\x00\x00\x00")
	sealed, err := sender.Seal(head, body)
	if err != nil {
		t.Fatal(err)
	}
	return resign(p, append(append(head, enc...), sealed...))
}

func zstdBody(t testing.TB, says uint32, frames ...[]byte) []byte {
	t.Helper()
	b := binary.BigEndian.AppendUint32([]byte{1}, says)
	for _, f := range frames {
		b = append(b, f...)
	}
	return b
}

// TestRogueBodies: what an enrolled agent can seal that is no answer.
func TestRogueBodies(t *testing.T) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	frame := func(n int) []byte { return z.EncodeAll(make([]byte, n), nil) }
	stream := func(n int) []byte { // a frame that does not say its size
		var out strings.Builder
		z.Reset(&out)
		for range n >> 16 {
			if _, err := z.Write(make([]byte, 1<<16)); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return []byte(out.String())
	}
	small := frame(1000)
	p := newParty(t)
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"empty":                   {nil, sealing.ErrMalformed},
		"unknown method":          {[]byte{2, 0, 0, 0, 0}, sealing.ErrMalformed},
		"no length":               {[]byte{1, 0, 0}, sealing.ErrMalformed},
		"no frame":                {zstdBody(t, 5), sealing.ErrMalformed},
		"garbage":                 {zstdBody(t, 5, []byte("hello")), sealing.ErrMalformed},
		"shorter than it says":    {zstdBody(t, 1001, small), sealing.ErrMalformed},
		"cut":                     {zstdBody(t, 1000, small[:len(small)-1]), sealing.ErrMalformed},
		"garbage after the frame": {zstdBody(t, 1000, small, []byte("hello")), sealing.ErrMalformed},
		"longer than it says":     {zstdBody(t, 999, small), sealing.ErrBomb},
		"says 4 GB":               {zstdBody(t, 1<<32-1, small), sealing.ErrBomb},
		"says too much":           {zstdBody(t, sealing.MaxPlain+1, frame(sealing.MaxPlain+1)), sealing.ErrBomb},
		"bomb of 256 MiB":         {zstdBody(t, 1000, frame(256<<20)), sealing.ErrBomb},
		"bomb without a size":     {zstdBody(t, sealing.MaxPlain, stream(64<<20)), sealing.ErrBomb},
		"bomb of many frames":     {zstdBody(t, sealing.MaxPlain, frame(900<<10), frame(900<<10), frame(900<<10)), sealing.ErrBomb},
	} {
		t.Run(name, func(t *testing.T) {
			o, chunk := p.opener(), forge(t, p, c.body)
			refuses(t, o, chunk, c.want)
			refuses(t, o, p.seal(t, "an honest one")[0], c.want) // the answer has ended with it
			if err := o.Close(); err == nil || isCut(err) {
				t.Errorf("closed with %v", err)
			}
		})
	}
	// That the cases above can fail: the same way, an honest body opens.
	opens(t, p.opener(), forge(t, p, zstdBody(t, 1000, small)), string(make([]byte, 1000)), true)
	opens(t, p.opener(), forge(t, p, []byte("\x00plain")), "plain", true)
}

// TestNoKey: an agent without a public key of the right length has said nothing.
func TestNoKey(t *testing.T) {
	p := newParty(t)
	c := p.seal(t, "said")[0]
	refuses(t, sealing.NewOpener(p.key, p.binding, nil), c, sealing.ErrForged)
	other, err := signing.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, sealing.NewOpener(p.key, p.binding, other.Public()), c, sealing.ErrForged)
}
