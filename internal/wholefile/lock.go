package wholefile

import (
	"errors"
	"os"
)

// ErrHeld says that somebody else has a lock.
var ErrHeld = errors.New("wholefile: in use by another process")

// A Lock is held until Close, or until the process ends, however that happens.
type Lock struct{ file *os.File }

// Hold waits for the lock that the file of this name stands for, and takes it.
// The file stays, and has nothing in it. Whoever reads a file, and writes
// another in its place by what he read, holds one meanwhile.
func Hold(name string) (*Lock, error) { return take(name, true) }

// TryHold is Hold for who does not wait: the error wraps ErrHeld while another
// has the lock.
func TryHold(name string) (*Lock, error) { return take(name, false) }

func take(name string, wait bool) (*Lock, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f, wait); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Lock{f}, nil
}

// Close gives the lock back.
func (l *Lock) Close() error { return l.file.Close() }
