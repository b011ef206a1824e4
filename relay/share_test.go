package relay

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A share is written less often the larger it is, and soon where its plan is
// over; a relay that ends writes all.
func TestShareIsWrittenInTime(t *testing.T) {
	for name, x := range map[string]struct {
		agents  int
		expired bool
		want    time.Duration // until it is written again
	}{
		"none":                {0, false, 0},
		"a thousand":          {1000, false, 200 * time.Millisecond},
		"ten thousand":        {10_000, false, 2 * time.Second},
		"more":                {100_000, false, 2 * time.Second},
		"of one that is over": {100_000, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				p := &investigation{
					payload: &signing.PlanPayload{Expires: begun.Add(time.Hour)}, told: begun, dirty: true,
					share: planShare{Reached: make([]message.ID, x.agents)},
				}
				if x.expired {
					p.payload.Expires = begun
				}
				r := &Relay{now: time.Now, plans: map[message.ID]*investigation{p.id: p}}
				if len(r.dirty(true)) != 1 {
					t.Error("it would be lost")
				}
				for len(r.dirty(false)) == 0 {
					time.Sleep(10 * time.Millisecond)
				}
				if took := time.Since(begun); took != x.want {
					t.Errorf("it is written after %s, want %s", took, x.want)
				}
				if p.dirty = false; len(r.dirty(true)) != 0 {
					t.Error("it is written though nothing changed")
				}
			})
		})
	}
}

// What a relay wrote of its own share it does not read again; what it wrote in an
// earlier life it does, and what others wrote.
func TestOwnShareIsPassedOver(t *testing.T) {
	p := &investigation{id: message.ID{1}, agents: map[message.ID]*delivery{}, payload: &signing.PlanPayload{Expires: time.Now().Add(time.Hour)}, watchers: map[*watcher]struct{}{}}
	r := &Relay{
		me: "a", now: time.Now, log: slog.New(slog.DiscardHandler), plans: map[message.ID]*investigation{p.id: p},
		live: map[message.ID]*investigation{}, agents: map[message.ID]*agent{},
	}
	took := func(relay string, id byte) bool {
		t.Helper()
		text := []byte(`{"targeted":[],"reached":["` + message.ID{id}.String() + `"],"bytes":7}`)
		if err := r.takePlan(context.Background(), p.id.String()+"."+relay, spineMessage{data: text}); err != nil {
			t.Fatal(err)
		}
		return p.agents[message.ID{id}] != nil
	}
	if !took("b", 2) || !took("a", 3) {
		t.Error("what is there is not taken")
	}
	if took("a", 4) || !took("b", 5) {
		t.Error("its own share is read again")
	}
	if len(p.share.Reached) != 1 || p.bytes() != 14 {
		t.Errorf("%+v, %d bytes", p.share, p.bytes())
	}
}
