package agent

import (
	"errors"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
)

// Bounds of the queue.
const (
	maxQueued  = 256 // plans that wait or run: beyond it one is refused
	maxStarted = 64  // plans that were begun and have not ended: each holds memory
	// maturity is the time after which a plan is no quick one.
	maturity = 2 * time.Second
	// patience is how long a plan that is no quick one waits for a slot while
	// quick ones come, before it counts as one of them.
	patience = 10 * time.Second
	// youngSlice and oldSlice are how long a plan keeps its slot while another
	// of its kind waits for one.
	youngSlice = 100 * time.Millisecond
	oldSlice   = time.Second
)

var errQueueFull = errors.New("agent: too many plans wait")

// A queue runs plans side by side in a number of slots. Whoever has had a slot
// for longer than maturity yields it to a newcomer, at the next thing that his
// scan finds, and goes on when one is free again: so a question of milliseconds
// never waits for scans of minutes, and scans of minutes take turns.
//
// A plan that yielded keeps its memory and its goroutines, and its timeout runs
// on. That is why only maxStarted may have begun.
type queue struct {
	mu    sync.Mutex
	slots int
	tasks []*task // those that have not ended, in the order of arrival
	timer *time.Timer
	work  sync.WaitGroup
}

// A task is one plan in the queue. Its fields are under the queue's lock.
type task struct {
	run     func(*sandbox.Turn)
	turn    sandbox.Turn
	begun   bool
	holds   bool          // a slot
	changed time.Time     // when it last got or lost one
	spent   time.Duration // with a slot, until changed
}

func newQueue(slots int) *queue {
	q := &queue{slots: slots}
	q.timer = time.AfterFunc(time.Hour, q.tick)
	q.timer.Stop()
	return q
}

// submit has run called as soon as there is a slot, on a goroutine of its own.
// run asks its turnstile now and then whether it may go on.
func (q *queue) submit(run func(*sandbox.Turn)) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.tasks) >= maxQueued {
		return errQueueFull
	}
	q.tasks = append(q.tasks, &task{run: run, changed: time.Now()})
	q.schedule(time.Now())
	return nil
}

// resize changes the number of slots, as policies do.
func (q *queue) resize(slots int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slots = slots
	q.schedule(time.Now())
}

// wait gives everyone a slot and returns when all have ended. Whoever calls it
// has cancelled what they run under, so that none of them takes long.
func (q *queue) wait() {
	q.mu.Lock()
	q.slots = maxQueued
	for _, t := range q.tasks {
		if !t.holds {
			q.give(t, time.Now())
		}
	}
	q.mu.Unlock()
	q.work.Wait()
	q.timer.Stop()
}

// counts says how many plans have begun and how many wait.
func (q *queue) counts() (begun, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.tasks {
		if t.begun {
			begun++
		}
	}
	return begun, len(q.tasks) - begun
}

func (q *queue) tick() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.schedule(time.Now())
}

// schedule hands out slots, and looks again later while somebody waits for one.
func (q *queue) schedule(now time.Time) {
	for {
		next := q.next(now)
		if next == nil {
			q.timer.Stop()
			return
		}
		holders := 0
		for _, t := range q.tasks {
			if t.holds {
				holders++
			}
		}
		if holders >= q.slots {
			victim := q.victim(next, now)
			if victim == nil {
				q.timer.Reset(youngSlice)
				return
			}
			victim.suspend(now)
		}
		q.give(next, now)
	}
}

// next gives the one who is to have the next slot: quick ones first, then the
// one that has waited longest.
func (q *queue) next(now time.Time) *task {
	begun := 0
	for _, t := range q.tasks {
		if t.begun {
			begun++
		}
	}
	var best *task
	for _, t := range q.tasks {
		if t.holds || !t.begun && begun >= maxStarted {
			continue
		}
		if best == nil || t.quick(now) && !best.quick(now) || t.quick(now) == best.quick(now) && t.changed.Before(best.changed) {
			best = t
		}
	}
	return best
}

// victim gives the one who is to yield to next, or nil.
func (q *queue) victim(next *task, now time.Time) *task {
	var worst *task
	for _, t := range q.tasks {
		if !t.holds {
			continue
		}
		if worst == nil || !t.quick(now) && worst.quick(now) || t.quick(now) == worst.quick(now) && t.changed.Before(worst.changed) {
			worst = t
		}
	}
	slice := oldSlice
	switch {
	case worst == nil:
		return nil
	case worst.quick(now) && !next.quick(now):
		return nil
	case !worst.quick(now) && next.quick(now):
		return worst
	case worst.quick(now):
		slice = youngSlice
	}
	if now.Sub(worst.changed) < slice {
		return nil
	}
	return worst
}

// quick says whether a plan may still turn out to be a question of
// milliseconds, or has waited so long that it is treated as one.
func (t *task) quick(now time.Time) bool {
	if t.holds {
		return t.spent+now.Sub(t.changed) < maturity
	}
	return t.spent < maturity || now.Sub(t.changed) >= patience
}

func (t *task) suspend(now time.Time) {
	t.spent += now.Sub(t.changed)
	t.holds, t.changed = false, now
	t.turn.Shut()
}

func (q *queue) give(t *task, now time.Time) {
	t.holds, t.changed = true, now
	if t.begun {
		t.turn.Open()
		return
	}
	t.begun = true
	q.work.Go(func() {
		defer q.end(t)
		t.run(&t.turn)
	})
}

func (q *queue) end(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.tasks {
		if q.tasks[i] == t {
			q.tasks = append(q.tasks[:i], q.tasks[i+1:]...)
			break
		}
	}
	q.schedule(time.Now())
}
