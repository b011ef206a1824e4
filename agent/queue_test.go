package agent

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// scan plays a plan that works for so long in small steps, and asks between
// them whether it may go on.
func scan(ctx context.Context, turn *sandbox.Turn, work time.Duration) {
	for done := time.Duration(0); done < work && ctx.Err() == nil; done += 10 * time.Millisecond {
		turn.Pass(ctx)
		time.Sleep(10 * time.Millisecond)
	}
}

// Scans of minutes in every slot, and as many again that wait: a question of
// milliseconds is answered within a slice.
func TestQuestionDoesNotWaitForScans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2)
		var ended atomic.Int64
		for range 10 {
			if err := q.submit(func(turn *sandbox.Turn) { scan(t.Context(), turn, 5*time.Minute); ended.Add(1) }); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 {
			time.Sleep(time.Minute)
			start := time.Now()
			answered := make(chan time.Duration, 1)
			if err := q.submit(func(turn *sandbox.Turn) {
				scan(t.Context(), turn, 20*time.Millisecond)
				answered <- time.Since(start)
			}); err != nil {
				t.Fatal(err)
			}
			if took := <-answered; took > 20*time.Millisecond+2*youngSlice {
				t.Errorf("a question of 20 ms took %v", took)
			}
		}
		q.work.Wait()
		if n := ended.Load(); n != 10 {
			t.Errorf("%d of 10 scans ended", n)
		}
	})
}

// Newcomers in every slot yield after a slice, too.
func TestQuestionsShareSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		for range 3 {
			if err := q.submit(func(turn *sandbox.Turn) { scan(t.Context(), turn, time.Second) }); err != nil {
				t.Fatal(err)
			}
		}
		start, done := time.Now(), make(chan time.Duration, 1)
		if err := q.submit(func(turn *sandbox.Turn) { done <- time.Since(start) }); err != nil {
			t.Fatal(err)
		}
		if took := <-done; took > 4*youngSlice {
			t.Errorf("it began after %v", took)
		}
		q.work.Wait()
	})
}

// No more than the slots allow are at work at once, and long scans take turns:
// none is ahead of another by more than some slices.
func TestScansTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		q := newQueue(2)
		work := make([]time.Duration, 6)
		var mu sync.Mutex
		active, most := 0, 0
		for i := range work {
			if err := q.submit(func(turn *sandbox.Turn) {
				for ctx.Err() == nil {
					if turn.Pass(ctx); ctx.Err() != nil {
						return
					}
					mu.Lock()
					active++
					most = max(most, active)
					mu.Unlock()
					time.Sleep(10 * time.Millisecond)
					mu.Lock()
					active--
					work[i] += 10 * time.Millisecond
					mu.Unlock()
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Minute)
		cancel()
		q.wait()
		least, longest := work[0], work[0]
		for _, w := range work {
			least, longest = min(least, w), max(longest, w)
		}
		if longest-least > 10*oldSlice {
			t.Errorf("shares between %v and %v of 100 s", least, longest)
		}
		// Who yields ends the step that it is in.
		if most > 4 {
			t.Errorf("%d at work in 2 slots", most)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		q := newQueue(4)
		for i := range maxQueued {
			if err := q.submit(func(turn *sandbox.Turn) { scan(ctx, turn, time.Hour) }); err != nil {
				t.Fatal(i, err)
			}
		}
		if err := q.submit(func(*sandbox.Turn) {}); !errors.Is(err, errQueueFull) {
			t.Errorf("one too many: %v", err)
		}
		time.Sleep(time.Minute)
		if begun, waiting := q.counts(); begun != maxStarted || waiting != maxQueued-maxStarted {
			t.Errorf("%d begun, %d wait", begun, waiting)
		}
		q.resize(8)
		cancel()
		q.wait()
		if begun, waiting := q.counts(); begun+waiting != 0 {
			t.Errorf("%d begun, %d wait after the end", begun, waiting)
		}
	})
}

// A plan whose window closes while it waits for its turn does not begin, and a
// round of one that stands forgets nothing over it.
func TestWindowClosesInTheQueue(t *testing.T) {
	f := newStandingFleet(t, "1s")
	a := f.open(f.enroll(), numbers{rows: 3, before: func(context.Context, int) error {
		t.Error("it looks")
		return nil
	}})
	var ahead atomic.Int64
	a.opts.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	once, stands := f.ask("FROM fleet FIND number"), f.ask("FROM fleet FIND number RETURN n EVERY 1s")
	var permits []*permit
	for _, q := range []*question{once, stands} {
		p, err := a.admit(t.Context(), arrived(f.sign(q, f.asker)))
		if err != nil {
			t.Fatal(err)
		}
		permits = append(permits, p)
	}
	ahead.Store(int64(2 * time.Hour))
	out, err := a.spool.begin(headOf(permits[1].payload, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.newStanding(t.Context(), &running{permit: permits[1], out: out})
	if err != nil {
		t.Fatal(err)
	}
	if sum := a.lookAgain(t.Context(), s, &sandbox.Turn{}); sum.Outcome != answer.Failed || !strings.HasPrefix(sum.Reason, "window: ") {
		t.Errorf("the round: %+v", sum)
	}
	a.abandon(out)
	a.begin(permits[0], nil)
	f.run(a)
	got := once.open(t, a, f.relay.answerOf(once.payload.ID))
	if got.sum.Outcome != answer.Refused || !strings.HasPrefix(got.sum.Reason, "window: ") || len(got.rows) != 0 {
		t.Errorf("%d rows, %+v", len(got.rows), got.sum)
	}
}
