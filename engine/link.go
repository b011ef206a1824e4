package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// Bounds of what a slot remembers of what it looked up. When one is reached, or
// the plan's memory, everything is forgotten, and looked up again when it is
// asked for.
const (
	maxLookups     = 10_000
	maxLookupBytes = 32 << 20
)

// lookups remembers what was found under a key. The same key is never looked
// up twice at once.
type lookups struct {
	mu    sync.Mutex
	found map[string]*lookup
	bytes int64 // of the plan's memory, held until it is forgotten
}

// A lookup is what stands under one key: first on the surface, and in full
// only when something dear is asked of it.
type lookup struct{ surface, full finding }

// A finding is the outcome of one scan for a key.
type finding struct {
	once  sync.Once
	done  atomic.Bool
	rows  []*heldRow
	gaps  bool // something was left out
	cut   bool // for want of memory
	err   error
	bytes int64
}

// there says whether anything stands under the key: that nothing does is known
// only where it could be looked at.
func (f *finding) there() value.Truth {
	return value.TruthOf(len(f.rows) > 0, len(f.rows) > 0 || !f.gaps)
}

func (l *lookups) get(t *tableRun, key []byte) *lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.found) >= maxLookups || l.bytes > maxLookupBytes {
		l.clear(t)
	}
	if l.found == nil {
		l.found = map[string]*lookup{}
	}
	f := l.found[string(key)]
	if f == nil {
		f = &lookup{}
		l.found[string(key)] = f
	}
	return f
}

// grew notes what a finding holds, which may be forgotten from now on.
func (l *lookups) grew(bytes int64) {
	l.mu.Lock()
	l.bytes += bytes
	l.mu.Unlock()
}

// drop forgets what is under a key, unless that is another one by now.
func (l *lookups) drop(key []byte, at *lookup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found[string(key)] == at {
		delete(l.found, string(key))
	}
}

// forget gives back the memory of everything that was found.
func (l *lookups) forget(t *tableRun) (bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clear(t)
}

func (l *lookups) clear(t *tableRun) (bytes int64) {
	bytes, l.found, l.bytes = l.bytes, nil, 0
	t.hold(-bytes)
	return bytes
}

// errUnfinished stands where a lookup or a subquery was given up by a panic,
// so that nobody takes what is there for the whole.
var errUnfinished = errors.New("it was given up half-way")

// lookup gives the rows of a slot whose key column equals key. Without dear
// their columns that are dear may be missing.
func (t *tableRun) lookup(ctx context.Context, slot int, key value.Value, dear bool) (*finding, error) {
	s := t.slots[slot]
	var buf [128]byte
	keyed := key.AppendKey(buf[:0])
	at := s.lookups.get(t, keyed)
	f := &at.full
	dear = dear || !s.isDeep()
	if !dear && !f.done.Load() {
		f = &at.surface
	}
	f.once.Do(func() {
		f.err = errUnfinished
		f.err = t.find(f, slot, key, dear)
		s.lookups.grew(f.bytes)
		f.done.Store(f.err == nil)
	})
	if f.cut {
		s.lookups.drop(keyed, at) // there may be room for it the next time
	}
	if f.err == nil && ctx.Err() != nil {
		// The scan may have been cut short without saying so.
		return f, ctx.Err()
	}
	return f, f.err
}

// find scans for one key. That nothing is there is an answer and no gap.
func (t *tableRun) find(f *finding, slot int, key value.Value, dear bool) error {
	s := t.slots[slot]
	if t.run.run.engine.opts.Analyze {
		start := time.Now()
		s.looked.Add(1)
		defer func() { s.elapsed.Add(int64(time.Since(start))) }()
	}
	report := &lookupReport{tableReport: t.report}
	req := t.request(slot, report)
	req.Workers = 1
	if s.plan.Within {
		req.Locators = []string{strings.Clone(key.Text())}
	} else {
		req.Keys = s.asKeys([]value.Value{key.Clone()})
	}
	err := t.each(slot, req, func(e *env, row modules.Row) error {
		held, err := s.hold(e, row, dear)
		if err != nil {
			return err
		}
		if !t.hold(held.size()) {
			t.short.Store(true)
			f.cut = true
			return modules.ErrEnough
		}
		f.rows = append(f.rows, held)
		f.bytes += held.size()
		if s.plan.Link {
			return modules.ErrEnough // what a link names is one thing
		}
		return nil
	})
	f.gaps = f.cut || report.gaps.Load()
	return err
}
