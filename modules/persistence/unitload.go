package persistence

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/table"
)

// The directories of units of the system's manager and of those of users, the
// ones that come first hide what is in the others.
func systemUnitDirs() []string {
	return []string{
		"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/run/systemd/generator.early",
		"/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system", "/run/systemd/system.attached",
		"/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
		"/run/systemd/generator.late",
	}
}

func userUnitDirs() []string {
	return []string{
		"/etc/systemd/user", "/run/systemd/user", "/usr/local/share/systemd/user", "/usr/share/systemd/user",
		"/usr/local/lib/systemd/user", "/usr/lib/systemd/user", "/lib/systemd/user",
	}
}

func homeUnitDirs(home string) []string {
	return []string{
		path.Join(home, ".config/systemd/user.control"), path.Join(home, ".config/systemd/user"),
		path.Join(home, ".local/share/systemd/user"),
	}
}

// A unitPath is the directories in which one manager looks for units, and
// what there is in them.
type unitPath struct {
	scope string // system or user
	home  string // the user whose home it is, or ""
	uid   int64
	dirs  []unitDir
}

// A unitDir is a directory of units.
type unitDir struct {
	path    string
	names   []string            // of units, links among them
	links   []unitLink          // direct, and in .wants, .requires and .upholds
	dropIns map[string][]string // the *.conf by the directory's name without .d
}

// A unitLink is a symbolic link to a unit, or a file in the place of one.
type unitLink struct {
	name   string // of the link
	target string // where it leads, absolute; "" for what is no link
	holder string // the unit that wants it, or "" for one beside the units
}

// loadDirs lists the directories of a manager, each once: /lib is often
// /usr/lib.
func loadDirs(s *table.Scan, dirs []string) []unitDir {
	var list []unitDir
	seen := map[string]bool{}
	for _, dir := range dirs {
		real, err := s.FS.Real(dir)
		if err != nil {
			s.FS.List(dir) // reports what is wrong, if it is anything but its absence
			continue
		}
		if !seen[real] {
			seen[real] = true
			list = append(list, loadDir(s, dir))
		}
	}
	return list
}

func loadDir(s *table.Scan, dir string) unitDir {
	d := unitDir{path: dir, dropIns: map[string][]string{}}
	for _, name := range s.FS.List(dir) {
		p := path.Join(dir, name)
		stem, ext := strings.TrimSuffix(name, path.Ext(name)), path.Ext(name)
		switch {
		case ext == ".d":
			for _, conf := range s.FS.List(p) {
				if path.Ext(conf) == ".conf" {
					d.dropIns[stem] = append(d.dropIns[stem], path.Join(p, conf))
				}
			}
		case ext == ".wants" || ext == ".requires" || ext == ".upholds":
			for _, link := range s.FS.List(p) {
				d.links = append(d.links, unitLink{link, target(s, path.Join(p, link)), stem})
			}
		case unitType(name) != "":
			d.names = append(d.names, name)
			if to := target(s, p); to != "" {
				d.links = append(d.links, unitLink{name, to, ""})
			}
		}
	}
	return d
}

// target gives where a symbolic link leads, as an absolute path; "" for what
// is none.
func target(s *table.Scan, name string) string {
	to, err := s.FS.Readlink(name)
	if err != nil {
		return ""
	}
	if !strings.HasPrefix(to, "/") {
		to = path.Join(path.Dir(name), to)
	}
	return path.Clean(to)
}

// A unit is a unit of systemd under one of its names.
type unit struct {
	in     *unitPath
	dir    int // index of the directory that holds it
	name   string
	path   string
	target string // where the path leads, or ""
	file   unitFile
	read   bool // whether its settings are known
	masked bool
	drops  []string
}

// units gives the units of a manager, those of its first directories: the
// others only complete what is known of them. Their names end in suffix.
func (p *unitPath) units(s *table.Scan, first int, suffix string, yield func(*unit) error) error {
	seen := map[string]bool{}
	for i, d := range p.dirs[:first] {
		for _, name := range d.names {
			if seen[name] || !strings.HasSuffix(name, suffix) {
				continue
			}
			u := &unit{in: p, dir: i, name: name, path: path.Join(d.path, name)}
			st, err := s.FS.Stat(u.path)
			if err == nil && st.IsDir() {
				continue
			}
			seen[name] = true
			u.load(s, st, err)
			if err := yield(u); err != nil {
				return err
			}
		}
	}
	return nil
}

// load reads a unit's file and its drop-ins.
func (u *unit) load(s *table.Scan, st fs.FileInfo, err error) {
	u.target = target(s, u.path)
	u.masked = u.target == "/dev/null" || err == nil && st.Mode().IsRegular() && st.Size() == 0
	if u.masked {
		u.read = true
		return
	}
	text, err := s.FS.Append(nil, u.path, maxFile)
	if err != nil {
		s.Fail(u.path, err)
		return
	}
	u.read = true
	var bad []int
	u.file, bad = parseUnit(text)
	u.file.from(u.path)
	malformed(s, u.path, bad)
	for _, conf := range u.dropIns(s) {
		text, ok := get(s, conf)
		if !ok {
			continue
		}
		more, bad := parseUnit(text)
		malformed(s, conf, bad)
		u.file, u.drops = append(u.file, more.from(conf)...), append(u.drops, conf)
	}
}

// dropIns gives the drop-ins that hold for a unit in the order of their names.
// Of several with the same name only the first counts, and one that leads to
// /dev/null only hides the others.
func (u *unit) dropIns(s *table.Scan) []string {
	names := []string{u.name}
	if u.target != "" && path.Base(u.target) != u.name {
		names = append(names, path.Base(u.target))
	}
	byName := map[string]string{}
	for _, name := range names {
		for _, of := range dropInNames(name) {
			for _, d := range u.in.dirs {
				for _, conf := range d.dropIns[of] {
					if base := path.Base(conf); byName[base] == "" {
						byName[base] = conf
					}
				}
			}
		}
	}
	var list []string
	for _, conf := range byName {
		if target(s, conf) != "/dev/null" {
			list = append(list, conf)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return strings.Compare(path.Base(a), path.Base(b)) })
	return list
}
