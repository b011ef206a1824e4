// Package journal remembers on an endpoint what was asked of it: every plan,
// whether the agent obeyed, and what left the machine. It is what keeps a plan
// from running twice and what a clock that was set back is held against, and
// the owner of the machine reads in it.
//
// A newcomer needs [Open], and then [Journal.Clock], [Journal.Seen],
// [Journal.Begin] and [Journal.Sync], in this order, before a plan runs. The journal must not be
// used as a proof towards others: who is root on the machine can rewrite it.
//
// # The file
//
// A folder holds journal.log and journal.lock, which keeps a second process
// out. The log is a row of records, one for each thing that happened:
//
//	0  4  FE 'Q' 'J' FF, which no body can hold, since a body is UTF-8
//	4  4  the length of the body, big-endian
//	8  4  CRC-32C of kind and body, big-endian
//	12 1  kind: 'B' a plan begins, 'R' one is refused, 'F' one has ended,
//	      'C' the latest time, 'D' a process that looked for a plan has died
//	13 …  the body: JSON
//
// A record is one write at the end of the file. A write that did not come to
// its end, for want of power, leaves a torn record; it is left out, the rest is
// kept, and [Journal.Torn] says how much it was. When the file has doubled, it
// is written anew without what is not needed any more, under another name, and
// takes the place of the old one in one step.
package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
)

// The errors that a caller decides by.
var (
	// ErrSeen: the plan was accepted before.
	ErrSeen = errors.New("journal: the plan was accepted before")
	// ErrClock: the clock stands far behind a time that the journal has seen.
	ErrClock = errors.New("journal: the clock stands behind")
	// ErrInUse: another process has the journal.
	ErrInUse = errors.New("journal: in use by another process")
	// ErrUnknown: the plan was not accepted, or has ended.
	ErrUnknown = errors.New("journal: no such plan is running")
	// ErrClosed: the journal was closed.
	ErrClosed = errors.New("journal: closed")
)

// ClockLeeway is how far the clock may stand behind the latest time seen, and
// the longest that a verifier may let a plan live beyond its expiry: clocks are
// set right by small steps, and hosts agree to within minutes.
const ClockLeeway = 5 * time.Minute

const (
	// remember is how long after its expiry a plan is surely known. The leeway
	// counts twice: once past the expiry, and once for a clock set back.
	remember = 3 * ClockLeeway
	// syncWithin is how long the disk may lack what no plan waits for, such as
	// how one ended: a loss of power shows a plan that ended as one that did not.
	syncWithin = 5 * time.Second
	// clockEvery is how often the time is written: often enough against a clock
	// set back over a restart, seldom enough for a disk that sleeps.
	clockEvery = time.Minute

	maxAccepted = 10_000   // accepted plans that are kept for reading, beside those still needed
	maxRefused  = 2_000    // refusals that are kept: apart, lest a flood of them drives the others out
	minCompact  = 64 << 10 // bytes of the file below which it is left to grow

	logName, newName, lockName = "journal.log", "journal.new", "journal.lock"
)

// A Journal is open to one process. It is safe for several goroutines.
type Journal struct {
	dir  string
	lock *wholefile.Lock
	torn int64

	mu      sync.Mutex
	log     appender
	size    int64 // of the log, in bytes
	compact int64 // the size at which it is written anew
	latest  time.Time
	written time.Time // the latest time that is in the log
	plans   map[signing.ID]state
	refused map[signing.ID]string // the code of the latest refusal
	err     error                 // why nothing can be written any more
	keep    bounds
	noted   uint64      // records that were written since Open
	synced  uint64      // of them, those that the disk has
	settled *sync.Cond  // synced or err changed
	later   *time.Timer // has the syncer look within syncWithin
	waiting bool        // for later

	dirty chan struct{} // has room for one; Close closes it
	done  chan struct{} // closed by the goroutine that syncs
}

// Bounds are how many entries are kept for reading: the constants, but in tests.
type bounds struct{ accepted, refused int }

// An appender is where records go: the log, but in tests. It is written at its
// end by position, since Windows cuts no file that was opened to append.
type appender interface {
	WriteAt(b []byte, at int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// A state is what is known of an accepted plan without reading the log.
type state struct {
	finished bool
	end      Ending // zero until then
	deaths   int
}

// An Ending is how a plan ended, in few words.
type Ending struct {
	Outcome string // as Finish had it
	Matched bool
}

// Open opens the journal in a folder, and makes both if they are not there.
// The error wraps ErrInUse while another Journal has it.
func Open(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	lock, err := wholefile.TryHold(filepath.Join(dir, lockName))
	if errors.Is(err, wholefile.ErrHeld) {
		err = ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %s: %w", dir, err)
	}
	j := &Journal{
		dir: dir, lock: lock, keep: bounds{maxAccepted, maxRefused},
		dirty: make(chan struct{}, 1), done: make(chan struct{}),
	}
	j.settled = sync.NewCond(&j.mu)
	j.later = time.AfterFunc(syncWithin, j.soilNow)
	j.later.Stop()
	if err := j.load(); err != nil {
		lock.Close()
		return nil, err
	}
	go j.syncer()
	return j, nil
}

// Close writes what is not on disk yet and lets go of the journal.
func (j *Journal) Close() error {
	j.mu.Lock()
	if errors.Is(j.err, ErrClosed) {
		j.mu.Unlock()
		return nil
	}
	failed := j.err
	j.err = ErrClosed
	j.later.Stop()
	j.settled.Broadcast()
	close(j.dirty)
	j.mu.Unlock()
	<-j.done
	return errors.Join(failed, j.log.Sync(), j.log.Close(), j.lock.Close())
}

// Torn gives the number of bytes that Open found in no whole record, and left
// out. It is 0 but after a crash of the machine, or damage.
func (j *Journal) Torn() int64 { return j.torn }

// Clock notes the time. ErrClock means that it lies more than ClockLeeway before
// one noted earlier, also by an earlier process: no plan may be judged by such
// a clock. A clock that was wrong in the future and is right again is refused
// likewise, until its time has come or the owner removes the journal.
func (j *Journal) Clock(now time.Time) error {
	now = clean(now)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if now.IsZero() {
		return fmt.Errorf("%w: it shows no year from 1 to 9999", ErrClock)
	}
	if behind := j.latest.Sub(now); behind > ClockLeeway {
		return fmt.Errorf("%w: it shows %s, and %s was seen before", ErrClock, now.Format(time.RFC3339), j.latest.Format(time.RFC3339))
	}
	if now.After(j.latest) {
		j.latest = now
	}
	if j.latest.Sub(j.written) < clockEvery {
		return nil
	}
	return j.append(&record{kind: kindClock, clock: clock{At: j.latest}})
}

// Seen says whether a plan was accepted before. One that has expired is
// forgotten in the end, but not before a plan of its window is refused by any
// clock that Clock accepts.
func (j *Journal) Seen(plan signing.ID) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, ok := j.plans[plan]
	return ok
}

// Begin notes that a plan is accepted, and must come back without an error
// before the plan runs. It is ErrSeen when it was accepted before. An entry
// without an expiry, which nobody could ever forget, is an error. What Begin has
// noted outlives the process at once, and a loss of power when Sync has returned.
func (j *Journal) Begin(e Entry) error {
	e = e.clean(maxText)
	e.Verdict, e.Finished, e.Outcome, e.Rows, e.Bytes, e.Matched, e.Uncounted = Accepted, time.Time{}, "", 0, 0, false, false
	if e.Expires.IsZero() {
		return fmt.Errorf("journal: plan %s has no expiry", e.Plan)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.plans[e.Plan]; ok {
		return fmt.Errorf("%w: %s", ErrSeen, e.Plan)
	}
	return j.append(&record{kind: kindBegin, entry: e})
}

// Sync waits until the disk has everything that was noted so far. What runs
// afterwards cannot run a second time, whatever happens to the machine. Those
// who wait at once wait for one write of the disk.
func (j *Journal) Sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for noted := j.noted; j.synced < noted && j.err == nil; {
		j.soil() // it may be that nobody was in a hurry before
		j.settled.Wait()
	}
	return j.err
}

// Refuse notes that a plan is refused, why, and what it said of itself, as far
// as that is known. One that was refused for the same code the last time is not
// noted again, so that a relay that repeats itself fills no disk. What has no ID,
// as a refused policy, is noted every time.
func (j *Journal) Refuse(e Entry) error {
	e = e.clean(maxHearsay)
	e.Verdict = Refused
	j.mu.Lock()
	defer j.mu.Unlock()
	if code, ok := j.refused[e.Plan]; ok && code == e.Code && !e.Plan.IsZero() {
		return j.err
	}
	return j.append(&record{kind: kindRefuse, entry: e})
}

// Finish notes how a plan ended that Begin noted. It is ErrUnknown when there
// is none, or it has ended. A loss of power within seconds takes it back: then
// the plan has not ended.
func (j *Journal) Finish(plan signing.ID, f Finish) error {
	f = f.clean()
	j.mu.Lock()
	defer j.mu.Unlock()
	if s, ok := j.plans[plan]; !ok || s.finished {
		return fmt.Errorf("%w: %s", ErrUnknown, plan)
	}
	return j.append(&record{kind: kindFinish, finish: finish{Plan: plan, Finish: f}})
}

// Died notes that a process that looked for a plan ended that was to live. It
// is ErrUnknown where the plan does not run.
func (j *Journal) Died(plan signing.ID, at time.Time, why string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s, ok := j.plans[plan]; !ok || s.finished {
		return fmt.Errorf("%w: %s", ErrUnknown, plan)
	}
	return j.append(&record{kind: kindDeath, death: death{Plan: plan, At: clean(at), Why: cut(why, maxHearsay)}})
}

// Deaths says how many processes have died that looked for a plan, by Died, in
// this life of the agent and in earlier ones.
func (j *Journal) Deaths(plan signing.ID) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.plans[plan].deaths
}

// Ended gives how an accepted plan ended, and whether that is known: it is when
// the plan has ended and is not forgotten. Only the outcome tells whether one
// that did not match looked at everything.
func (j *Journal) Ended(plan signing.ID) (end Ending, known bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.plans[plan]
	return s.end, s.finished
}
