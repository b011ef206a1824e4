package client

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// lanesOf is the answers to one plan, with lanes that nobody works.
func lanesOf(t *testing.T, n int) *following {
	f := newFollowing(nil, FollowOptions{})
	f.ctx, f.cancel = context.WithCancel(t.Context())
	f.reading, f.stop = f.ctx, f.cancel
	t.Cleanup(f.cancel)
	f.plans = []*followed{{payload: &signing.PlanPayload{}, compiled: &plan.Plan{}}}
	for range n {
		f.lanes = append(f.lanes, newLane(f, 1))
	}
	return f
}

// TestFramesWaitOutside: while lanes are busy, no more than a bound of frames is
// taken from the relay, however many there are and however large.
func TestFramesWaitOutside(t *testing.T) {
	for _, size := range []int{64, 4 << 10, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			f := lanesOf(t, 2)
			bytes, ended := 0, make(chan struct{})
			go func() {
				defer close(ended)
				for i := 0; ; i++ {
					body := make([]byte, size)
					body[0], body[7] = byte(i), byte(i>>8)
					if f.hand(f.plans[0], message.TypeChunk, body) != nil {
						return
					}
					bytes += size
				}
			}()
			synctest.Wait() // for the reader to wait
			if taken := bytes; taken > ahead || taken > 2*laneJobs*size || taken == 0 {
				t.Errorf("%d bytes of frames of %d were taken, and nobody opened one", taken, size)
			}
			f.cancel()
			<-ended
		})
	}
}

// TestBatchesAreSmall: of a chunk that is as large as it may be, with rows as
// small as they can be, no more than a bound is decoded before it is taken.
func TestBatchesAreSmall(t *testing.T) {
	f := lanesOf(t, 1)
	f.session = &Session{}
	most, rows, bytes := 0, 0, 0
	f.take = func(a quaestor.Answer) (int, error) {
		held := 0
		for _, r := range a.Rows {
			held += rowOverhead * (1 + len(r.Values))
		}
		most, bytes, rows = max(most, len(a.Rows)), max(bytes, held), rows+len(a.Rows)
		return len(a.Rows), nil
	}
	close(f.ready)
	var plain []byte
	wide := make([]value.Value, 3000)
	n := 0
	for ; len(plain) < 1<<20-4096; n++ {
		if n%100 == 0 {
			plain = answer.AppendRow(plain, 0, wide)
		} else {
			plain = answer.AppendRow(plain, 0, nil)
		}
	}
	a := &answering{host: "a"}
	if err := f.lanes[0].give(job{plan: f.plans[0]}, a, plain, false); err != nil {
		t.Fatal(err)
	}
	if most > batchRows || bytes > batchBytes+rowOverhead*3001 || rows != n || a.rows != int64(n) {
		t.Errorf("%d rows of %d came, up to %d together, %d bytes", rows, n, most, bytes)
	}
}

// Who takes the rows before what is malformed may want no more, or fail: that
// is not lost over the agent's fault.
func TestNoMoreBeforeMalformed(t *testing.T) {
	f := lanesOf(t, 1)
	enough := errors.New("no more")
	f.take = func(a quaestor.Answer) (int, error) { return len(a.Rows), enough }
	close(f.ready)
	a := &answering{}
	err := f.lanes[0].give(job{plan: f.plans[0]}, a, append(answer.AppendRow(nil, 0, nil), 9), true)
	if !errors.Is(err, enough) || !errors.Is(a.fault, answer.ErrMalformed) || a.rows != 1 || !f.cut {
		t.Errorf("%v; the agent's fault is %v; %d rows, cut %v", err, a.fault, a.rows, f.cut)
	}
}

// TestAgentsAreCheap: what is remembered of an agent that has answered, for
// coverage, is a few hundred bytes.
func TestAgentsAreCheap(t *testing.T) {
	const agents, most = 20_000, 300 // bytes each
	f := lanesOf(t, 2)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	tok := &token{uses: agents}
	for i := range agents {
		l := f.lanes[i%2]
		id := message.ID{byte(i), byte(i >> 8), byte(i >> 16)}
		a := &answering{host: fmt.Sprintf("host-%06d.example.org", i), token: tok, online: true, reached: true, since: f.clock.now()}
		l.parts[0].agents[id] = a
		_ = l.account(f.plans[0], a, &answer.Summary{Outcome: answer.Complete, Matched: 1, Looked: map[string]int64{"files": 3, "bytes": 4096}})
		a.final = true
	}
	if each := (heap() - before) / agents; each > most {
		t.Errorf("an agent takes %d bytes, more than %d", each, most)
	}
	if looked, _ := f.Progress(); looked["files"] != 3*agents {
		t.Errorf("looked at %v", looked)
	}
	if n := f.Tally(); n.Count(quaestor.Matched) != agents {
		t.Errorf("%v", n)
	}
}

// Of agents that a relay invents a bound is named, each with a line of why, and
// the others are counted.
func TestStrangersAreBounded(t *testing.T) {
	f := lanesOf(t, 1)
	f.session = &Session{}
	long := errors.New(strings.Repeat("x", 64<<10))
	for i := range maxStrangers + 5 {
		f.lanes[0].stranger(job{plan: f.plans[0], agent: message.ID{byte(i), byte(i >> 8)}}, long)
	}
	size := 0
	doubts := f.doubtsLocked()
	for _, d := range doubts {
		size += len(d)
	}
	if len(doubts) != maxStrangers+1 || size > (maxStrangers+1)*(maxWhy+200) || !slices.ContainsFunc(doubts, func(d string) bool { return strings.HasSuffix(d, "that are none, 5 times") }) {
		t.Errorf("%d doubts of %d bytes, the last %.200q", len(doubts), size, doubts[len(doubts)-1])
	}
}

// What an agent says of why its answer is not complete fills no screen.
func TestReasonsAreBounded(t *testing.T) {
	f := lanesOf(t, 1)
	f.session = &Session{}
	a := &answering{token: &token{uses: 1}, final: true}
	f.lanes[0].parts[0].agents[message.ID{1}] = a
	for range 2 { // the second is a fault
		_ = f.lanes[0].account(f.plans[0], a, &answer.Summary{Outcome: answer.Failed, Reason: strings.Repeat("x", answer.MaxSummary/2)})
		if reason := f.Coverage().Agents[0].Reason; len(reason) < maxReason || len(reason) > maxReason+10 {
			t.Errorf("a reason of %d bytes", len(reason))
		}
		f.lanes[0].blame(a, errors.New(strings.Repeat("y", answer.MaxSummary/2)))
	}
}

// A round's account replaces the one before.
func TestAccountOfRounds(t *testing.T) {
	f := lanesOf(t, 1)
	p, a := f.plans[0], &answering{}
	p.every = time.Minute
	for i := range 3 {
		_ = f.lanes[0].account(p, a, &answer.Summary{Outcome: answer.Complete, Round: i + 1, Looked: map[string]int64{"files": int64(5 - i)}})
	}
	if looked, _ := f.Progress(); looked["files"] != 3 || a.more.round != 3 {
		t.Errorf("looked at %v in round %d", looked, a.more.round)
	}
}

// An agent whose next round is overdue is silent, also once the answers have
// ended; and so is one whose last round is old by its own word, or whose answer
// outlives the plan.
func TestOverdueRounds(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		every   time.Duration
		heard   time.Duration // ago
		at      time.Duration // ago
		expires time.Duration // from now
		state   quaestor.State
		reason  string
	}{
		"in time":               {time.Minute, 0, 0, time.Hour, quaestor.Matched, ""},
		"not heard of":          {time.Minute, 12 * time.Minute, 12 * time.Minute, time.Hour, quaestor.Silent, "overdue by 1m0s"},
		"heard of late":         {time.Minute, 0, time.Hour, time.Hour, quaestor.Silent, "overdue by 34m"},
		"the plan is over":      {24 * time.Hour, 0, 3 * time.Hour, -time.Hour, quaestor.Silent, "has not ended"},
		"the plan is just over": {24 * time.Hour, 0, 3 * time.Hour, -time.Minute, quaestor.Matched, ""},
	} {
		f := lanesOf(t, 1)
		f.session = &Session{policy: newCensus(t).policy(), opts: options{now: func() time.Time { return now }, home: &Home{}}}
		p := f.plans[0]
		p.every, p.longest, p.caughtUp = c.every, 10*time.Minute, true
		p.payload.Expires = now.Add(c.expires)
		a := &answering{token: &token{uses: 1}, rows: 1, reached: true, online: true}
		f.lanes[0].parts[0].agents[message.ID{1}] = a
		if err := f.lanes[0].account(p, a, &answer.Summary{Outcome: answer.Complete, Round: 3, At: now.Add(-c.at)}); err != nil {
			t.Fatal(err)
		}
		a.heard -= c.heard
		for range 2 {
			if got := f.Coverage().Agents[0]; got.State != c.state || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("%s, ended %v: %s, %s", name, f.ended, got.State, got.Reason)
			}
			if s := f.Summaries()[0]; (s.Outcome == answer.Complete) != (c.state == quaestor.Matched) {
				t.Errorf("%s, ended %v: %s", name, f.ended, s.Outcome)
			}
			f.finish()
		}
	}
}

// Places that could not be looked at are named up to a bound, and all counted.
func TestPlacesAreBounded(t *testing.T) {
	f := lanesOf(t, 1)
	f.session = &Session{}
	p, l := f.plans[0], f.lanes[0]
	l.places = maxPlaces - 10*placeOverhead
	for i := range 30 {
		a := &answering{host: fmt.Sprint(i), final: true, token: &token{uses: 30}}
		l.parts[0].agents[message.ID{byte(i)}] = a
		_ = l.account(p, a, &answer.Summary{Outcome: answer.Partial, Reason: answer.NotLookedAt, Skipped: []answer.Skipped{{Kind: modules.SkipPermission, Count: 2, First: []modules.Skip{{Kind: modules.SkipPermission}}}}})
	}
	sum, named := f.summary(p, false), 0
	for _, a := range l.parts[0].agents {
		named += len(a.more.skipped[0].First)
	}
	if len(sum.Skipped) != 1 || sum.Skipped[0].Count != 60 || named != 10 {
		t.Errorf("%+v, %d of them named", sum.Skipped, named)
	}
	told := 0
	for _, a := range f.Coverage().Agents {
		if strings.Contains(a.Reason, "not named") {
			told++
		}
	}
	if !slices.Equal(sum.Limits, []string{limitPlaces}) || told != 20 {
		t.Errorf("%d agents of 20 are told to have places without names, and the answer's limits are %q", told, sum.Limits)
	}
}

// TestPlacesAreTheSame: which places an account names does not depend on the
// order of agents in memory.
func TestPlacesAreTheSame(t *testing.T) {
	f := lanesOf(t, 2)
	f.session = &Session{}
	for i := range 100 {
		a, l := &answering{host: fmt.Sprintf("web-%02d", i)}, f.lanes[i%2]
		l.parts[0].agents[message.ID{byte(i)}] = a
		_ = l.account(f.plans[0], a, &answer.Summary{Outcome: answer.Partial, Skipped: []answer.Skipped{
			{Kind: modules.SkipIO, Count: 2, First: []modules.Skip{{Where: "/b"}, {Where: "/a"}}},
		}})
	}
	var got []string
	sum := f.summary(f.plans[0], false)
	for _, s := range sum.Skipped[0].First {
		got = append(got, s.Where)
	}
	want := strings.Fields("web-00:/a web-00:/b web-01:/a web-01:/b web-02:/a web-02:/b web-03:/a web-03:/b web-04:/a web-04:/b")
	if !slices.Equal(got, want) || sum.Skipped[0].Count != 200 {
		t.Errorf("%q of %d", got, sum.Skipped[0].Count)
	}
}

// Places of a round go with it, however many rounds there are and whatever
// others have left no room for.
func TestPlacesOfRounds(t *testing.T) {
	f := lanesOf(t, 1)
	p, l := f.plans[0], f.lanes[0]
	p.every = time.Minute
	where := strings.Repeat("x", maxPlaces/3)
	for round := range 20 {
		for i := range 2 {
			a := l.parts[0].agents[message.ID{byte(i)}]
			if a == nil {
				a = &answering{host: fmt.Sprint(i), token: &token{uses: 2}}
				l.parts[0].agents[message.ID{byte(i)}] = a
			}
			_ = l.account(p, a, &answer.Summary{Outcome: answer.Partial, Reason: answer.NotLookedAt, Round: round + 1, Skipped: []answer.Skipped{
				{Kind: modules.SkipPermission, Count: 1, First: []modules.Skip{{Where: where}}},
				{Kind: modules.SkipIO, Count: 1, First: []modules.Skip{{Where: where + where + where}}},
			}})
			if k := a.more.skipped; len(k[0].First) != 1 || len(k[1].First) != 0 || !a.more.unnamed {
				t.Fatalf("round %d of agent %d: %d and %d places are named", round+1, i, len(k[0].First), len(k[1].First))
			}
		}
	}
	for _, a := range l.parts[0].agents {
		_ = l.account(p, a, &answer.Summary{Outcome: answer.Complete, Round: 21})
	}
	if l.places != 0 {
		t.Errorf("%d bytes of places are held of rounds without any", l.places)
	}
}

// TestOneAccount: of an agent that answers once, one account counts, and what is
// none is the agent's fault.
func TestOneAccount(t *testing.T) {
	kinds := func(from, n int) map[string]int64 {
		looked := map[string]int64{}
		for i := range n {
			looked[fmt.Sprint("kind ", from+i)] = 1
		}
		return looked
	}
	good := answer.Summary{Outcome: answer.Complete, Looked: map[string]int64{"files": 7}}
	for name, c := range map[string]struct {
		every    time.Duration
		accounts []answer.Summary
		fault    string
		files    int64
	}{
		"one":           {0, []answer.Summary{good}, "", 7},
		"two":           {0, []answer.Summary{good, good}, "a second account", 7},
		"of two rounds": {time.Minute, []answer.Summary{{Outcome: answer.Complete, Round: 1, Looked: good.Looked}, {Outcome: answer.Complete, Round: 2, Looked: good.Looked}}, "", 7},
		"many kinds":    {0, []answer.Summary{{Outcome: answer.Complete, Looked: kinds(0, maxKinds+1)}}, "257 kinds", 0},
		"many skips":    {0, []answer.Summary{{Outcome: answer.Partial, Skipped: make([]answer.Skipped, maxKinds+1)}}, "257 kinds", 0},
		"a long kind":   {0, []answer.Summary{{Outcome: answer.Complete, Looked: map[string]int64{strings.Repeat("x", 500): 1}}}, "500 bytes", 0},
	} {
		f := lanesOf(t, 1)
		p, a := f.plans[0], &answering{}
		p.every = c.every
		for _, s := range c.accounts {
			if err := f.lanes[0].give(job{plan: p}, a, answer.AppendSummary(nil, s), false); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		looked, _ := f.Progress()
		if (a.fault != nil) != (c.fault != "") || a.fault != nil && !strings.Contains(a.fault.Error(), c.fault) || looked["files"] != c.files {
			t.Errorf("%s: %v; looked at %d files", name, a.fault, looked["files"])
		}
	}
	f := lanesOf(t, 1)
	for i := range 20 {
		_ = f.lanes[0].account(f.plans[0], &answering{}, &answer.Summary{Outcome: answer.Complete, Looked: kinds(100*i, 100)})
	}
	total, looked := int64(0), f.lanes[0].parts[0].looked
	for _, n := range looked {
		total += n
	}
	if len(looked) > maxKinds+1 || total != 2000 {
		t.Errorf("%d kinds are told apart, %d counted", len(looked), total)
	}
}

// FuzzFrames: a lane takes whatever a relay says of an agent's state, or passes on
// for its answer, for what it is or for no frame of ours.
func FuzzFrames(f *testing.F) {
	id := message.ID{1, 2}
	f.Add(byte(message.TypeState), (&message.State{Agent: id, Reached: true}).Append(nil))
	f.Add(byte(message.TypeChunk), make([]byte, 40))
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		who, err := agentOf(body)
		if err != nil {
			return
		}
		l := lanesOf(t, 1).lanes[0]
		j := job{plan: l.f.plans[0], agent: who, body: body}
		for range 2 { // the second time it may have been named
			if err = l.note(j); kind == message.TypeChunk {
				err = l.open(j)
			}
			if err != nil && !errors.Is(err, errOurs) {
				t.Fatal(err)
			}
			l.parts[0].agents[who] = &answering{}
		}
	})
}
