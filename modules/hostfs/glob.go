package hostfs

import (
	"fmt"
	"iter"
	"path"
	"strings"
)

// Glob gives the names that match one of the patterns, pattern for pattern
// and each in order. A pattern is a path whose parts may hold * ? and [], as
// in path.Match, which all of it may pass and a part not: [a/b]. Such a part, a
// directory that could not be read, or looked into, goes to the report; one
// that is not there holds nothing.
func (f *FS) Glob(patterns ...string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, p := range patterns {
			if !f.glob("/", strings.Split(strings.Trim(p, "/"), "/"), yield) {
				return
			}
		}
	}
}

// glob goes on from a directory that is there with the parts that are left.
func (f *FS) glob(dir string, parts []string, yield func(string) bool) bool {
	for len(parts) > 0 && !strings.ContainsAny(parts[0], `*?[\`) {
		dir, parts = path.Join(dir, parts[0]), parts[1:]
	}
	if len(parts) == 0 {
		_, err := f.Lstat(dir)
		if err != nil && !absent(err) {
			f.Fail(dir, err)
		}
		return err != nil || yield(dir)
	}
	for _, name := range f.List(dir) {
		ok, err := path.Match(parts[0], name)
		if err != nil {
			f.badPart(dir, parts[0])
			return true
		}
		if ok && !f.glob(path.Join(dir, name), parts[1:], yield) {
			return false
		}
	}
	return true
}

// badPart reports a part of a pattern that is none.
func (f *FS) badPart(dir, part string) {
	f.Fail(path.Join(dir, part), fmt.Errorf("%w: no part of a pattern", ErrMalformed))
}
