package machine

import (
	"path"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A sysctlSetting is a line of a file of sysctl.d(5).
type sysctlSetting struct {
	name, value string
	where       string
	glob        *value.Glob // of a name that stands for several
}

// sysctlSettings are such lines in the order in which they are read.
type sysctlSettings []sysctlSetting

// readSysctlSettings reads the files that set the kernel when the system
// starts. Of files with the same name in several directories the first counts,
// and sysctl.conf is read last.
func readSysctlSettings(s *table.Scan) sysctlSettings {
	files := map[string]string{}
	for _, dir := range []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"} {
		for _, name := range s.FS.List(dir) {
			if _, there := files[name]; !there && strings.HasSuffix(name, ".conf") {
				files[name] = path.Join(dir, name)
			}
		}
	}
	var list sysctlSettings
	for _, name := range append(sortedKeys(files), "") {
		file := files[name]
		if name == "" {
			file = "/etc/sysctl.conf"
		}
		text, _ := s.FS.Get(file)
		list = append(list, parseSysctlSettings(file, text, malformed(s))...)
	}
	return list
}

// parseSysctlSettings reads a file: names and values with = between them. A -
// before a name says that it need not be there, or, without a value, that
// names with wildcards do not mean it.
func parseSysctlSettings(file string, text []byte, bad complaint) sysctlSettings {
	var list sysctlSettings
	for n, line := range table.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, set, ok := strings.Cut(line, "=")
		name, optional := strings.CutPrefix(strings.TrimSpace(name), "-")
		if name = dotted(strings.TrimSpace(name)); name == "" || !ok && !optional {
			bad(at(file, n))
			continue
		}
		c := sysctlSetting{name: name, value: strings.TrimSpace(set), where: at(file, n)}
		if !ok {
			c.where = "" // nothing is set
		}
		if strings.ContainsAny(name, "*?[") {
			g, err := value.CompileGlob(name, value.GlobOptions{Flat: true})
			if err != nil {
				bad(c.where)
				continue
			}
			c.glob = g
		}
		list = append(list, c)
	}
	return list
}

// of gives what is said last of a name: by the name itself, or else by one
// with wildcards.
func (l sysctlSettings) of(name string) sysctlSetting {
	var wild sysctlSetting
	for _, c := range slices.Backward(l) {
		switch {
		case c.glob == nil && c.name == name:
			return c
		case c.glob != nil && wild.name == "" && c.glob.Match(name):
			wild = c
		}
	}
	return wild
}
