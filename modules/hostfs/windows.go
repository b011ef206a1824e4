package hostfs

import (
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
)

// maxFolded is how many directories of a tree are remembered with the names
// that they hold, so that looking many of them up reads each once.
const maxFolded = 1024

// Windows gives the path by which the other methods find what Windows calls
// name: C:\Windows\x, \Windows\x, \??\C:\Windows\x, \SystemRoot\x, or a path
// with slashes. On the live machine it is that name, without what only the
// system understands before it. In a tree, whose root is drive C:, case does
// not matter: the parts are spelt as the tree has them, as far as it has
// them. It gives false for what no tree holds: another drive, a share, a name
// that is relative.
func (f *FS) Windows(name string) (string, bool) {
	name = plainWindows(name)
	if f.root == nil {
		if windowsHost && strings.HasPrefix(name, "/") {
			name = systemDrive + name[1:]
		}
		return name, len(name) > 2 && name[1] == ':' || strings.HasPrefix(name, `\\`) || strings.HasPrefix(name, "/")
	}
	slashed := strings.ReplaceAll(name, `\`, "/")
	if len(slashed) > 1 && slashed[1] == ':' {
		if slashed[0]|0x20 != 'c' {
			return name, false
		}
		slashed = slashed[2:]
	}
	if !strings.HasPrefix(slashed, "/") || strings.HasPrefix(slashed, "//") {
		return name, false
	}
	return f.spelt("/", strings.Split(strings.Trim(path.Clean(slashed), "/"), "/")), true
}

// spelt gives a path below a directory as the tree spells it.
func (f *FS) spelt(at string, parts []string) string {
	for _, part := range parts {
		at = path.Join(at, f.fold(at, part))
	}
	return at
}

// plainWindows takes off what stands before a path in the words of the kernel.
func plainWindows(name string) string {
	for _, p := range [...]string{`\??\`, `\\?\`, `\\.\`} {
		if rest, ok := strings.CutPrefix(name, p); ok {
			if len(rest) > 4 && strings.EqualFold(rest[:4], `UNC\`) {
				return `\\` + rest[4:]
			}
			name = rest
			break
		}
	}
	for _, p := range [...]string{`\SystemRoot\`, `%SystemRoot%\`, `%windir%\`} {
		if len(name) > len(p) && strings.EqualFold(name[:len(p)], p) {
			return `C:\Windows\` + name[len(p):]
		}
	}
	return name
}

// fold gives a name as a directory of a tree spells it: as it is where the
// directory has it so, or has none that differs in case alone.
func (f *FS) fold(dir, name string) string {
	names := f.folded(dir)
	if _, ok := slices.BinarySearch(names, name); ok {
		return name
	}
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return n
		}
	}
	return name
}

// folded gives the names in a directory, in order. What cannot be read has
// none: whoever opens what is in it gets the error.
func (f *FS) folded(dir string) []string {
	f.foldMu.Lock()
	defer f.foldMu.Unlock()
	if names, ok := f.foldNames[dir]; ok {
		return names
	}
	entries, _ := f.ReadDir(dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	if f.foldNames == nil || len(f.foldNames) >= maxFolded {
		f.foldNames = map[string][]string{}
	}
	f.foldNames[dir] = names
	return names
}

// GlobWindows is Glob for paths of Windows below drive C:, in which case does
// not matter: /Windows/Prefetch/*.pf. A link in the place of a directory is
// not followed below a *, since Windows has such that lead back.
func (f *FS) GlobWindows(patterns ...string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, p := range patterns {
			front := "/"
			if f.root == nil && windowsHost {
				front = systemDrive
			}
			if !f.globFold(front, strings.Split(strings.Trim(p, "/"), "/"), yield) {
				return
			}
		}
	}
}

func (f *FS) globFold(dir string, parts []string, yield func(string) bool) bool {
	for len(parts) > 0 && !strings.ContainsAny(parts[0], `*?[\`) {
		name := parts[0]
		if f.root != nil {
			name = f.fold(dir, name)
		}
		dir, parts = path.Join(dir, name), parts[1:]
	}
	if len(parts) == 0 {
		_, err := f.Lstat(dir)
		if err != nil && !absent(err) {
			f.Fail(dir, err)
		}
		return err != nil || yield(dir)
	}
	entries, err := f.ReadDir(dir)
	if err != nil && !absent(err) {
		f.Fail(dir, err)
	}
	for _, e := range entries {
		ok, err := path.Match(strings.ToLower(parts[0]), strings.ToLower(e.Name()))
		if err != nil {
			f.badPart(dir, parts[0])
			return true
		}
		if ok && len(parts) > 1 && e.Type() == fs.ModeSymlink {
			continue
		}
		if ok && !f.globFold(path.Join(dir, e.Name()), parts[1:], yield) {
			return false
		}
	}
	return true
}
