package persistence

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/table"
)

// An entry is a command in a file that lists such.
type entry struct {
	line          int
	name, command string
}

// maxEntries is how many commands are taken of one file.
const maxEntries = 10000

// joined gives the lines of a text without comments, those that end with a
// backslash together with the next, each with the number of its first.
func joined(text []byte, comments string) []entry {
	var list []entry
	open := false
	for n, line := range table.Lines(text) {
		if line == "" && !open || line != "" && strings.ContainsRune(comments, rune(line[0])) {
			continue
		}
		part, goesOn := strings.CutSuffix(line, `\`)
		switch {
		case open:
			list[len(list)-1].command += " " + part
		case len(list) == maxEntries:
			return list
		default:
			list = append(list, entry{n, "", part})
		}
		open = goesOn
	}
	return list
}

// parseLines gives what a function makes of each line: an entry, none, or that
// the line is not in its format.
func parseLines(text []byte, comments string, parse func(line string) (e entry, ok bool)) (list []entry, bad []int) {
	for _, l := range joined(text, comments) {
		e, ok := parse(l.command)
		e.line = l.line
		switch {
		case !ok:
			bad = append(bad, l.line)
		case e.name != "" || e.command != "":
			list = append(list, e)
		}
	}
	return list, bad
}

// parseInittab reads inittab(5): id:runlevels:action:process.
func parseInittab(text []byte) ([]entry, []int) {
	return parseLines(text, "#", func(line string) (entry, bool) {
		f := strings.SplitN(line, ":", 4)
		if len(f) < 4 || f[2] == "" {
			return entry{}, false
		}
		if f[3] == "" {
			return entry{}, true // initdefault runs nothing
		}
		return entry{name: f[2], command: f[3]}, true
	})
}

// parseDesktop reads a desktop entry; one that is hidden starts nothing.
func parseDesktop(text []byte) ([]entry, []int) {
	file, bad := parseUnit(text)
	const section = "Desktop Entry"
	if file.is(section, "Hidden") {
		return nil, bad
	}
	return execs(file, section, file.last(section, "Name")), bad
}

// parsePacman reads a hook of pacman.
func parsePacman(text []byte) ([]entry, []int) {
	file, _ := parseUnit(text) // AbortOnFail and others are words alone
	return execs(file, "Action", file.last("Action", "When")), nil
}

func execs(file unitFile, section, name string) []entry {
	var list []entry
	for _, set := range file.kept(section, "Exec") {
		list = append(list, entry{set.line, name, set.value})
	}
	return list
}

// parsePAM reads pam.d(5): type, control, module and its arguments. Lines
// that include another file are shown where that is read.
func parsePAM(text []byte) ([]entry, []int) {
	return parseLines(text, "#", pamLine)
}

// parsePAMConf reads pam.conf(5), where the service stands before that.
func parsePAMConf(text []byte) ([]entry, []int) {
	return parseLines(text, "#", func(line string) (entry, bool) {
		service, rest := cut(line, 1)
		e, ok := pamLine(rest)
		if ok && e.name != "" {
			e.name = service[0] + " " + e.name
		}
		return e, ok && len(service) == 1
	})
}

func pamLine(line string) (entry, bool) {
	if strings.HasPrefix(line, "@include") {
		return entry{}, true
	}
	kind, rest := cut(line, 1)
	if len(kind) == 0 || !slices.Contains([]string{"auth", "account", "password", "session"}, strings.ToLower(strings.TrimPrefix(kind[0], "-"))) {
		return entry{}, false
	}
	control := ""
	if strings.HasPrefix(rest, "[") {
		var ok bool
		if control, rest, ok = strings.Cut(rest, "]"); !ok {
			return entry{}, false
		}
		rest = strings.TrimLeft(rest, " \t")
	} else {
		words, after := cut(rest, 1)
		control, rest = strings.Join(words, ""), after
	}
	if rest == "" {
		return entry{}, false
	}
	if control == "include" || control == "substack" {
		return entry{}, true
	}
	return entry{name: strings.ToLower(strings.TrimPrefix(kind[0], "-")), command: rest}, true
}

// parseDpkg reads dpkg.cfg(5), of which hooks are wanted.
func parseDpkg(text []byte) ([]entry, []int) {
	return parseLines(text, "#", func(line string) (entry, bool) {
		name, rest := line, ""
		if i := strings.IndexAny(line, "= \t"); i >= 0 {
			name, rest = line[:i], strings.TrimLeft(line[i:], "= \t")
		}
		switch name = strings.TrimLeft(name, "-"); name {
		case "pre-invoke", "post-invoke", "status-logger":
			return entry{name: name, command: unquote(rest)}, rest != ""
		}
		return entry{}, true
	})
}

// parseDnf reads the actions of dnf: package:state:command, and those of
// libdnf5, which have five fields: callback:filter:direction:options:command.
func parseDnf(text []byte) ([]entry, []int) {
	return parseLines(text, "#", func(line string) (entry, bool) {
		f := strings.SplitN(line, ":", 5)
		switch {
		case len(f) == 5 && slices.Contains([]string{"pre_base_setup", "post_base_setup", "repos_configured", "repos_loaded", "pre_add_cmdline_packages", "post_add_cmdline_packages", "goal_resolved", "pre_transaction", "post_transaction"}, f[0]):
			return entry{name: f[0], command: f[4]}, f[4] != ""
		case len(f) >= 3 && f[2] != "":
			return entry{name: f[0] + ":" + f[1], command: strings.Join(f[2:], ":")}, true
		}
		return entry{}, false
	})
}

// parseModulesLoad reads modules-load.d(5): a name for each line. Arguments
// that /etc/modules may give behind are left out.
func parseModulesLoad(text []byte) ([]entry, []int) {
	return parseLines(text, "#;", func(line string) (entry, bool) {
		words, _ := cut(line, 1)
		return entry{name: strings.Join(words, "")}, true
	})
}

// parseModprobe reads modprobe.d(5), of which the commands are wanted that run
// in the place of loading and unloading.
func parseModprobe(text []byte) ([]entry, []int) {
	return parseLines(text, "#", func(line string) (entry, bool) {
		words, rest := cut(line, 2)
		if len(words) == 0 || words[0] != "install" && words[0] != "remove" {
			return entry{}, true
		}
		return entry{name: strings.Join(words, " "), command: rest}, rest != ""
	})
}

// parseCorePattern reads what the kernel does with a program that died: a
// pipe runs a command.
func parseCorePattern(text []byte) ([]entry, []int) {
	command, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "|")
	if !ok || command == "" {
		return nil, nil
	}
	return []entry{{1, "core_pattern", command}}, nil
}
