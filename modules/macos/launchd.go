package macos

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/records/plist"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// The kinds of job: who starts it, for whom, and whose file says so.
const (
	kindDaemon = "daemon"
	kindAgent  = "agent"

	scopeSystem = "system"
	scopeAll    = "all_users"
	scopeUser   = "user"
)

// A job is what launchd starts by a property list, as launchd.plist(5) has it.
type job struct {
	path, kind, scope string
	owner             string // of an agent in a home
	list              *plist.Value
	disabled          *overrides
}

// A jobPlace is where lists of one kind stand.
type jobPlace struct{ kind, scope, glob string }

func jobPlaces() []jobPlace {
	return []jobPlace{
		{kindDaemon, scopeSystem, "/System/Library/LaunchDaemons/*.plist"},
		{kindAgent, scopeSystem, "/System/Library/LaunchAgents/*.plist"},
		{kindDaemon, scopeAll, "/Library/LaunchDaemons/*.plist"},
		{kindAgent, scopeAll, "/Library/LaunchAgents/*.plist"},
		{kindAgent, scopeUser, "/Users/*/Library/LaunchAgents/*.plist"},
		{kindAgent, scopeUser, "/private/var/root/Library/LaunchAgents/*.plist"},
		{kindDaemon, scopeAll, "/Applications/*.app/Contents/Library/LaunchDaemons/*.plist"},
		{kindAgent, scopeAll, "/Applications/*.app/Contents/Library/LaunchAgents/*.plist"},
	}
}

func launchd() modules.Module {
	return table.New(modules.Schema{
		Name: "launchd", Doc: "What launchd of macOS starts: daemons of the system, agents of those who log in, one row for each list that says so.", Key: "path",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "path", Doc: "a glob of paths", Example: "'/Library/LaunchDaemons/*'"},
	}, launchdColumns(), listJobs)
}

func launchdColumns() []table.Column[job] {
	return []table.Column[job]{
		table.Text("path", "The list that says so.", func(j *job) string { return j.path }).To("file").Shown(),
		table.Text("label", "What launchd calls it.", func(j *job) string { return j.list.Get("Label").Text() }).Shown(),
		table.Text("kind", "Whether it is a daemon, which runs from the start of the system on, or an agent, which runs for whoever is logged in.", func(j *job) string { return j.kind }).OneOf(kindDaemon, kindAgent).Shown(),
		table.Text("scope", "Whose it is: a part of macOS, installed for all users, or that of one user.", func(j *job) string { return j.scope }).OneOf(scopeSystem, scopeAll, scopeUser),
		table.Text("user", "The name of the user as whom it runs; null for an agent of whoever logs in.", (*job).user).To("user").Shown(),
		table.Text("program", "The file that it runs; one that stands in an application is looked for there.", (*job).program).To("file").Shown(),
		table.Texts("args", "What it is called with, word for word.", func(j *job) []string { return j.list.Get("ProgramArguments").Texts() }),
		table.Text("command", "The same with blanks between the words.", (*job).command).Shown(),
		table.Bool("run_at_load", "Whether it is started as soon as launchd has read the list: at boot, or at login.", func(j *job) bool { return j.list.Get("RunAtLoad").Bool() }).Shown(),
		table.Bool("keep_alive", "Whether it is started again when it ends, always or under conditions.", func(j *job) bool {
			k := j.list.Get("KeepAlive")
			return k.Bool() || k.Len() > 0
		}).Shown(),
		table.Value("interval", value.Duration, "The time between two starts; null where it has none.", func(j *job) value.Value {
			n, ok := j.list.Get("StartInterval").Int()
			if !ok || n <= 0 || n > int64(1<<62/time.Second) {
				return value.Value{}
			}
			return value.NewDuration(time.Duration(n) * time.Second)
		}),
		table.Texts("calendar", "The times at which it is started, each as the fields of cron: minute, hour, day, month, weekday.", func(j *job) []string { return calendar(j.list.Get("StartCalendarInterval")) }),
		table.Texts("watch_paths", "Files and folders that start it when they change.", func(j *job) []string {
			return slices.Concat(texts(j.list.Get("WatchPaths")), texts(j.list.Get("QueueDirectories")))
		}),
		table.Bool("on_mount", "Whether it is started when a file system is mounted.", func(j *job) bool { return j.list.Get("StartOnMount").Bool() }),
		table.Texts("services", "The names of Mach at which it answers, and of the sockets that launchd opens for it.", func(j *job) []string {
			return slices.Concat(names(j.list.Get("MachServices")), names(j.list.Get("Sockets")))
		}),
		table.Texts("environment", "The settings that it is started with, each as NAME=VALUE.", func(j *job) []string {
			var list []string
			env := j.list.Get("EnvironmentVariables")
			for i := range env.Len() {
				name, v := env.At(i)
				list = append(list, name+"="+v.String())
			}
			return list
		}).Sensitive(),
		table.Text("cwd", "The directory in which it works.", func(j *job) string { return j.list.Get("WorkingDirectory").Text() }).To("file"),
		table.Text("root", "The directory that it takes for the root.", func(j *job) string { return j.list.Get("RootDirectory").Text() }).To("file"),
		table.Text("stdout", "The file that gets what it writes.", func(j *job) string { return j.list.Get("StandardOutPath").Text() }).To("file"),
		table.Text("stderr", "The file that gets its errors.", func(j *job) string { return j.list.Get("StandardErrorPath").Text() }).To("file"),
		table.Bool("disabled", "Whether it is not started: by what was set with launchctl, which goes before the list, or by the list.", (*job).off).Shown(),
		table.Texts("disabled_for", "The numbers of the users who, or an administrator for them, switched it off for themselves alone.", func(j *job) []string { return j.disabled.users(j.label()) }),
	}
}

// listJobs reads the lists.
func listJobs(s *table.Scan, yield func(*job) error) error {
	if elsewhere(s, "launchd") {
		return nil
	}
	var off *overrides
	if s.Wants("disabled", "disabled_for") {
		off = readOverrides(s)
	}
	for _, p := range jobPlaces() {
		for name := range s.FS.Glob(p.glob) {
			list, ok := decode(s, name)
			if !ok {
				continue
			}
			if list.Kind != plist.Dict {
				s.Fail(name, fmt.Errorf("%w: no dictionary", hostfs.ErrMalformed))
				continue
			}
			j := job{path: name, kind: p.kind, scope: p.scope, list: list, disabled: off}
			if p.scope == scopeUser {
				j.owner = owner(name)
			}
			if err := yield(&j); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *job) label() string { return j.list.Get("Label").Text() }

// user is whom it runs as: an agent runs as whoever it is for, whatever its
// list says.
func (j *job) user() string {
	if j.kind == kindAgent {
		return j.owner
	}
	if name := j.list.Get("UserName").Text(); name != "" {
		return name
	}
	return "root"
}

// program is the file of Program, or the first of ProgramArguments, which may
// stand in the application that has the list.
func (j *job) program() string {
	if p := j.list.Get("BundleProgram").Text(); p != "" {
		if at := strings.Index(j.path, ".app/"); at >= 0 {
			return path.Join(j.path[:at+len(".app")], p)
		}
	}
	if p := j.list.Get("Program").Text(); p != "" {
		return p
	}
	if args := j.list.Get("ProgramArguments").Texts(); len(args) > 0 {
		return args[0]
	}
	return ""
}

func (j *job) command() string {
	if args := j.list.Get("ProgramArguments").Texts(); len(args) > 0 {
		return strings.Join(args, " ")
	}
	return j.program()
}

// off says whether it is not started where it would be.
func (j *job) off() bool {
	domain := systemDomain
	if j.scope == scopeUser {
		domain = j.disabled.number(j.owner)
	}
	if set, ok := j.disabled.says(domain, j.label()); ok {
		return set
	}
	return j.list.Get("Disabled").Bool()
}

// texts gives a text as a list of one, as launchd takes both.
func texts(v *plist.Value) []string {
	if t := v.Text(); t != "" {
		return []string{t}
	}
	return v.Texts()
}

// names gives those of a dictionary.
func names(v *plist.Value) []string {
	var list []string
	for i := range v.Len() {
		if name, _ := v.At(i); name != "" {
			list = append(list, name)
		}
	}
	return list
}

// calendar writes times as cron does; a field that is not there is any.
func calendar(v *plist.Value) []string {
	if v.Kind == plist.Dict {
		return []string{calendarTime(v)}
	}
	var list []string
	for i := range v.Len() {
		if _, one := v.At(i); one.Kind == plist.Dict {
			list = append(list, calendarTime(one))
		}
	}
	return list
}

func calendarTime(v *plist.Value) string {
	fields := make([]string, 0, 5)
	for _, name := range []string{"Minute", "Hour", "Day", "Month", "Weekday"} {
		field := "*"
		if n, ok := v.Get(name).Int(); ok {
			field = strconv.FormatInt(n, 10)
		}
		fields = append(fields, field)
	}
	return strings.Join(fields, " ")
}
