// Package planner turns a query into a plan: it checks every name, type and
// setting against a catalogue, reads the lists that the query names, and
// decides how the question is asked, from cheap to dear.
//
// A newcomer needs [Compile]. What it refuses comes back as a *lang.Error
// with every mistake in its place; what it doubts, as warnings. The steps
// stand in files of their own: names.go (what a name means), exprs.go and
// predicates.go (types), content.go (questions about content), locate.go
// (where to look), order.go (from cheap to dear), shape.go (what comes back).
//
// The planner looks at no host. It must not be linked into an agent, which
// takes plans and never parses queries.
package planner

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A Catalogue knows the schemas of the hosts that are asked.
type Catalogue interface {
	Schema(name string) (*modules.Schema, bool)
	Names() []string
}

// Inputs are what a query needs from around it.
type Inputs struct {
	// Source is the text that the query was parsed from, for messages.
	Source lang.Source
	// Dir is the folder that relative locators start from.
	Dir string
	// Params gives the parameters by name, as text.
	Params map[string]string
	// ReadList reads the file of an @list by its name in the query; nil:
	// there are none.
	ReadList func(name string) ([]byte, error)
	// Funcs are functions beside those of the language, which queries of this
	// machine may call; a name of the language's own means this one then.
	Funcs []plan.Func
	// Case gives the catalogue of the answers that a case keeps; nil: no case
	// can be asked here.
	Case func(name string) (Catalogue, error)
	// OS is the system that is asked, as in runtime.GOOS; "" for this one.
	OS string
	// Now is the time that dates in lists and parameters are read at.
	Now time.Time
	// Naive leaves the plan as the query was written: nothing is pushed into
	// scans and nothing is reordered. Answers are the same; tests say so.
	Naive bool
}

// Compile checks one query and plans it. The error is a *lang.Error that
// names every mistake; warnings come with a good plan and with a bad one.
func Compile(q *lang.Query, cat Catalogue, in Inputs) (*plan.Plan, []lang.Diagnostic, error) {
	if in.OS == "" {
		in.OS = runtime.GOOS
	}
	c := newCompiler(q, cat, in)
	c.query(q)
	if len(c.problems) == 0 && len(c.words) > 0 {
		// What is planned is what its text says to who knows other columns.
		q = lang.Quote(q, c.isText)
		again := newCompiler(q, cat, in)
		again.files = c.files
		again.query(q)
		c.plan, c.problems = again.plan, again.problems
	}
	slices.SortStableFunc(c.warnings, bySpan)
	if len(c.problems) == 0 {
		if err := c.plan.Prepare(); err != nil {
			c.report(notPlanned(q.Span(), err))
		}
	}
	if len(c.problems) > 0 {
		return nil, c.warnings, c.failure()
	}
	return c.plan, c.warnings, nil
}

// failure is the error about what was found wrong: as much of it as lang tells.
func (c *compiler) failure() *lang.Error {
	slices.SortStableFunc(c.problems, bySpan)
	e := &lang.Error{Source: c.in.Source, Diagnostics: slices.CompactFunc(c.problems, func(a, b lang.Diagnostic) bool { return a == b })}
	if n := len(e.Diagnostics) - lang.MaxDiagnostics; n > 0 {
		e.Diagnostics, e.More = e.Diagnostics[:lang.MaxDiagnostics], n
	}
	return e
}

func newCompiler(q *lang.Query, cat Catalogue, in Inputs) *compiler {
	return &compiler{
		cat: cat, in: in, plan: &plan.Plan{Query: lang.Format(q)}, files: map[string][]listLine{},
		words: map[*lang.Name]bool{}, columns: map[*lang.Name]bool{}, named: map[string]bool{}, same: map[string]int{},
	}
}

// isText says whether a bare word was taken for text wherever it counts: one
// that LET names may be a column in one place and text in another.
func (c *compiler) isText(n *lang.Name) bool { return c.words[n] && !c.columns[n] }

func bySpan(a, b lang.Diagnostic) int { return a.Span.Start - b.Span.Start }

type compiler struct {
	cat      Catalogue
	in       Inputs
	plan     *plan.Plan
	problems []lang.Diagnostic
	warnings []lang.Diagnostic
	params   map[string]*lang.Param
	lets     map[string]*lang.Let
	used     map[string]bool       // parameters and lets that something names
	broken   map[string]bool       // those whose declaration is refused
	stood    int                   // how often a name of LET stood for its value
	files    map[string][]listLine // the lists that were read
	words    map[*lang.Name]bool   // bare words that are text
	columns  map[*lang.Name]bool   // names that are columns, or now
	named    map[string]bool       // the tables' names
	same     map[string]int        // how many tables wanted a name that was taken
	depth    int                   // of subqueries
	nested   int                   // of the expression that is read
	around   []*scanInfo           // of the FIND that is read, and of those around it
}

func (c *compiler) report(d lang.Diagnostic) { c.problems = append(c.problems, d) }
func (c *compiler) warn(d lang.Diagnostic) {
	d.Warning = true
	c.warnings = append(c.warnings, d)
}

// noDoubt takes back the doubt about a bare word that turned out to be right.
func (c *compiler) noDoubt(at lang.Span) {
	c.warnings = slices.DeleteFunc(c.warnings, func(d lang.Diagnostic) bool {
		return d.Code == CodeBareWord && d.Span == at
	})
}

func (c *compiler) query(q *lang.Query) {
	c.declare(q)
	if !c.from(q.From) {
		return // what the rest speaks of is not known
	}
	c.every(q.Every)
	c.settings(q)
	if !c.watch(q) {
		return
	}
	if len(q.Finds) > maxFinds {
		c.report(tooManyFinds(q.Finds[maxFinds].Span(), len(q.Finds)))
		return
	}
	for i, f := range q.Finds {
		t := c.find(f)
		if t == nil {
			continue
		}
		t.Or, t.Not = f.Or && i > 0, f.Not
		t.Name = c.tableName(t.Name)
		c.plan.Tables = append(c.plan.Tables, t)
	}
	c.rounds(q)
	c.checkUsed(q)
}

// maxFinds bounds the FINDs of a query: each is a table of the answer, and the
// host's logic over all of them is told anew with each row that decides it.
const maxFinds = 1000

// tableName makes a name for a table that no earlier one has.
func (c *compiler) tableName(name string) string {
	free := name
	for c.named[free] {
		c.same[name]++
		free = fmt.Sprintf("%s_%d", name, c.same[name]+1)
	}
	c.named[free] = true
	return free
}

// declare takes the PARAMs and LETs of a query.
func (c *compiler) declare(q *lang.Query) {
	c.params, c.lets, c.used, c.broken = map[string]*lang.Param{}, map[string]*lang.Let{}, map[string]bool{}, map[string]bool{}
	for _, p := range q.Params {
		if c.declared(p.Name) {
			continue
		}
		c.standsAbove(q, p.Name, p.Default)
		c.params[p.Name.Name] = p
		if _, ok := value.ParseType(p.Type.Name); !ok {
			c.report(unknownType(p.Type))
		}
	}
	for _, l := range q.Lets {
		if !c.declared(l.Name) {
			c.standsAbove(q, l.Name, l.Value)
			c.lets[l.Name.Name] = l
		}
	}
	for name := range c.in.Params {
		if _, ok := c.params[name]; !ok {
			c.report(unknownParameter(lang.Span{Start: q.Span().Start, End: q.Span().Start}, name, c.parameterNames()))
		}
	}
}

// standsAbove refuses a declaration whose value names what is not declared
// above it, itself among that: no value leads back to its own name.
func (c *compiler) standsAbove(q *lang.Query, name lang.Ident, e lang.Expr) {
	if e == nil {
		return
	}
	lang.Walk(e, func(n lang.Node) bool {
		ref, ok := n.(*lang.ParamRef)
		if !ok {
			return true
		}
		c.used[ref.Name] = true
		below := slices.ContainsFunc(q.Lets, func(l *lang.Let) bool { return l.Name.Name == ref.Name }) ||
			slices.ContainsFunc(q.Params, func(p *lang.Param) bool { return p.Name.Name == ref.Name })
		switch _, isLet := c.lets[ref.Name]; {
		case isLet || c.params[ref.Name] != nil:
			c.broken[name.Name] = c.broken[name.Name] || c.broken[ref.Name]
			return true
		case below:
			c.report(notAbove(ref.Span(), ref.Name, name.Name))
		default:
			c.report(unknownParameter(ref.Span(), ref.Name, c.parameterNames()))
		}
		c.broken[name.Name] = true
		return true
	})
}

// maxStood bounds how often the names of LET stand for their values: one that
// names another twice, and that a third, doubles with each of them.
const maxStood = 10_000

// let gives what a name of LET stands for; nil: it is none, or cannot be used,
// which was said.
func (c *compiler) let(ref *lang.ParamRef) *lang.Let {
	l, ok := c.lets[ref.Name]
	if !ok || c.broken[ref.Name] {
		return nil
	}
	c.used[ref.Name] = true
	if c.stood++; c.stood > maxStood {
		if c.stood == maxStood+1 {
			c.report(standsTooOften(ref.Span()))
		}
		return nil
	}
	return l
}

func (c *compiler) declared(name lang.Ident) bool {
	_, p := c.params[name.Name]
	_, l := c.lets[name.Name]
	if p || l {
		c.report(declaredTwice(name))
	}
	return p || l
}

func (c *compiler) checkUsed(q *lang.Query) {
	for _, p := range q.Params {
		if !c.used[p.Name.Name] {
			c.warn(unusedName(p.Name, "parameter"))
		}
	}
	for _, l := range q.Lets {
		if !c.used[l.Name.Name] {
			c.warn(unusedName(l.Name, "name"))
		}
	}
}

func (c *compiler) parameterNames() []string {
	var names []string
	for n := range c.params {
		names = append(names, n)
	}
	for n := range c.lets {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// fleetFacts are the facts that an agent has beside the columns of the host
// module.
var fleetFacts = [...]modules.Column{
	{Name: "agent_version", Type: value.Version, Doc: "The version of the agent."},
	{Name: "policy_version", Type: value.Int, Doc: "The version of the policy that the agent obeys."},
	{Name: "sandbox", Type: value.Text, Doc: "On; partial where its system does not keep scans from all that it could; off where they run in the process that holds the agent's keys."},
	{Name: "agent_upgrade", Type: value.Text, Doc: "What became of the latest release: fetching, waiting, trying, installed, rolled-back, failed or refused; null of an agent that was offered none."},
	{Name: "agent_upgrade_version", Type: value.Version, Doc: "Which release that was."},
	{Name: "agent_upgrade_reason", Type: value.Text, Doc: "Why it is not installed."},
	{Name: "last_seen", Type: value.Time, Doc: "When the agent was last there; now, where it is."},
}

// from says who is asked; false: what can be asked of it is not known.
func (c *compiler) from(f *lang.From) bool {
	c.plan.Source = "local"
	if f == nil {
		return true
	}
	c.plan.Source = f.Source.Name
	s := &scope{c: c, facts: true}
	for _, a := range f.Args {
		if v, ok := s.constant(a, value.Text); ok {
			c.plan.Hosts = append(c.plan.Hosts, v.Text())
		}
	}
	if f.Source.Name == "case" {
		return c.fromCase(f)
	}
	if f.Where == nil {
		return true
	}
	if e, ok := s.condition(f.Where); ok {
		c.plan.Target = e
	}
	return true
}

// fromCase takes the catalogue of a case in the place of that of hosts.
func (c *compiler) fromCase(f *lang.From) bool {
	switch {
	case f.Where != nil:
		c.report(caseTarget(f.Where.Span()))
		return false
	case len(c.plan.Hosts) != 1:
		return false // its name is no text, which was said
	case c.in.Case == nil:
		c.report(unreadableCase(f.Args[0].Span(), "there are no cases here"))
		return false
	}
	cat, err := c.in.Case(c.plan.Hosts[0])
	if err != nil {
		c.report(unreadableCase(f.Args[0].Span(), err.Error()))
		return false
	}
	c.cat = cat
	return true
}

// fact finds a fact of a host by its name and gives it as a column.
func (c *compiler) fact(name string) (typed, bool) {
	facts := Facts(c.cat)
	t := typed{typ: value.Text}
	if i := slices.IndexFunc(facts, func(f modules.Column) bool { return f.Name == name }); i >= 0 {
		t = typed{typ: facts[i].Type, elem: facts[i].Elem, col: &facts[i]}
	} else if !strings.HasPrefix(name, "tags.") && !strings.HasPrefix(name, "cloud.") {
		return t, false
	}
	i := slices.Index(c.plan.Facts, name)
	if i < 0 {
		i = len(c.plan.Facts)
		c.plan.Facts = append(c.plan.Facts, name)
	}
	t.expr = &plan.Out{Index: i, Name: name}
	return t, true
}

func (c *compiler) isFact(name string) bool {
	return slices.Contains(c.factNames(), name)
}

func (c *compiler) factNames() []string {
	names := []string{"tags.KEY"}
	for _, f := range Facts(c.cat) {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

// Facts lists what a target may speak of, beside tags.KEY and cloud.KEY: the
// columns of the module host, and what an agent says of itself.
func Facts(cat Catalogue) []modules.Column {
	facts := fleetFacts[:]
	if schema, ok := cat.Schema("host"); ok {
		facts = append(slices.Clip(facts), schema.Columns...)
	}
	return facts
}
