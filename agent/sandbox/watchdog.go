package sandbox

import (
	"sync"
	"time"
)

// A watchdog sees to it that a child ends when it is to, and lives until then.
type watchdog struct {
	scan *childScan
	proc *process
	stop chan struct{}
	done chan struct{}

	mu     sync.Mutex
	reads  bool      // what it said is being taken: it may have to wait
	due    time.Time // when it is to have ended; zero: not yet
	why    string    // for which it was killed
	bound  string    // the limit that it was over
	begun  time.Time
	used   time.Duration // by the child, before
	before time.Duration // that it was halted for, when due was set
}

// look is how often a watchdog looks.
const look = 20 * time.Millisecond

func newWatchdog(s *childScan, p *process) *watchdog {
	w := &watchdog{scan: s, proc: p, stop: make(chan struct{}), done: make(chan struct{}), begun: time.Now()}
	if s.second {
		w.used = p.cpu() // by an earlier scan of the plan, which paid for it
	}
	go w.run()
	return w
}

// end ends the watching.
func (w *watchdog) end() {
	close(w.stop)
	<-w.done
}

// busy says whether what the child said is being taken.
func (w *watchdog) busy(yes bool) {
	w.mu.Lock()
	w.reads = yes
	w.mu.Unlock()
	if !yes {
		w.proc.beat.Store(time.Now().UnixNano())
	}
}

// cancel has the child end.
func (w *watchdog) cancel() {
	w.mu.Lock()
	first := w.due.IsZero()
	if first {
		w.due = time.Now().Add(w.scan.children.grace)
	}
	w.mu.Unlock()
	if first {
		w.proc.halt.clear()
		_ = w.proc.out.write(frameCancel, nil) // it may have ended
	}
}

// reason says why the watchdog killed the child; "" where it did not.
func (w *watchdog) reason() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why
}

func (w *watchdog) limit() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bound
}

func (w *watchdog) run() {
	defer close(w.done)
	t := time.NewTicker(look)
	defer t.Stop()
	cancelled := w.scan.ctx.Done()
	meter := newMeter(w.scan.job, w.scan.children, w.used)
	defer w.scan.children.held.forget(w.proc)
	for {
		select {
		case <-w.stop:
			return
		case <-cancelled:
			w.cancel()
			cancelled = nil
		case <-t.C:
		}
		if why, bound := w.judge(time.Now(), meter); why != "" {
			w.mu.Lock()
			w.why, w.bound = why, bound
			w.mu.Unlock()
			_ = w.proc.cmd.Process.Kill() // it may have ended
			return
		}
	}
}

// judge says why the child is to be killed, or nothing.
func (w *watchdog) judge(now time.Time, m *meter) (why, limit string) {
	if w.scan.ctx.Err() == nil {
		if why := m.over(w.proc, now); why != "" {
			return why, "memory"
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reads || w.proc.halt.halted() {
		return "", ""
	}
	if limit := w.scan.job.Limits.Timeout; w.due.IsZero() && limit > 0 && now.Sub(w.begun) > limit+w.scan.children.grace {
		return "it did not end when its time was over, and was killed", "timeout"
	}
	switch {
	case !w.due.IsZero() && now.After(w.due):
		return "it did not end when it was told to, and was killed", ""
	case now.Sub(time.Unix(0, w.proc.beat.Load())) > w.scan.children.silence:
		return "it gave no sign of life, and was killed", ""
	}
	return "", ""
}
