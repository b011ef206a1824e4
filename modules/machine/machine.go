// Package machine is the modules about what a machine is made of and what runs
// on it as a whole: its kernel and settings, mounts, disks and devices, trusted
// certificates, containers and their images, programs in the kernel and
// extensions in browsers.
//
// [Modules] gives them. Everything is read out of files, of the live machine
// or of a tree, and nothing is asked of a daemon; so a container that only a
// daemon's memory knows is not here. What processes do is in package process.
package machine

import (
	"errors"
	"runtime"
	"strconv"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// Modules gives the modules of this package, in alphabetical order.
func Modules() []modules.Module {
	return []modules.Module{bpfs(), extensions(), certificates(), containers(), disks(), images(), kernels(), mounts(), pcis(), sysctls(), usbs()}
}

// linux says whether the host has the files of a Linux kernel; where it has
// not, the report says so.
func linux(s *table.Scan) bool {
	if s.FS.Live() && runtime.GOOS != "linux" {
		s.Fail(runtime.GOOS, errors.ErrUnsupported)
		return false
	}
	return true
}

// A complaint takes where a text is not in its format.
type complaint func(where string)

// malformed makes a complaint to the report.
func malformed(s *table.Scan) complaint {
	return func(where string) { s.Fail(where, hostfs.ErrMalformed) }
}

// at names a line of a file.
func at(name string, line int) string { return name + ":" + strconv.Itoa(line) }

// each yields the things of a list.
func each[T any](list []T, yield func(*T) error) error {
	for i := range list {
		if err := yield(&list[i]); err != nil {
			return err
		}
	}
	return nil
}
