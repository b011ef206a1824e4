package quaestor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// Explain draws the plan of a query as a tree.
func (s *LocalSession) Explain(q Query) string {
	return q.Plan.Explain(s.notes(q))
}

// Analyze runs a query, throws its rows away and draws its plan with what was
// measured.
func (s *LocalSession) Analyze(ctx context.Context, q Query) (string, error) {
	if _, err := s.engineOf(q); err != nil {
		return "", err
	}
	if q.Plan.Watch {
		return "", errors.New("a query with WATCH has no end, and cannot be measured\nhint: EXPLAIN alone draws its plan")
	}
	o := s.engineOptions()
	o.Analyze = true
	e := engine.New(s.catalogueOf(q), o)
	start := time.Now()
	run := e.Start(ctx, q.Plan)
	for _, err := range run.Rows() {
		if err != nil {
			return "", err
		}
	}
	took := time.Since(start)
	stats := run.Stats(0)
	notes := s.notes(q)
	notes.Slot = func(table, slot int) string {
		if table < 0 || table >= len(stats) || slot >= len(stats[table]) {
			return ""
		}
		st := stats[table][slot]
		note := fmt.Sprintf("%d in, %d out", st.In, st.Out)
		if st.Elapsed > 0 {
			note += ", " + st.Elapsed.Round(100*time.Microsecond).String()
		}
		return note
	}
	text := q.Plan.Explain(notes)
	sum := run.Summary(0)
	var looked []string
	for _, kind := range sum.Kinds() {
		looked = append(looked, fmt.Sprintf("%d %s", sum.Looked[kind], kind))
	}
	return fmt.Sprintf("%slooked at %s; %s; %s\n", text, strings.Join(looked, ", "), sum.Outcome, took.Round(100*time.Microsecond)), nil
}

// notes are what the modules that a query speaks of add to its plan.
func (s *LocalSession) notes(q Query) plan.Notes {
	cat := s.catalogueOf(q)
	return plan.Notes{Cost: costs(cat), Shares: func(module string) bool {
		m, _ := cat.Module(module)
		_, shares := m.(modules.Sharer)
		return shares
	}}
}

// costs says what the columns of a catalogue's modules cost.
func costs(cat *modules.Catalogue) func(module, column string) string {
	return func(module, column string) string {
		schema, ok := cat.Schema(module)
		if !ok {
			return ""
		}
		i, ok := schema.Column(column)
		if !ok {
			return ""
		}
		return schema.Columns[i].Cost.String()
	}
}

// explained answers queries that begin with EXPLAIN: a row for each line.
func (s *LocalSession) explained(ctx context.Context, c *Compiled) (*Rows, error) {
	r := &Rows{warnings: c.Warnings, cancel: func() {}}
	for i, q := range c.Queries {
		text, err := s.Explain(q), error(nil)
		if q.Analyze {
			text, err = s.Analyze(ctx, q)
		}
		if err != nil {
			return nil, err
		}
		r.tables = append(r.tables, Table{Name: r.free("plan"), Query: i, Columns: []Column{{Name: "plan", Type: value.Text}}, Ordered: true})
		for line := range strings.Lines(text) {
			v := value.NewText(strings.TrimRight(line, "\n"))
			r.plain = append(r.plain, Row{index: i, values: []value.Value{v}})
		}
	}
	for i := range r.plain {
		r.plain[i].table = &r.tables[r.plain[i].index]
	}
	return r, nil
}
