// Package persistence is the modules about what starts by itself on a Linux
// host, and what macOS has of the same beside launchd: jobs of cron and at, units and timers of systemd, modules of the
// kernel, libraries that are loaded into every program, and the many files
// that run something at boot, at login or when a package is installed.
//
// [Modules] gives them. Each reads the files from which the system itself
// would start something, so that a mounted image answers like a machine that
// runs. The package says what is written there; whether that is wanted, or
// has run, is not for it to say, and it runs nothing.
package persistence

import (
	"io/fs"
	"iter"
	"path"
	"strconv"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/account"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// Modules gives the modules of this package, in alphabetical order.
func Modules() []modules.Module {
	return []modules.Module{crons(), kernelModules(), preloads(), startups(), timers(), units()}
}

// maxFile is how much is read of a file that starts something, in bytes. The
// largest of them that people write have some ten thousand.
const maxFile = 1 << 20

// get reads a file that need not be there. What keeps it from being read goes
// to the report.
func get(s *table.Scan, name string) ([]byte, bool) {
	text, err := s.FS.Append(nil, name, maxFile)
	if err != nil {
		if hostfs.SkipOf(name, err).Kind != modules.SkipVanished {
			s.Fail(name, err)
		}
		return nil, false
	}
	return text, true
}

// stat says what a name leads to. A link that leads nowhere starts nothing;
// what else keeps it from being known goes to the report.
func stat(s *table.Scan, name string) (fs.FileInfo, bool) {
	st, err := s.FS.Stat(name)
	if err != nil && hostfs.SkipOf(name, err).Kind != modules.SkipVanished {
		s.Fail(name, err)
	}
	return st, err == nil
}

// files gives the paths of what is in a directory and is no directory itself,
// in order.
func files(f *hostfs.FS, dirs ...string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, dir := range dirs {
			for _, name := range f.List(dir) {
				p := path.Join(dir, name)
				if st, err := f.Stat(p); err == nil && st.IsDir() {
					continue
				}
				if !yield(p) {
					return
				}
			}
		}
	}
}

// malformed reports lines that are not in the format of their file.
func malformed(s *table.Scan, name string, lines []int) {
	for _, n := range lines {
		s.Fail(name+":"+strconv.Itoa(n), hostfs.ErrMalformed)
	}
}

// homes gives the users who have a home of their own, each home once: many
// accounts of services share /nonexistent or /.
func homes(f *hostfs.FS) []account.User {
	var list []account.User
	seen := map[string]bool{"/": true, "": true}
	for _, u := range account.Users(f) {
		if home := path.Clean("/" + u.Home); !seen[home] {
			seen[home] = true
			u.Home = home
			list = append(list, u)
		}
	}
	return list
}

// elsewhere says that a Linux module was asked on another system, where only
// a tree can hold what it reads.
func elsewhere(s *table.Scan, name string) bool {
	if !s.FS.Live() || onLinux {
		return false
	}
	s.Skip(modules.SkipUnsupported, name, "only Linux has these")
	return true
}
