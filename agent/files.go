package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const tempExt = ".new"

// writeFile puts a file in place of another, so that whoever reads it sees one
// of them whole. Only the agent's own user may read it.
func writeFile(name string, data []byte) error {
	f, err := os.OpenFile(name+tempExt, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name()) // what a full disk took of it is of no use
	}
	return err
}

// keepFile is writeFile for what must outlive a loss of power.
func keepFile(name string, data []byte) error {
	f, err := os.OpenFile(name+tempExt, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(name)); err == nil {
		_ = dir.Sync() // not every system can, and those that cannot need not
		return dir.Close()
	}
	return nil
}
