// Package macos is the modules about what macOS alone has: what launchd
// starts, and extensions of the kernel.
//
// [Modules] gives them. They read files, so that the volume with the data of a
// Mac, mounted anywhere, answers like a machine that runs it; what macOS itself
// brings stands on another volume. Nothing is asked of launchd, and nothing
// runs.
package macos

import (
	"io/fs"
	"runtime"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/records/plist"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// Modules gives the modules of this package, in alphabetical order.
func Modules() []modules.Module {
	return []modules.Module{kernelExtensions(), launchd()}
}

// elsewhere says that a module was asked on a live machine of another system,
// where only a tree can hold what it reads.
func elsewhere(s *table.Scan, name string) bool {
	if !s.FS.Live() || runtime.GOOS == "darwin" {
		return false
	}
	s.Skip(modules.SkipUnsupported, name, "only macOS has these")
	return true
}

// decode reads a property list that need not be there. What keeps it from
// being read goes to the report.
func decode(s *table.Scan, name string) (*plist.Value, bool) {
	b, err := s.FS.Append(nil, name, plist.MaxFile)
	if err == nil {
		var v *plist.Value
		if v, err = plist.Decode(b); err == nil {
			return v, true
		}
	}
	if hostfs.SkipOf(name, err).Kind != modules.SkipVanished {
		s.Fail(name, err)
	}
	return nil, false
}

// owner gives the name of whoever a path in a home belongs to, as the name of
// the home has it.
func owner(name string) string {
	if rest, ok := strings.CutPrefix(name, "/Users/"); ok {
		user, _, _ := strings.Cut(rest, "/")
		return user
	}
	if strings.HasPrefix(name, "/private/var/root/") {
		return "root"
	}
	return ""
}

// isDir says whether a name leads to a directory.
func isDir(f *hostfs.FS, name string) bool {
	st, err := f.Stat(name)
	return err == nil && st.Mode().Type() == fs.ModeDir
}
