package journal

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever a relay offers again, whatever the clock does, wherever the process
// is killed, the power fails or the disk is full: no plan runs twice, none runs
// after its end, what was noted is known, and the file does not grow without
// bound.
func TestAtMostOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &endpoint{now: noon, plans: map[int]*planModel{}}
		defer func() { m.close() }()
		m.open(rt, nil)
		rt.Repeat(rapid.StateMachineActions(m))
	})
}

// An endpoint is a journal with whoever asks it, as the gate does.
type endpoint struct {
	dir   string
	j     *Journal
	disk  *modelDisk // between the journal and its log
	now   time.Time
	plans map[int]*planModel

	noted   time.Time // the latest that Clock took
	durable int64     // bytes of the log that a loss of power leaves
	sure    time.Time // the latest time within them
}

// A planModel is what became of one plan. It is durable as far as the disk was
// known to have it.
type planModel struct {
	expires                    time.Time
	runs                       int
	begun, ended               bool
	durableBegin, durableEnded bool
}

const plansOffered = 5

func (m *endpoint) open(rt *rapid.T, log []byte) {
	dir, err := os.MkdirTemp("", "journal")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, logName), log, 0o600)
	}
	if err == nil {
		m.dir = dir
		m.j, err = Open(dir)
	}
	if err != nil {
		rt.Fatal(err)
	}
	m.j.keep = bounds{0, 1} // it forgets what it may
	m.j.compact = m.j.size + 2000
	m.wrap()
	m.settle(rt)
}

// wrap puts a disk that can be full under the log, also where that is another
// one than before.
func (m *endpoint) wrap() {
	m.j.mu.Lock()
	defer m.j.mu.Unlock()
	if d, ok := m.j.log.(*modelDisk); ok && d == m.disk {
		return
	}
	// A log that was opened, or written anew, is on the disk.
	m.disk = &modelDisk{fullDisk: fullDisk{appender: m.j.log, room: 1 << 20}}
	m.disk.written.Store(m.j.size)
	m.disk.synced.Store(m.j.size)
	m.j.log = m.disk
	m.j.compact = m.j.size + 2000
	m.known()
}

// settle waits for the disk.
func (m *endpoint) settle(rt *rapid.T) {
	if err := m.j.Sync(); err != nil {
		rt.Fatal(err)
	}
	if n := m.disk.synced.Load(); n != m.j.size {
		rt.Fatalf("the disk was told of %d bytes of %d", n, m.j.size)
	}
	m.known()
}

// A modelDisk knows what a loss of power would leave.
type modelDisk struct {
	fullDisk
	written, synced atomic.Int64
}

func (d *modelDisk) WriteAt(b []byte, at int64) (int, error) {
	n, err := d.fullDisk.WriteAt(b, at)
	d.written.Store(at + int64(n))
	return n, err
}

func (d *modelDisk) Truncate(size int64) error {
	d.written.Store(size)
	return d.fullDisk.Truncate(size)
}

func (d *modelDisk) Sync() error {
	d.synced.Store(d.written.Load())
	return nil
}

// known notes that the disk has everything.
func (m *endpoint) known() {
	m.durable, m.sure = m.j.size, m.j.written
	for _, p := range m.plans {
		p.durableBegin, p.durableEnded = p.begun, p.ended
	}
}

func (m *endpoint) close() {
	if m.j != nil {
		_ = m.j.Close() // of a life that has ended
		os.RemoveAll(m.dir)
	}
}

// Offer is the gate: it judges a plan, which runs where it may.
func (m *endpoint) Offer(rt *rapid.T) {
	n := rapid.IntRange(0, plansOffered-1).Draw(rt, "plan")
	p := m.plans[n]
	if p == nil {
		window := rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Minute}).Draw(rt, "window")
		p = &planModel{expires: m.now.Add(window)}
		m.plans[n] = p
	}
	latest := m.j.latest
	clockErr := m.j.Clock(m.now)
	if behind := latest.Sub(m.now) > ClockLeeway; behind != errors.Is(clockErr, ErrClock) {
		rt.Fatalf("the clock shows %v after %v: %v", m.now, latest, clockErr)
	}
	if clockErr == nil && m.now.After(m.noted) {
		m.noted = m.now
	}
	m.wrap()
	// The most that a verifier lets pass.
	if clockErr != nil || m.now.After(p.expires.Add(ClockLeeway)) || m.j.Seen(id(n)) {
		return
	}
	e := entry(n)
	e.At, e.Expires = m.now, p.expires
	if err := m.j.Begin(e); err != nil {
		if !errors.Is(err, errFull) || m.j.Seen(id(n)) {
			rt.Fatalf("plan %d did not begin: %v; seen %v", n, err, m.j.Seen(id(n)))
		}
		return
	}
	p.begun, p.ended = true, false
	m.wrap()
	m.settle(rt)
	if p.runs++; p.runs > 1 {
		rt.Fatalf("plan %d, which expired at %v, runs again at %v", n, p.expires, m.now)
	}
	if rapid.Bool().Draw(rt, "ends at once") {
		m.finish(rt, n)
	}
}

// Finish ends a plan.
func (m *endpoint) Finish(rt *rapid.T) {
	m.finish(rt, rapid.IntRange(0, plansOffered-1).Draw(rt, "plan"))
}

func (m *endpoint) finish(rt *rapid.T, n int) {
	p := m.plans[n]
	err := m.j.Finish(id(n), Finish{At: m.now, Matched: n%2 == 0})
	switch {
	case err == nil && (p == nil || !p.begun || p.ended):
		rt.Fatalf("plan %d ended, which was not running", n)
	case err == nil:
		p.ended = true
	case errors.Is(err, ErrUnknown) && p != nil && p.begun && !p.ended, !errors.Is(err, ErrUnknown) && !errors.Is(err, errFull):
		rt.Fatalf("plan %d did not end: %v", n, err)
	}
	m.wrap()
}

// Refuse notes a refusal, as of an attacker who makes up plans.
func (m *endpoint) Refuse(rt *rapid.T) {
	if err := m.j.Refuse(entry(rapid.IntRange(100, 120).Draw(rt, "stranger"))); err != nil && !errors.Is(err, errFull) {
		rt.Fatal(err)
	}
	m.wrap()
}

// Time steps, forwards more often than backwards.
func (m *endpoint) Time(rt *rapid.T) {
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{
		50 * time.Second, 4 * time.Minute, 4 * time.Minute, 6 * time.Minute, 16 * time.Minute,
		-4 * time.Minute, -4 * time.Minute, -2 * time.Hour,
	}).Draw(rt, "step"))
}

// Full has the disk take so many bytes more, and Room somebody make room.
func (m *endpoint) Full(rt *rapid.T) {
	m.j.mu.Lock()
	defer m.j.mu.Unlock()
	m.disk.room = rapid.IntRange(0, 600).Draw(rt, "room")
}

func (m *endpoint) Room(*rapid.T) {
	m.j.mu.Lock()
	defer m.j.mu.Unlock()
	m.disk.room = 1 << 20
	os.Remove(m.j.path(newName))
}

// NoRewrite has the new log meet a full disk.
func (m *endpoint) NoRewrite(rt *rapid.T) {
	if runtime.GOOS == "linux" {
		_ = os.Symlink("/dev/full", m.j.path(newName)) // it may be there
	}
}

// Rewrite has the log written anew, as it is when it has grown.
func (m *endpoint) Rewrite(*rapid.T) {
	m.j.mu.Lock()
	_ = m.j.rewrite() // it may meet a full disk, and then nothing is another
	m.j.mu.Unlock()
	m.wrap()
}

// Kill ends the process, and opens what it wrote.
func (m *endpoint) Kill(rt *rapid.T) {
	m.again(rt, m.bytes(rt))
	if lost := m.noted.Sub(m.j.latest); lost >= clockEvery {
		rt.Fatalf("the clock stands %v back", lost)
	}
	m.check(rt, func(p *planModel) bool { return p.begun }, func(p *planModel) bool { return p.ended })
}

// Power fails: of what the disk was not known to have, any part is there, and
// then what stood there before, or zeroes.
func (m *endpoint) Power(rt *rapid.T) {
	b := m.bytes(rt)
	sure := m.sure
	b = b[:rapid.IntRange(int(m.durable), len(b)).Draw(rt, "cut")]
	b = append(b, rapid.SampledFrom([]string{"", "\x00\x00\x00\x00", mark, mark + "\x00\x00\x00\x40abcd" + "B{"}).Draw(rt, "tail")...)
	for _, p := range m.plans {
		if !p.durableBegin && p.begun {
			p.begun, p.ended = false, false
		}
		p.ended = p.ended && p.durableEnded
	}
	m.again(rt, b)
	if m.j.latest.Before(sure) {
		rt.Fatalf("the clock stands at %v, and the disk had %v", m.j.latest, sure)
	}
	m.noted = m.j.latest
	m.check(rt, func(p *planModel) bool { return p.durableBegin }, func(p *planModel) bool { return p.durableEnded })
}

func (m *endpoint) bytes(rt *rapid.T) []byte {
	b, err := os.ReadFile(m.j.path(logName))
	if err != nil {
		rt.Fatal(err)
	}
	return b
}

// again opens another journal with the given log.
func (m *endpoint) again(rt *rapid.T, log []byte) {
	before, dir := m.j, m.dir
	m.open(rt, log)
	before.Close()
	os.RemoveAll(dir)
}

// check compares what is known with what must be. What is there beyond that is
// taken over.
func (m *endpoint) check(rt *rapid.T, begun, ended func(*planModel) bool) {
	for n, p := range m.plans {
		_, known := m.j.Ended(id(n))
		seen := m.j.Seen(id(n))
		forgotten := ended(p) && m.j.latest.After(p.expires.Add(remember))
		if begun(p) && !seen && !forgotten || ended(p) && !known && !forgotten {
			rt.Fatalf("plan %d: begun %v, seen %v; ended %v, known %v", n, begun(p), seen, ended(p), known)
		}
		p.begun, p.ended = seen, known
		p.durableBegin, p.durableEnded = seen, known
	}
}

// Check is done after each step.
func (m *endpoint) Check(rt *rapid.T) {
	unfinished := 0
	for n, p := range m.plans {
		seen := m.j.Seen(id(n))
		if seen && !p.begun {
			rt.Fatalf("plan %d is seen, and did not begin", n)
		}
		if p.begun && !seen {
			if !p.ended || !m.j.latest.After(p.expires.Add(remember)) {
				rt.Fatalf("plan %d is forgotten", n)
			}
			p.begun, p.ended, p.durableBegin, p.durableEnded = false, false, false, false
		}
		if p.begun && !p.ended {
			unfinished++
		}
	}
	if n := len(m.j.Unfinished()); n != unfinished {
		rt.Fatalf("%d plans have not ended, want %d", n, unfinished)
	}
	if m.j.size > 16<<10 {
		rt.Fatalf("the log has %d bytes", m.j.size)
	}
}
