package signing

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
)

// Bounds of globs.
const (
	maxGlobs = 256  // in one list
	maxGlob  = 1024 // bytes of one
	maxPath  = 32 << 10
)

func (r *Rule) hasPaths() bool { return len(r.Allow) > 0 || len(r.Deny) > 0 }

// HasPaths says whether the rule of a module speaks of paths.
func (p *Policy) HasPaths(module string) bool {
	r := p.Rule(module)
	return r.hasPaths()
}

// PathAllowed says whether a module may look at a path. One that a deny glob
// matches, or that lies below such a one, is denied; of the others, those that
// an allow glob matches are allowed, or all where there is no such glob.
// A folder on the way to an allowed path is not itself allowed.
//
// Paths are absolute and clean; those of Windows are taken with slashes and
// without regard to case. A deny glob disregards case everywhere, since a file
// system may. With rules, a path that is not absolute and clean is denied.
func (p *Policy) PathAllowed(module, name string) bool {
	r := p.Rule(module)
	if !r.hasPaths() {
		return true
	}
	if len(name) > maxPath {
		return false
	}
	windows := isWindows(name)
	if windows {
		name = strings.ReplaceAll(name, `\`, "/")
	}
	if path.Clean(name) != strings.TrimSuffix(name, "/") && name != "/" || !windows && name[:min(1, len(name))] != "/" {
		return false
	}
	if denied(r.Deny, name) {
		return false
	}
	segments := strings.Split(strings.Trim(name, "/"), "/")
	folded := strings.Split(foldCase(strings.Trim(name, "/")), "/")
	for _, g := range r.Allow {
		if windows {
			if matchGlob(splitGlob(foldCase(g)), folded) {
				return true
			}
		} else if matchGlob(splitGlob(g), segments) {
			return true
		}
	}
	return len(r.Allow) == 0
}

// Denier gives what says of an absolute, clean path whether the rule of a
// module denies it; nil where nothing is denied. That of module file holds for
// whatever reads files, be they the places that a query speaks of or not. That
// an allow glob leaves a path out does not count: users could not be listed if
// they were not read.
func (p *Policy) Denier(module string) func(name string) bool {
	r := p.Rule(module)
	if len(r.Deny) == 0 {
		return nil
	}
	globs := foldGlobs(r.Deny) // a walk asks of every file
	return func(name string) bool {
		if isWindows(name) {
			name = strings.ReplaceAll(name, `\`, "/")
		}
		return len(name) > maxPath || deniedBy(globs, name) >= 0
	}
}

// Veiled gives what an account may say of a place that the rules of file or of
// one of these modules deny: the glob that denies it, since the name of what
// it matches is denied, too; and of other places the place.
func (p *Policy) Veiled(place string, modules []string) string {
	name := place
	if isWindows(name) {
		name = strings.ReplaceAll(name, `\`, "/")
	}
	for _, m := range append([]string{"file"}, modules...) {
		r := p.Rule(m)
		if i := deniedBy(foldGlobs(r.Deny), name); i >= 0 {
			return r.Deny[i]
		}
	}
	return place
}

func foldGlobs(globs []string) [][]string {
	out := make([][]string, len(globs))
	for i, g := range globs {
		out[i] = splitGlob(foldCase(g))
	}
	return out
}

// denied says whether a glob matches a path or a folder on the way to it.
func denied(globs []string, name string) bool { return deniedBy(foldGlobs(globs), name) >= 0 }

// deniedBy gives the first glob that denies a path, or -1.
func deniedBy(globs [][]string, name string) int {
	if len(globs) == 0 {
		return -1
	}
	folded := strings.Split(foldCase(strings.Trim(name, "/")), "/")
	for i, g := range globs {
		if slices.Contains(globRow(g, folded)[1:], true) {
			return i
		}
	}
	return -1
}

// isWindows knows C:\… and C:/… and \\server\share.
func isWindows(name string) bool {
	return len(name) >= 3 && name[1] == ':' && (name[2] == '\\' || name[2] == '/') || strings.HasPrefix(name, `\\`)
}

// foldCase makes letters alike that any file system takes for the same.
func foldCase(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0 {
		return strings.ToLower(s)
	}
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, s)
}

func splitGlob(g string) []string { return strings.Split(strings.Trim(g, "/"), "/") }

// matchGlob matches segment by segment; ** stands for any number of them.
func matchGlob(glob, segments []string) bool {
	return globRow(glob, segments)[len(segments)]
}

// globRow says of each length of the path's front whether the glob matches it,
// so that no pattern takes longer than its length times the path's.
func globRow(glob, segments []string) []bool {
	row := make([]bool, len(segments)+1)
	row[0] = true
	for _, g := range glob {
		if g == "**" {
			for i := 1; i < len(row); i++ {
				row[i] = row[i] || row[i-1]
			}
			continue
		}
		some := false
		for i := len(segments); i > 0; i-- {
			ok := false
			if row[i-1] {
				ok = segments[i-1] == g && !strings.ContainsAny(g, `*?[\`)
				if !ok {
					ok, _ = path.Match(g, segments[i-1])
				}
			}
			row[i] = ok
			some = some || ok
		}
		if row[0] = false; !some {
			break
		}
	}
	return row
}

// checkGlob says what is wrong with a glob in a policy.
func checkGlob(g string) error {
	switch {
	case len(g) > maxGlob:
		return fmt.Errorf("the glob %.40q… has more than %d bytes", g, maxGlob)
	case strings.Contains(g, `\`):
		return fmt.Errorf("the glob %q has a backslash: write paths of Windows with slashes, as in \"C:/Users/**\"", g)
	case strings.ContainsAny(g, "{}"):
		return fmt.Errorf("the glob %q has braces: write one glob for each", g)
	case !strings.HasPrefix(g, "/") && !isWindows(g) && !strings.HasPrefix(g, "**/"):
		return fmt.Errorf("the glob %q is not absolute: begin with / or C:/ or **/", g)
	}
	for _, s := range splitGlob(g) {
		if _, err := path.Match(s, ""); err != nil {
			return fmt.Errorf("the glob %q: %w", g, err)
		}
		if s != "**" && strings.Contains(s, "**") {
			return fmt.Errorf("the glob %q: ** stands alone between slashes", g)
		}
		if s == ".." || s == "." || s == "" && strings.Trim(g, "/") != "" {
			return fmt.Errorf("the glob %q has a part that no path has: %q", g, s)
		}
	}
	return nil
}
