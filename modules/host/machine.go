package host

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/quaestor-engine/quaestor/modules"
)

// maxFile is how much of a file is read, in bytes: /proc/cpuinfo of a machine
// with a thousand processors has about 1.5 MB.
const maxFile = 4 << 20

// A machine is a host to look at.
type machine struct {
	live  bool
	files bool     // facts are in files, as on Linux
	root  *os.Root // of a tree that is not live: links must not lead out of it
}

func openMachine(h modules.Host) (*machine, error) {
	if h.Root == "" || h.Root == "/" {
		return &machine{live: true, files: runtime.GOOS == "linux"}, nil
	}
	root, err := os.OpenRoot(h.Root)
	if err != nil {
		return nil, fmt.Errorf("open the host's tree: %w", err)
	}
	return &machine{files: true, root: root}, nil
}

func (m *machine) close() {
	if m.root != nil {
		m.root.Close()
	}
}

// open opens a file by its absolute path.
func (m *machine) open(path string) (*os.File, error) {
	if m.live {
		return os.Open(path)
	}
	f, err := m.root.Open(relative(path))
	return f, absolute(path, err)
}

// relative gives the path in the form that os.Root wants.
func relative(path string) string { return filepath.FromSlash(path[1:]) }

// absolute makes an error speak of the path as the host has it.
func absolute(path string, err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return &fs.PathError{Op: pe.Op, Path: path, Err: pe.Err}
	}
	return err
}

// read gives the beginning of the first of the files that can be read; the
// error is that of the first.
func (m *machine) read(paths ...string) ([]byte, error) {
	var first error
	for _, path := range paths {
		b, err := m.readOne(path)
		if err == nil {
			return b, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func (m *machine) readOne(path string) ([]byte, error) {
	f, err := m.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// link gives where a symbolic link points.
func (m *machine) link(path string) (string, error) {
	if m.live {
		return os.Readlink(path)
	}
	to, err := m.root.Readlink(relative(path))
	return filepath.ToSlash(to), absolute(path, err)
}

// exists reports whether there is such a file.
func (m *machine) exists(path string) bool {
	if m.live {
		_, err := os.Lstat(path)
		return err == nil
	}
	_, err := m.root.Lstat(relative(path))
	return err == nil
}

// names lists a directory.
func (m *machine) names(path string) ([]string, error) {
	d, err := m.open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}
