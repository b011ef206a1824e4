package persistence

import (
	"path"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// The managers that know a unit.
const (
	scopeSystem = "system"
	scopeUser   = "user"
)

// A unitRow is a unit with what is looked up once for all.
type unitRow struct {
	*unit
	active *activity
}

func units() modules.Module {
	return table.New(modules.Schema{
		Name: "unit", Doc: "The units of systemd that a host has files of: services, sockets, timers and others, of the system and of users.", Key: "path",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names", Example: "'ssh*.service'"},
	}, unitColumns(), func(s *table.Scan, yield func(*unitRow) error) error {
		if elsewhere(s, "unit") {
			return nil
		}
		var active *activity
		if s.Wants("active") {
			active = readActivity(s)
		}
		return eachUnit(s, "", func(u *unit) error { return yield(&unitRow{u, active}) })
	})
}

// eachUnit gives the units of the system, those of all users, and those in
// the homes of users, as far as their names end so.
func eachUnit(s *table.Scan, suffix string, yield func(*unit) error) error {
	system := &unitPath{scope: scopeSystem, dirs: loadDirs(s, systemUnitDirs())}
	if err := system.units(s, len(system.dirs), suffix, yield); err != nil {
		return err
	}
	all := &unitPath{scope: scopeUser, dirs: loadDirs(s, userUnitDirs())}
	if err := all.units(s, len(all.dirs), suffix, yield); err != nil {
		return err
	}
	for _, u := range homes(s.FS) {
		dirs := loadDirs(s, homeUnitDirs(u.Home))
		own := &unitPath{scope: scopeUser, home: u.Name, uid: u.UID, dirs: append(dirs, all.dirs...)}
		if err := own.units(s, len(dirs), suffix, yield); err != nil {
			return err
		}
	}
	return nil
}

// setText makes a column of what a unit's files say, null where they could
// not be read.
func setText(name, doc string, get func(*unitRow) string) table.Column[unitRow] {
	return table.Value(name, value.Text, doc, func(u *unitRow) value.Value { return u.known(table.TextOf(get(u))) })
}

// setTexts is setText for lists.
func setTexts(name, doc string, get func(*unitRow) []string) table.Column[unitRow] {
	return table.Value(name, value.List, doc, func(u *unitRow) value.Value {
		return u.known(table.ListOf(get(u), value.NewText))
	}).Of(value.Text)
}

// known makes null of what is not known.
func (u *unit) known(v value.Value) value.Value {
	if !u.read {
		return value.Value{}
	}
	return v
}

func unitColumns() []table.Column[unitRow] {
	return []table.Column[unitRow]{
		table.Text("name", "The name of the unit, such as ssh.service; one that ends in @ before the dot is a template of others.", func(u *unitRow) string { return u.name }).Shown(),
		table.Text("path", "The file of the unit, the one that counts where several directories have it.", func(u *unitRow) string { return u.path }).To("file").Shown(),
		table.Text("type", "What kind of unit it is.", func(u *unitRow) string { return unitType(u.name) }).OneOf(unitTypes()...),
		table.Text("scope", "Whether the system's manager knows it or those of users.", func(u *unitRow) string { return u.in.scope }).OneOf(scopeSystem, scopeUser),
		setText("enabled", "Whether it starts by itself, as systemctl is-enabled says; static ones start when another wants them.", func(u *unitRow) string { return u.state() }).OneOf(unitStates()...).Shown(),
		table.Value("active", value.Bool, "Whether processes of it run, by its control group; null for what has none, and in a tree.", (*unitRow).isActive).Costs(modules.Read).Shown(),
		setText("user", "The name of the user as whom its commands run; null for templates of users and what runs nothing.", (*unitRow).user).To("user").Shown(),
		setText("exec_start", "The command that it starts, the first where there are several, as it is written.", func(u *unitRow) string {
			return strings.Join(firstOf(u.file.all("", "ExecStart")), "")
		}).Shown(),
		setTexts("exec", "All commands that it may run, before, at and after its start, at reload and at stop, as they are written.", func(u *unitRow) []string { return u.file.all("", execNames()...) }),
		setText("description", "What it is, in its own words.", func(u *unitRow) string { return u.file.last("Unit", "Description") }),
		setText("service_type", "How its start is awaited, such as simple, forking or oneshot, as it is written.", func(u *unitRow) string { return u.file.last("Service", "Type") }),
		setText("working_directory", "The directory in which its commands run, as it is written.", func(u *unitRow) string { return u.file.last("", "WorkingDirectory") }),
		setTexts("environment", "The settings of the environment that it gives its commands, each as NAME=VALUE.", func(u *unitRow) []string { return u.file.words("", "Environment") }).Sensitive(),
		setTexts("environment_files", "The files from which it takes further settings; one that begins with - need not be there.", func(u *unitRow) []string { return u.file.all("", "EnvironmentFile") }),
		setTexts("drop_ins", "The files that change its settings, in the order in which they do.", func(u *unitRow) []string { return u.drops }),
		table.Texts("wanted_by", "The units that start it with them by a link in their .wants, .requires or .upholds.", func(u *unitRow) []string {
			holders, _ := u.wantedBy()
			return holders
		}),
		table.Texts("instances", "The instances of a template that such links name.", func(u *unitRow) []string {
			_, instances := u.wantedBy()
			return instances
		}),
		setText("triggers", "The name of the unit that a timer, a socket, a path or an automount starts.", func(u *unitRow) string { return u.triggers() }),
		table.Text("target", "Where the file leads when it is a symbolic link.", func(u *unitRow) string { return u.target }).To("file"),
	}
}

func firstOf(list []string) []string { return list[:min(1, len(list))] }

// user says as whom a unit runs its commands: root where a service of the
// system does not say, the owner of the home where it is theirs.
func (u *unitRow) user() string {
	name := u.file.last("", "User")
	switch {
	case u.in.home != "":
		return u.in.home
	case name != "" || u.masked || u.in.scope != scopeSystem:
		return name
	case len(u.file.all("", execNames()...)) == 0 || u.file.is("", "DynamicUser"):
		return ""
	}
	return "root"
}

// An activity is the units whose control groups hold processes.
type activity struct {
	system map[string]bool
	users  map[string]map[string]bool // by uid
}

// maxGroups and maxGroupDepth bound the walk over control groups.
const (
	maxGroups     = 50000
	maxGroupDepth = 16
)

// readActivity looks at the control groups of the system, where systemd keeps
// them; nil where it keeps none.
func readActivity(s *table.Scan) *activity {
	a := &activity{map[string]bool{}, map[string]map[string]bool{}}
	for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"} {
		if s.FS.Exists(path.Join(top, "system.slice")) {
			left := maxGroups
			a.walk(s, top, a.system, &left, maxGroupDepth)
			if left < 0 {
				s.Skip(modules.SkipLimit, top, "more control groups than are looked at")
			}
			return a
		}
	}
	return nil
}

// walk goes over the groups below a directory into a set of names, and says
// whether one of them, or the directory, holds a process.
func (a *activity) walk(s *table.Scan, dir string, into map[string]bool, left *int, depth int) bool {
	procs, _ := get(s, path.Join(dir, "cgroup.procs"))
	busy := len(procs) > 0
	entries, err := s.FS.ReadDir(dir)
	if err != nil && hostfs.SkipOf(dir, err).Kind != modules.SkipVanished {
		s.Fail(dir, err)
	}
	for _, e := range entries {
		if *left--; !e.IsDir() || depth == 0 || *left < 0 {
			continue
		}
		name, under := e.Name(), into
		if uid, ok := strings.CutPrefix(name, "user@"); ok {
			under = map[string]bool{}
			a.users[strings.TrimSuffix(uid, ".service")] = under
		}
		if !a.walk(s, path.Join(dir, name), under, left, depth-1) {
			continue
		}
		busy = true
		if unitType(name) != "" {
			into[name] = true
			if t := template(name); t != "" {
				into[t] = true
			}
		}
	}
	return busy
}

// isActive says whether processes of a unit run.
func (u *unitRow) isActive() value.Value {
	switch kind := unitType(u.name); {
	case u.active == nil || kind != "service" && kind != "scope" && kind != "slice":
		return value.Value{}
	case u.in.scope == scopeSystem:
		return value.NewBool(u.active.system[u.name])
	}
	for uid, names := range u.active.users {
		if (u.in.home == "" || uid == value.NewInt(u.in.uid).String()) && names[u.name] {
			return value.NewBool(true)
		}
	}
	return value.NewBool(false)
}
