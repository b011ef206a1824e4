package leaf

import (
	"log/slog"
	"os"
	"slices"
	"testing"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// An agent whose membership could not be read is not introduced: the next chunk
// comes behind the membership, or the relay would say that nobody wants it.
func TestIntroduced(t *testing.T) {
	near, far := wired(t)
	l := &Leaf{o: Options{Logger: slog.New(slog.DiscardHandler)}, spool: opened(t, t.TempDir(), room)}
	n := &line{stream: near, members: map[message.ID]bool{}}
	k := key{signing.NewID(), signing.NewID()}
	_, chunk := chunkOf(k, 0, true, "x")
	if err := l.sendChunk(n, k.agent, chunk); err == nil {
		t.Fatal("it was sent without its membership")
	}
	if err := l.spool.keepMember(k.agent, []byte("membership")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.sendChunk(n, k.agent, chunk); err != nil {
			t.Fatal(err)
		}
	}
	var got []message.Type
	for range 3 {
		kind, _ := frameOf(t, far)
		got = append(got, kind)
	}
	if want := []message.Type{message.TypeMember, message.TypeChunk, message.TypeChunk}; !slices.Equal(got, want) {
		t.Errorf("sent %d, want %d", got, want)
	}
}

// An answer that cannot be sent waits, longer each time, and holds up no other.
func TestPause(t *testing.T) {
	s := opened(t, t.TempDir(), room)
	k, other := key{signing.NewID(), signing.NewID()}, key{signing.NewID(), signing.NewID()}
	put(t, s, k, 0)
	put(t, s, k, 1)
	wants := func(want ...uint32) {
		t.Helper()
		if got := drained(t, s); !slices.Equal(got, want) {
			t.Errorf("chunks %d are sent, want %d", got, want)
		}
	}
	for n := range 10 {
		wait, ok := s.pause(k)
		if want := min(sendAgain<<n, sendAgainMost); !ok || wait != want {
			t.Errorf("pause %d is of %s, want %s", n, wait, want)
		}
		if _, ok := s.pause(k); ok {
			t.Error("it is paused twice")
		}
		wants()
		s.again(k)
		wants(0, 1)
	}
	s.pause(k)
	put(t, s, other, 7)
	put(t, s, k, 2)
	wants(7)
	if _, err := s.stored(message.Stored{Agent: k.agent, Ack: message.Ack{Plan: k.plan, Next: 1}}); err != nil {
		t.Fatal(err)
	}
	s.again()
	wantsBoth := drained(t, s)
	slices.Sort(wantsBoth)
	if !slices.Equal(wantsBoth, []uint32{1, 2, 7}) {
		t.Errorf("a new line sends %d", wantsBoth)
	}
	if wait, _ := s.pause(k); wait != sendAgain {
		t.Errorf("after the relay had more it waits %s", wait)
	}
	if _, ok := s.pause(key{}); ok {
		t.Error("nothing is paused")
	}
}

// Answers that wait hold no file open.
func TestSpoolDescriptors(t *testing.T) {
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("this system does not say what is open:", err)
		}
		return len(all)
	}
	dir := t.TempDir()
	s := opened(t, dir, room)
	before := count()
	for range 50 {
		put(t, s, key{signing.NewID(), signing.NewID()}, 0)
	}
	if after := count(); after >= before+50 {
		t.Errorf("50 answers hold %d files open", after-before)
	}
	opened(t, dir, room)
	if after := count(); after >= before+50 {
		t.Errorf("read back, 50 answers hold %d files open", after-before)
	}
}
