package docs

import (
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert/osquery"
)

// Osquery prints which table and column of osquery is which module and column
// here.
func Osquery() string {
	var b strings.Builder
	b.WriteString("# Tables of osquery\n\n" + printed +
		"Which table and column of osquery is which module and column here. `quaestor convert --from osquery` goes by this table: [rules that others wrote](rules.md#osquery) says how.\n\n" +
		"- A column that is a link is joined by a dot: `process.user.name`. Columns that are always empty on Linux are left out.\n" +
		"- osquery has an empty text or a 0 where there is nothing. Here that is null, and a condition asks for what it asked there.\n" +
		"- A time is a time here, not a number of seconds; a size a size; a flag true or false.\n" +
		"- A symbolic link is followed by osquery, and so by a query that looks for files by a pattern (`WITH follow_links = on`).\n" +
		"- LIKE makes no difference between capital and small letters, in SQLite of ASCII alone, here of all.\n\n")
	var absent []osquery.Table
	for _, t := range osquery.Tables() {
		if t.Module == "" {
			absent = append(absent, t)
			continue
		}
		fmt.Fprintf(&b, "## %s\n\n[%s](modules.md#%[2]s)", t.Name, t.Module)
		for _, p := range t.Places {
			fmt.Fprintf(&b, " `%s`", p)
		}
		if t.Where != "" {
			fmt.Fprintf(&b, " where `%s`", t.Where)
		}
		b.WriteString(".")
		if t.Note != "" {
			b.WriteString(" " + sentence(t.Note))
		}
		b.WriteString("\n\n| osquery | here |\n|---|---|\n")
		for _, c := range t.Columns {
			here := "`" + strings.ReplaceAll(c.Here, "|", "\\|") + "`"
			switch {
			case c.Here == "":
				here = "not there: " + c.Why
			case c.Why != "":
				here += ", " + c.Why
			}
			if len(c.Words) > 0 {
				here += " (" + strings.Join(c.Words, ", ") + ")"
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", c.Name, here)
		}
		b.WriteByte('\n')
	}
	b.WriteString("## Tables that are not converted\n\n| table | why |\n|---|---|\n")
	for _, t := range absent {
		fmt.Fprintf(&b, "| `%s` | %s |\n", t.Name, t.Note)
	}
	return b.String()
}
