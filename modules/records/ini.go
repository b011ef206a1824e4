package records

import (
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A setting is a line of a configuration file.
type setting struct {
	path, section, key, value string
	line                      int64
}

func iniModule() modules.Module {
	return table.New(modules.Schema{
		Name: "ini", Doc: "Settings of configuration files of the form [section] and key = value.",
		Locator: places(modules.LocatorRequired, "/etc/systemd/*.conf"),
	}, []table.Column[setting]{
		table.Text("path", "The file.", func(x *setting) string { return x.path }).To("file").Shown(),
		table.Int("line", "The line of the file.", func(x *setting) int64 { return x.line }).Shown(),
		table.Text("section", "The section; null before the first.", func(x *setting) string { return x.section }).Shown(),
		table.Text("key", "The name of the setting.", func(x *setting) string { return x.key }).Shown(),
		table.Text("value", "What it is set to, without quotes around it; null where that is nothing.", func(x *setting) string { return x.value }).Sensitive(),
	}, func(s *table.Scan, yield func(*setting) error) error {
		return s.Files(func(name string) error {
			section := ""
			return eachLine(s, name, func(n int64, text []byte) error {
				key, val, is := parseSetting(string(text), &section)
				if !is {
					return nil
				}
				return yield(&setting{name, section, key, val, n})
			})
		})
	}).By()
}

// parseSetting reads a line; a heading changes the section. Lines that are
// neither are comments, or of a form that is another.
func parseSetting(text string, section *string) (key, val string, is bool) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' || text[0] == ';' {
		return "", "", false
	}
	if text[0] == '[' {
		if end := strings.IndexByte(text, ']'); end > 0 {
			*section = text[1:end]
		}
		return "", "", false
	}
	i := strings.IndexAny(text, "=:")
	if i <= 0 {
		return "", "", false
	}
	key, val = strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:])
	if n := len(val); n >= 2 && (val[0] == '"' || val[0] == '\'') && val[n-1] == val[0] {
		val = val[1 : n-1]
	}
	return key, val, key != ""
}
