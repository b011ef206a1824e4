package account

import (
	"fmt"
	"iter"
	"path"
	"runtime"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A place is a file to look into, and the user in whose home it is.
type place struct{ path, user string }

// pathLocator is the locator of modules that read files of homes.
func pathLocator(example string) modules.Locator {
	return modules.Locator{
		Use: modules.LocatorOptional, Column: "path", Example: example,
		Doc: "a glob of absolute paths, whose parts may hold * ? and []; without one, the usual places in every home and in /etc",
	}
}

// places gives the files that a scan is to look into: those of its locators,
// or else those that the patterns name, of which relative ones are looked for
// in every home. Each is given once.
func places(s *table.Scan, patterns ...string) iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		users, seen := Users(s.FS), map[string]bool{}
		each := func(pattern, user string) bool {
			for name := range s.FS.Glob(pattern) {
				if seen[name] {
					continue
				}
				seen[name] = true
				p := place{name, user}
				if user == "" {
					p.user = owner(users, name)
				}
				if !yield(p, nil) {
					return false
				}
			}
			return true
		}
		for _, l := range s.Locators {
			if _, err := path.Match(l, ""); err != nil || !path.IsAbs(l) {
				yield(place{}, fmt.Errorf("locator %q is not a glob of absolute paths", l))
				return
			}
			if !strings.ContainsAny(l, `*?[\`) {
				if _, err := s.FS.Lstat(l); err != nil && hostfs.SkipOf(l, err).Kind == modules.SkipVanished {
					s.Skip(modules.SkipNotFound, l, "")
				}
			}
			if !each(l, "") {
				return
			}
		}
		if len(s.Locators) > 0 {
			return
		}
		for _, p := range patterns {
			if path.IsAbs(p) {
				if !each(p, "") {
					return
				}
				continue
			}
			for _, u := range users {
				if inHome := path.Join(literal(u.Home), p); path.IsAbs(u.Home) && !each(inHome, u.Name) {
					return
				}
			}
		}
	}
}

// literal makes a pattern that only a name itself matches.
func literal(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// owner gives the user in whose home a path is; of several the innermost, and
// "" where it is in none. A home of / is everybody's.
func owner(users []User, name string) string {
	best, user := 1, ""
	for _, u := range users {
		home := path.Clean(u.Home)
		if len(home) > best && strings.HasPrefix(name, home+"/") {
			best, user = len(home), u.Name
		}
	}
	return user
}

// content reads a place. Of a directory, which a pattern may match, there is
// nothing to say.
func content(f *hostfs.FS, name string) ([]byte, bool) {
	if st, err := f.Stat(name); err == nil && st.IsDir() {
		return nil, false
	}
	return f.Get(name)
}

// onWindows says that a module was asked on a live Windows, which has nothing
// of the kind, or keeps it where the module does not look. That is reported.
func onWindows(s *table.Scan, name string) bool {
	if !s.FS.Live() || runtime.GOOS != "windows" {
		return false
	}
	s.Skip(modules.SkipUnsupported, name, "not known on Windows")
	return true
}
