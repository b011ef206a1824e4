package leaf

import (
	"errors"
	"testing"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// An agent has as many answers and bytes wait as its share is, and leaves the
// rest to others; of what was refused nothing is held but where it goes on.
func TestShare(t *testing.T) {
	agent, other := signing.NewID(), signing.NewID()
	for name, fill := range map[string]func(s *spool, h *share){
		"answers": func(_ *spool, h *share) { h.answers = maxAnswers },
		"bytes":   func(s *spool, h *share) { h.bytes = s.limit / shareOf },
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t, t.TempDir(), 1<<30)
			before := key{signing.NewID(), agent}
			put(t, s, before, 0)
			fill(s, s.share(agent))
			k := key{signing.NewID(), agent}
			if next, err := s.put(chunkOf(k, 4, false, "x")); err == nil || errors.Is(err, errFlood) || next != 4 {
				t.Errorf("chunk 4: %d, %v", next, err)
			}
			if next := put(t, s, k, 5); next != 4 {
				t.Errorf("behind a chunk that was refused up to %d is acknowledged", next)
			}
			if len(s.all) != 1 {
				t.Errorf("%d answers are held", len(s.all))
			}
			if name == "answers" { // one that was begun goes on
				if next := put(t, s, before, 1); next != 2 {
					t.Error(next)
				}
			}
			if next := put(t, s, key{k.plan, other}, 0); next != 1 {
				t.Error("another agent has no room")
			}
			// Where there is room it goes on from the chunk that was refused.
			*s.share(agent) = share{answers: 1, bytes: s.all[before].size, refused: s.share(agent).refused}
			if next := put(t, s, k, 4); next != 5 || len(s.share(agent).refused) != 0 {
				t.Errorf("then the next is %d", next)
			}
		})
	}
}

// What is refused is bounded, too, and forgotten when the agent leaves; and what
// is counted of an agent is what is there.
func TestShareCounts(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, 300)
	agent := signing.NewID()
	k := key{signing.NewID(), agent}
	put(t, s, k, 0)
	again := opened(t, dir, 300)
	if a, b := s.share(agent), again.share(agent); a.answers != 1 || a.bytes != s.bytes || b.answers != 1 || b.bytes != a.bytes {
		t.Errorf("%+v, read back %+v, of %d bytes", a, b, s.bytes)
	}
	var err error
	large := string(make([]byte, 300))
	for range maxAnswers {
		if _, err = s.put(chunkOf(key{signing.NewID(), agent}, 0, true, large)); err == nil || errors.Is(err, errFlood) {
			t.Fatal(err)
		}
	}
	if _, err = s.put(chunkOf(key{signing.NewID(), agent}, 0, true, large)); !errors.Is(err, errFlood) {
		t.Errorf("one more: %v", err)
	}
	s.left(agent)
	if len(s.share(agent).refused) != 0 {
		t.Error("what was refused of an agent that left is remembered")
	}
	if _, err := s.stored(message.Stored{Agent: agent, Ack: message.Ack{Plan: k.plan, Gone: true}}); err != nil {
		t.Fatal(err)
	}
	if len(s.shares) != 0 || len(s.all) != 0 || s.bytes != 0 {
		t.Errorf("of nothing %d shares are left, %d answers, %d bytes", len(s.shares), len(s.all), s.bytes)
	}
}

// An answer of which all is with the centre is held no more. What the agent had
// sent behind a chunk that was refused is no beginning of it.
func TestRefusedThenStored(t *testing.T) {
	s := opened(t, t.TempDir(), 120)
	k := key{signing.NewID(), signing.NewID()}
	put(t, s, k, 0)
	if next, err := s.put(chunkOf(k, 1, false, string(make([]byte, 100)))); err == nil || next != 1 {
		t.Fatalf("%d, %v", next, err)
	}
	if _, err := s.stored(message.Stored{Agent: k.agent, Ack: message.Ack{Plan: k.plan, Next: 1}}); err != nil {
		t.Fatal(err)
	}
	if next := put(t, s, k, 2); next != 1 {
		t.Errorf("up to %d is acknowledged, and chunk 1 was refused", next)
	}
	if next := put(t, s, k, 1); next != 2 {
		t.Error(next)
	}
}
