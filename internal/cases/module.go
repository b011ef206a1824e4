package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// fixed are the columns that every row of a case has, whatever was asked.
var fixed = [...]modules.Column{
	{Name: "entry", Type: value.Int, Default: true, Doc: "the number that the question has in the case"},
	{Name: "table", Type: value.Text, Doc: "the table of the answer that the row is of"},
	{Name: "query", Type: value.Text, Doc: "the text of the question"},
	{Name: "asked", Type: value.Time, Doc: "when it was asked"},
	{Name: "complete", Type: value.Bool, Doc: "whether the answer is complete: nothing was left out, and everybody answered"},
	{Name: "host", Type: value.Text, Default: true, Doc: "the host that the row is from"},
	{Name: "agent", Type: value.Text, Doc: "the agent that the row is from; null where this machine was asked"},
}

// The places of the fixed columns.
const (
	colEntry = iota
	colTable
	colQuery
	colAsked
	colComplete
	colHost
	colAgent
)

// Module gives the case, as it is now, as the module answer: a row for each
// row of each answer. An answer that is not complete is counted as left out,
// and so is one that was interrupted.
func (c *Case) Module(ctx context.Context) (modules.Module, error) { return c.relation(ctx) }

func (c *Case) relation(ctx context.Context) (*module, error) {
	upTo, err := c.head(ctx)
	if err != nil {
		return nil, err
	}
	m := &module{c: c, upTo: upTo, at: map[int64]*kept{}}
	for e, err := range c.entries(ctx, noRows, upTo) {
		if err != nil {
			return nil, err
		}
		k := m.at[e.Of]
		switch {
		case e.Doubt != "":
			return nil, fmt.Errorf("entry %d of the case %s: %s\nhint: quaestor case verify %s", e.Seq, c.name, e.Doubt, c.name)
		case e.Question != nil:
			m.at[e.Seq] = &kept{seq: e.Seq, asked: value.NewTime(e.At), text: value.NewText(e.Question.Text), q: e.Question}
			m.order = append(m.order, e.Seq)
		case e.Answer != nil && k == nil:
			return nil, fmt.Errorf("entry %d of the case %s answers no question", e.Seq, c.name)
		case e.Answer != nil:
			k.a = e.Answer
		}
	}
	m.shape()
	return m, nil
}

// Relation gives a case that is there as Module does. The file is open while
// the module is made and while it is scanned, and not between.
func Relation(ctx context.Context, dir, name string) (modules.Module, error) {
	c, err := Find(dir, name, Options{})
	if err != nil {
		return nil, err
	}
	m, err := c.relation(ctx)
	if err := errors.Join(err, c.Close()); err != nil {
		return nil, err
	}
	return &relation{module: m, dir: dir}, nil
}

// relation is a module that opens its case when it is scanned.
type relation struct {
	*module
	dir string
}

// Scan implements modules.Module.
func (r *relation) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) (err error) {
	c, err := Find(r.dir, r.c.name, Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	m := *r.module
	m.c = c
	return m.Scan(ctx, req, yield)
}

// kept is one question with what came of it.
type kept struct {
	seq         int64
	asked, text value.Value
	q           *Question
	a           *Answer // nil: interrupted
	to          [][]int // by table: the column of the module that each of its columns is
}

type module struct {
	c      *Case
	upTo   int64
	at     map[int64]*kept
	order  []int64
	schema modules.Schema
}

// Schema implements modules.Module.
func (m *module) Schema() *modules.Schema { return &m.schema }

// shape makes the schema: the fixed columns, then each column that a recorded
// table has, in the order in which they were met.
func (m *module) shape() {
	m.schema = modules.Schema{
		Name: "answer",
		Doc:  "Rows of the answers that are kept in a case, with the columns that they had",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "table", Example: `"file"`,
			Doc: "globs for the name of the query or of its table, or the number of its entry"},
		Columns: slices.Clone(fixed[:]),
	}
	places := map[string]int{}
	for _, seq := range m.order {
		k := m.at[seq]
		for t, table := range k.q.Tables {
			to := make([]int, len(table.Columns))
			used := map[int]bool{}
			for i, col := range table.Columns {
				to[i] = m.place(places, table, i, used)
				used[to[i]] = true
				m.widen(to[i], col, k.elem(t, i))
			}
			k.to = append(k.to, to)
		}
	}
	for i := range m.schema.Columns {
		// No row said what its lists are of.
		if col := &m.schema.Columns[i]; col.Type == value.List && col.Elem == value.Null {
			col.Elem = value.Text
		}
	}
}

// place gives the column of the module that a recorded column is. Where a
// table has two that would be the same, the second gets another name.
func (m *module) place(places map[string]int, table quaestor.Table, i int, used map[int]bool) int {
	col := table.Columns[i]
	base := columnName(col.Name)
	if base == "host" && col.Type == value.Text {
		return colHost
	}
	if base == "agent" && table.Origin && i == 1 {
		return colAgent
	}
	isFixed := func(name string) bool {
		return slices.ContainsFunc(fixed[:], func(c modules.Column) bool { return c.Name == name })
	}
	name := base
	for n := 2; ; n++ {
		at, known := places[name]
		if !isFixed(name) && (!known || !used[at]) {
			break
		}
		name = fmt.Sprintf("%s_%d", base, n)
	}
	if at, known := places[name]; known {
		return at
	}
	places[name] = len(m.schema.Columns)
	doc := fmt.Sprintf("%s of the table %s", value.EscapeText(col.Name), value.EscapeText(table.Name))
	m.schema.Columns = append(m.schema.Columns, modules.Column{Name: name, Type: col.Type, Default: true, Doc: doc})
	return len(m.schema.Columns) - 1
}

// widen makes a column fit for another table's: where they disagree, text.
func (m *module) widen(at int, col quaestor.Column, elem value.Type) {
	if at < len(fixed) {
		return
	}
	c := &m.schema.Columns[at]
	switch {
	case c.Type == value.Null || col.Type != c.Type:
		c.Type, c.Elem = value.Text, value.Null
	case c.Type != value.List || elem == value.Null || elem == c.Elem:
	case c.Elem == value.Null:
		c.Elem = elem
	default:
		c.Elem = value.Text
	}
}

// elem gives what the lists of a column are of, where rows said so.
func (k *kept) elem(table, column int) value.Type {
	if k.a == nil {
		return value.Text // nobody said what they are of
	}
	if table >= len(k.a.elems) || column >= len(k.a.elems[table]) {
		return value.Null
	}
	if t := k.a.elems[table][column]; t != value.List {
		return t
	}
	return value.Text // a list of lists
}

// columnName makes a name that a query can say: lower case letters, digits
// and _.
func columnName(name string) string {
	out := []byte(strings.ToLower(name))
	for i, b := range out {
		if !(b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '_') {
			out[i] = '_'
		}
	}
	text := strings.Trim(string(out), "_")
	if text == "" || text[0] < 'a' {
		text = strings.TrimRight("c_"+text, "_")
	}
	return text
}

// Scan implements modules.Module.
func (m *module) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	wanted, err := m.wanted(req)
	if err != nil {
		return err
	}
	req.Report.Looked("answers", int64(wanted.answers))
	if wanted.answers == 0 {
		return nil
	}
	row := &row{m: m, values: make([]value.Value, len(m.schema.Columns)), report: req.Report}
	for e, err := range m.c.entries(ctx, anyEntry, m.upTo) {
		if err != nil {
			return errors.Join(ctx.Err(), err)
		}
		tables := wanted.tables[e.Of]
		switch {
		case e.Doubt != "":
			return fmt.Errorf("entry %d of the case %s: %s", e.Seq, m.c.name, e.Doubt)
		case e.rows == nil || tables == nil:
			continue
		}
		err := answer.Decode(e.rows, func(table int, values []value.Value) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if table < 0 || table >= len(tables) || !tables[table] {
				return nil
			}
			if err := row.fill(m.at[e.Of], table, values); err != nil {
				return err
			}
			return yield(row)
		}, func(answer.Summary) error { return nil })
		if err != nil {
			return err
		}
	}
	return nil
}

// wanted is what the locators of a request mean.
type wanted struct {
	answers int
	tables  map[int64][]bool
}

// wanted finds the tables that the locators name, and reports those answers
// that are not all that could be.
func (m *module) wanted(req *modules.Request) (wanted, error) {
	w := wanted{tables: map[int64][]bool{}}
	var globs []*value.Glob
	for _, l := range req.Locators {
		g, err := value.CompileGlob(l, value.GlobOptions{})
		if err != nil {
			return w, fmt.Errorf("answer: %q: %w", l, err)
		}
		globs = append(globs, g)
	}
	for _, seq := range m.order {
		k := m.at[seq]
		tables := make([]bool, len(k.q.Tables))
		for i, t := range k.q.Tables {
			tables[i] = len(globs) == 0 || slices.Contains(req.Locators, strconv.FormatInt(seq, 10)) ||
				slices.ContainsFunc(globs, func(g *value.Glob) bool { return g.Match(t.Name) || g.Match(k.q.Name) })
		}
		if !slices.Contains(tables, true) {
			continue
		}
		w.answers++
		w.tables[seq] = tables
		if why := k.a.lacks(); why != "" {
			req.Report.Skip(modules.Skip{Kind: modules.SkipAnswer, Where: fmt.Sprintf("entry %d (%s)", seq, k.q.Name), Detail: why})
		}
	}
	return w, nil
}

// lacks says why an answer is not complete; "" where it is.
func (a *Answer) lacks() string {
	switch {
	case a == nil:
		return "it was interrupted, or is not at its end"
	case a.Complete():
		return ""
	case a.Lost > 0:
		return fmt.Sprintf("%d rows could not be kept", a.Lost)
	case a.Summary.Outcome != answer.Complete && a.Summary.Reason != "":
		return a.Summary.Reason
	case a.Summary.Outcome != answer.Complete:
		return "the answer is " + a.Summary.Outcome.String()
	}
	return fmt.Sprintf("%d of %d agents answered", a.Coverage.Answered(), a.Coverage.Targeted())
}

// row is one kept row. Its values are found before it is given out.
type row struct {
	m      *module
	values []value.Value
	report modules.Report
}

func (r *row) fill(k *kept, table int, values []value.Value) error {
	tab, to := k.q.Tables[table], k.to[table]
	if len(values) != len(to) {
		return fmt.Errorf("the case %s: a row of %d columns in the table %s of entry %d, which has %d", r.m.c.name, len(values), tab.Name, k.seq, len(to))
	}
	clear(r.values)
	r.values[colEntry], r.values[colTable] = value.NewInt(k.seq), value.NewText(tab.Name)
	r.values[colQuery], r.values[colAsked] = k.text, k.asked
	r.values[colComplete] = value.NewBool(k.a.Complete())
	if k.q.Host != "" {
		r.values[colHost] = value.NewText(k.q.Host)
	}
	for i, v := range values {
		col := r.m.schema.Columns[to[i]]
		fit, ok := fitting(v, col)
		if !ok {
			r.report.Skip(modules.Skip{Kind: modules.SkipUnsupported, Where: fmt.Sprintf("entry %d, column %s", k.seq, col.Name),
				Detail: fmt.Sprintf("a value of type %s in a column of type %s", v.Type(), col.Type)})
		}
		r.values[to[i]] = fit
	}
	return nil
}

// Column implements modules.Row.
func (r *row) Column(_ context.Context, i int) (value.Value, error) {
	if i < 0 || i >= len(r.values) {
		return value.Value{}, fmt.Errorf("answer: no column %d", i)
	}
	return r.values[i], nil
}

// fitting gives a value as one of the column's type; false: it cannot be.
func fitting(v value.Value, col modules.Column) (value.Value, bool) {
	switch {
	case v.IsNull():
		return v, true
	case v.Type() == col.Type && v.Type() == value.List:
		list := slices.Clone(v.List())
		for i, e := range list {
			if !e.IsNull() && e.Type() != col.Elem {
				list[i] = asText(e) // col.Elem is text: see Recording.learn
			}
		}
		return value.NewList(list), true
	case v.Type() == col.Type:
		return v, true
	case col.Type == value.Text:
		return asText(v), true
	}
	return value.Value{}, false
}

// asText gives a value as text: as it is where it is text of a kind, else as
// it is shown.
func asText(v value.Value) value.Value {
	switch v.Type() {
	case value.Text, value.Version:
		return value.NewText(v.Text())
	}
	return value.NewText(v.String())
}
