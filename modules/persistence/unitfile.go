package persistence

import (
	"path"
	"slices"
	"strings"
)

// A unitFile is the settings of a unit of systemd, in the order in which they
// hold: those of its file first and then those of its drop-ins.
type unitFile []setLine

// A setLine is NAME=VALUE below [SECTION].
type setLine struct {
	section, name, value string
	path                 string // of the file, "" while it is parsed
	line                 int    // where it begins
}

// maxSettings is how many settings are taken of one unit file. The longest of
// a distribution have a hundred.
const maxSettings = 10000

// parseUnit reads a file as systemd.syntax(7) has it: a backslash at the end
// continues a line, a comment between such lines is none of them. It gives
// the numbers of lines that are nothing of the kind, which systemd leaves out
// too.
func parseUnit(text []byte) (file unitFile, bad []int) {
	section, held := "", ""
	begun := 0 // the line where what is held began, or 0
	n := 0
	end := func() {
		name, value, ok := strings.Cut(held, "=")
		name = strings.TrimSpace(name)
		switch {
		case begun == 0:
		case !ok || name == "" || section == "" || len(file) == maxSettings:
			bad = append(bad, begun)
		default:
			file = append(file, setLine{section: section, name: name, value: strings.TrimSpace(value), line: begun})
		}
		held, begun = "", 0
	}
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.Trim(line, " \t\r\n")
		switch {
		case line != "" && (line[0] == '#' || line[0] == ';'):
			continue
		case begun == 0 && line == "":
			continue
		case begun == 0 && line[0] == '[' && line[len(line)-1] == ']':
			section = line[1 : len(line)-1]
			continue
		case begun == 0:
			begun = n
		}
		part, goesOn := strings.CutSuffix(line, `\`)
		held += part
		if goesOn {
			held += " "
			continue
		}
		end()
	}
	end()
	return file, bad
}

// kept gives the settings with one of the names that hold, in order. An empty
// value takes those of its name before it back.
func (u unitFile) kept(section string, names ...string) []setLine {
	var kept []setLine
	for _, s := range u {
		switch {
		case section != "" && s.section != section || !slices.Contains(names, s.name):
		case s.value == "":
			kept = slices.DeleteFunc(kept, func(k setLine) bool { return k.name == s.name && k.section == s.section })
		default:
			kept = append(kept, s)
		}
	}
	return kept
}

// all gives the values of such settings.
func (u unitFile) all(section string, names ...string) []string {
	kept := u.kept(section, names...)
	values := make([]string, len(kept))
	for i, k := range kept {
		values[i] = k.value
	}
	return values
}

// from notes in which file settings stand.
func (u unitFile) from(path string) unitFile {
	for i := range u {
		u[i].path = path
	}
	return u
}

// last gives the value of a setting that has but one.
func (u unitFile) last(section, name string) string {
	value := ""
	for _, s := range u {
		if (section == "" || s.section == section) && s.name == name {
			value = s.value
		}
	}
	return value
}

// words gives the values of settings that are lists, word by word.
func (u unitFile) words(section string, names ...string) []string {
	var list []string
	for _, v := range u.all(section, names...) {
		list = append(list, quoted(v)...)
	}
	return list
}

// is says whether a setting is one of the words for yes.
func (u unitFile) is(section, name string) bool {
	switch strings.ToLower(u.last(section, name)) {
	case "1", "yes", "y", "true", "t", "on":
		return true
	}
	return false
}

// execNames are the settings whose values are commands.
func execNames() []string {
	return []string{
		"ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload",
		"ExecStop", "ExecStopPre", "ExecStopPost",
	}
}

// quoted takes a list of words apart, which quotes hold together.
func quoted(s string) []string {
	var list []string
	var word strings.Builder
	in, quote := false, byte(0)
	for i := range len(s) {
		c := s[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			if in {
				list = append(list, word.String())
			}
			word.Reset()
			in = false
		case quote == 0 && (c == '"' || c == '\''):
			in, quote = true, c
		case c == quote && quote != 0:
			quote = 0
		default:
			in = true
			word.WriteByte(c)
		}
	}
	if in {
		list = append(list, word.String())
	}
	return list
}

// unitTypes are what the name of a unit may end with.
func unitTypes() []string {
	return []string{"service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"}
}

// unitType gives what kind of unit has a name; "" for what is no unit.
func unitType(name string) string {
	kind := strings.TrimPrefix(path.Ext(name), ".")
	stem := strings.TrimSuffix(name, path.Ext(name))
	if stem == "" || stem[0] == '@' || !slices.Contains(unitTypes(), kind) {
		return ""
	}
	return kind
}

// template gives the unit that an instance such as getty@tty1.service is made
// from; "" for what is no instance.
func template(name string) string {
	front, back, ok := strings.Cut(name, "@")
	ext := path.Ext(back)
	if !ok || strings.TrimSuffix(back, ext) == "" {
		return ""
	}
	return front + "@" + ext
}

// isTemplate says whether a unit is one that only its instances run.
func isTemplate(name string) bool {
	return strings.HasSuffix(strings.TrimSuffix(name, path.Ext(name)), "@")
}

// dropInNames gives the directories of drop-ins of a unit, without .d, the one
// that says most first: foo-bar@x.service, foo-bar@.service, foo-.service,
// service.
func dropInNames(name string) []string {
	list := []string{name}
	if t := template(name); t != "" {
		list = append(list, t)
	}
	kind := path.Ext(name)
	stem := strings.TrimSuffix(name, kind)
	for i := len(stem) - 2; i > 0; i-- {
		if stem[i] == '-' {
			list = append(list, stem[:i+1]+kind)
		}
	}
	return append(list, strings.TrimPrefix(kind, "."))
}
