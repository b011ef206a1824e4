package journal

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
)

// load reads the log into the index, and writes it anew where part of it is
// torn.
func (j *Journal) load() error {
	if err := os.Remove(j.path(newName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("journal: %w", err)
	}
	j.plans, j.refused = map[signing.ID]state{}, map[signing.ID]string{}
	var err error
	j.torn, err = j.read(func(r *record) error { j.note(r); return nil })
	if err != nil {
		return err
	}
	if err := j.open(); err != nil {
		return err
	}
	if j.torn > 0 {
		// Where there is no room for a new log, the old one can still be read:
		// what is torn is passed over again.
		if err := j.rewrite(); err != nil && j.err != nil {
			return err
		}
	}
	return wholefile.Sync(j.dir)
}

func (j *Journal) path(name string) string { return filepath.Join(j.dir, name) }

// open opens the log for what comes next.
func (j *Journal) open() error {
	f, err := os.OpenFile(j.path(logName), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("journal: %w", err), f.Close())
	}
	j.log, j.size = f, info.Size()
	j.compact = max(2*j.size, minCompact)
	return nil
}

// read gives the records of the log to each.
func (j *Journal) read(each func(*record) error) (torn int64, err error) {
	return readLog(j.path(logName), each)
}

// readLog is read for a file of any name. One that is not there has no records.
func readLog(name string, each func(*record) error) (torn int64, err error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	return scan(f, each)
}

// note takes a record into the index.
func (j *Journal) note(r *record) {
	at := r.clock.At
	switch r.kind {
	case kindBegin:
		j.plans[r.entry.Plan] = r.entry.state()
	case kindRefuse:
		j.refused[r.entry.Plan] = r.entry.Code
	case kindFinish:
		if s, ok := j.plans[r.finish.Plan]; ok {
			j.plans[r.finish.Plan] = state{finished: true, end: r.finish.ending(), deaths: s.deaths}
		}
	case kindDeath:
		if s, ok := j.plans[r.death.Plan]; ok {
			s.deaths++
			j.plans[r.death.Plan] = s
		}
	case kindClock:
		if at.After(j.written) {
			j.written = at
		}
	}
	if at.After(j.latest) {
		j.latest = at
	}
}

// append writes a record, which is as one that was read, and takes it into the
// index, in this order. A write that failed is undone: the record did not happen.
func (j *Journal) append(r *record) error {
	if j.err != nil {
		return j.err
	}
	b, err := encode(r.kind, r.body())
	if err != nil {
		return err
	}
	if _, err := j.log.WriteAt(b, j.size); err != nil {
		if undo := j.log.Truncate(j.size); undo != nil {
			j.err = fmt.Errorf("journal: a torn record cannot be taken back: %w", undo)
		}
		return fmt.Errorf("journal: writing: %w", err)
	}
	j.size += int64(len(b))
	j.noted++
	j.note(r)
	if r.kind == kindBegin || r.kind == kindDeath {
		j.soil() // a plan waits for it, or the next thing to die may be the machine
	} else {
		j.soilLater()
	}
	if j.size >= j.compact {
		// The record is written, and what it says is so: that the log cannot be
		// made smaller is no reason to refuse it, but one to try later.
		if err := j.rewrite(); err != nil {
			j.compact = 2 * j.size
		}
	}
	return nil
}

// syncer tells the disk of what was written, until Close.
func (j *Journal) syncer() {
	defer close(j.done)
	for range j.dirty {
		j.mu.Lock()
		log, noted := j.log, j.noted
		j.mu.Unlock()
		err := log.Sync()
		j.mu.Lock()
		// A log that was replaced meanwhile was synced before it was closed.
		switch {
		case log != j.log:
		case err == nil:
			j.synced = noted
		case j.err == nil:
			j.err = fmt.Errorf("journal: the disk did not take what was written: %w", err)
		}
		j.settled.Broadcast()
		j.mu.Unlock()
	}
}

// rewrite writes the log anew without what is not needed, and opens it. If the
// new one cannot be written, the old one stays; if that cannot be opened again,
// nothing can be written any more.
func (j *Journal) rewrite() error {
	keep, failed := j.writeNew()
	if failed == nil {
		j.log.Close() // Windows replaces no open file; all of it is in the new one
		if failed = os.Rename(j.path(newName), j.path(logName)); failed == nil {
			j.plans, j.refused, j.written = keep.plans, keep.refused, j.latest
		}
		if err := j.open(); err != nil {
			j.err = err
		}
		failed = errors.Join(failed, wholefile.Sync(j.dir))
		j.replaced(failed == nil)
	}
	if failed != nil {
		os.Remove(j.path(newName))
		return fmt.Errorf("journal: writing the log anew: %w", failed)
	}
	return j.err
}

// replaced says that there is another log, all of which the disk has, or that
// the same one was opened again: then it is to be synced again.
func (j *Journal) replaced(synced bool) {
	if synced {
		j.synced = j.noted
		j.settled.Broadcast()
		return
	}
	j.soil()
}

// soil has the syncer look at the log.
func (j *Journal) soil() {
	select {
	case j.dirty <- struct{}{}:
	default: // the syncer has yet to see what came before
	}
}

// soilLater has it look within syncWithin.
func (j *Journal) soilLater() {
	if !j.waiting {
		j.waiting = true
		j.later.Reset(syncWithin)
	}
}

// soilNow is what comes of soilLater.
func (j *Journal) soilNow() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = false
	if j.synced < j.noted && !errors.Is(j.err, ErrClosed) {
		j.soil()
	}
}

// writeNew writes the new log: the latest time, and of the plans those that are
// kept, each with its end in one record. It says what is in it.
func (j *Journal) writeNew() (keep *survey, err error) {
	if keep, err = j.survey(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(j.path(newName), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriter(f)
	put := func(r *record) error {
		b, err := encode(r.kind, r.body())
		if err == nil {
			_, err = out.Write(b)
		}
		return err
	}
	if !j.latest.IsZero() {
		if err := put(&record{kind: kindClock, clock: clock{At: j.latest}}); err != nil {
			return nil, err
		}
	}
	_, err = j.read(func(r *record) error {
		if !keep.take(r) {
			return nil
		}
		return put(r)
	})
	if err != nil {
		return nil, err
	}
	return keep, errors.Join(out.Flush(), f.Sync())
}

// A survey is what a reading of the log found out for the next one.
type survey struct {
	ends     map[signing.ID]Finish
	deaths   map[signing.ID][]death
	latest   time.Time
	accepted int // how many of the oldest accepted plans to leave out, if they are not needed
	refusals int // how many of the oldest refusals to leave out
	plans    map[signing.ID]state
	refused  map[signing.ID]string
}

func (j *Journal) survey() (*survey, error) {
	s := &survey{
		ends: map[signing.ID]Finish{}, deaths: map[signing.ID][]death{}, latest: j.latest,
		accepted: -j.keep.accepted, refusals: -j.keep.refused,
		plans: map[signing.ID]state{}, refused: map[signing.ID]string{},
	}
	_, err := j.read(func(r *record) error {
		switch r.kind {
		case kindBegin:
			s.accepted++
		case kindRefuse:
			s.refusals++
		case kindFinish:
			s.ends[r.finish.Plan] = r.finish.Finish
		case kindDeath:
			s.deaths[r.death.Plan] = append(s.deaths[r.death.Plan], r.death)
		}
		return nil
	})
	return s, err
}

// take says whether to keep a record, and if so adds to it how its plan ended.
func (s *survey) take(r *record) bool {
	switch r.kind {
	case kindBegin:
		if end, ok := s.ends[r.entry.Plan]; ok {
			r.entry.add(end)
		}
		for _, d := range s.deaths[r.entry.Plan] {
			r.entry.die(d)
		}
		if s.accepted > 0 && !r.entry.needed(s.latest) {
			s.accepted--
			return false
		}
		s.plans[r.entry.Plan] = r.entry.state()
		return true
	case kindRefuse:
		if s.refusals > 0 {
			s.refusals--
			return false
		}
		s.refused[r.entry.Plan] = r.entry.Code
		return true
	}
	return false
}
