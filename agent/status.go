package agent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/agent/upgrade"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// statusAfter is how long after a change the status is written.
const statusAfter = 500 * time.Millisecond

// Status is what an agent says of itself.
type Status struct {
	Agent       signing.ID        `json:"agent"`
	Hostname    string            `json:"hostname"` // as it was when the agent was enrolled
	Fleet       signing.ID        `json:"fleet"`
	FleetName   string            `json:"fleet_name"`
	Tags        map[string]string `json:"tags,omitempty"` // the administrator's word
	Policy      int64             `json:"policy"`         // the version in force
	Outcast     string            `json:"outcast,omitempty"`
	Retired     time.Time         `json:"retired,omitzero"` // when the policy had it remove its keys
	Software    string            `json:"software"`
	Certificate time.Time         `json:"certificate"` // when it expires
	Relays      []string          `json:"relays"`
	Sandbox     string            `json:"sandbox"`           // on; partial: doors are open; off: scans run in the process that holds the keys; unknown: none was started yet
	Group       string            `json:"group,omitempty"`   // the control group of the processes that look, and what it holds
	Shadows     []string          `json:"shadows,omitempty"` // places where the service is shown something else than the machine has
	Earlier     string            `json:"earlier,omitempty"` // how the life before ended, where not by its own will

	Process   int           `json:"process"` // 0: it does not run
	Started   time.Time     `json:"started,omitzero"`
	Relay     string        `json:"relay,omitempty"` // that it is connected to
	Address   string        `json:"address,omitempty"`
	Connected time.Time     `json:"connected,omitzero"`
	Error     string        `json:"error,omitempty"` // why it is not
	Again     time.Time     `json:"again,omitzero"`  // when it tries again
	Running   []RunningPlan `json:"running"`
	Spooled   int64         `json:"spooled"` // bytes that wait for a relay
	// Upgrade is what became of the latest release; nil: none was offered.
	Upgrade *upgrade.Report `json:"upgrade,omitempty"`
	// Written is since when all of this has been so.
	Written time.Time `json:"written"`
}

// A RunningPlan is one that was accepted and has not ended.
type RunningPlan struct {
	Plan    signing.ID `json:"plan"`
	Query   string     `json:"query"`
	Purpose string     `json:"purpose"`
	Since   time.Time  `json:"since"`
	Waits   string     `json:"waits,omitempty"` // for what, where it does not look yet
}

// Status gives the state of an agent that is open.
func (a *Agent) Status() Status {
	a.mu.Lock()
	s := a.state
	s.Agent, s.Hostname, s.Tags = a.id.ID(), a.self.Hostname, a.self.Tags
	s.Fleet, s.FleetName, s.Policy = a.policy.Fleet(), a.policy.Name(), a.policy.Version()
	if a.outcast != nil {
		s.Outcast = a.outcast.Error()
	}
	s.Running = []RunningPlan{}
	for id, r := range a.running {
		s.Running = append(s.Running, RunningPlan{id, r.permit.payload.Query, r.permit.payload.Purpose, r.started, r.waits})
	}
	a.mu.Unlock()
	slices.SortFunc(s.Running, func(x, y RunningPlan) int {
		return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.Plan.String(), y.Plan.String()))
	})
	s.Software, s.Relays, s.Process, s.Started = a.opts.Software, a.conf.Relays, os.Getpid(), a.started
	s.Sandbox = a.sandboxed()
	if r := a.upgrade.store.State().Report; r.State != "" {
		s.Upgrade = &r
	}
	if s.Written = a.opts.Now(); a.spool != nil {
		s.Spooled = a.spool.bytes()
	}
	s.Certificate = a.expires()
	return s
}

// sandboxed says in a word whether scans run in a process of their own, and
// whether all doors of the latest one are shut.
func (a *Agent) sandboxed() string {
	c, apart := a.runner.(*sandbox.Children)
	switch {
	case !apart:
		return sandboxOff
	case len(c.Doors()) == 0:
		return sandboxUnknown
	case len(openDoors(c)) > 0:
		return sandboxPartial
	}
	return sandboxOn
}

// openDoors names what children are not kept from; none before the first.
func openDoors(c *sandbox.Children) []string {
	var list []string
	for _, d := range c.Doors() {
		if !d.Shut {
			list = append(list, d.Name+": "+d.How)
		}
	}
	return list
}

// note changes the state and has it written.
func (a *Agent) note(change func(*Status)) {
	a.mu.Lock()
	change(&a.state)
	a.mu.Unlock()
	a.touch()
}

// touch has the status written soon.
func (a *Agent) touch() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// writeStatus writes the status where it is another than the one that was
// written last: most plans begin and end between two looks. Of those who call it
// one goes after the other.
func (a *Agent) writeStatus() {
	s := a.Status()
	now := s.Written
	s.Written = time.Time{}
	text := message.Marshal(s)
	if bytes.Equal(text, a.wrote) {
		return
	}
	s.Written = now
	if err := wholefile.Put(a.path(statusFile), 0o600, message.Marshal(s)); err != nil {
		a.log.Warn("the status cannot be written", "error", err)
		return
	}
	a.wrote = text
}

// ReadStatus gives the state of the agent of a folder, which may be running in
// another process. Process is 0 where none does.
func ReadStatus(o Options) (Status, error) {
	if r, err := readRetirement(o.Dir); err == nil {
		return Status{Agent: r.Agent, Fleet: r.Fleet, FleetName: r.FleetName, Policy: r.Policy, Retired: r.At, Running: []RunningPlan{}}, nil
	}
	a, err := read(o)
	if err != nil {
		return Status{}, err
	}
	j, err := journal.Open(a.path(journalDir))
	if err == nil {
		s := a.Status()
		s.Process, s.Started = 0, time.Time{}
		s.Spooled = spooled(a.path(spoolDir))
		return s, j.Close()
	}
	if !errors.Is(err, journal.ErrInUse) {
		return Status{}, err
	}
	var s Status
	b, err := readFile(a.path(statusFile))
	if err != nil {
		return s, fmt.Errorf("the agent runs, and its status cannot be read: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", statusFile, err)
	}
	return s, nil
}

// ReadFacts gives the facts of the agent of a folder, which may be running in
// another process.
func ReadFacts(ctx context.Context, o Options) (plan.Facts, error) {
	a, err := read(o)
	if err != nil {
		return nil, err
	}
	return a.Facts(ctx)
}

// ReadHistory gives what was asked of the agent of a folder, the oldest first,
// also while it runs in another process.
func ReadHistory(dir string) ([]journal.Entry, error) {
	if _, err := readConfig(dir); err != nil {
		return nil, err
	}
	list, err := journal.Read(filepath.Join(dir, journalDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it has never run
	}
	return list, err
}

// History gives what was asked of this agent, the oldest first.
func (a *Agent) History() []journal.Entry { return a.journal.Entries() }
