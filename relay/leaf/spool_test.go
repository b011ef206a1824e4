package leaf

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

const room = 1 << 20

func opened(t testing.TB, dir string, limit int64) *spool {
	t.Helper()
	s, err := openSpool(dir, limit, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func chunkOf(k key, seq uint32, final bool, data string) (*message.Chunk, []byte) {
	c := &message.Chunk{Agent: k.agent, Plan: k.plan, Seq: seq, Final: final, Data: []byte(data)}
	return c, c.Append(nil)
}

// put keeps a chunk, and gives how far the answer is then.
func put(t testing.TB, s *spool, k key, seq uint32) uint32 {
	t.Helper()
	next, err := s.put(chunkOf(k, seq, false, fmt.Sprint("chunk ", seq)))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// drained gives the numbers of all chunks that are to be sent, in their order.
func drained(t testing.TB, s *spool) (all []uint32) {
	t.Helper()
	for {
		_, body, err := s.take()
		if err != nil {
			t.Fatal(err)
		}
		if body == nil {
			return all
		}
		c, err := message.DecodeChunk(body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c.Seq)
	}
}

// Where an answer goes on is said by its first chunk; one that is there or
// leaves a gap is not taken; what the relay has is held no more.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, room)
	k := key{signing.NewID(), signing.NewID()}
	for _, x := range []struct{ seq, next uint32 }{{3, 4}, {3, 4}, {5, 4}, {4, 5}, {0, 5}, {5, 6}} {
		if next := put(t, s, k, x.seq); next != x.next {
			t.Errorf("after chunk %d the next is %d, want %d", x.seq, next, x.next)
		}
	}
	if got := drained(t, s); !slices.Equal(got, []uint32{3, 4, 5}) {
		t.Error(got)
	}
	stored := func(next uint32, gone bool) bool {
		stuck, err := s.stored(message.Stored{Agent: k.agent, Ack: message.Ack{Plan: k.plan, Next: next, Gone: gone}})
		if err != nil {
			t.Fatal(err)
		}
		return stuck
	}
	if stored(4, false) || !stored(4, false) {
		t.Error("a chunk that was not stored is not noticed")
	}
	s.again(k)
	if got := drained(t, s); !slices.Equal(got, []uint32{4, 5}) {
		t.Error(got)
	}
	if stored(9, false); s.bytes != 0 {
		t.Error("what the relay has is held")
	}
	if n := put(t, s, k, 9); n != 10 {
		t.Error(n)
	}
	if stored(0, true); s.bytes != 0 || len(s.all) != 0 {
		t.Error("what nobody wants is held")
	}
	if files, _ := os.ReadDir(filepath.Join(dir, dirSpool)); len(files) != 0 {
		t.Error(files)
	}
}

// A spool that is full takes nothing, and nothing that the agent sent behind
// it: that would acknowledge what is not there.
func TestSpoolFull(t *testing.T) {
	s := opened(t, t.TempDir(), 120)
	k := key{signing.NewID(), signing.NewID()}
	if next := put(t, s, k, 0); next != 1 {
		t.Fatal(next)
	}
	big, body := chunkOf(k, 1, false, string(make([]byte, 100)))
	if next, err := s.put(big, body); err == nil || next != 1 {
		t.Errorf("%d, %v", next, err)
	}
	if next := put(t, s, k, 2); next != 1 {
		t.Errorf("behind a gap: %d", next)
	}
	other := key{signing.NewID(), k.agent}
	if next, err := s.put(chunkOf(other, 0, false, string(make([]byte, 100)))); err == nil || next != 0 {
		t.Errorf("%d, %v", next, err)
	}
	if next := put(t, s, other, 1); next != 0 {
		t.Errorf("behind the first: %d", next)
	}
}

// Whatever a machine leaves that lost power, what was acknowledged is read back,
// and nothing else.
func TestSpoolCut(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, room)
	k := key{signing.NewID(), signing.NewID()}
	for seq := range uint32(3) {
		put(t, s, k, seq)
	}
	whole, err := os.ReadFile(s.path(k))
	if err != nil {
		t.Fatal(err)
	}
	record := len(whole) / 3
	rapid.Check(t, func(rt *rapid.T) {
		b := slices.Clone(whole[:rapid.IntRange(0, len(whole)).Draw(rt, "left")])
		want := len(b) / record
		if len(b) > 0 && rapid.Bool().Draw(rt, "changed") {
			i := rapid.IntRange(0, len(b)-1).Draw(rt, "at")
			b[i] ^= byte(rapid.IntRange(1, 255).Draw(rt, "by"))
			want = min(want, i/record)
		}
		copied := t.TempDir()
		if err := os.MkdirAll(filepath.Join(copied, dirSpool), 0o700); err != nil {
			rt.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, dirSpool, k.name()), b, 0o600); err != nil {
			rt.Fatal(err)
		}
		again, err := openSpool(copied, room, slog.New(slog.DiscardHandler))
		if err != nil {
			rt.Fatal(err)
		}
		if got := drained(t, again); len(got) != want {
			rt.Fatalf("%d chunks are read, want %d", len(got), want)
		}
		if next := put(t, again, k, uint32(want)); next != uint32(want)+1 {
			rt.Fatalf("it does not go on: %d", next)
		}
	})
}

// A file that strangers wrote is no more than no chunk.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x00x"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		k := key{signing.NewID(), signing.NewID()}
		if err := os.MkdirAll(filepath.Join(dir, dirSpool), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, dirSpool, k.name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSpool(dir, room, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := drained(t, s); len(got) != 0 {
			t.Fatalf("%d chunks of an answer that has just been named", len(got))
		}
	})
}

// Both ends remember the same bodies, whatever is sent.
func TestBodies(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := newBodies(), newBodies()
		sizes := rapid.SliceOf(rapid.IntRange(0, 2*remembered)).Draw(rt, "sizes")
		for i, n := range sizes {
			of := sum{byte(i % 5)}
			if a.has(of) != b.has(of) {
				rt.Fatal("one end remembers what the other does not")
			}
			a.add(of, nil, n)
			b.add(of, []byte{}, n)
			if !a.has(of) || a.total > remembered && len(a.order) > 1 {
				rt.Fatalf("%d bytes in %d bodies", a.total, len(a.order))
			}
		}
	})
}
