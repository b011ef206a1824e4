package host

import (
	"runtime"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// A machine is a host to look at.
type machine struct {
	*hostfs.FS
	files bool // facts are in files, as on Linux
}

func openMachine(req *modules.Request) (*machine, error) {
	f, err := hostfs.Open(req.Host, req.Report)
	if err != nil {
		return nil, err
	}
	return &machine{FS: f, files: !f.Live() || runtime.GOOS == "linux"}, nil
}

// read gives the first of the files that can be read; the error is that of
// the first.
func (m *machine) read(paths ...string) ([]byte, error) {
	var first error
	for _, path := range paths {
		b, err := m.ReadFile(path)
		if err == nil {
			return b, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}
