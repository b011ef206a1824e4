package spec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/pretend"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// ask compiles and runs the query, and gives what came back by section.
func (s *script) ask(ctx context.Context, dir, root string, mods []modules.Module, naive bool) (map[string]string, error) {
	session, err := quaestor.LocalWith(quaestor.Options{
		Modules: mods, Root: root, Dir: dir, Params: s.settings.params, OS: s.settings.os,
		Now: func() time.Time { return s.settings.now }, Naive: naive,
	})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	got := map[string]string{}
	c, err := session.Compile(lang.Source{Name: "query.qst", Text: s.query})
	for _, w := range c.Warnings {
		got["warnings"] += w.String() + "\n"
	}
	var wrong *lang.Error
	switch {
	case errors.As(err, &wrong):
		got["diagnostics"] = err.Error() + "\n"
		return got, nil
	case err != nil:
		return nil, err
	}
	for _, q := range c.Queries {
		got["explain"] += session.Explain(q)
		for _, t := range q.Plan.Tables {
			s.open = s.open || t.Limit >= 0 && len(t.Order) == 0
		}
	}
	if !s.runs() {
		return got, nil
	}
	rows, err := session.Run(ctx, c)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return got, s.collect(rows, got)
}

// runs says whether the script expects what only a run can give.
func (s *script) runs() bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(s.expect)), func(name string) bool {
		return name == "summary" || strings.HasPrefix(name, "rows")
	})
}

func (s *script) collect(rows *quaestor.Rows, got map[string]string) error {
	tables := make([][][]string, len(rows.Tables()))
	for i, t := range rows.Tables() {
		var header []string
		for _, c := range t.Columns {
			header = append(header, c.Name)
		}
		tables[i] = [][]string{header}
	}
	failed := ""
	for row, err := range rows.All() {
		if err != nil {
			failed = err.Error() // the summary says so, too
			break
		}
		var cells []string
		for _, v := range row.Values() {
			cells = append(cells, pretend.ShowCell(v))
		}
		tables[row.Table()] = append(tables[row.Table()], cells)
	}
	for i, t := range rows.Tables() {
		name := "rows " + t.Name
		if len(tables) == 1 {
			if _, named := s.expect[name]; !named {
				name = "rows"
			}
		}
		got[name] = canonical(tables[i], t.Ordered)
		if s.ordered == nil {
			s.ordered = map[string]bool{}
		}
		s.ordered[name] = t.Ordered
	}
	sum := rows.Summary()
	got["summary"] = pretend.SummaryOf(sum, s.expect["summary"])
	if failed != "" && sum.Outcome != answer.Failed {
		return fmt.Errorf("the query ended with %q and the summary says %s", failed, sum.Outcome)
	}
	return nil
}

// normal gives the form in which two texts of a section are compared.
func (s *script) normal(name, text string) string {
	switch {
	case strings.HasPrefix(name, "rows"):
		return canonical(parseRows(text), s.ordered[name])
	}
	return text
}

// canonical gives a table of rows in one form: columns aligned, rows in the
// order of their text unless their order is part of what is specified.
func canonical(rows [][]string, ordered bool) string {
	if len(rows) <= 1 {
		return "(none)\n"
	}
	if !ordered {
		slices.SortFunc(rows[1:], slices.Compare)
	}
	return pretend.Align(rows)
}

func parseRows(text string) [][]string {
	var rows [][]string
	for _, l := range pretend.Lines(text) {
		if l == "(none)" {
			continue
		}
		rows = append(rows, pretend.SplitCells(l))
	}
	return rows
}
