package engine

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A slotRun is one source of rows while it runs.
type slotRun struct {
	plan   *plan.Slot
	module modules.Module
	schema *modules.Schema
	index  []int // the schema's column for each of the slot's
	looks  []int // the schema's columns that may be asked for: those and place
	filter []int // the schema's columns that the filter asks
	keep   []int // slot columns that are asked for when the row is gone
	asks   []int // questions likewise
	place  int   // the schema's column that Options.Permit is asked about; -1 for none

	in, out, looked, joined, elapsed atomic.Int64

	lookups lookups
	rows    []*heldRow            // of a join that has no key
	byKey   map[string][]*heldRow // of a hash join
}

// A heldRow is what is kept of a module's row.
type heldRow struct {
	values  []value.Value // by slot column; null where it is never asked
	answers []value.Value // by question
	join    []value.Value // what the row is joined by
	whole   bool          // the columns that are dear were looked at too
}

// isDear says whether a column takes more than a look at a row's surface.
func (s *slotRun) isDear(i int) bool { return s.schema.Columns[s.index[i]].Cost >= modules.Read }

// isDeep says whether anything that is asked of the slot is dear.
func (s *slotRun) isDeep() bool {
	return len(s.asks) > 0 || slices.ContainsFunc(s.keep, s.isDear)
}

// asKeys gives keys as the module has them: a number that a float says is equal
// to the whole number, and modules look for that.
func (s *slotRun) asKeys(keys []value.Value) []value.Value {
	isWhole := func(v value.Value) bool {
		f := v.Float()
		return v.Type() == value.Float && f == math.Trunc(f) && math.Abs(f) < 1<<63
	}
	k, ok := s.schema.Column(s.schema.Key)
	if !ok || s.schema.Columns[k].Type == value.Float || !slices.ContainsFunc(keys, isWhole) {
		return keys
	}
	own := slices.Clone(keys)
	for i, v := range own {
		if isWhole(v) {
			own[i] = value.NewInt(int64(v.Float()))
		}
	}
	return own
}

// resolve finds the modules and columns that the plan names. The error wraps
// ErrRefused.
func (p *planRun) resolve() error {
	for i, t := range p.plan.Subs {
		tr, err := p.newTable(t, -1-i)
		if err != nil {
			return err
		}
		p.subs = append(p.subs, &subRun{table: tr})
	}
	var tables []*tableRun
	for i, t := range p.plan.Tables {
		tr, err := p.newTable(t, i)
		if err != nil {
			return err
		}
		tables = append(tables, tr)
	}
	p.mu.Lock()
	p.tables = tables
	p.mu.Unlock()
	p.gate = newGate(p)
	return p.checkSubs()
}

// checkSubs refuses subqueries that lead back to themselves.
func (p *planRun) checkSubs() error {
	const visiting, done = 1, 2
	state := make([]int, len(p.plan.Subs))
	var visit func(t *plan.Table) error
	visit = func(t *plan.Table) error {
		var err error
		eachExpr(t, func(x plan.Expr) {
			sub, ok := x.(*plan.InSub)
			if !ok || err != nil || state[sub.Sub] == done {
				return
			}
			if state[sub.Sub] == visiting {
				err = fmt.Errorf("%w: subquery %d leads back to itself", ErrRefused, sub.Sub+1)
				return
			}
			state[sub.Sub] = visiting
			err = visit(p.plan.Subs[sub.Sub])
			state[sub.Sub] = done
		})
		return err
	}
	for _, t := range slices.Concat(p.plan.Tables, p.plan.Subs) {
		if err := visit(t); err != nil {
			return err
		}
	}
	return nil
}

// eachExpr visits every node of every expression of a table that speaks of
// rows of scans, and those of HAVING and what follows a group.
func eachExpr(t *plan.Table, visit func(plan.Expr)) {
	for _, s := range t.Slots {
		plan.Walk(s.Filter, visit)
	}
	eachOutside(t, visit)
	plan.Walk(t.Having, visit)
	for _, o := range t.Outputs {
		plan.Walk(o.Expr, visit)
	}
	for _, o := range t.Order {
		plan.Walk(o.Expr, visit)
	}
}

// eachOutside visits the expressions that speak of rows of scans, but for the
// slots' own filters.
func eachOutside(t *plan.Table, visit func(plan.Expr)) {
	for _, s := range t.Slots {
		plan.Walk(s.Key, visit)
		for k := range s.JoinThere {
			plan.Walk(s.JoinThere[k], visit)
			plan.Walk(s.JoinHere[k], visit)
		}
	}
	plan.Walk(t.Where, visit)
	if t.Group != nil {
		for _, k := range t.Group.Keys {
			plan.Walk(k, visit)
		}
		for _, a := range t.Group.Aggs {
			plan.Walk(a.Arg, visit)
		}
		return
	}
	for _, o := range t.Outputs {
		plan.Walk(o.Expr, visit)
	}
	for _, o := range t.Order {
		plan.Walk(o.Expr, visit)
	}
}

func (p *planRun) newTable(t *plan.Table, index int) (*tableRun, error) {
	tr := &tableRun{run: p, plan: t, index: index}
	if p.run.engine.opts.Partial && index >= 0 && !t.Not {
		tr.partial, tr.extra = true, extraKeys(t)
	}
	tr.report = &tableReport{report: p.report}
	if t.Having != nil && t.Group == nil {
		return nil, fmt.Errorf("%w: table %q has conditions on groups and no groups", ErrRefused, t.Name)
	}
	for i, s := range t.Slots {
		sr, err := p.newSlot(s)
		if err == nil {
			err = checkSlot(sr, i)
		}
		if err != nil {
			return nil, err
		}
		if i > 0 {
			sr.keep, sr.asks = outside(t, i)
		}
		if i > 0 && !s.Link {
			tr.joins = append(tr.joins, i)
		}
		tr.slots = append(tr.slots, sr)
	}
	tr.envs = sync.Pool{New: func() any { return tr.newEnv() }}
	return tr, nil
}

// checkSlot refuses what no planner makes and what would otherwise be answered
// with silence.
func checkSlot(s *slotRun, i int) error {
	p, l := s.plan, s.schema.Locator
	switch {
	case len(p.Questions) > 0 && !s.schema.Content:
		return fmt.Errorf("%w: the module %q of this host has no content to ask about", ErrRefused, p.Module)
	case p.Within && (p.Key == nil || p.Link || l.Use == modules.NoLocator):
		return fmt.Errorf("%w: %q is not told where to look by other rows", ErrRefused, p.Module)
	case (p.Key != nil && !p.Within || p.Keys != nil) && s.schema.Key == "":
		return fmt.Errorf("%w: the module %q of this host has no key to look up", ErrRefused, p.Module)
	case p.Link && p.Key == nil:
		return fmt.Errorf("%w: a link to %q has no key", ErrRefused, p.Module)
	case p.Key != nil && (len(p.Locators) > 0 || p.Keys != nil || len(p.JoinHere) > 0):
		return fmt.Errorf("%w: %q is told twice where to look", ErrRefused, p.Module)
	case p.Link && p.Filter != nil, p.Lines && i > 0:
		return fmt.Errorf("%w: only the rows of a scan are filtered or shown by lines", ErrRefused)
	case len(p.Locators) > 0 && l.Use == modules.NoLocator:
		return fmt.Errorf("%w: the module %q of this host is not told where to look", ErrRefused, p.Module)
	case l.Use == modules.LocatorRequired && len(p.Locators) == 0 && p.Keys == nil && p.Key == nil:
		return fmt.Errorf("%w: the module %q must be told where to look", ErrRefused, p.Module)
	}
	for _, q := range p.Questions {
		if err := onlyOut(q.Test, "the test of a line"); err != nil {
			return err
		}
		if _, ok := s.schema.Column("yara.rule"); q.Rules != nil && !ok {
			return fmt.Errorf("%w: the module %q of this host asks no rules of its content", ErrRefused, p.Module)
		}
	}
	return nil
}

func (p *planRun) newSlot(s *plan.Slot) (*slotRun, error) {
	m, ok := p.run.engine.cat.Module(s.Module)
	if !ok {
		return nil, fmt.Errorf("%w: this host has no module %q", ErrRefused, s.Module)
	}
	sr := &slotRun{plan: s, module: m, schema: m.Schema(), place: -1}
	if p.plan.Watch {
		if _, ok := m.(modules.Watcher); !ok || len(sr.schema.Watch) == 0 {
			return nil, fmt.Errorf("%w: changes of %q cannot be watched", ErrRefused, s.Module)
		}
		sr.schema = modules.Watched(sr.schema)
	}
	// A module that sends asks by itself, before it does: see Request.Permit.
	if k, ok := sr.schema.Column(sr.schema.Locator.Column); ok && p.run.engine.opts.Permit != nil && !sr.schema.Sends {
		sr.place = k
	}
	for _, name := range s.Columns {
		k, ok := sr.schema.Column(name)
		if !ok {
			return nil, fmt.Errorf("%w: the module %q of this host has no column %q", ErrRefused, s.Module, name)
		}
		sr.index = append(sr.index, k)
	}
	sr.looks = sr.index
	if sr.place >= 0 && !slices.Contains(sr.index, sr.place) {
		sr.looks = append(slices.Clip(sr.index), sr.place)
	}
	for _, i := range s.FilterColumns {
		sr.filter = append(sr.filter, sr.index[i])
	}
	return sr, nil
}

// outside finds what expressions other than a slot's own filter ask of it.
func outside(t *plan.Table, slot int) (columns, questions []int) {
	note := func(e plan.Expr) {
		switch e := e.(type) {
		case *plan.Col:
			if e.Slot == slot && !slices.Contains(columns, e.Index) {
				columns = append(columns, e.Index)
			}
		case *plan.Ask:
			if e.Slot == slot && !slices.Contains(questions, e.Question) {
				questions = append(questions, e.Question)
			}
		}
	}
	for i, s := range t.Slots {
		if i != slot {
			plan.Walk(s.Filter, note)
		}
	}
	eachOutside(t, note)
	return columns, questions
}

// maxWorkers bounds the goroutines of a scan, each of which has buffers.
const maxWorkers = 256

// request makes the request for a slot's scan.
func (t *tableRun) request(slot int, report modules.Report) *modules.Request {
	s, l := t.slots[slot], t.run.plan.Limits
	workers := t.run.run.engine.opts.Workers
	if l.Workers > 0 {
		workers = int(min(l.Workers, maxWorkers))
	}
	req := &modules.Request{
		Host:     t.run.run.engine.opts.Host,
		Locators: s.plan.Locators, Keys: s.asKeys(s.plan.Keys),
		Columns: s.looks, Filter: s.filter, Only: restrictions(t.run.plan, s, slot),
		Workers: workers, Report: report, Memory: &t.run.shared,
		Settings: modules.Settings{
			Depth: int(l.Depth), FollowLinks: l.FollowLinks, OneFilesystem: l.OneFilesystem,
			Archives: l.Archives, Decompress: l.Decompress, MaxFileBytes: l.MaxFile, Context: int(l.Context),
		},
	}
	req.Host.Now = func() time.Time { return t.run.run.now }
	if permit := t.run.run.engine.opts.Permit; permit != nil && s.schema.Sends {
		req.Permit = func(place string) modules.SkipKind { return permit(s.schema.Name, place) }
	}
	for _, q := range s.plan.Questions {
		req.Questions = append(req.Questions, question(t, q))
	}
	return req
}

// question turns a plan's question into a module's.
func question(t *tableRun, q plan.Question) modules.Question {
	out := modules.Question{Lines: modules.LineMode(q.Lines), Show: q.Show}
	out.Pattern.Fold = q.Fold
	switch {
	case q.Kind == plan.Yara:
		out.Rules = &modules.Rules{Name: q.Rules.Name, Text: q.Rules.Text, Externals: externals(q.Rules)}
	case q.Kind == plan.LineTest:
		out.Test = lineTest(q.Test, t.run.run.now)
	case q.Kind == plan.Matches:
		out.Pattern.Regexp = q.Regexp
	case len(q.Literal) == 1:
		out.Pattern.Literal = q.Literal[0]
	default:
		out.Pattern.List = q.Literal
	}
	return out
}

// externals turns the variables of rules into what modules take.
func externals(r *plan.Rules) map[string]any {
	all := map[string]any{}
	for _, x := range r.Externals {
		switch v := x.Value; v.Type() {
		case value.Int:
			all[x.Name] = v.Int()
		case value.Float:
			all[x.Name] = v.Float()
		case value.Bool:
			all[x.Name] = v.Bool()
		default:
			all[x.Name] = v.RawText()
		}
	}
	return all
}

// lineTest makes the test of a line from an expression. It may be called from
// several goroutines at once, and allocates nothing.
func lineTest(x plan.Expr, now time.Time) func([]byte) bool {
	envs := sync.Pool{New: func() any { return &outEnv{out: make([]value.Value, 1), now: now} }}
	return func(line []byte) bool {
		e := envs.Get().(*outEnv)
		// The expression keeps nothing of what it sees, so it may see the
		// line where it lies.
		e.out[0] = value.NewText(unsafe.String(unsafe.SliceData(line), len(line)))
		t, err := plan.Holds(x, e)
		e.out[0] = value.Value{}
		envs.Put(e)
		return err == nil && t == value.True
	}
}
