package main

import (
	"bytes"
	"flag"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/bench/internal/measured"
)

var update = flag.Bool("update", false, "write the goldens")

// queue runs a queue of one kind of arrival and service on some cores, and
// gives how long tasks waited on average.
func queue(cores, tasks int, between, service func(*sim) time.Duration) (wait time.Duration, share float64) {
	s := newSim(7)
	p := s.machine("m", cores).process("p")
	n := 0
	var arrive func()
	arrive = func() {
		p.work(service(s), nil)
		if n++; n < tasks {
			s.after(between(s), arrive)
		}
	}
	s.after(0, arrive)
	s.run()
	return p.waited / time.Duration(p.tasks), float64(p.busy) / float64(s.now) / float64(cores)
}

func exponential(mean time.Duration) func(*sim) time.Duration {
	return func(s *sim) time.Duration { return time.Duration(float64(mean) * s.rand.ExpFloat64()) }
}

func constant(d time.Duration) func(*sim) time.Duration { return func(*sim) time.Duration { return d } }

// TestQueues: what queueing theory says of waiting, the simulation says, too.
func TestQueues(t *testing.T) {
	const unit, tasks = time.Millisecond, 400_000
	for _, rho := range []float64{0.3, 0.5, 0.8} {
		between := exponential(time.Duration(float64(unit) / rho))
		for _, c := range []struct {
			name    string
			cores   int
			service func(*sim) time.Duration
			want    float64 // mean wait, in units
			between func(*sim) time.Duration
		}{
			{"M/M/1", 1, exponential(unit), rho / (1 - rho), between},
			{"M/D/1", 1, constant(unit), rho / (2 * (1 - rho)), between},
			{"M/M/2", 2, exponential(unit), rho * rho / (1 - rho*rho), exponential(time.Duration(float64(unit) / rho / 2))},
			{"D/D/1", 1, constant(unit), 0, constant(time.Duration(float64(unit) / rho))},
		} {
			wait, share := queue(c.cores, tasks, c.between, c.service)
			got := float64(wait) / float64(unit)
			if math.Abs(got-c.want) > 0.05*c.want+0.001 || math.Abs(share-rho) > 0.02 {
				t.Errorf("%s at %.1f: a task waits %.3f, where theory says %.3f; busy %.2f", c.name, rho, got, c.want, share)
			}
		}
	}
}

// TestWorkIsConserved: whatever comes, everything is done once, no core works
// at two things, and none rests while something waits.
func TestWorkIsConserved(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSim(rapid.Uint64().Draw(rt, "seed"))
		cores := rapid.IntRange(1, 4).Draw(rt, "cores")
		m := s.machine("m", cores)
		var procs []*process
		for range rapid.IntRange(1, 4).Draw(rt, "processes") {
			procs = append(procs, m.process("p"))
		}
		var sum, most, lastCame time.Duration
		done, tasks := 0, rapid.IntRange(1, 60).Draw(rt, "tasks")
		for range tasks {
			p := procs[rapid.IntRange(0, len(procs)-1).Draw(rt, "process")]
			size := time.Duration(rapid.IntRange(0, 100).Draw(rt, "size"))
			came := time.Duration(rapid.IntRange(0, 1000).Draw(rt, "came"))
			sum, most, lastCame = sum+size, max(most, size), max(lastCame, came)
			s.after(came, func() { p.work(size, func() { done++ }) })
		}
		s.run()
		var busy time.Duration
		for _, p := range procs {
			busy += p.busy
			if len(p.queue) > 0 {
				rt.Fatal("something waits for ever")
			}
		}
		// Work that is never left alone ends in time (Graham's bound).
		if limit := lastCame + sum/time.Duration(cores) + most; done != tasks || busy != sum || m.free != cores || m.last > limit || time.Duration(cores)*m.last < sum {
			rt.Fatalf("%d of %d done, busy %v of %v, last at %v, at most %v", done, tasks, busy, sum, m.last, limit)
		}
	})
}

// Two processes that always have work get as much of a core.
func TestCoresAreShared(t *testing.T) {
	s := newSim(1)
	m := s.machine("m", 1)
	small, large := m.process("small"), m.process("large")
	var ends [2]time.Duration
	for range 1000 {
		small.work(time.Millisecond, func() { ends[0] = s.now })
	}
	for range 100 {
		large.work(10*time.Millisecond, func() { ends[1] = s.now })
	}
	s.run()
	if d := ends[0] - ends[1]; d.Abs() > 20*time.Millisecond || m.last != 2*time.Second {
		t.Errorf("the same work ended at %v and %v", ends[0], ends[1])
	}
}

func TestLine(t *testing.T) {
	s := newSim(1)
	l := s.line("l", 8e6) // a megabyte a second
	var came []time.Duration
	for range 3 {
		l.send(1e6, 10*time.Millisecond, func() { came = append(came, s.now) })
	}
	s.run()
	if want := []time.Duration{1010 * time.Millisecond, 2010 * time.Millisecond, 3010 * time.Millisecond}; !slices.Equal(came, want) || l.bytes != 3e6 {
		t.Errorf("%v, and not %v", came, want)
	}
}

// A disk syncs together what came while it did.
func TestDisk(t *testing.T) {
	s := newSim(1)
	d := s.disk("d", 10*time.Millisecond)
	stored := 0
	for i := range 100 {
		s.after(time.Duration(i)*time.Millisecond, func() { d.store(func() { stored++ }) })
	}
	s.run()
	if stored != 100 || d.syncs < 10 || d.syncs > 12 {
		t.Errorf("%d stored by %d syncs", stored, d.syncs)
	}
}

// sample is runs whose costs are known: 0.4, 1.2 and 0.3 ms an agent, 20 ms once.
func sample(sizes ...int) (runs []measured.Round) {
	for _, n := range sizes {
		f := float64(n)
		runs = append(runs, measured.Round{Agents: n, Cores: 2, Relay: 20 + 0.4*f, Agent: 1.2 * f, Client: 0.3 * f, All: 20 + 0.95*f, Connection: 60, Own: 40})
	}
	return runs
}

func TestFit(t *testing.T) {
	c, err := fit(sample(500, 1000, 2000))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []struct{ got, want linear }{
		{c.Relay, linear{20 * time.Millisecond, 400 * time.Microsecond}}, {c.Agent, linear{0, 1200 * time.Microsecond}}, {c.Client, linear{0, 300 * time.Microsecond}},
	} {
		if (l.got.Once-l.want.Once).Abs() > time.Microsecond || (l.got.Each-l.want.Each).Abs() > time.Microsecond {
			t.Errorf("%+v, not %+v", l.got, l.want)
		}
	}
	if _, err := fit(nil); err == nil {
		t.Error("costs of nothing")
	}
	if one := through(sample(1000), func(r measured.Round) float64 { return r.Client }); one.Each != 300*time.Microsecond {
		t.Errorf("one size: %+v", one)
	}
}

// TestRounds: every agent answers, in time, the same for the same seed; a
// machine with more to do is not faster, and one with more cores not slower.
func TestRounds(t *testing.T) {
	c, err := fit(sample(500, 1000, 2000))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 500).Draw(rt, "agents")
		w := tiers("t", n, rapid.IntRange(1, 5).Draw(rt, "relays"), rapid.IntRange(1, 4).Draw(rt, "cores"), rapid.IntRange(1, 4).Draw(rt, "client"))
		if rapid.Bool().Draw(rt, "box") {
			w = box(n, w.Cores)
		}
		seed := rapid.Uint64().Draw(rt, "seed")
		o, again := play(w, c, seed), play(w, c, seed)
		if o.First > o.Half || o.Half > o.All || o.All != again.All || o.First != again.First {
			rt.Fatalf("%v %v %v, and %v", o.First, o.Half, o.All, again.All)
		}
		for _, p := range o.parts {
			if p.share > 1.0001 {
				rt.Fatalf("%s", p)
			}
		}
		if w.Box {
			work := c.Client.of(n) + c.Agent.Each*time.Duration(n) + c.Relay.of(n)
			if o.All < work/time.Duration(w.Cores) || o.All > work+time.Second {
				rt.Fatalf("%v of work by %d cores took %v", work, w.Cores, o.All)
			}
		}
	})
}

// TestReport: what is printed of runs that are made up.
func TestReport(t *testing.T) {
	var out bytes.Buffer
	list := []world{tiers("one relay", 1000, 1, 4, 4), tiers("five relays", 20_000, 5, 4, 8)}
	if err := report(&out, "testdata/runs.json", list, 1); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/report.md"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if err := report(&out, "testdata/none.json", list, 1); err == nil {
		t.Error("a report of no runs")
	}
}
