package packages

import (
	"context"
	"errors"
	"sync"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// An index is the packages of one manager by their ids, for links: they are
// looked up one by one, and the database of dpkg alone takes milliseconds to
// read. It is kept for a run, and has some hundred bytes for each package
// beside what its texts share with the database.
type index struct {
	byID  map[string][]*pkg
	skips []modules.Skip // of the whole: none of them says which package it hid
	err   error
}

// indexOf is the key of an index in modules.Memory.
type indexOf struct{ root, manager string }

// lookUp lists the packages that the keys of a request name.
func (m manager) lookUp(l *lister) error {
	x := l.Memory.Get(indexOf{l.Host.Root, m.name}, func() any { return m.index(l) }).(*index)
	if errors.Is(x.err, context.Canceled) || errors.Is(x.err, context.DeadlineExceeded) {
		return m.list(l) // whoever read it was told to stop, and this one was not
	}
	for _, s := range x.skips {
		l.Report.Skip(s)
	}
	given := map[string]bool{}
	for _, k := range l.Keys {
		if given[k.Text()] {
			continue
		}
		given[k.Text()] = true
		for _, p := range x.byID[k.Text()] {
			if err := l.yield(p); err != nil {
				return err
			}
		}
	}
	return x.err
}

// index reads all packages of a manager.
func (m manager) index(l *lister) *index {
	x := &index{byID: map[string][]*pkg{}}
	report := &skipped{Report: l.Report}
	files, err := hostfs.Open(l.Host, report)
	if err != nil {
		x.err = err
		return x
	}
	defer files.Close()
	scan, request := *l.Scan, *l.Request
	request.Report = report
	scan.Request, scan.FS = &request, files
	x.err = m.list(&lister{&scan, choice{every: true}, func(p *pkg) error {
		c := *p
		x.byID[p.id()] = append(x.byID[p.id()], &c)
		return l.Context().Err()
	}})
	x.skips = report.skips
	return x
}

// skipped keeps what was left out, instead of telling it.
type skipped struct {
	modules.Report
	mu    sync.Mutex
	skips []modules.Skip
}

// Skip implements modules.Report.
func (s *skipped) Skip(k modules.Skip) {
	s.mu.Lock()
	s.skips = append(s.skips, k)
	s.mu.Unlock()
}
