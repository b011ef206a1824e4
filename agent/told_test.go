package agent

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// What a relay has still is not told again over the next connection, and what it
// has not is.
func TestFactsAreToldOnce(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{})
	f.run(a)
	told := func(n int) func() bool {
		return func() bool {
			s := a.current()
			done := false
			f.relay.set(func() { done = len(f.relay.facts) == n })
			return done && s != nil && s.told()
		}
	}
	eventually(t, "facts came", told(1))
	for _, keeps := range []bool{true, true, false} {
		want := 1
		if !keeps {
			want = 2
		}
		var hellos int
		f.relay.set(func() { f.relay.keepsFacts, hellos = keeps, len(f.relay.hellos) })
		f.relay.dropAll()
		eventually(t, "it is back", func() bool {
			again := false
			f.relay.set(func() { again = len(f.relay.hellos) > hellos })
			return again
		})
		eventually(t, "the relay knows", told(want))
	}
	var last message.Hello
	var facts [][]byte
	f.relay.set(func() { last, facts = f.relay.hellos[len(f.relay.hellos)-1], f.relay.facts })
	if last.Facts != translog.SumOf(facts[0]) || len(facts) != 2 {
		t.Error("it says that it told other facts")
	}
}

func TestStill(t *testing.T) {
	now := time.Now()
	facts := func(free, uptime int64, os string) plan.Facts {
		return plan.Facts{"memory_free": value.NewSize(free), "uptime": value.NewDuration(time.Duration(uptime)), "os": value.NewText(os)}
	}
	for name, c := range map[string]struct {
		age  time.Duration
		f    plan.Facts
		want bool
	}{
		"nothing changed":              {time.Minute, facts(1, 1, "linux"), true},
		"nothing changed for an hour":  {time.Hour, facts(1, 2, "linux"), true},
		"nothing changed for a day":    {24 * time.Hour, facts(1, 2, "linux"), false},
		"memory":                       {time.Minute, facts(2, 2, "linux"), true},
		"memory, a while ago":          {factsEvery, facts(2, 2, "linux"), false},
		"what does not change by self": {time.Second, facts(1, 1, "windows"), false},
	} {
		told := told{facts: facts(1, 1, "linux"), at: now.Add(-c.age)}
		if got := told.still(c.f, now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (&told{}).still(plan.Facts{}, now) {
		t.Error("nothing was told")
	}
}

func TestPause(t *testing.T) {
	lost := errors.New("the connection broke")
	told := func(d time.Duration) error { return fmt.Errorf("agent: %w", &message.Failure{Wait: d}) }
	for name, c := range map[string]struct {
		err   error
		since time.Duration
		most  time.Duration
	}{
		"just lost":              {lost, time.Second, soonAgain},
		"lost a minute ago":      {lost, time.Minute, soonAgain},
		"lost an hour ago":       {lost, time.Hour, 5 * time.Minute},
		"told 20 s":              {told(20 * time.Second), 0, 20 * time.Second},
		"told 20 s, long ago":    {told(20 * time.Second), time.Hour, 20 * time.Second},
		"told to stay for years": {told(1 << 62), 0, mostWait},
		"told less than nothing": {told(-1), 0, soonAgain},
		"told to come again":     {fmt.Errorf("dial: %w", &transport.BusyError{Wait: 12 * time.Second}), 0, 12 * time.Second},
	} {
		a := &Agent{}
		longest := time.Duration(0)
		for range 300 {
			d := a.pause(c.err, c.since)
			if d < 0 || d > c.most {
				t.Fatalf("%s: %v", name, d)
			}
			longest = max(longest, d)
		}
		if longest < c.most/2 {
			t.Errorf("%s: never longer than %v of %v", name, longest, c.most)
		}
	}
}
