package planner

import (
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// Bounds of EVERY.
const (
	minPeriod = time.Second
	maxPeriod = 7 * 24 * time.Hour
)

// every reads EVERY into the plan.
func (c *compiler) every(e lang.Expr) {
	if e == nil {
		return
	}
	v, ok := (&scope{c: c}).constant(e, value.Duration)
	switch {
	case !ok:
	case v.Duration() < minPeriod || v.Duration() > maxPeriod:
		c.report(periodOutOfRange(e))
	case c.plan.Source == "case":
		c.report(everyCase(e.Span()))
	default:
		c.plan.Every = v.Duration()
	}
}

// rounds refuses what hosts that repeat a question cannot compare, each for
// itself.
func (c *compiler) rounds(q *lang.Query) {
	if c.plan.Every == 0 || c.plan.Source == "local" {
		return
	}
	hint := "--every asks it from here, round by round"
	if len(q.Finds) > 1 || q.Finds[0].Not {
		c.report(badRounds(q.Every.Span(), hint, "a fleet repeats one FIND, and no AND, OR or NOT"))
		return
	}
	for _, t := range c.plan.Tables {
		if t.Group != nil || t.Distinct || len(t.Order) > 0 || t.Limit >= 0 {
			c.report(badRounds(q.Every.Span(), hint, "each host of a fleet compares its own rows, and groups, an order, DISTINCT and LIMIT are of all hosts together"))
		}
	}
}

// watch checks whether a query may ask for changes; false: it may not, and
// what else is wrong with it hangs on that.
func (c *compiler) watch(q *lang.Query) bool {
	i := slices.IndexFunc(q.Finds, func(f *lang.Find) bool { return f.Watch })
	if i < 0 {
		return true
	}
	f := q.Finds[i]
	say := func(at lang.Span, hint, what string) bool {
		c.report(badWatch(at, hint, what))
		return false
	}
	switch {
	case c.plan.Source == "case":
		return say(f.Span(), "write FIND", "what a case keeps does not change while it is asked")
	case len(q.Finds) > 1:
		return say(f.Span(), "ask it alone", "WATCH has no end, and cannot be joined to another question by AND or OR")
	case q.Every != nil:
		return say(q.Every.Span(), "leave EVERY out", "WATCH tells of changes as they happen, and is not asked again")
	case f.Not:
		return say(f.Span(), "leave NOT out", "WATCH tells of changes, and of their absence nothing")
	case len(f.Scans) != 1:
		return say(f.Span(), "name one module", "WATCH watches one module")
	case c.plan.Limits.Archives || c.plan.Limits.FollowLinks:
		return say(f.Span(), "leave the setting out", "WATCH does not look into archives, and does not follow links")
	}
	schema, ok := c.cat.Schema(f.Scans[0].Module.Name)
	switch {
	case !ok: // it is said elsewhere
	case len(schema.Watch) == 0:
		return say(f.Scans[0].Module.Span(), "EVERY 10m asks it again and again", "changes of "+schema.Name+" cannot be watched")
	case c.plan.Source == "local" && !slices.Contains(schema.Watch, c.in.OS):
		return say(f.Scans[0].Module.Span(), "EVERY 10m asks it again and again", "changes of "+schema.Name+" cannot be watched on "+c.in.OS)
	}
	c.plan.Watch = true
	return true
}

// watched puts what happened, and when, in front of the columns, and refuses
// what needs more than the row of one change.
func (s *scope) watched(f *lang.Find) {
	t := s.table
	switch {
	case t.Group != nil || t.Distinct || len(t.Order) > 0:
		s.c.report(badWatch(f.Span(), "leave them out", "changes come one by one, and are not grouped, ordered or made distinct"))
	case len(t.Slots) > 1 || len(s.c.plan.Subs) > 0:
		s.c.report(badWatch(f.Span(), "ask for the path, and for the rest afterwards", "WATCH follows no links and asks no subqueries"))
	case t.Slots[0].Lines:
		s.c.report(badWatch(f.Span(), "ANY LINE can decide which changes are shown", "WATCH shows no lines"))
	}
	var lead []plan.Output
	for _, name := range []string{modules.ChangeColumn, modules.AtColumn} {
		if slices.ContainsFunc(t.Outputs, func(o plan.Output) bool { return o.Name == name }) {
			continue
		}
		i, _ := s.schemas[0].Column(name)
		e := s.col(0, name, &lang.Name{Parts: []lang.Ident{{Name: name}}})
		lead = append(lead, plan.Output{Name: name, Type: s.schemas[0].Columns[i].Type, Expr: e})
	}
	t.Outputs = append(lead, t.Outputs...)
}
