package sigma

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// An aggregate counts events: those of a correlation, or of a condition of
// old that goes on with | count().
type aggregate struct {
	field   string   // of which different values are counted; "" for events
	by      []string // what belongs together
	op, n   string
	span    string // how long events belong together, such as 5m; "" for ever
	line    int
	missing string // why it cannot be asked
}

// parseAggregate reads what stands behind | in a condition.
func parseAggregate(s string, n *document.Node) (*aggregate, *problem) {
	a := &aggregate{line: n.Line()}
	m := regexp.MustCompile(`^\s*(\w+)(?:\s*\(\s*([^)\s]*)\s*\))?(?:\s+by\s+(.+?))?\s*(?:(<=|>=|==|=|<|>)\s*(\d+))?\s*$`).FindStringSubmatch(s)
	if m == nil || m[1] != "count" || m[4] == "" {
		a.missing = "what stands behind | in the condition is not carried over: " + strings.TrimSpace(s)
		return a, nil
	}
	a.field, a.op, a.n = m[2], strings.Replace(m[4], "==", "=", 1), m[5]
	for _, f := range strings.Split(m[3], ",") {
		if f = strings.TrimSpace(f); f != "" {
			a.by = append(a.by, f)
		}
	}
	return a, nil
}

// aggregate adds the query that counts events of a source.
func (w *writer) aggregate(s source, c condition) {
	a := c.aggregate
	if a.missing != "" {
		w.rule.Lose(a.line, "%s", a.missing)
		return
	}
	where, ok := w.where(s, c.tree, false)
	if !ok {
		return
	}
	groups, ok := w.groups(s, a)
	if !ok {
		return
	}
	q := s.from + "\nFIND " + s.find + "\n  WHERE " + where
	counted := "count()"
	if a.field != "" {
		col, why := s.column(a.field)
		if why != "" || col.write != nil {
			w.rule.Lose(a.line, "different values of %s cannot be counted: %s", a.field, why)
			return
		}
		counted = "count(DISTINCT " + col.text + ")"
	}
	returns := append(slices.Clone(groups), counted+" AS found")
	if strings.Contains(s.returns, "time") {
		returns = append(returns, "min(time) AS first", "max(time) AS last")
	}
	q += "\n  RETURN " + strings.Join(returns, ", ")
	if len(groups) > 0 {
		var names []string
		for _, g := range groups {
			text, alias, ok := strings.Cut(g, " AS ")
			if ok {
				text = alias
			}
			names = append(names, text)
		}
		q += "\n  GROUP BY " + strings.Join(names, ", ")
	}
	w.rule.Queries = append(w.rule.Queries, q+"\n  HAVING found "+a.op+" "+a.n)
	w.note(s)
}

// groups gives what events belong together by: fields, and a piece of time.
func (w *writer) groups(s source, a *aggregate) ([]string, bool) {
	var groups []string
	for _, f := range a.by {
		col, why := s.column(f)
		if why != "" || col.write != nil {
			w.rule.Lose(a.line, "events cannot be put together by %s: %s", f, why)
			return nil, false
		}
		group := col.text
		if strings.ContainsAny(group, "( .") {
			group += " AS " + strings.Trim(notPlain().ReplaceAllString(strings.ToLower("by_"+f), "_"), "_")
		}
		groups = append(groups, group)
	}
	switch {
	case a.span == "":
	case !strings.Contains(s.returns, "time"):
		w.rule.Lose(a.line, "the lines of this log have no time that can be asked, and are counted whenever they were written, not within %s", a.span)
	default:
		span, ok := duration(a.span)
		if !ok {
			w.rule.Lose(a.line, "%q is no time span", a.span)
			return nil, false
		}
		groups = append(groups, "truncate(time, "+span+") AS since")
		w.rule.Lose(a.line, "time is cut into pieces of %s, and events on both sides of a cut are not counted together", a.span)
	}
	return groups, true
}

// duration reads a time span of Sigma: a number and s, m, h, d, w.
func duration(s string) (string, bool) {
	n, err := strconv.Atoi(strings.TrimRight(s, "smhdw"))
	if err != nil || n <= 0 || len(s) != len(strconv.Itoa(n))+1 {
		return "", false
	}
	return s, true
}

// silence gives the names of rules that are there for a correlation alone,
// which asks them.
func (c *collection) silence() map[string]bool {
	names := map[string]bool{}
	for _, d := range c.rules {
		k := d.get("correlation")
		if k == nil || k.Get("generate").Text() == "true" || d.get("generate").Text() == "true" {
			continue
		}
		for _, name := range k.Get("rules").Texts() {
			names[name] = true
		}
	}
	delete(names, "")
	return names
}

// called says whether a rule has a name, by which correlations know it.
func (l layers) called(name string) bool {
	return name != "" && (l.get("name").Text() == name || l.get("id").Text() == name)
}

// correlate converts a correlation over rules of the same file.
func (c *collection) correlate(d layers) {
	x := d.header()
	defer func() { c.result.Rules = append(c.result.Rules, x) }()
	x.Outcome = convert.Not
	k := d.get("correlation")
	a := &aggregate{line: k.Line(), by: k.Get("group-by").Texts(), span: k.Get("timespan").Text()}
	cond := k.Get("condition")
	switch kind := k.Get("type").Text(); kind {
	case "event_count":
	case "value_count":
		if a.field = cond.Get("field").Text(); a.field == "" {
			a.field = k.Get("field").Text()
		}
		if a.field == "" {
			x.Note(k.Line(), "a correlation of type value_count names no field")
			return
		}
	default:
		x.Note(k.Line(), "correlations of type %q are not carried over: what belongs to one after the other is for who reads the answers", kind)
		return
	}
	for i, op := range cond.Keys() {
		sign := map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "="}[op]
		if sign == "" {
			continue
		}
		if a.op != "" {
			x.Note(cond.Line(), "a correlation with two bounds is not carried over")
			return
		}
		a.op, a.n = sign, number10(cond.Items()[i].Text())
	}
	if a.op == "" || a.n == "" {
		x.Note(k.Line(), "the condition of a correlation is a bound, such as gte: 10")
		return
	}
	if k.Get("aliases") != nil {
		x.Note(k.Get("aliases").Line(), "aliases of a correlation are not carried over")
		return
	}
	c.correlated(&x, k, a)
}

// correlated finds the rules of a correlation, which have to be asked in the
// same place.
func (c *collection) correlated(x *convert.Rule, k *document.Node, a *aggregate) {
	var trees []*expr
	var sources []source
	for _, n := range k.Get("rules").Items() {
		i := slices.IndexFunc(c.rules, func(l layers) bool { return l.called(n.Text()) })
		if i < 0 || c.rules[i].get("correlation") != nil {
			x.Note(n.Line(), "there is no rule %q in this file that the correlation could count", n.Text())
			return
		}
		t, err := parseDetection(c.rules[i])
		if err != nil {
			x.Note(err.line, "%s", err.message)
			return
		}
		found, why := sourcesOf(c.rules[i])
		found = slices.DeleteFunc(found, func(s source) bool { return !s.past })
		if len(found) == 0 {
			if why == "" {
				why = "what a host has now tells of no events that are past, which could be counted"
			}
			x.Note(n.Line(), "%s", why)
			return
		}
		if len(sources) > 0 && (found[0].find != sources[0].find || !slices.Equal(found[0].fixed, sources[0].fixed)) {
			x.Note(n.Line(), "rules of several logs are not counted together")
			return
		}
		sources = found
		for _, cond := range t.conditions {
			trees = append(trees, cond.tree)
		}
	}
	if len(trees) == 0 {
		x.Note(k.Line(), "the correlation names no rules")
		return
	}
	x.Outcome = convert.Whole
	w := &writer{rule: x, lists: &c.result.Lists, file: stem(c.file)}
	w.aggregate(sources[0], condition{tree: joined('|', trees), aggregate: a})
	if len(x.Queries) == 0 {
		x.Outcome = convert.Not
	}
}
