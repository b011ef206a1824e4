package records

import (
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A line is one of a file.
type line struct {
	path   string
	number int64
	text   string
}

func lineModule() modules.Module {
	return table.New(modules.Schema{
		Name: "line", Doc: "The lines of files, compressed ones too.", Locator: places(modules.LocatorRequired, "/etc/hosts"),
	}, []table.Column[line]{
		table.Text("path", "The file.", func(l *line) string { return l.path }).To("file").Shown(),
		table.Int("number", "The number of the line, from 1.", func(l *line) int64 { return l.number }).Shown(),
		table.Text("text", "The line without its end; null where it is empty.", func(l *line) string { return l.text }).Sensitive(),
	}, func(s *table.Scan, yield func(*line) error) error {
		return s.Files(func(name string) error {
			return eachLine(s, name, func(n int64, text []byte) error {
				return yield(&line{name, n, string(text)})
			})
		})
	}).By()
}
