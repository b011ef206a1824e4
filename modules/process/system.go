package process

import (
	"errors"
	"slices"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A system is how Windows or macOS speaks of a process. A column that it does
// not know is null.
type system interface {
	column(name string) (value.Value, error)
	environ() ([]string, error)
	threads(yield func(*task) error) error
	regions(yield func(*region) error) error
	close()
}

// A found is a process that a system listed.
type found struct {
	pid  int64
	name string
	system
}

// eachFound is each for systems without /proc.
func (l *lookout) eachFound(yield func(*proc) error) error {
	list, err := snapshot(l)
	if err != nil {
		l.Fail("processes", err)
	}
	if l.Keys == nil {
		for _, pid := range l.only {
			if !slices.ContainsFunc(list, func(f found) bool { return f.pid == pid }) {
				l.Skip(modules.SkipNotFound, label(pid), "there is none")
			}
		}
	}
	slices.SortFunc(list, func(a, b found) int { return int(a.pid - b.pid) })
	for _, f := range list {
		if l.only != nil && !slices.Contains(l.only, f.pid) || !l.located(f.pid, f.name) {
			continue
		}
		if l.isOwn(f.pid) {
			l.Skip(modules.SkipSelf, label(f.pid), "the process that answers")
			continue
		}
		err := yield(&proc{pid: f.pid, lookout: l, system: f.system})
		f.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// without says that a live system cannot tell one of the parts of processes,
// which is then reported once.
func without(s *table.Scan, part string) bool {
	if !s.FS.Live() || slices.Contains(systemParts(), part) {
		return false
	}
	s.Fail(part, errors.ErrUnsupported)
	return true
}
