package cases

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A Report says what a report is to hold.
type Report struct {
	Rows  int                           // the most that are shown of each table
	Check Check                         // of signatures; nil: they are not checked
	Name  func(signer string) string    // what a signer is called; nil: as the file has him
	page  func(w *strings.Builder) page // how it is written
}

// page writes a report, piece by piece.
type page interface {
	head(title string, facts []fact)
	note(title, text string)
	asked(a *asked)
	end()
}

// A fact is a line of a report.
type fact struct{ label, text string }

// asked is one question as a report shows it.
type asked struct {
	title, query string
	facts        []fact
	tables       []shown
}

// shown is a table, cut to the bound.
type shown struct {
	name    string
	columns []string
	rows    [][]string
	cut     int64 // how many rows more are kept
}

// Markdown writes the case as a page of Markdown.
func (c *Case) Markdown(ctx context.Context, w io.Writer, r Report) error {
	r.page = func(b *strings.Builder) page { return &markdown{b} }
	return c.report(ctx, w, r)
}

// HTML writes the case as one page of HTML, without a script, and without
// anything from elsewhere.
func (c *Case) HTML(ctx context.Context, w io.Writer, r Report) error {
	r.page = func(b *strings.Builder) page { return &hypertext{b} }
	return c.report(ctx, w, r)
}

// report walks over the case and writes it, each piece when it is whole.
func (c *Case) report(ctx context.Context, w io.Writer, r Report) error {
	if r.Name == nil {
		r.Name = func(signer string) string { return signer }
	}
	v, err := c.Verify(ctx, r.Check)
	if err != nil {
		return err
	}
	outline, err := c.outline(ctx)
	if err != nil {
		return err
	}
	var b strings.Builder
	p := r.page(&b)
	flush := func() error {
		_, err := io.WriteString(w, b.String())
		b.Reset()
		return err
	}
	p.head("Case "+c.name, outline.facts(r, v))
	for _, e := range outline.entries {
		switch {
		case e.Note != nil:
			p.note(fmt.Sprintf("%d. Note", e.Seq), e.Note.Text+"\n\n"+stamp(e)+", "+r.signature(e, v))
		case e.Question != nil:
			a, err := c.asked(ctx, e, outline.answers[e.Seq], r, v)
			if err != nil {
				return err
			}
			p.asked(a)
		}
		if err := flush(); err != nil {
			return err
		}
	}
	p.end()
	return flush()
}

// outline is a case without its rows.
type outline struct {
	entries []*Entry
	answers map[int64]*Entry // by question
}

func (c *Case) outline(ctx context.Context) (*outline, error) {
	o := &outline{answers: map[int64]*Entry{}}
	upTo, err := c.head(ctx)
	if err != nil {
		return nil, err
	}
	for e, err := range c.entries(ctx, noRows, upTo) {
		if err != nil {
			return nil, err
		}
		if o.entries = append(o.entries, e); e.Answer != nil {
			o.answers[e.Of] = e
		}
	}
	return o, nil
}

func (o *outline) facts(r Report, v *Verification) []fact {
	var facts []fact
	if len(o.entries) > 0 {
		first, last := o.entries[0], o.entries[len(o.entries)-1]
		facts = append(facts, fact{"opened", stamp(first)}, fact{"last entry", stamp(last)})
	}
	facts = append(facts, fact{"entries", fmt.Sprint(v.Entries)}, fact{"head", v.Head})
	for _, line := range v.lines(r) {
		facts = append(facts, fact{"checked", line})
	}
	return facts
}

// lines says what a verification found.
func (v *Verification) lines(r Report) []string {
	var lines []string
	switch {
	case v.Good() && len(v.Signed) > 0:
		lines = append(lines, "every entry follows from the one before it")
	case v.Good():
		lines = append(lines, "every entry follows from the one before it; without a signature that was checked, anybody could have written them")
	}
	for _, p := range v.Problems {
		lines = append(lines, "NOT AS IT WAS WRITTEN: "+p.String())
	}
	if v.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d further problems", v.More))
	}
	signers := make([]string, 0, len(v.Signed))
	for s := range v.Signed {
		signers = append(signers, s)
	}
	slices.Sort(signers)
	for _, s := range signers {
		lines = append(lines, fmt.Sprintf("signed by %s: %s", r.name(s), counted(v.Signed[s], "entry", "entries")))
	}
	if n := len(v.Unsigned); n > 0 {
		lines = append(lines, fmt.Sprintf("no signature speaks for %s", counted(int64(n), "entry", "entries")))
	}
	return lines
}

// Lines says in sentences what was found.
func (v *Verification) Lines(name func(signer string) string) []string {
	return v.lines(Report{Name: name})
}

func (r Report) name(signer string) string {
	if r.Name == nil {
		return signer
	}
	return r.Name(signer)
}

// signature says in words whose entry one is.
func (r Report) signature(e *Entry, v *Verification) string {
	for _, p := range v.Problems {
		if p.Entry == e.Seq {
			return "NOT AS IT WAS WRITTEN: " + string(p.Fault) + ": " + p.Detail
		}
	}
	switch {
	case e.Signer == "":
		return "not signed"
	case r.Check == nil:
		return "with a signature by " + r.name(e.Signer) + " that was not checked"
	}
	return "signed by " + r.name(e.Signer)
}

// stamp says when and by whom an entry was written.
func stamp(e *Entry) string {
	who := ""
	switch {
	case e.Opened != nil:
		who = e.Opened.Who
	case e.Note != nil:
		who = e.Note.Who
	case e.Question != nil:
		who = e.Question.Who
	case e.Answer != nil:
		who = e.Answer.Who
	}
	if who != "" {
		who = " by " + who
	}
	return e.At.Format(time.RFC3339) + who
}

func (c *Case) asked(ctx context.Context, e, end *Entry, r Report, v *Verification) (*asked, error) {
	q := e.Question
	a := &asked{title: fmt.Sprintf("%d. %s", e.Seq, q.Name), query: q.Text}
	of := q.Source
	if q.Host != "" {
		of += ", " + q.Host
	}
	if q.Investigation != "" {
		of += ", investigation " + q.Investigation
	}
	a.facts = append(a.facts, fact{"asked", stamp(e)}, fact{"of", of}, fact{"question", r.signature(e, v)})
	if end == nil {
		a.facts = append(a.facts, fact{"outcome", "INTERRUPTED, or not at its end yet: rows may be missing"})
	} else {
		a.facts = append(a.facts, fact{"answered", stamp(end)}, fact{"answer", r.signature(end, v)})
		a.facts = append(a.facts, end.Answer.facts()...)
	}
	total := make([]int64, len(q.Tables))
	for _, t := range q.Tables {
		s := shown{name: t.Name}
		for _, col := range t.Columns {
			s.columns = append(s.columns, col.Name)
		}
		a.tables = append(a.tables, s)
	}
	err := c.Rows(ctx, e.Seq, func(table int, values []value.Value) error {
		if table < 0 || table >= len(total) {
			return nil
		}
		if total[table]++; total[table] > int64(r.Rows) {
			a.tables[table].cut++
			return nil
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = cell(v)
		}
		a.tables[table].rows = append(a.tables[table].rows, row)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		// What is left is shown, beside what is wrong with it.
		a.facts, err = append(a.facts, fact{"rows", "NOT ALL CAN BE READ: " + err.Error()}), nil
	}
	return a, err
}

// Facts says in lines, each of a label and a text, what became of a question.
func (a *Answer) Facts() [][2]string {
	var out [][2]string
	for _, f := range a.facts() {
		out = append(out, [2]string{f.label, f.text})
	}
	return out
}

// shownNot is how many agents that did not answer are named one by one.
const shownNot = 1000

func (a *Answer) facts() []fact {
	outcome := a.Summary.Outcome.String()
	if a.Summary.Reason != "" {
		outcome += ": " + a.Summary.Reason
	}
	rows := int64(0)
	for _, n := range a.Rows {
		rows += n
	}
	facts := []fact{{"outcome", outcome}, {"rows", fmt.Sprint(rows)}}
	if a.Lost > 0 {
		facts = append(facts, fact{"LOST", fmt.Sprintf("%d rows came that could not be kept", a.Lost)})
	}
	if c := a.Coverage; c != nil {
		facts = append(facts, coverageFacts(c)...)
	}
	for _, k := range a.Summary.Skipped {
		label := "left out"
		switch {
		case k.Kind == modules.SkipSelf:
			label = "one's own"
		case k.Kind.Informative():
			label = "not there"
		}
		facts = append(facts, fact{label, skipText(k.Count, k.Kind, k.First)})
	}
	if len(a.Summary.Limits) > 0 {
		facts = append(facts, fact{"cut by", strings.Join(a.Summary.Limits, ", ")})
	}
	var looked []string
	for _, kind := range a.Summary.Kinds() {
		looked = append(looked, counted(a.Summary.Looked[kind], answer.KindName(kind, 1), answer.KindName(kind, 2)))
	}
	if len(looked) > 0 {
		facts = append(facts, fact{"looked at", strings.Join(looked, ", ")})
	}
	return facts
}

func coverageFacts(c *quaestor.Coverage) []fact {
	facts := []fact{{"coverage", fmt.Sprintf("%d of %s answered", c.Answered(), counted(int64(c.Targeted()), "agent", "agents"))}}
	named := 0
	for _, s := range quaestor.States() {
		if s == quaestor.Matched || s == quaestor.Empty {
			continue
		}
		for _, g := range c.Agents {
			if g.State != s {
				continue
			}
			if named++; named > shownNot {
				continue
			}
			name := g.Host
			if name == "" {
				name = g.Agent
			}
			if g.Reason != "" {
				name += ": " + g.Reason
			}
			facts = append(facts, fact{s.String(), name})
		}
	}
	if named > shownNot {
		facts = append(facts, fact{"and", fmt.Sprintf("%d further agents that did not answer in full", named-shownNot)})
	}
	for _, d := range c.Doubts {
		facts = append(facts, fact{"doubt", d})
	}
	return facts
}

func skipText(n int64, kind modules.SkipKind, first []modules.Skip) string {
	var names []string
	for _, s := range first {
		names = append(names, s.Where)
	}
	if int64(len(names)) < n && len(names) > 0 {
		names = append(names, "…")
	}
	text := fmt.Sprintf("%d %s", n, strings.ReplaceAll(string(kind), "_", " "))
	if len(names) > 0 {
		text += " (" + strings.Join(names, ", ") + ")"
	}
	return text
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// maxCell is how many characters of a value a report shows.
const maxCell = 400

// cell gives a value for eyes, cut where it is long.
func cell(v value.Value) string {
	text := v.String()
	if len(text) <= maxCell {
		return text
	}
	n := 0
	for at := range text {
		if n++; n > maxCell {
			return text[:at] + fmt.Sprintf("… (%d bytes more)", len(text)-at)
		}
	}
	return text
}
