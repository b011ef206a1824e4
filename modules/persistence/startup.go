package persistence

import (
	"path"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/modules/windows/registry"
	"github.com/quaestor-engine/quaestor/value"
)

// A startup is one thing that starts by itself.
type startup struct {
	path    string
	line    int // 0 where the whole file is it
	kind    string
	name    string
	user    string
	command string
	program string
	key     string // of the registry, with the name of the value
}

func startups() modules.Module {
	return table.New(modules.Schema{
		Name: "startup", Doc: "What else starts by itself: at boot, at login, with a device, a network, a package or a session; not what cron, unit and timer show.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "path", Doc: "a glob of paths", Example: "'/etc/pam.d/*'"},
	}, []table.Column[startup]{
		table.Text("path", "The file that starts or says so; on Windows that of the hive, null for what the running system holds itself.", func(u *startup) string { return u.path }).To("file").Shown(),
		table.Value("line", value.Int, "The number of the line in that file, from 1; null where the whole file is what starts.", func(u *startup) value.Value {
			if u.line == 0 {
				return value.Value{}
			}
			return value.NewInt(int64(u.line))
		}).Shown(),
		table.Text("kind", "What starts it: rc.local, a script of init or a line of its table, shells at login (profile) or always (bashrc), sessions of X (xsession, xdg_autostart), events of devices, PAM, hooks of package managers, the message of the day, a network that goes up or down, SSH, the loading of modules, systemd's generators and hooks, or a program that died (core_pattern); on macOS items and hooks of the login, rules of emond, items of the start, and bundles that the system's programs load (plugin); on Windows the keys of the registry that the system, its logon and its shell read, and the folders of the start menu.", func(u *startup) string { return u.kind }).
			OneOf(startupKinds()...).Shown(),
		table.Text("name", "What it is called there: the name of a hook, a PAM service and its type, a module of the kernel, a key of udev.", func(u *startup) string { return u.name }).Shown(),
		table.Text("user", "The name of the user as whom it runs; null for what runs as whoever logs in.", func(u *startup) string { return u.user }).To("user").Shown(),
		table.Text("command", "What runs, as it is written there; the path of a script that runs as a whole, and null for what a shell reads into itself.", func(u *startup) string { return u.command }).Shown(),
		table.Text("program", "The file with which the command begins, or the module of PAM; null where no path of it is known.", func(u *startup) string { return u.program }).To("file"),
		table.Text("key", "The key of the registry that says so, with the name of the value behind it.", func(u *startup) string { return u.key }).On("windows"),
	}, listStartups)
}

func listStartups(s *table.Scan, yield func(*startup) error) error {
	reg := registry.Open(s.FS)
	defer reg.Close()
	if reg.There() {
		if err := listStartupKeys(s, reg, yield); err != nil || s.FS.Live() {
			return err
		}
	} else if !onMac && elsewhere(s, "startup") {
		return nil
	}
	places := append(systemStartups(), macStartups()...)
	for _, u := range homes(s.FS) {
		places = append(places, homeStartups(u.Name, globbed(u.Home))...)
		places = append(places, macHomeStartups(u.Name, globbed(u.Home))...)
	}
	var libraries []string
	if s.Wants("program") {
		libraries = slices.Collect(s.FS.Glob("/lib/security", "/lib64/security", "/lib/*/security", "/usr/lib/security", "/usr/lib64/security", "/usr/lib/*/security"))
	}
	lib, err := s.FS.Real("/lib")
	apart := err == nil && lib != "/usr/lib"
	for _, p := range places {
		if apart {
			p.globs = withLib(p.globs)
		}
		for name := range s.FS.Glob(p.globs...) {
			if err := p.list(s, name, libraries, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// withLib adds the places below /lib to those below /usr/lib, for systems on
// which they are not the same.
func withLib(globs []string) []string {
	for _, g := range slices.Clone(globs) {
		if strings.HasPrefix(g, "/usr/lib/") {
			globs = append(globs, strings.TrimPrefix(g, "/usr"))
		}
	}
	return globs
}

// list gives what one file of a place starts.
func (p startupPlace) list(s *table.Scan, name string, libraries []string, yield func(*startup) error) error {
	st, ok := stat(s, name)
	if !ok {
		return nil
	}
	row := startup{path: name, kind: p.kind, user: p.user, name: path.Base(name)}
	switch {
	case p.how == bundles && isBundle(s.FS, name):
		row.program = bundleProgram(s, name)
		row.command = row.program
		return yield(&row)
	case st.IsDir() || p.how == runs && st.Mode().Perm()&0o111 == 0:
		return nil // what may not be executed is not run
	case p.how == runs:
		row.command, row.program = name, name
		return yield(&row)
	case p.how == reads:
		return yield(&row)
	}
	text, ok := get(s, name)
	if !ok {
		return nil
	}
	list, bad := p.parse(text)
	malformed(s, name, bad)
	for _, e := range list {
		row.line, row.command, row.name = e.line, e.command, e.name
		if p.kind == startPAM && !strings.HasPrefix(e.name, "/") {
			row.name = strings.TrimPrefix(path.Base(name)+" ", "pam.conf ") + e.name
		}
		row.program = p.program(s, e.command, libraries)
		if err := yield(&row); err != nil {
			return err
		}
	}
	return nil
}

// program gives the path of what a command begins with.
func (p startupPlace) program(s *table.Scan, command string, libraries []string) string {
	if p.kind == startLoginItem {
		return command // a path, blanks and all
	}
	words := quoted(strings.TrimLeft(command, "|-"))
	if len(words) == 0 {
		return ""
	}
	if strings.HasPrefix(words[0], "/") {
		return words[0]
	}
	switch p.kind {
	case startUdev:
		libraries = []string{"/usr/lib/udev", "/lib/udev"}
	case startPAM:
	default:
		return ""
	}
	for _, dir := range libraries {
		if name := path.Join(dir, words[0]); path.Dir(name) == dir && s.FS.Exists(name) {
			return name
		}
	}
	return ""
}
