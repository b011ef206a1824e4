package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// ErrRetired says that an agent was retired by its policy: it has no keys any
// more, and answers nobody. Its journal is still its owner's to read.
var ErrRetired = errors.New("agent: retired")

// A Retirement is what is left of an agent that removed its keys.
type Retirement struct {
	Agent     signing.ID `json:"agent"`
	Fleet     signing.ID `json:"fleet"`
	FleetName string     `json:"fleet_name"`
	Policy    int64      `json:"policy"` // the version that said so
	At        time.Time  `json:"at"`
}

// retiredFile says that the agent is retired. It is written before anything is
// removed, so that an agent that dies over it goes on with it.
const retiredFile = "retired.json"

// secrets are what a retired agent removes: its keys, what stands and what it
// had not handed over. The journal and the tags are the owner's.
var secrets = [...]string{identityFile, tlsFile, membershipFile, policyFile, spoolDir, standingDir}

// retire removes the keys of this agent, by the word of its policy.
func (a *Agent) retire(p *signing.Policy) error {
	r := Retirement{
		Agent: a.id.ID(), Fleet: p.Fleet(), FleetName: p.Name(), Policy: p.Version(), At: a.opts.Now().UTC().Truncate(time.Second),
	}
	if err := wholefile.Keep(a.path(retiredFile), 0o600, message.Marshal(r)); err != nil {
		return err
	}
	a.log.Warn("this agent is retired by the policy: it removes its keys and answers nothing any more", "version", p.Version())
	a.retiring.Do(func() { close(a.retired) })
	return nil
}

// wipe removes the keys of an agent's folder. What is there is written over
// first; a disk that moves what is written may still have it.
func wipe(dir string) error {
	var errs []error
	for _, name := range secrets {
		name = filepath.Join(dir, name)
		begun, _ := filepath.Glob(name + ".*" + wholefile.Ext) // the pattern is none of a stranger's
		for _, left := range begun {
			errs = append(errs, os.Remove(left))
		}
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() {
			errs = append(errs, blank(name, info.Size()))
		}
		if err := os.RemoveAll(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// blank writes zeroes over a file where it lies. A file that was cut off first
// would be written elsewhere, if at all.
func blank(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, size))
	return errors.Join(err, f.Sync(), f.Close())
}

// readRetirement gives what is left of a retired agent; the error is nil where
// it is one, and wraps fs.ErrNotExist where it is none.
func readRetirement(dir string) (r Retirement, err error) {
	b, err := readFile(filepath.Join(dir, retiredFile))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s: %w", retiredFile, err)
	}
	return r, nil
}

// checkRetired gives ErrRetired for the folder of a retired agent, and removes
// what an earlier life could not.
func checkRetired(dir string) error {
	r, err := readRetirement(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(fmt.Errorf("%w by version %d of the policy of %q, at %s", ErrRetired, r.Policy, r.FleetName, stamp(r.At)), wipe(dir))
}

// isRetired says whether this life of the agent has been retired.
func (a *Agent) isRetired() bool {
	select {
	case <-a.retired:
		return true
	default:
		return false
	}
}
