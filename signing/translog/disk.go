package translog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
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
	if err := wholefile.Keep(name, 0o600, b); err != nil {
		return fmt.Errorf("translog: %w", err)
	}
	return nil
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
	return wholefile.Sync(above)
}
