package persistence

import (
	"path"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// The sources of a preload.
const (
	preloadFile    = "ld_so_preload"
	preloadUnit    = "unit"
	preloadManager = "systemd"
	preloadEnv     = "environment"
	preloadPAM     = "pam_env"
	preloadShell   = "shell"
	preloadCron    = "cron"
)

// A preload is one library, or directory of them, that a setting brings into
// programs that did not ask for it.
type preload struct {
	path     string
	line     int
	source   string
	unit     string
	user     string
	variable string
	value    string
	library  string
}

func preloads() modules.Module {
	return table.New(modules.Schema{
		Name: "preload", Doc: "The libraries that are loaded into programs which did not ask for them: by /etc/ld.so.preload, or by settings of LD_PRELOAD, LD_AUDIT and LD_LIBRARY_PATH.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "path", Doc: "a glob of paths", Example: "'/etc/profile.d/*'"},
	}, []table.Column[preload]{
		table.Text("path", "The file that says so.", func(p *preload) string { return p.path }).To("file").Shown(),
		table.Int("line", "The number of the line in that file, from 1.", func(p *preload) int64 { return int64(p.line) }).Shown(),
		table.Text("source", "What the file is: /etc/ld.so.preload, a unit of systemd or a file of settings that one names, a configuration of its manager, a file of the environment, of PAM, of a shell, or a table of cron.", func(p *preload) string { return p.source }).
			OneOf(preloadFile, preloadUnit, preloadManager, preloadEnv, preloadPAM, preloadShell, preloadCron).Shown(),
		table.Text("variable", "The variable that is set; null for /etc/ld.so.preload, which needs none.", func(p *preload) string { return p.variable }).Shown(),
		table.Text("value", "What is written there: the library or the directory, before anything is put in for what stands after a $.", func(p *preload) string { return p.value }).Shown(),
		table.Text("library", "The path of the library, or for LD_LIBRARY_PATH of the directory; null where it is none that is known, such as a name that is searched for.", func(p *preload) string { return p.library }).To("file").Shown(),
		table.Text("unit", "The file of the unit that it is for.", func(p *preload) string { return p.unit }).To("unit"),
		table.Text("user", "The name of the user in whose home the file is.", func(p *preload) string { return p.user }).To("user"),
	}, listPreloads)
}

func listPreloads(s *table.Scan, yield func(*preload) error) error {
	if elsewhere(s, "preload") {
		return nil
	}
	for _, list := range []func(*table.Scan, func(*preload) error) error{preloadOfFiles, preloadOfUnits} {
		if err := list(s, yield); err != nil {
			return err
		}
	}
	return nil
}

// A preloadPlace is files of one kind.
type preloadPlace struct {
	source, user string
	globs        []string
	parse        func([]byte) []assignment
}

// preloadPlaces are the files of the system and of users that set variables.
func preloadPlaces(f *hostfs.FS) []preloadPlace {
	places := []preloadPlace{
		{preloadFile, "", []string{"/etc/ld.so.preload"}, parsePreload},
		{preloadEnv, "", []string{"/etc/environment", "/etc/environment.d/*.conf", "/usr/lib/environment.d/*.conf"}, parseAssignments},
		{preloadPAM, "", []string{"/etc/security/pam_env.conf"}, parsePAMEnv},
		{preloadManager, "", []string{
			"/etc/systemd/system.conf", "/etc/systemd/system.conf.d/*.conf", "/usr/lib/systemd/system.conf.d/*.conf",
			"/etc/systemd/user.conf", "/etc/systemd/user.conf.d/*.conf", "/usr/lib/systemd/user.conf.d/*.conf",
		}, parseManager},
		{preloadShell, "", []string{
			"/etc/profile", "/etc/profile.d/*", "/etc/bash.bashrc", "/etc/bashrc", "/etc/bash/bashrc", "/etc/csh.cshrc", "/etc/csh.login",
			"/etc/zshenv", "/etc/zshrc", "/etc/zprofile", "/etc/zlogin", "/etc/zsh/*", "/etc/rc.local", "/etc/rc.d/rc.local",
		}, parseAssignments},
		{preloadCron, "", []string{"/etc/crontab", "/etc/anacrontab", "/etc/cron.d/*", "/var/spool/cron/crontabs/*", "/var/spool/cron/tabs/*", "/var/spool/cron/*"}, parseAssignments},
	}
	for _, u := range homes(f) {
		in := func(source string, parse func([]byte) []assignment, names ...string) {
			for i := range names {
				names[i] = path.Join(globbed(u.Home), names[i])
			}
			places = append(places, preloadPlace{source, u.Name, names, parse})
		}
		in(preloadShell, parseAssignments, shellFiles()...)
		in(preloadEnv, parseAssignments, ".config/environment.d/*.conf", ".ssh/environment")
		in(preloadPAM, parsePAMEnv, ".pam_environment")
	}
	return places
}

// shellFiles are the files in a home that a shell runs at its start.
func shellFiles() []string {
	return []string{
		".profile", ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".zshenv", ".zshrc", ".zprofile",
		".zlogin", ".zlogout", ".kshrc", ".cshrc", ".tcshrc", ".login", ".config/fish/config.fish", ".xprofile", ".xsession", ".xinitrc", ".xsessionrc",
	}
}

// globbed makes a pattern that matches a path and nothing else.
func globbed(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

func preloadOfFiles(s *table.Scan, yield func(*preload) error) error {
	for _, place := range preloadPlaces(s.FS) {
		for name := range s.FS.Glob(place.globs...) {
			if st, err := s.FS.Stat(name); err == nil && st.IsDir() {
				continue
			}
			text, ok := get(s, name)
			if !ok {
				continue
			}
			p := preload{path: name, source: place.source, user: place.user}
			if err := yieldPreloads(p, place.parse(text), yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// yieldPreloads hands on a row for each library of each setting.
func yieldPreloads(p preload, list []assignment, yield func(*preload) error) error {
	for _, a := range list {
		p.line, p.variable = a.line, a.variable
		for _, v := range a.parts() {
			p.value, p.library = v, ""
			if strings.HasPrefix(v, "/") && !strings.ContainsAny(v, "$`") {
				p.library = v
			}
			if err := yield(&p); err != nil {
				return err
			}
		}
	}
	return nil
}

// preloadOfUnits gives what units set, themselves, in drop-ins or in the files
// of settings that they name: for each unit, but once for all its names.
func preloadOfUnits(s *table.Scan, yield func(*preload) error) error {
	return eachUnit(s, "", func(u *unit) error {
		if u.target != "" && u.isAlias() {
			return nil
		}
		p := preload{source: preloadUnit, unit: u.path, user: u.in.home}
		for _, set := range u.file.kept("", "Environment", "EnvironmentFile") {
			if set.name == "EnvironmentFile" {
				if err := preloadOfNamed(s, p, strings.TrimPrefix(set.value, "-"), yield); err != nil {
					return err
				}
				continue
			}
			p.path = set.path
			if err := yieldPreloads(p, settings(quoted(set.value), set.line), yield); err != nil {
				return err
			}
		}
		return nil
	})
}

// preloadOfNamed reads the files of settings that a unit names, by a path or a
// glob. What %i and its like stand for, only systemd knows when it starts the
// unit, which is reported.
func preloadOfNamed(s *table.Scan, p preload, name string, yield func(*preload) error) error {
	if !strings.HasPrefix(name, "/") || strings.Contains(name, "%") {
		s.Skip(modules.SkipUnsupported, p.unit, "EnvironmentFile="+name)
		return nil
	}
	if _, err := path.Match(name, ""); err != nil {
		s.Fail(p.unit+": EnvironmentFile="+name, hostfs.ErrMalformed)
		return nil
	}
	for p.path = range s.FS.Glob(name) {
		text, _ := get(s, p.path)
		if err := yieldPreloads(p, parseAssignments(text), yield); err != nil {
			return err
		}
	}
	return nil
}

// An assignment gives one of the variables of the loader a value.
type assignment struct {
	line     int
	variable string // "" for /etc/ld.so.preload
	value    string
}

// parts gives the libraries or directories of a value.
func (a assignment) parts() []string {
	return strings.FieldsFunc(a.value, func(r rune) bool {
		return r == ':' || a.variable != "LD_LIBRARY_PATH" && (r == ' ' || r == '\t') || a.variable == "LD_LIBRARY_PATH" && r == ';'
	})
}

// loaderVariables are those by which the loader brings in libraries.
func loaderVariables() []string { return []string{"LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"} }

// parsePreload reads /etc/ld.so.preload: names with white space or colons
// between them, and comments behind a #.
func parsePreload(text []byte) []assignment {
	var list []assignment
	for n, line := range table.Lines(text) {
		if line, _, _ = strings.Cut(line, "#"); strings.Trim(line, " \t:") != "" {
			list = append(list, assignment{n, "", line})
		}
	}
	return list
}

// settings gives those of NAME=VALUE that are for the loader.
func settings(words []string, line int) []assignment {
	var list []assignment
	for _, w := range words {
		if name, v, ok := strings.Cut(w, "="); ok && slices.Contains(loaderVariables(), name) && v != "" {
			list = append(list, assignment{line, name, v})
		}
	}
	return list
}

// parseManager reads a configuration of systemd's managers, which may give an
// environment to all that they start.
func parseManager(text []byte) []assignment {
	file, _ := parseUnit(text) // these lines are not what is asked about
	var list []assignment
	for _, set := range file.kept("Manager", "DefaultEnvironment", "ManagerEnvironment") {
		list = append(list, settings(quoted(set.value), set.line)...)
	}
	return list
}

// parsePAMEnv reads pam_env.conf(5): NAME DEFAULT=value OVERRIDE=value; and
// the NAME=value that older versions let users write.
func parsePAMEnv(text []byte) []assignment {
	var list []assignment
	for n, line := range table.Lines(text) {
		words := quoted(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		list = append(list, settings(words[:1], n)...)
		if !slices.Contains(loaderVariables(), words[0]) {
			continue
		}
		for _, w := range words[1:] {
			if how, v, _ := strings.Cut(w, "="); (how == "DEFAULT" || how == "OVERRIDE") && v != "" {
				list = append(list, assignment{n, words[0], v})
			}
		}
	}
	return list
}

// parseAssignments finds NAME=VALUE for the loader wherever it stands in the
// lines of a shell, with export or before a command, and the setenv NAME VALUE
// of csh and set -x NAME VALUE of fish.
func parseAssignments(text []byte) []assignment {
	var list []assignment
	for n, line := range table.Lines(text) {
		if line == "" || line[0] == '#' {
			continue
		}
		for _, name := range loaderVariables() {
			for rest := line; ; {
				i := strings.Index(rest, name)
				if i < 0 {
					break
				}
				before, after := rest[:i], rest[i+len(name):]
				rest = after
				if v := assigned(before, after); v != "" {
					list = append(list, assignment{n, name, v})
				}
			}
		}
	}
	return list
}

// assigned gives what a variable is set to between what stands before and
// after its name; "" where it is not.
func assigned(before, after string) string {
	if before != "" && !strings.ContainsAny(before[len(before)-1:], " \t;&|(){}\"'`") {
		return "" // the end of a longer name, or $LD_PRELOAD
	}
	v, ok := strings.CutPrefix(after, "=")
	if !ok {
		words := strings.Fields(before)
		set := slices.Contains(words, "setenv") || slices.Contains(words, "set")
		if v = strings.TrimLeft(after, " \t"); !set || v == after {
			return ""
		}
	}
	if v == "" {
		return ""
	}
	if q := v[0]; q == '"' || q == '\'' {
		v, _, _ = strings.Cut(v[1:], string(q))
		return v
	}
	if i := strings.IndexAny(v, " \t;&|)\"'`"); i >= 0 {
		v = v[:i]
	}
	return v
}
