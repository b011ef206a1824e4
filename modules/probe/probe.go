// Package probe is the modules that ask other hosts: which of them can be
// reached from here, and what time it is there.
//
// [Modules] gives them. They are the only ones that send packets, and so they
// are bounded: by targets, attempts and packets a second, in the constants
// below. A target is one address; nothing goes to many at once. An agent runs
// them only where its policy names them, and asks its policy before anything
// is sent (modules.Request.Permit).
//
// The package reads nothing of the host that it runs on, so that it can run
// where there is a network and no file. Names are the exception: whoever
// resolves them reads the system's resolv.conf and hosts.
package probe

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// Bounds of what is sent.
const (
	maxTargets   = 256                    // of one query, all of its FINDs together
	maxCount     = 10                     // attempts at one target
	maxWait      = 30 * time.Second       // for one answer
	atOnce       = 16                     // targets that a scan waits for at the same time
	gap          = 20 * time.Millisecond  // between two packets of all queries: 50 a second
	pause        = 100 * time.Millisecond // between two attempts at one target
	defaultCount = 3
	defaultWait  = 5 * time.Second
)

// Modules gives the modules of this package, in alphabetical order. Together
// they send no more than one packet in each gap, whoever asks.
func Modules() []modules.Module {
	p := &pacer{}
	return []modules.Module{clock(p), reach(p)}
}

// A pacer lets one packet go after the other.
type pacer struct {
	mu   sync.Mutex
	next time.Time
}

// turn waits until a packet may go.
func (p *pacer) turn(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(gap)
	p.mu.Unlock()
	return sleep(ctx, at.Sub(now))
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// asking makes the scan of a module: how its targets are read, and how one is
// asked.
func asking[T any](name string, read func(string) (target, error), ask func(context.Context, *table.Scan, target) (*T, error)) func(*table.Scan, func(*T) error) error {
	return func(s *table.Scan, yield func(*T) error) error {
		list, err := targets(s, name, read)
		if err != nil {
			return err
		}
		return each(s, list, func(ctx context.Context, t target) (*T, error) { return ask(ctx, s, t) }, yield)
	}
}

// targets reads the locators of a scan, each of them once, and takes what they
// are from what its query may still ask.
func targets(s *table.Scan, name string, read func(string) (target, error)) ([]target, error) {
	if root := s.Host.Root; root != "" && root != "/" {
		s.Skip(modules.SkipUnsupported, name, "a tree of files sends no packets: ask the live machine")
		return nil, nil
	}
	var list []target
	seen := map[target]bool{}
	for _, text := range s.Locators {
		t, err := read(text)
		if err != nil {
			return nil, err
		}
		if !seen[t] {
			seen[t] = true
			list = append(list, t)
		}
	}
	left := s.Memory.Get(budgetKey{}, func() any {
		b := &atomic.Int64{}
		b.Store(maxTargets)
		return b
	}).(*atomic.Int64)
	if left.Add(-int64(len(list))) < 0 {
		return nil, fmt.Errorf("more than %d targets in one query: ask with several", maxTargets)
	}
	return list, nil
}

// budgetKey is where the scans of one query keep what they may still ask.
type budgetKey struct{}

// each asks the targets, some at a time, and gives what was found in their
// order. A target that could not be asked is reported, and is no row.
func each[T any](s *table.Scan, list []target, ask func(context.Context, target) (*T, error), yield func(*T) error) error {
	ctx, cancel := context.WithCancel(s.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	type found struct {
		row *T
		err error
	}
	room := make(chan struct{}, atOnce)
	answers := make([]chan found, len(list))
	for i := range answers {
		answers[i] = make(chan found, 1)
	}
	work.Go(func() {
		for i, t := range list {
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			work.Go(func() {
				row, err := ask(ctx, t)
				<-room
				answers[i] <- found{row, err}
			})
		}
	})
	for i, t := range list {
		select {
		case f := <-answers[i]:
			if err := s.Context().Err(); err != nil {
				return err
			}
			if f.err != nil {
				report(s, t, f.err)
			}
			if f.row == nil {
				continue
			}
			if err := yield(f.row); err != nil {
				return err
			}
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
	return nil
}

// report says why a target was not asked, or what it left open.
func report(s *table.Scan, t target, err error) {
	if l, ok := err.(*leftOut); ok {
		s.Skip(l.kind, t.text, l.why)
		return
	}
	s.Fail(t.text, err)
}

// A leftOut is why a target was not asked, where no error says it.
type leftOut struct {
	kind modules.SkipKind
	why  string
}

// Error gives the reason.
func (l *leftOut) Error() string { return l.why }
