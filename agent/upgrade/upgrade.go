// Package upgrade puts a new program of the agent in the place of the one that
// runs, and the old one back where the new one does not live: it fetches,
// checks, tries and starts programs that others have judged.
//
// A newcomer needs [Open], whose [Store.Fetch], [Store.Check] and [Store.Stage]
// bring a program into an agent's folder, and [Starter], which is the first
// that a service does and the last that an agent does that gives way to another.
// The package must not decide whether a program may be installed: who signed
// it, and for whom, is settled before it is fetched.
//
// # Who starts whom
//
// The program that was installed on the machine is never touched: it may lie
// where the agent cannot write, and be the property of a package manager. It is
// the starter. When the service manager starts it, it looks into the folder and
// becomes the program that is active there, in the same process; where none is,
// or where it is newer itself, it is the agent. So whatever a new program does,
// what comes first at each start is one that worked.
//
// A new program is tried before it is active. The agent that runs lets go of its
// folder and starts the new one as a child, with the word try; the child says
// the line "well" on its standard output once a relay has heard it, and ends
// when its standard input does. Then the new one becomes active, the child ends,
// and the process becomes the new program. A child that ends by itself, or is not
// well in time, is killed, and the agent that runs goes on: nothing was replaced.
//
// # The folder
//
// DIR/upgrade, for its owner alone, holds the programs, as quaestor-agent-1.4.0,
// those that are on their way, as quaestor-agent-1.4.0.part, and state.json,
// which is replaced in one step. A state that cannot be read is put aside, and
// the installed program runs.
package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// Errors that a caller tells apart.
var (
	// ErrHash says that bytes came that are not those that were signed.
	ErrHash = errors.New("upgrade: the bytes are not those that were signed")
	// ErrShort says that a piece is not as long as it must be.
	ErrShort = errors.New("upgrade: a piece of another length than was asked for")
	// ErrRoom says that the disk has no room for the program.
	ErrRoom = errors.New("upgrade: no room on the disk")
	// ErrCheck says that the program does not pass its own check: it cannot be
	// run here, or is not what it was signed as.
	ErrCheck = errors.New("upgrade: the program does not pass its check")
	// ErrHealth says that the program was tried and was not well.
	ErrHealth = errors.New("upgrade: the program was not well")
)

const (
	folder    = "upgrade"
	stateName = "state.json"
	badName   = "state.json.bad"
	partExt   = ".part"
	format    = 1
	maxState  = 1 << 20 // bytes of state.json
	maxFailed = 64      // releases that failed and are remembered
	maxReason = 1000    // bytes of why
)

// The states of a Report.
const (
	Fetching   = "fetching"    // the program is on its way
	Waiting    = "waiting"     // for a quiet moment
	Trying     = "trying"      // it runs, and has to reach a relay
	Installed  = "installed"   // it is what runs
	RolledBack = "rolled-back" // it was tried or active, and the one before it is back
	Failed     = "failed"      // it did not come to be tried
	Refused    = "refused"     // by the machine's owner or its policy
)

// A Report says what became of the latest release.
type Report struct {
	Release string    `json:"release"`
	Stage   int64     `json:"stage,omitempty"`
	State   string    `json:"state"` // one of the constants
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
}

// A Program is one in the folder.
type Program struct {
	Release  string        `json:"release"`
	Stage    int64         `json:"stage"`
	Manifest translog.Sum  `json:"manifest"` // what it is remembered by where it fails
	Sum      translog.Sum  `json:"sha256"`
	Size     int64         `json:"size"`
	Health   time.Duration `json:"health"` // that it has to be well when it is tried
}

// A Failure is a release that is not tried again.
type Failure struct {
	Release  string       `json:"release"`
	Manifest translog.Sum `json:"manifest"`
	Reason   string       `json:"reason"`
	At       time.Time    `json:"at"`
}

// A State is what is remembered of a folder's programs.
type State struct {
	Format   int       `json:"format"`
	Starter  string    `json:"starter,omitempty"` // the path of the installed program
	Highest  string    `json:"highest,omitempty"` // the newest release that ever was active
	Active   *Program  `json:"active,omitempty"`  // what the starter becomes; nil: itself
	Previous *Program  `json:"previous,omitempty"`
	Trial    *Program  `json:"trial,omitempty"`  // what is to be tried
	Starts   int       `json:"starts,omitempty"` // of the trial, or of the active one since it was well or ended in order
	Failed   []Failure `json:"failed,omitempty"`
	Report   Report    `json:"report,omitzero"`
}

// A Store is an agent's folder of programs.
type Store struct {
	dir string
	now func() time.Time

	mu    sync.Mutex
	state State
	bad   bool // the file cannot be read
}

// Open gives the store of an agent's folder; nothing is made there before there
// is something to keep. Where the state cannot be read, the store is empty, and
// the error says why: whoever goes on loses what was remembered, and the first
// that is kept puts the old file aside.
func Open(dir string, now func() time.Time) (*Store, error) {
	s := &Store{dir: filepath.Join(dir, folder), now: now}
	b, err := readAtMost(filepath.Join(s.dir, stateName), maxState)
	if err == nil {
		s.state, err = parseState(b)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		s.bad = true
		return s, fmt.Errorf("upgrade: what is remembered of upgrades cannot be read, and is put aside: %w", err)
	}
	return s, nil
}

// parseState reads what keep writes. What a later program added is passed over.
func parseState(b []byte) (State, error) {
	var st State
	if err := json.Unmarshal(b, &st); err != nil {
		return State{}, err
	}
	if st.Format != format {
		return State{}, fmt.Errorf("format %d, where %d is known", st.Format, format)
	}
	for _, p := range []*Program{st.Active, st.Previous, st.Trial} {
		if p != nil && (!signing.IsRelease(p.Release) || p.Size < 1 || p.Size > signing.MaxProgram || p.Health < 0 || p.Health > signing.MaxHealth) {
			return State{}, fmt.Errorf("%.80q is no program", p.Release)
		}
	}
	return st, nil
}

// State gives what is remembered.
func (s *Store) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Failed = slices.Clone(st.Failed)
	return st
}

// change changes the state and keeps it.
func (s *Store) change(with func(*State)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state
	next.Failed = slices.Clone(next.Failed)
	with(&next)
	next.Format = format
	if n := len(next.Failed) - maxFailed; n > 0 {
		next.Failed = next.Failed[n:]
	}
	b, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if s.bad {
		_ = os.Rename(filepath.Join(s.dir, stateName), filepath.Join(s.dir, badName))
	}
	if err := wholefile.Keep(filepath.Join(s.dir, stateName), 0o600, b); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	s.state, s.bad = next, false
	return nil
}

// Report notes what became of a release. Where that cannot be kept, since the
// disk is full, it is told all the same.
func (s *Store) Report(r Report) error {
	r.At, r.Reason = s.now().UTC().Truncate(time.Second), cut(r.Reason)
	err := s.change(func(st *State) { st.Report = r })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Report = r
	return err
}

// Fail remembers that a release is not to be tried again, and why.
func (s *Store) Fail(p Program, state string, why error) error {
	err := s.change(func(st *State) { st.fail(p, state, why, s.now()) })
	return errors.Join(err, s.sweep())
}

func (s *State) fail(p Program, state string, why error, now time.Time) {
	now = now.UTC().Truncate(time.Second)
	reason := cut(why.Error())
	s.Failed = append(s.Failed, Failure{Release: p.Release, Manifest: p.Manifest, Reason: reason, At: now})
	s.Report = Report{Release: p.Release, Stage: p.Stage, State: state, Reason: reason, At: now}
	if s.Trial != nil && s.Trial.Manifest == p.Manifest {
		s.Trial, s.Starts = nil, 0
	}
}

// Tried gives why a release failed here before.
func (s *Store) Tried(manifest translog.Sum) (Failure, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.state.Failed, func(f Failure) bool { return f.Manifest == manifest })
	if i < 0 {
		return Failure{}, false
	}
	return s.state.Failed[i], true
}

// Stage has a program, which was fetched and checked, tried next.
func (s *Store) Stage(p Program) error {
	return s.change(func(st *State) {
		st.Trial, st.Starts = &p, 0
		st.Report = Report{Release: p.Release, Stage: p.Stage, State: Trying, At: s.now().UTC().Truncate(time.Second)}
	})
}

// Well notes that the program that runs is well, or ends in order: the starts
// that are counted against it are forgotten.
func (s *Store) Well() error {
	if s.State().Starts == 0 {
		return nil
	}
	return s.change(func(st *State) {
		if st.Trial == nil {
			st.Starts = 0
		}
	})
}

// Path gives where the program of a release is.
func (s *Store) Path(release string) string {
	name := "quaestor-agent-" + release
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(s.dir, name)
}

// sweep removes the programs that nobody needs any more. What cannot be removed
// now, since it runs, is removed another time.
func (s *Store) sweep() error {
	st := s.State()
	used := []string{stateName, badName}
	for _, p := range []*Program{st.Active, st.Previous, st.Trial} {
		if p != nil {
			used = append(used, filepath.Base(s.Path(p.Release)))
		}
	}
	list, err := os.ReadDir(s.dir)
	for _, e := range list {
		if !slices.Contains(used, e.Name()) {
			_ = os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func cut(reason string) string {
	if len(reason) > maxReason {
		reason = reason[:maxReason] + "…"
	}
	return reason
}

// readAtMost reads a file that is to have no more than limit bytes.
func readAtMost(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, info.Size(), limit)
	}
	return os.ReadFile(name)
}
