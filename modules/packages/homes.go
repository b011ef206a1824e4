package packages

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/account"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// homes gives the homes of the host's users that are there, each once.
func homes(f *hostfs.FS) []string {
	var dirs []string
	for _, u := range account.Users(f) {
		dir := strings.TrimRight(u.Home, "/")
		if strings.HasPrefix(dir, "/") && !slices.Contains(dirs, dir) && f.Exists(dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// inHomes puts each home before each of the patterns below it.
func inHomes(f *hostfs.FS, patterns ...string) []string {
	literal := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`)
	var all []string
	for _, h := range homes(f) {
		for _, p := range patterns {
			all = append(all, literal.Replace(h)+p)
		}
	}
	return all
}

// places gives the folders that match the patterns, each once, however many
// links lead to it.
func places(f *hostfs.FS, patterns []string) []string {
	var dirs []string
	seen := map[string]bool{}
	for dir := range f.Glob(patterns...) {
		real, err := f.Real(dir)
		if err != nil {
			f.Fail(dir, err)
			continue
		}
		if !seen[real] {
			seen[real] = true
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
