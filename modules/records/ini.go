package records

import (
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
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
			f := settings{path: name}
			err := eachLine(s, name, func(n int64, text []byte) error {
				x, is, ok := f.line(n, string(text))
				if !ok {
					s.Fail(name+":"+strconv.FormatInt(n, 10), hostfs.ErrMalformed)
				}
				if !is {
					return nil
				}
				return yield(&x)
			})
			if err == nil && f.begun != "" {
				s.Fail(name, hostfs.ErrMalformed) // it goes on behind the end
			}
			return err
		})
	}).By()
}

// A settings is a file that is read line by line.
type settings struct {
	path, section string
	begun         string // lines that end in a backslash and go on
	first         int64  // the first of them
}

// line takes the next line. It says whether a setting ends there, and whether
// the line is of the form of such files.
func (f *settings) line(n int64, text string) (x setting, is, ok bool) {
	if f.begun == "" {
		f.first = n
	}
	if front, more := strings.CutSuffix(text, "\\"); more && len(f.begun) < maxLine && !isComment(text) {
		f.begun += strings.TrimSpace(front) + " "
		return x, false, true
	}
	text = strings.TrimSpace(f.begun + strings.TrimSpace(text))
	f.begun = ""
	if text == "" || isComment(text) {
		return x, false, true
	}
	if text[0] == '[' {
		end := strings.IndexByte(text, ']')
		if end > 0 {
			f.section = text[1:end]
		}
		return x, false, end > 0
	}
	x = setting{path: f.path, section: f.section, line: f.first}
	i := strings.IndexAny(text, "=:")
	if i < 0 && !strings.ContainsAny(text, " \t") {
		x.key = text // it is set by its name alone
		return x, true, true
	}
	if i <= 0 {
		return x, false, false
	}
	x.key, x.value = strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:])
	if v := x.value; len(v) >= 2 && (v[0] == '"' || v[0] == '\'') && v[len(v)-1] == v[0] {
		x.value = v[1 : len(v)-1]
	}
	return x, true, true
}

func isComment(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && (text[0] == '#' || text[0] == ';')
}
