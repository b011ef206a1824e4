package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
)

const (
	// maxStarts is how often the active program may be started without being
	// well, or ending in order, before the one before it comes back. A machine
	// that loses its power has that many chances.
	maxStarts = 5
	// maxTrials is how often a trial may be begun: whoever goes down with it may
	// have gone down for another reason once.
	maxTrials = 2
)

// ErrEnded says that another program did the work of this one, and has ended in
// order: there is nothing left to do. Systems that can put one program in the
// place of another never say it.
var ErrEnded = errors.New("upgrade: another program did the work, and has ended")

// ErrAgain says that this program was started by a starter that is to look
// again which one is active: it ends with the exit code Again.
var ErrAgain = errors.New("upgrade: another program is active now")

// Again is the exit code for ErrAgain.
const Again = 75

// A Starter is the program that runs, as one that may give way to another.
type Starter struct {
	Dir     string   // the agent's folder
	Release string   // that of this program
	Args    []string // what followed its name
	Log     *slog.Logger
	Err     io.Writer // where another program may write what it has to say
	// Watched: this program was started by another, which looks again when it
	// ends with Again.
	Watched bool

	store  *Store
	self   string                                       // this program's file
	become func(ctx context.Context, path string) error // puts another program in the place of this one
}

// NewStarter gives the starter of an agent's folder. What cannot be read there
// is logged, and then there is nothing but the program that runs.
func NewStarter(s Starter) (*Starter, error) {
	var err error
	if s.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	if real, err := filepath.EvalSymlinks(s.self); err == nil {
		s.self = real
	}
	if s.become == nil {
		s.become = s.takePlace
	}
	s.refresh()
	return &s, nil
}

// refresh reads the state that an agent kept.
func (s *Starter) refresh() {
	var err error
	if s.store, err = Open(s.Dir, time.Now); err != nil {
		s.Log.Error("upgrades", "error", err)
	}
}

// Begin is what a service does first: it tries what is to be tried, and becomes
// the program that is active. It returns in the program that is to be the
// agent, or with ErrEnded.
func (s *Starter) Begin(ctx context.Context) error {
	if !s.isInside() {
		s.settle()
	}
	if s.store.State().Trial != nil {
		return s.Try(ctx)
	}
	return s.becomeActive(ctx)
}

// Become becomes the program that is active, and tries nothing: for what is no
// service, and has little time.
func (s *Starter) Become(ctx context.Context) error {
	if !s.isInside() {
		s.settle()
	}
	return s.becomeActive(ctx)
}

// Forgive takes back the start that was counted last: the program that runs ends
// for a reason that any other would have ended for.
func (s *Starter) Forgive() {
	s.refresh()
	if st := s.store.State(); st.Starts == 0 || st.Trial != nil {
		return
	}
	if err := s.store.change(func(st *State) { st.Starts-- }); err != nil {
		s.Log.Error("upgrades", "error", err)
	}
}

// isInside says whether this program is one of the folder.
func (s *Starter) isInside() bool {
	dir := s.store.dir
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return filepath.Dir(s.self) == dir
}

// settle compares what the folder has with the installed program, which this
// one is. Where its owner has installed one that is not older, that counts.
func (s *Starter) settle() {
	st := s.store.State()
	old := func(p *Program) bool { return p != nil && !signing.Newer(p.Release, s.Release) }
	if st.Active == nil && st.Trial == nil || st.Starter == s.self && !old(st.Active) && !old(st.Previous) && !old(st.Trial) {
		return
	}
	err := s.store.change(func(st *State) {
		st.Starter = s.self
		if old(st.Active) {
			s.Log.Info("the installed program is not older than the one that was active", "installed", s.Release, "active", st.Active.Release)
			st.Active, st.Previous, st.Starts = nil, nil, 0
		}
		if old(st.Previous) {
			st.Previous = nil // this one comes back, and not what is older
		}
		if old(st.Trial) {
			st.Trial, st.Starts = nil, 0
		}
	})
	if err == nil {
		err = s.store.sweep()
	}
	if err != nil {
		s.Log.Error("upgrades", "error", err)
	}
}

// becomeActive becomes the active program, unless this is it. One that does not
// live gives way to the one before it.
func (s *Starter) becomeActive(ctx context.Context) error {
	for {
		st := s.store.State()
		if st.Active == nil || s.self == s.resolved(st.Active) {
			return nil
		}
		why := s.lives(st)
		if why == nil {
			if err := s.store.change(func(st *State) { st.Starts++ }); err != nil {
				s.Log.Error("upgrades", "error", err) // a full disk keeps nobody from work
			}
			s.Log.Info("the active program takes over", "release", st.Active.Release)
			why = s.become(ctx, s.store.Path(st.Active.Release))
		}
		if errors.Is(why, ErrEnded) || errors.Is(why, ErrAgain) {
			return why
		}
		s.Log.Error("the program does not live, and the one before it comes back", "release", st.Active.Release, "error", why)
		if err := s.fallBack(*st.Active, why); err != nil {
			s.Log.Error("upgrades", "error", err)
			return nil // this program works, whatever the disk says
		}
	}
}

// resolved gives the file of a program as this one's is given.
func (s *Starter) resolved(p *Program) string {
	name := s.store.Path(p.Release)
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	return name
}

// lives says what speaks against starting the active program.
func (s *Starter) lives(st State) error {
	switch {
	case !s.store.holds(*st.Active):
		return fmt.Errorf("%w: its file has changed", ErrHash)
	case st.Starts >= maxStarts:
		return fmt.Errorf("%w: it was started %d times, and ended each time before a relay heard it", ErrHealth, st.Starts)
	}
	return nil
}

// fallBack has the program before the active one come back.
func (s *Starter) fallBack(p Program, why error) error {
	err := s.store.change(func(st *State) {
		st.fail(p, RolledBack, why, s.store.now())
		st.Active, st.Previous, st.Starts = st.Previous, nil, 0
	})
	return errors.Join(err, s.store.sweep())
}
