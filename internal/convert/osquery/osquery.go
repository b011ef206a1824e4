// Package osquery makes queries of osquery's: of files of SQL, of packs and
// configurations in JSON, and of Fleet's documents in YAML.
//
// [Format] is all that a newcomer needs. The SQL is read by the package sql;
// which table and column is which module and column here stands in one table,
// which [Tables] gives to the docs. Joins become links where one leads there,
// times stay times, and a condition asks of what is null here what osquery
// asks of the empty text or the 0 that it has in its place.
//
// A rule is whole only where the same rows come back. Values are shown as they
// are here: a time as a time, a size as a size, a flag as true or false, and a
// word of a closed set by its name in the module. The package runs nothing.
package osquery

import (
	"context"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

// Format gives the format.
func Format() convert.Format {
	return convert.Format{
		Name: "osquery",
		Doc:  "SQL of osquery: files of queries, packs, configurations, and Fleet's queries and policies.",
		Is:   is,
		Convert: func(ctx context.Context, in convert.Input) (*convert.Result, error) {
			rules, err := read(in)
			if err != nil {
				return nil, err
			}
			out := &convert.Result{}
			tables := catalogue()
			for _, r := range rules {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				out.Rules = append(out.Rules, r.convert(tables, in))
			}
			return out, nil
		},
	}
}

// convert makes a rule of a query of the file.
func (r *rule) convert(tables map[string]*table, in convert.Input) convert.Rule {
	out := convert.Rule{Name: r.name, Description: r.description, Reference: r.reference, Severity: r.severity, Tags: r.tags, Line: r.line, Outcome: convert.Whole}
	c := &converter{rule: &out, line: r.lineAt, tables: tables, cat: in.Catalogue, now: in.Now, fleet: r.fleet}
	statements, err := sql.Parse(r.sql)
	if err != nil {
		e := err.(*sql.Error) // Parse gives no other
		out.Note(r.lineAt(e.At), "its SQL cannot be read: %s", e.Message)
		out.Outcome = convert.Not
		return out
	}
	for _, s := range statements {
		for _, comment := range s.Comments {
			for line := range strings.Lines(comment.Text) {
				if line = strings.Trim(line, " \t\r\n*"); line != "" && !headerLine.MatchString(line) {
					out.Comments = append(out.Comments, line)
				}
			}
		}
		queries := c.statement(s.Query)
		if queries == nil {
			out.Outcome, out.Queries = convert.Not, nil
			return out
		}
		for _, q := range queries {
			out.Queries = append(out.Queries, r.around(c, q))
		}
	}
	return out
}
