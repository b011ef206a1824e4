package sandbox

import (
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/signing"
)

// An allowance holds the rules of a policy that allow some paths also where
// links lead: what is allowed by its name must be allowed by where it is, too,
// unless the rule has follow_links. What a glob itself begins with may be a
// link: "/bin/*" allows what is in /usr/bin where /bin leads there.
type allowance struct {
	policy *signing.Policy
	host   modules.Host

	mu     sync.Mutex
	fronts map[string][]front // by module
	place  string             // that was asked about last: rows of one file come together
	real   string             // where it leads

	dir, dirReal string // the folder of the place that was asked about last, and where it leads; "" for nowhere
}

// A front is a folder that globs begin with, and where it leads.
type front struct{ named, real string }

func newAllowance(policy *signing.Policy, host modules.Host) *allowance {
	host.Deny = nil // it is asked where places lead, and nothing is read
	return &allowance{policy: policy, host: host, fronts: map[string][]front{}}
}

// open gives the host's files for a moment; nil where there is no such tree,
// and nothing in it.
func (a *allowance) open() (files *hostfs.FS, done func()) {
	files, err := hostfs.Open(a.host, nil) // which is asked for nothing that it would report
	if err != nil {
		return nil, func() {}
	}
	return files, func() { _ = files.Close() }
}

// ofFiles gives what says of a real path whether the rule of module file
// allows it; nil where it allows all, or lets links lead elsewhere.
func (a *allowance) ofFiles() func(real string) bool {
	if !a.asks(fileModule) {
		return nil
	}
	return func(real string) bool { return a.allows(fileModule, real) }
}

// fileModule follows links by itself: see modules.Host.Allow.
const fileModule = "file"

// asks says whether the rule of a module allows some paths and no links that
// lead out of them.
func (a *allowance) asks(module string) bool {
	r := a.policy.Rule(module)
	return len(r.Allow) > 0 && !r.FollowLinks
}

// follows says whether the rules of a module and of files let what is where a
// place of the module leads be looked at. What the rule of files denies is
// opened by nobody: see modules.Host.Deny.
func (a *allowance) follows(module, place string) bool {
	if module == fileModule {
		return true
	}
	if deny := a.policy.Denier(module); deny != nil && deny(a.leads(place)) {
		return false
	}
	for _, m := range []string{module, fileModule} {
		if a.asks(m) && !a.allows(m, a.leads(place)) {
			return false
		}
	}
	return true
}

// allows says whether the rule of a module allows a real path.
func (a *allowance) allows(module, real string) bool {
	if a.policy.PathAllowed(module, real) {
		return true
	}
	real = filepath.ToSlash(real)
	if deny := a.policy.Denier(module); deny != nil && deny(real) {
		return false
	}
	for _, f := range a.frontsOf(module) {
		if rest, ok := strings.CutPrefix(real, f.real); ok && (rest == "" || rest[0] == '/') && a.policy.PathAllowed(module, f.named+rest) {
			return true
		}
	}
	return false
}

// frontsOf gives the fronts of a module's globs that are links, or behind one.
func (a *allowance) frontsOf(module string) []front {
	a.mu.Lock()
	defer a.mu.Unlock()
	list, known := a.fronts[module]
	if known {
		return list
	}
	files, done := a.open()
	defer done()
	if files == nil {
		return nil
	}
	for _, glob := range a.policy.Rule(module).Allow {
		named := glob
		if i := strings.IndexAny(glob, `*?[`); i >= 0 {
			named = glob[:strings.LastIndexByte(glob[:i], '/')+1]
		}
		named = strings.TrimRight(named, "/")
		if named == "" {
			continue
		}
		if real, err := files.Real(named); err == nil && filepath.ToSlash(real) != named {
			list = append(list, front{named, filepath.ToSlash(real)})
		}
	}
	a.fronts[module] = list
	return list
}

// leads gives the real path of a place: of as much of it as there is. Members
// of archives have more behind the path.
func (a *allowance) leads(place string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if place == a.place {
		return a.real
	}
	files, done := a.open()
	defer done()
	if files == nil {
		return place
	}
	place = strings.Clone(place)
	a.place, a.real = place, a.followed(files, filepath.ToSlash(place))
	return a.real
}

// followed is leads, which remembers where the folder leads: places of one
// folder come together.
func (a *allowance) followed(files *hostfs.FS, place string) string {
	if dir := path.Dir(place); dir != a.dir {
		real, err := files.Real(dir)
		if a.dir, a.dirReal = dir, ""; err == nil {
			a.dirReal = filepath.ToSlash(real)
		}
	}
	if st, err := files.Lstat(place); a.dirReal != "" && err == nil && st.Mode().Type() != fs.ModeSymlink && path.Clean(place) == place {
		return path.Join(a.dirReal, path.Base(place))
	}
	for at := place; at != path.Dir(at); at = path.Dir(at) {
		real, err := files.Real(at)
		if err != nil && strings.HasSuffix(at, "!") {
			at = at[:len(at)-1]
			real, err = files.Real(at)
		}
		if err == nil {
			return filepath.ToSlash(real) + place[len(at):]
		}
	}
	return place
}
