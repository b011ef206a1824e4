package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

func TestBounds(t *testing.T) {
	grown := func() *fake { return newFake("a", "x", "y").with(ints2(2000)...) }
	for _, c := range []struct {
		name  string
		limit string
		most  int // rows; -1: any number
		edit  func(*plan.Plan)
	}{
		{"rows", "rows", 3, func(p *plan.Plan) { p.Limits.Rows = 3 }},
		{"rows of an order", "rows", 3, func(p *plan.Plan) {
			p.Limits.Rows, p.Tables[0].Order = 3, []plan.OrderKey{{Expr: col(0, 0)}}
		}},
		{"rows of all tables", "rows", 2500, func(p *plan.Plan) {
			p.Limits.Rows = 2500
			more := *p.Tables[0]
			more.Or = true
			p.Tables = append(p.Tables, &more)
		}},
		{"memory of an order", "memory", 1999, func(p *plan.Plan) {
			p.Limits.Memory, p.Tables[0].Order = 100_000, []plan.OrderKey{{Expr: col(0, 0)}}
		}},
		{"memory of distinct", "memory", 1999, func(p *plan.Plan) { p.Limits.Memory, p.Tables[0].Distinct = 100_000, true }},
		{"memory of groups", "memory", 1999, func(p *plan.Plan) {
			p.Limits.Memory, p.Tables[0].Group = 100_000, &plan.Group{Keys: []plan.Expr{col(0, 0)}}
			p.Tables[0].Outputs = returns(out(0))
		}},
		{"memory of a distinct count", "memory", 1, func(p *plan.Plan) {
			p.Limits.Memory, p.Tables[0].Group = 100_000, &plan.Group{Aggs: []plan.Agg{{Func: plan.AggCount, Arg: col(0, 0), Distinct: true}}}
			p.Tables[0].Outputs = returns(out(0))
		}},
		{"memory of a join", "memory", 1999, func(p *plan.Plan) {
			p.Limits.Memory = 100_000
			s := *p.Tables[0].Slots[0]
			s.JoinHere, s.JoinThere = []plan.Expr{col(1, 0)}, []plan.Expr{col(0, 0)}
			p.Tables[0].Slots = append(p.Tables[0].Slots, &s)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := grown()
			p := query(find(f))
			c.edit(p)
			rows, r := ask(t, newEngine(t, f), p)
			if len(rows) == 0 || len(rows) > c.most {
				t.Errorf("%d rows", len(rows))
			}
			s := r.Summary(0)
			if s.Outcome != answer.Partial || !slices.Equal(s.Limits, []string{c.limit}) || !strings.Contains(s.Reason, c.limit) {
				t.Errorf("summary %+v", s)
			}
		})
	}
}

func ints2(n int) (rows [][]any) {
	for i := range n {
		rows = append(rows, []any{i, fmt.Sprint("row ", i)})
	}
	return rows
}

// TestMemoryOfHeldRows: rows wait for another table that comes late.
func TestMemoryOfHeldRows(t *testing.T) {
	f, late := newFake("a", "x", "y").with(ints2(2000)...), newFake("b", "x").with(ints(1)...)
	p := query(find(f), find(late))
	p.Limits.Memory = 100_000
	rows, r := ask(t, newEngine(t, f, late), p)
	if s := r.Summary(0); len(rows) < 10 || len(rows) >= 2000 || s.Outcome != answer.Partial || !slices.Equal(s.Limits, []string{"memory"}) {
		t.Errorf("%d rows, %+v", len(rows), s)
	}
}

// TestSubqueryPastMemory: what is not in a part of a set may be in the set.
func TestSubqueryPastMemory(t *testing.T) {
	f := newFake("a", "x", "y").with(ints2(2000)...)
	tab := find(f)
	tab.Where = not(&plan.InSub{Xs: []plan.Expr{col(0, 0)}})
	p := query(tab)
	p.Subs, p.Limits.Memory = []*plan.Table{find(f)}, 100_000
	p.Subs[0].Outputs = returns(col(0, 0))
	r := start(t, newEngine(t, f), p)
	rows, err := read(r)
	if s := r.Summary(0); len(rows) != 0 || err == nil || s.Outcome != answer.Failed || !strings.Contains(s.Reason, "memory") {
		t.Errorf("%d rows, %v, %+v", len(rows), err, s)
	}
}

func TestBytes(t *testing.T) {
	f := newFake("bytes", "x").with(ints(4)...) // each row counts as a byte
	f.endless = true
	p := query(find(f))
	p.Limits.Bytes = 100
	_, r := ask(t, newEngine(t, f), p)
	if s := r.Summary(0); s.Outcome != answer.Partial || !slices.Equal(s.Limits, []string{"bytes"}) || s.Looked["bytes"] > 200 {
		t.Errorf("%+v", s)
	}
}

func TestTimeoutKeepsWhatWasFound(t *testing.T) {
	for _, shape := range []string{"rows", "order", "groups", "shared"} {
		t.Run(shape, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake("a", "x").with(ints(50)...)
				f.visit = func(int) { time.Sleep(time.Second) }
				tab := find(f)
				switch shape {
				case "order":
					tab.Order = []plan.OrderKey{{Expr: col(0, 0)}}
				case "groups":
					tab.Group, tab.Outputs = &plan.Group{Keys: []plan.Expr{col(0, 0)}}, returns(out(0))
				}
				p, slow := query(tab), query(find(f))
				p.Limits.Timeout, p.Limits.Workers = 3500*time.Millisecond, 1
				plans := []*plan.Plan{p}
				if shape == "shared" {
					slow.Limits.Timeout, slow.Limits.Workers = 5500*time.Millisecond, 1
					plans = append(plans, slow)
				}
				begin := time.Now()
				r := start(t, newEngine(t, sharer{f}), plans...)
				rows, err := read(r)
				took := time.Since(begin)
				if s := r.Summary(0); err != nil || len(rows) < 2 || s.Outcome != answer.Partial || !slices.Equal(s.Limits, []string{"timeout"}) {
					t.Errorf("%d rows, %v, %+v", len(rows), err, s)
				}
				if most := 6600 * time.Millisecond; took > most || len(plans) == 1 && took > 4600*time.Millisecond {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func TestCancel(t *testing.T) {
	for _, reads := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake("a", "x").with(ints(4)...)
			f.endless = true
			f.visit = func(int) { time.Sleep(time.Millisecond) }
			ctx, cancel := context.WithCancelCause(t.Context())
			cause := errors.New("enough of this")
			time.AfterFunc(10*time.Second, func() { cancel(cause) })
			p := query(find(f))
			if err := p.Prepare(); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			r := newEngine(t, f).Start(ctx, p)
			var last error
			for _, err := range r.Rows() {
				if last = err; !reads {
					// A reader who is stuck does not keep the scan going.
					time.Sleep(11 * time.Second)
				}
			}
			if !errors.Is(last, cause) {
				t.Errorf("ended with %v", last)
			}
			if s := r.Summary(0); s.Outcome != answer.Partial || !strings.Contains(s.Reason, "cancelled") {
				t.Errorf("%+v", s)
			}
			if took := time.Since(begin); reads && took > 11*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestBreakStopsTheScan(t *testing.T) {
	f := newFake("a", "x").with(ints(4)...)
	f.endless = true
	r := start(t, newEngine(t, f), query(find(f)))
	for range r.Rows() {
		break
	}
	before := f.delivered.Load()
	if s := r.Summary(0); s.Outcome != answer.Partial || f.delivered.Load() != before {
		t.Errorf("%+v", s)
	}
}

// TestBreakIsNoFailure: rows that nobody takes any more are not the scan's
// fault, whichever goroutine hears of it first.
func TestBreakIsNoFailure(t *testing.T) {
	f, late := newFake("a", "x").with(ints(600)...), newFake("b", "x").with(ints(1)...)
	f.endless = true
	e := newEngine(t, sharer{f}, late)
	for i := range 300 {
		plain, waits := query(find(f)), query(find(late), find(f))
		r := start(t, e, plain, waits)
		for range r.Rows() {
			break
		}
		for k := range 2 {
			if s := r.Summary(k); s.Outcome != answer.Partial || !strings.HasPrefix(s.Reason, "cancelled before its end") {
				t.Fatalf("%d, plan %d: %s: %s", i, k, s.Outcome, s.Reason)
			}
		}
	}
}

// TestTimeoutInASharedPass: a plan that hangs in a column ends with its time,
// and the one beside it is answered.
func TestTimeoutInASharedPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a", "x", "y").with(ints2(50)...)
		f.hangs = "y"
		stuck, fine := find(f), find(f)
		stuck.Slots[0].Filter = cmp(plan.Ne, col(0, 1), lit("row 1"))
		fine.Outputs = returns(col(0, 0))
		p, q := query(stuck), query(fine)
		p.Limits.Timeout = 3 * time.Second
		begin := time.Now()
		r := start(t, newEngine(t, sharer{f}), p, q)
		rows, err := read(r)
		if a, b := r.Summary(0), r.Summary(1); a.Outcome != answer.Partial || a.Reason != "stopped by timeout" || b.Outcome != answer.Complete {
			t.Errorf("%+v and %+v", a, b)
		}
		if took := time.Since(begin); len(rows) != 50 || err != nil || took > 4*time.Second || f.shared.Load() != 1 {
			t.Errorf("%d rows after %s, %v, %d shared", len(rows), took, err, f.shared.Load())
		}
	})
}

// TestFactsThatCannotBeHad: a host that was not asked to its end has not
// refused, and neither has one that failed.
func TestFactsThatCannotBeHad(t *testing.T) {
	broken := errors.New("the disk is on fire")
	for _, c := range []struct {
		edit    func(host *fake, cancel func())
		outcome answer.Outcome
		reason  string
		err     error
	}{
		{func(host *fake, cancel func()) { host.visit = func(int) { cancel() } }, answer.Partial, "cancelled before its end", context.Canceled},
		{func(host *fake, cancel func()) { host.err = broken }, answer.Failed, "facts of this host: the disk is on fire", broken},
		{func(host *fake, cancel func()) { host.rows = [][]value.Value{nil} }, answer.Failed, "module host: panic", nil},
		{func(host *fake, cancel func()) { host.rows = nil }, answer.Refused, "cannot be told", engine.ErrRefused},
	} {
		f, host := newFake("a", "x").with(ints(2)...), newFake("host", "cpus").with([]any{4})
		ctx, cancel := context.WithCancel(t.Context())
		c.edit(host, cancel)
		p := query(find(f))
		p.Facts, p.Target = []string{"cpus"}, cmp(plan.Eq, out(0), lit(4))
		if err := p.Prepare(); err != nil {
			t.Fatal(err)
		}
		r := newEngine(t, f, host).Start(ctx, p)
		rows, err := read(r)
		cancel()
		if s := r.Summary(0); len(rows) != 0 || s.Outcome != c.outcome || !strings.Contains(s.Reason, c.reason) {
			t.Errorf("%d rows, %s: %s, want %s: %s", len(rows), s.Outcome, s.Reason, c.outcome, c.reason)
		}
		if err == nil || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("error %v", err)
		}
	}
}

// TestTimeoutDoesNotCountTheOthers: a plan's time begins with its scans, and
// not while those of another one run.
func TestTimeoutDoesNotCountTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mods []modules.Module
		var plans []*plan.Plan
		for _, name := range []string{"a", "b", "c"} {
			f := newFake(name, "x").with(ints(3)...)
			f.visit = func(int) { time.Sleep(time.Second) }
			p := query(find(f))
			p.Limits.Timeout, p.Limits.Workers = 5*time.Second, 1
			mods, plans = append(mods, f), append(plans, p)
		}
		r := start(t, newEngine(t, mods...), plans...)
		rows, err := read(r)
		for i := range plans {
			if s := r.Summary(i); s.Outcome != answer.Complete {
				t.Errorf("plan %d: %s: %s", i, s.Outcome, s.Reason)
			}
		}
		if len(rows) != 9 || err != nil {
			t.Errorf("%d rows, %v", len(rows), err)
		}
	})
}

func TestPanicOfTheReader(t *testing.T) {
	f := newFake("a", "x").with(ints(4)...)
	f.endless = true
	r := start(t, newEngine(t, f), query(find(f)))
	defer func() {
		if recover() == nil {
			t.Error("the panic is gone")
		}
		// goleak sees whether the scan still runs.
	}()
	for range r.Rows() {
		panic("reader")
	}
}

// TestASlowReaderHoldsTheScan: what waits for him is bounded.
func TestASlowReaderHoldsTheScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a", "x").with(ints(10_000)...)
		r := start(t, newEngine(t, f), query(find(f)))
		n := 0
		for range r.Rows() {
			if n++; n == 1 {
				synctest.Wait()
				if got := f.delivered.Load(); got > 2000 {
					t.Errorf("%d rows were made for a reader who took one", got)
				}
			}
		}
		if n != 10_000 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestFailures(t *testing.T) {
	broken := errors.New("the disk is on fire")
	for _, c := range []struct {
		name string
		edit func(bad *fake, tab *plan.Table)
		want string
	}{
		{"a scan fails", func(bad *fake, tab *plan.Table) { bad.err = broken }, "on fire"},
		{"a row panics", func(bad *fake, tab *plan.Table) { bad.rows = append(bad.rows, nil) }, "module bad: panic"},
		{"a column fails", func(bad *fake, tab *plan.Table) { bad.fail = broken }, "on fire"},
		{"a lookup fails", func(bad *fake, tab *plan.Table) {
			tab.Slots[0].Module = "good"
			tab.Slots = append(tab.Slots, &plan.Slot{Module: "bad", Columns: []string{"x"}, Key: col(0, 0)})
			bad.err = broken
		}, "on fire"},
		{"a link panics", func(bad *fake, tab *plan.Table) {
			tab.Slots[0].Module = "good"
			tab.Slots = append(tab.Slots, &plan.Slot{Module: "bad", Columns: []string{"x"}, Key: col(0, 0), Link: true})
			tab.Outputs = returns(col(1, 0))
			bad.rows = [][]value.Value{nil}
		}, "module bad: panic"},
		{"a joined scan fails", func(bad *fake, tab *plan.Table) {
			tab.Slots[0].Module = "good"
			tab.Slots = append(tab.Slots, &plan.Slot{Module: "bad", Alias: "b", Columns: []string{"x"}})
			bad.err = broken
		}, "join of b: the disk is on fire"},
		{"a subquery fails", func(bad *fake, tab *plan.Table) {
			tab.Slots[0].Module = "good"
			tab.Where = &plan.InSub{Xs: []plan.Expr{col(0, 0)}}
			bad.err = broken
		}, "subquery: the disk is on fire"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad, good := newFake("bad", "x", "y").keyed().with(ints2(3)...), newFake("good", "x", "y").with(ints2(3)...)
			tab := find(bad)
			c.edit(bad, tab)
			p := query(tab, find(good))
			p.Tables[1].Or = true
			p.Subs = []*plan.Table{find(bad)}
			p.Subs[0].Outputs = returns(col(0, 0))
			r := start(t, newEngine(t, bad, good), p)
			rows, err := read(r)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			s := r.Summary(0)
			if s.Outcome != answer.Failed || strings.Contains(s.Reason, "\n") || s.Reason == "" {
				t.Errorf("%s: %q", s.Outcome, s.Reason)
			}
			if n := len(slices.DeleteFunc(rows, func(r string) bool { return !strings.HasPrefix(r, "0.1: ") })); n != 3 {
				t.Errorf("%d rows of the table beside it", n)
			}
		})
	}
}

// TestOneRequestDoesNotSpoilTheOthers: scans that share a pass fail alone.
func TestOneRequestDoesNotSpoilTheOthers(t *testing.T) {
	f := newFake("a", "x", "y").with(ints2(50)...)
	bad, good := find(f), find(f)
	bad.Slots[0].Filter = &plan.InSub{Xs: []plan.Expr{col(0, 0)}}
	p, q := query(bad), query(good)
	broken := newFake("broken", "z")
	broken.err = errors.New("no")
	p.Subs = []*plan.Table{find(broken)}
	r := start(t, newEngine(t, sharer{f}, broken), p, q)
	rows, err := read(r)
	if err == nil || len(rows) != 50 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if a, b := r.Summary(0).Outcome, r.Summary(1).Outcome; a != answer.Failed || b != answer.Complete {
		t.Errorf("outcomes %s and %s", a, b)
	}
}

// fussy is a sharer that refuses every request when one is wrong.
type fussy struct{ *fake }

func (f fussy) check(reqs []*modules.Request) error {
	for _, r := range reqs {
		if slices.Contains(r.Locators, "wrong") {
			return errors.New("wrong place")
		}
	}
	return nil
}

func (f fussy) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	if err := f.check([]*modules.Request{req}); err != nil {
		return err
	}
	return f.fake.Scan(ctx, req, yield)
}

func (f fussy) ScanShared(ctx context.Context, reqs []*modules.Request, yield func(int, modules.Row) error) error {
	if err := f.check(reqs); err != nil {
		return err
	}
	return sharer(f).ScanShared(ctx, reqs, yield)
}

func TestAWrongRequestDoesNotSpoilTheOthers(t *testing.T) {
	f := newFake("a", "x").with(ints(3)...)
	f.schema.Locator = modules.Locator{Use: modules.LocatorOptional}
	good, bad := find(f), find(f)
	bad.Slots[0].Locators = []string{"wrong"}
	r := start(t, newEngine(t, fussy{f}), query(good), query(bad))
	rows, err := read(r)
	if err == nil || len(rows) != 3 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if a, b := r.Summary(0).Outcome, r.Summary(1).Outcome; a != answer.Complete || b != answer.Failed {
		t.Errorf("outcomes %s and %s", a, b)
	}
}

func TestProgressWhileItRuns(t *testing.T) {
	f := newFake("a", "x").with(ints(500)...)
	r := start(t, newEngine(t, f), query(find(f)))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _, _ = r.Progress(), r.Summary(0), r.Stats(0)
			}
		}
	})
	if _, err := read(r); err != nil {
		t.Error(err)
	}
	close(stop)
	wg.Wait()
	if p := r.Progress(); p.Matched != 500 || p.Elapsed <= 0 {
		t.Errorf("%+v", p)
	}
}
