// Package moduletest checks that a module keeps the contract of package
// modules: ours and yours.
//
// A module's test calls [Run] with a tree of fixtures; [Recorder] is a report
// that a test can look into. The package is for tests alone.
package moduletest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// patience is how long a module may take to notice that it is to stop. The
// contract says a second; the rest is for a busy machine under the race
// detector.
const patience = 5 * time.Second

// A Recorder is a modules.Report that remembers what it was told. Its zero
// value is ready, and it may be used by several goroutines.
type Recorder struct {
	mu     sync.Mutex
	looked map[string]int64
	skips  []modules.Skip
}

// Looked implements modules.Report.
func (r *Recorder) Looked(kind string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looked == nil {
		r.looked = map[string]int64{}
	}
	r.looked[kind] += n
}

// Skip implements modules.Report.
func (r *Recorder) Skip(s modules.Skip) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skips = append(r.skips, s)
}

// Count gives how many things of a kind were looked at.
func (r *Recorder) Count(kind string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.looked[kind]
}

// Skips gives what was skipped so far, in the order in which it was told.
func (r *Recorder) Skips() []modules.Skip {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.skips)
}

// Run checks a module against a tree of fixtures, in which it must find at
// least one row; locators say where, in the module's notation. Run it with
// the race detector too: rows come from four goroutines.
func Run(t *testing.T, m modules.Module, root string, locators ...string) {
	t.Helper()
	s := suite{module: m, root: root, locators: locators}
	t.Run("schema", s.schema)
	t.Run("rows", s.rows)
	t.Run("workers", s.workers)
	t.Run("enough", s.enough)
	t.Run("error", s.failure)
	t.Run("cancelled before", s.cancelledBefore)
	t.Run("cancelled at the first row", s.cancelledInside)
}

type suite struct {
	module   modules.Module
	root     string
	locators []string
}

// request asks for every column.
func (s suite) request(workers int) (*modules.Request, *Recorder) {
	all := make([]int, len(s.module.Schema().Columns))
	for i := range all {
		all[i] = i
	}
	rec := &Recorder{}
	now := time.Now()
	return &modules.Request{
		Host:     modules.Host{Root: s.root, Now: func() time.Time { return now }},
		Locators: s.locators,
		Columns:  all,
		Settings: modules.Settings{Depth: -1},
		Workers:  workers,
		Report:   rec,
	}, rec
}

func (s suite) schema(t *testing.T) {
	first := s.module.Schema()
	if err := first.Check(); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(first, s.module.Schema()) {
		t.Error("Schema gives something else the second time")
	}
	if _, err := modules.NewCatalogue(s.module); err != nil {
		t.Error(err)
	}
	defaults := 0
	for _, c := range first.Columns {
		if c.Default {
			defaults++
		}
		if (c.Type == value.List) != (c.Elem != value.Null) {
			t.Errorf("column %s is of type %s with elements of type %s", c.Name, c.Type, c.Elem)
		}
	}
	if defaults == 0 {
		t.Error("no column is a default")
	}
}

// rows looks at every value of every row.
func (s suite) rows(t *testing.T) {
	req, rec := s.request(1)
	n := 0
	err := s.module.Scan(t.Context(), req, func(r modules.Row) error {
		n++
		return s.row(t, r)
	})
	if err != nil {
		t.Errorf("Scan: %v", err)
	}
	if n == 0 {
		t.Error("Scan found no row in the fixtures")
	}
	if len(rec.looked) == 0 {
		t.Error("Scan did not say what it looked at")
	}
	for _, skip := range rec.Skips() {
		if skip.Kind == "" || skip.Where == "" {
			t.Errorf("a skip that does not say what and why: %+v", skip)
		}
	}
}

func (s suite) row(t *testing.T, r modules.Row) error {
	for i, c := range s.module.Schema().Columns {
		v, err := r.Column(t.Context(), i)
		if err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
		again, err := r.Column(t.Context(), i)
		if err != nil {
			return fmt.Errorf("column %s, second time: %w", c.Name, err)
		}
		if text(v) != text(again) {
			t.Errorf("column %s is %s and then %s", c.Name, text(v), text(again))
		}
		if v.IsNull() {
			continue
		}
		if v.Type() != c.Type {
			t.Errorf("column %s is of type %s, not %s", c.Name, v.Type(), c.Type)
		}
		for _, e := range v.List() {
			if !e.IsNull() && e.Type() != c.Elem {
				t.Errorf("column %s has an element of type %s, not %s", c.Name, e.Type(), c.Elem)
			}
		}
		if len(c.Values) > 0 && !slices.Contains(c.Values, v.Text()) {
			t.Errorf("column %s is %q, which is not in %q", c.Name, v.Text(), c.Values)
		}
		if clone := v.Clone(); text(clone) != text(v) {
			t.Errorf("column %s: the clone of %s is %s", c.Name, text(v), text(clone))
		}
	}
	return nil
}

// text writes a value so that two can be compared and shown.
func text(v value.Value) string {
	return v.Type().String() + " " + string(value.AppendJSON(nil, v))
}

// workers asks for the same rows of one goroutine and of four.
func (s suite) workers(t *testing.T) {
	one, four := s.keys(t, 1), s.keys(t, 4)
	if !slices.Equal(one, four) {
		t.Errorf("with one worker: %q\nwith four: %q", one, four)
	}
}

// keys gives the keys of all rows in order; where there is no key, something
// for each row.
func (s suite) keys(t *testing.T, workers int) []string {
	req, _ := s.request(workers)
	key, ok := s.module.Schema().Column(s.module.Schema().Key)
	var mu sync.Mutex
	var keys []string
	err := s.module.Scan(t.Context(), req, func(r modules.Row) error {
		k := "row"
		if ok {
			v, err := r.Column(t.Context(), key)
			if err != nil {
				return err
			}
			k = text(v)
		}
		mu.Lock()
		defer mu.Unlock()
		keys = append(keys, k)
		return nil
	})
	if err != nil {
		t.Errorf("Scan with %d workers: %v", workers, err)
	}
	slices.Sort(keys)
	return keys
}

func (s suite) enough(t *testing.T) { s.stops(t, modules.ErrEnough) }

func (s suite) failure(t *testing.T) { s.stops(t, errors.New("what yield says")) }

// stops checks that an error from yield ends the scan and is returned.
func (s suite) stops(t *testing.T, want error) {
	req, _ := s.request(1)
	calls := 0
	err := s.module.Scan(t.Context(), req, func(modules.Row) error {
		calls++
		return want
	})
	if !errors.Is(err, want) {
		t.Errorf("yield returned %v, Scan %v", want, err)
	}
	if calls != 1 {
		t.Errorf("yield was called %d times, though it wanted no more", calls)
	}
}

func (s suite) cancelledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.ends(t, ctx, func(modules.Row) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Scan returned %v though its context was cancelled", err)
	}
}

// cancelledInside cancels while the first row is looked at. A scan whose last
// rows were on their way may have missed it.
func (s suite) cancelledInside(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	total := len(s.keys(t, 1))
	var rows atomic.Int64
	err := s.ends(t, ctx, func(modules.Row) error {
		cancel()
		rows.Add(1)
		return nil
	})
	if !errors.Is(err, context.Canceled) && (err != nil || rows.Load() != int64(total)) {
		t.Errorf("Scan gave %d of %d rows and %v after its context was cancelled", rows.Load(), total, err)
	}
}

// ends gives what a scan returns whose context is or will be cancelled.
func (s suite) ends(t *testing.T, ctx context.Context, yield func(modules.Row) error) error {
	req, _ := s.request(4)
	done := make(chan error, 1)
	go func() { done <- s.module.Scan(ctx, req, yield) }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("Scan went on for %v after its context was cancelled", patience)
		return nil
	}
}
