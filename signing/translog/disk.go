package translog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// readAtMost reads a file that is to have no more than limit bytes.
func readAtMost(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%w: %s has more than %d bytes", ErrMalformed, name, limit)
	}
	return b, err
}

// putFile puts a file in its place in one step, for its owner alone; it and its
// name outlive a loss of power when putFile returns.
func putFile(name string, b []byte) error {
	dir := filepath.Dir(name)
	if err := makeDir(dir); err != nil {
		return fmt.Errorf("translog: %w", err)
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("translog: %w", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("translog: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return syncDir(dir)
}

// makeDir makes a folder and those above it, and makes their names last.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := makeDir(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(above)
}

// syncDir makes the names in a folder outlive a loss of power. Windows opens no
// folder for that, and needs none.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("translog: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
