package sandbox

import (
	"path/filepath"
	"runtime"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/signing"
)

// OwnFiles are the places of the agent's own folder, as modules name places.
// They hold what was asked for, and are no part of what is asked about.
type OwnFiles []string

// OwnFilesOf gives the folder's names below the root that modules see.
func OwnFilesOf(dir, root string) OwnFiles {
	var own OwnFiles
	names := []string{dir}
	if abs, err := filepath.Abs(dir); err == nil {
		names = append(names, abs)
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			names = append(names, real)
		}
	}
	for _, name := range names {
		if root != "" && root != "/" {
			rel, err := filepath.Rel(root, name)
			if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
				continue
			}
			name = string(filepath.Separator) + rel
		}
		if filepath.IsAbs(name) {
			own = append(own, filepath.Clean(name))
		}
	}
	return own
}

// Has says whether a place is the folder or below it.
func (o OwnFiles) Has(place string) bool {
	for _, dir := range o {
		if len(place) < len(dir) {
			continue
		}
		front, rest := place[:len(dir)], place[len(dir):]
		same := front == dir || runtime.GOOS == "windows" && strings.EqualFold(filepath.Clean(front), dir)
		// Members of archives have more behind the path.
		if same && (rest == "" || strings.ContainsRune(`/\!`, rune(rest[0]))) {
			return true
		}
	}
	return false
}

// Permitted gives what the engine asks about every place that a module finds.
// What the policy says of the paths of module file holds for each module that
// finds files: a file that must not be read must not be read as lines either.
// Globs, and what is the agent's own, hold also where links of the host lead.
func Permitted(cat *modules.Catalogue, own OwnFiles, policy *signing.Policy, host modules.Host) func(module, place string) modules.SkipKind {
	return newAllowance(policy, host).permitted(cat, own)
}

// permitted is Permitted by an allowance that is there.
func (a *allowance) permitted(cat *modules.Catalogue, own OwnFiles) func(module, place string) modules.SkipKind {
	policy := a.policy
	// A module that sends has places of other hosts, and no paths.
	sends := func(module string) bool {
		s, ok := cat.Schema(module)
		return ok && s.Sends
	}
	return func(module, place string) modules.SkipKind {
		file := filepath.IsAbs(place) && !sends(module)
		switch {
		case !sends(module) && own.Has(place):
			return modules.SkipSelf
		case !policy.PathAllowed(module, place), file && !policy.PathAllowed(fileModule, place):
			return modules.SkipPolicy
		case file && module != fileModule && len(own) > 0 && own.Has(a.leads(place)): // module file asks by itself
			return modules.SkipSelf
		case file && !a.follows(module, place):
			return modules.SkipPolicy
		}
		return ""
	}
}
