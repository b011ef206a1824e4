package client

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Of two programs that take a policy at the same time, each going on from the
// one that was there, the later policy stays, whoever is slower; and so it does
// in a session.
func TestTheLaterPolicyStays(t *testing.T) {
	c := newCensus(t)
	envelope := func(version int) (*signing.Policy, []byte) {
		p := c.policy("version = 1", fmt.Sprintf("version = %d", version))
		e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: p.Text()}
		if err := e.Sign(t.Context(), c.key); err != nil {
			t.Fatal(err)
		}
		return p, e.Encode()
	}
	home, err := OpenHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{}
	for _, x := range []struct{ taken, stays int }{{1, 1}, {3, 3}, {2, 3}, {3, 3}, {4, 4}} {
		p, text := envelope(x.taken)
		next, err := home.keepPolicy(p, text)
		if err != nil || next.Version() != int64(x.stays) {
			t.Errorf("version %d is taken: %d stays, %v", x.taken, next.Version(), err)
		}
		if there, err := home.Policy(); err != nil || there.Version() != int64(x.stays) {
			t.Errorf("version %d is taken: %d is there, %v", x.taken, there.Version(), err)
		}
		if s.obey(p); s.Policy().Version() != int64(x.stays) {
			t.Errorf("version %d is taken: a session obeys %d", x.taken, s.Policy().Version())
		}
	}
}

// Programs that use a home write down whom they saw at the same moment: each of
// them is there in the end.
func TestRosterOfMany(t *testing.T) {
	home, err := OpenHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const programs, agents = 4, 20
	var work sync.WaitGroup
	for n := range programs {
		other, err := OpenHome(home.Dir)
		if err != nil {
			t.Fatal(err)
		}
		work.Go(func() {
			for i := range agents {
				other.mu.Lock()
				other.roster[message.ID{byte(n), byte(i)}] = known{Seen: time.Unix(1, 0)}
				other.changed = true
				other.mu.Unlock()
				if err := other.saveRoster(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	if roster, err := home.readRoster(); err != nil || len(roster) != programs*agents {
		t.Errorf("%d agents, %v", len(roster), err)
	}
}
