// Package simulate is a fleet in one process: as many agents as are asked for,
// which connect to a relay that is somewhere else.
//
// A newcomer needs [Start]. Agents are those of package agent, each with its
// own key, certificate, connection, journal and spool, and its own small tree
// of files: they verify, run, sign and seal what they are asked as any other.
// What they say of their machines is made up (machine.go), the same for the
// same seed, and files that are the same everywhere are stored once (tree.go).
// It is for measuring relays and planning fleets, not for looking after
// machines.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/modules"
)

// MaxCount is how many agents one process may be: names have five digits.
const MaxCount = 100_000

// Options say what fleet it is.
type Options struct {
	// Dir holds the agents' folders and their trees. Agents that it has from an
	// earlier time are taken up again.
	Dir string
	// Count is how many agents there are, and First the number of the first, so
	// that several processes can share a fleet.
	Count, First int
	Seed         uint64 // of what is made up
	Relays       []string
	Token        string           // of an administrator; it must let Count agents in
	Modules      []modules.Module // what agents can be asked; host is made up instead
	Software     string           // the version that agents say they are
}

// A Fleet is agents that run.
type Fleet struct {
	agents []*agent.Agent
	work   sync.WaitGroup
	cancel context.CancelFunc

	mu   sync.Mutex
	errs []error // of agents that ended
}

// Start enrols the agents that are not yet, and starts all: they connect
// within a moment after that, and run until ctx ends or Stop is called.
func Start(ctx context.Context, o Options) (*Fleet, error) {
	if o.Count < 1 || o.First < 0 || o.First+o.Count > MaxCount {
		return nil, fmt.Errorf("simulate: agents %d to %d: they are numbered from 0 to %d", o.First, o.First+o.Count-1, MaxCount-1)
	}
	cat, err := catalogue(o.Modules, o.Seed)
	if err != nil {
		return nil, err
	}
	trees, err := newForest(filepath.Join(o.Dir, "shared"), filepath.Join(o.Dir, "hosts"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &Fleet{agents: make([]*agent.Agent, o.Count), cancel: cancel}
	if err := f.open(ctx, &o, cat, trees); err != nil {
		return nil, errors.Join(err, f.Stop())
	}
	for _, a := range f.agents {
		f.work.Go(func() {
			if err := a.Run(ctx); err != nil {
				f.fail(fmt.Errorf("agent %s: %w", a.ID(), err))
			}
		})
	}
	return f, nil
}

// open makes the agents, some at a time: most of enrolling is waiting.
func (f *Fleet) open(ctx context.Context, o *Options, cat *modules.Catalogue, trees *forest) error {
	next := make(chan int) // closed here, below
	var workers sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				a, err := o.open(ctx, o.First+i, cat, trees)
				if err != nil {
					f.fail(fmt.Errorf("simulate: agent %d: %w", o.First+i, err))
					f.cancel()
				}
				f.agents[i] = a
			}
		})
	}
	for i := range f.agents {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	if f.mu.Lock(); len(f.errs) > 0 {
		defer f.mu.Unlock()
		err := f.errs[0] // the others are of the same kind, or follow from it
		f.errs = nil
		return err
	}
	f.mu.Unlock()
	return ctx.Err()
}

// open gives one agent, which it enrols if need be.
func (o *Options) open(ctx context.Context, n int, cat *modules.Catalogue, trees *forest) (*agent.Agent, error) {
	m := machineOf(o.Seed, n)
	root, err := trees.plant(m)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(o.Dir, "agents", m.name)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, err
	}
	if err := o.enroll(ctx, agent.EnrollOptions{Dir: dir, Relays: o.Relays, Token: o.Token, Tags: m.tags, Hostname: m.name}); err != nil {
		return nil, err
	}
	return agent.Open(agent.Options{Dir: dir, Catalogue: cat, Host: modules.Host{Root: root, Now: time.Now}, Software: o.Software})
}

// enrollTries is how often an agent tries to enrol: a relay that thousands come
// to at once does not get round to all of them in time.
const enrollTries = 5

// enroll enrols an agent that is not yet.
func (o *Options) enroll(ctx context.Context, e agent.EnrollOptions) error {
	for try := 1; ; try++ {
		_, err := agent.Enroll(ctx, e)
		if err == nil || errors.Is(err, agent.ErrEnrolled) {
			return nil
		}
		if try == enrollTries {
			return err
		}
		select {
		case <-time.After(rand.N(time.Second << try)):
		case <-ctx.Done():
			return err
		}
	}
}

// Connected is how many agents have a relay now.
func (f *Fleet) Connected() int {
	n := 0
	for _, a := range f.agents {
		if a.Connected() {
			n++
		}
	}
	return n
}

// Obeying is how many agents judge by a policy of that version, or a later one.
func (f *Fleet) Obeying(version int64) int {
	n := 0
	for _, a := range f.agents {
		if a.Policy().Version() >= version {
			n++
		}
	}
	return n
}

// Stop ends the agents and waits for them. The error is how some failed.
func (f *Fleet) Stop() error {
	f.cancel()
	f.work.Wait()
	for _, a := range f.agents {
		if a != nil {
			f.fail(a.Close())
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.errs...)
}

func (f *Fleet) fail(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}
