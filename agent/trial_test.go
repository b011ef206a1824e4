package agent

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/agent/upgrade"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// An agent that looks for its relay now and then, and finds none, has not died:
// the release that runs is not rolled back for it.
func TestOnceWithoutRelay(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	f.relay.close()
	folder := filepath.Join(dir, "upgrade")
	p := &upgrade.Program{Release: "1.2.3", Size: 1}
	state := message.Marshal(upgrade.State{Format: 1, Active: p, Highest: "1.2.3", Starts: 4})
	if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "state.json"), state, 0o600)); err != nil {
		t.Fatal(err)
	}
	a := f.open(dir, numbers{})
	if err := a.Once(t.Context()); err == nil {
		t.Error("it met a relay")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := upgrade.Open(dir, time.Now)
	if err != nil || s.State().Starts != 0 {
		t.Errorf("%d starts count against it, %v", s.State().Starts, err)
	}
}

// A program that is tried does no rounds of a plan that stands: it may be killed
// at any time, and the one before it would not know what it had told.
func TestTrialDoesNoRounds(t *testing.T) {
	f := newStandingFleet(t, "1s")
	dir, q := f.firstLife()
	f.relay.set(func() { f.relay.plans, f.relay.hears = nil, translog.SumOf })
	had := f.chunks(q.payload.ID)
	o := f.options(dir, numbers{rows: 5})
	well := make(chan struct{})
	o.Well = func() { close(well) }
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	stop := f.run(a)
	<-well // what the relay has of the answer was heard before
	a.mu.Lock()
	running := len(a.running)
	a.mu.Unlock()
	if stop(); running != 0 || f.chunks(q.payload.ID) != had {
		t.Errorf("%d plans run, and %d chunks came", running, f.chunks(q.payload.ID)-had)
	}
	b := f.open(dir, numbers{rows: 5})
	f.run(b)
	eventually(t, "who goes on does one", func() bool { return f.chunks(q.payload.ID) > had })
	f.cancel(q)
	if got := q.open(t, b, f.relay.answerOf(q.payload.ID)); len(got.rows) != 5 {
		t.Errorf("%d rows, %+v", len(got.rows), got.sum)
	}
}
