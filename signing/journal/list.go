package journal

import (
	"path/filepath"

	"github.com/quaestor-engine/quaestor/signing"
)

// Read gives the entries of the journal in a folder, as Entries does, also
// while another process has it open.
func Read(dir string) ([]Entry, error) {
	return list(filepath.Join(dir, logName))
}

// Entries gives all entries, the oldest first. There are at most 10,000 of
// accepted plans, beside those that have not ended or expired, and 2,000 of
// refused ones; the journal forgets the others when its file has doubled. If
// the log cannot be read, it gives what came before, and no plan begins any more.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	entries, err := list(j.path(logName))
	if err != nil && j.err == nil {
		j.err = err
	}
	return entries
}

// Unfinished gives the accepted plans that have not ended, the oldest first:
// after Open, those that an earlier process left.
func (j *Journal) Unfinished() []Entry {
	var open []Entry
	for _, e := range j.Entries() {
		if e.Verdict == Accepted && e.Finished.IsZero() {
			open = append(open, e)
		}
	}
	return open
}

func list(name string) ([]Entry, error) {
	var entries []Entry
	at := map[signing.ID]int{} // where an accepted plan stands in the list
	_, err := readLog(name, func(r *record) error {
		switch r.kind {
		case kindBegin:
			at[r.entry.Plan] = len(entries)
			entries = append(entries, r.entry)
		case kindRefuse:
			entries = append(entries, r.entry)
		case kindFinish:
			if i, ok := at[r.finish.Plan]; ok {
				entries[i].add(r.finish.Finish)
			}
		case kindDeath:
			if i, ok := at[r.death.Plan]; ok {
				entries[i].die(r.death)
			}
		}
		return nil
	})
	return entries, err
}
