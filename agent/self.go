package agent

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/signing/journal"
)

// lastPlans is how many of the latest plans module agent names.
const lastPlans = 20

// describe is what module agent shows of this one. Queries of others are not
// among it: who may read the journal is the machine's owner.
func (a *Agent) describe() modules.Self {
	s, c, entries := a.Status(), a.Policy().Ceilings(), a.journal.Entries()
	self := modules.Self{
		Process: int64(os.Getpid()), Held: held(),
		Agent: s.Agent.String(), Fleet: s.Fleet.String(), FleetName: s.FleetName, Software: s.Software,
		Policy: s.Policy, Relay: s.Relay, Started: s.Started, Certificate: s.Certificate, Outcast: s.Outcast,
		Running: int64(len(s.Running)), Asked: int64(len(entries)),
		JournalBytes: sizeOf(a.path(journalDir)), SpoolBytes: s.Spooled,
		Timeout: c.Timeout, Rows: c.Rows, Bytes: c.Bytes, Memory: c.Memory, Workers: c.Workers, Concurrent: c.Concurrent,
	}
	if u := s.Upgrade; u != nil {
		self.Upgrade, self.UpgradeVersion, self.UpgradeReason = u.State, u.Release, u.Reason
	}
	for _, e := range slices.Backward(entries) {
		if e.Verdict == journal.Refused {
			self.Refused++
		}
		if self.LastAt.Before(e.At) {
			self.LastAt = e.At
		}
		if len(self.Last) < lastPlans && !e.Plan.IsZero() {
			self.Last = append(self.Last, e.Plan.String())
		}
	}
	return self
}

// sizeOf adds up the files of one of the agent's own folders.
func sizeOf(dir string) int64 {
	n := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // it is being written anew
		}
		if st, err := e.Info(); err == nil && st.Mode().IsRegular() {
			n += st.Size()
		}
		return nil
	})
	return n
}
