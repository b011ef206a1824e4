// Package sigma converts Sigma rules: what to look for in events becomes a
// question about what a host has now, or has written down.
//
// [Format] is all that there is. A rule's logsource decides where is looked
// (sources.go), its detection becomes a tree of tests (detection.go,
// modifiers.go, condition.go), which is written as a condition of the language
// (render.go) with the columns that stand for the rule's fields (fields.go).
// Correlations, and the aggregations of old, become groups (correlation.go).
//
// Two rules of Sigma decide how conditions are written. Case does not matter,
// so that tests have NOCASE. And a field that an event does not have fulfils
// no test, so that NOT of a test is true of it: here it is unknown, and
// NOT coalesce(test, false) says what was meant.
package sigma

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// Format is the format of Sigma rules.
func Format() convert.Format {
	return convert.Format{Name: "sigma", Doc: "Sigma rules and correlations, in YAML", Is: is, Convert: read}
}

func is(name string, data []byte) bool {
	yaml := strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || name == "stdin"
	return yaml && (hasKey(data, "logsource") && hasKey(data, "detection") || hasKey(data, "correlation"))
}

func hasKey(data []byte, key string) bool {
	return bytes.HasPrefix(data, []byte(key+":")) || bytes.Contains(data, []byte("\n"+key+":"))
}

func read(_ context.Context, in convert.Input) (*convert.Result, error) {
	docs, err := document.YAML(in.Name, in.Data)
	if err != nil {
		return nil, err
	}
	c := &collection{file: in.Name, result: &convert.Result{}}
	if err := c.collect(docs); err != nil {
		return nil, err
	}
	silent := c.silence()
	for _, d := range c.rules {
		switch {
		case d.get("correlation") != nil:
			c.correlate(d)
		case !silent[d.get("name").Text()] && !silent[d.get("id").Text()]:
			c.rule(d)
		}
	}
	return c.result, nil
}

// A collection is the rules of a file, some of which name others.
type collection struct {
	file   string
	rules  []layers
	result *convert.Result
}

// collect puts together what the documents of a file say: those of old
// collections begin with one that holds for all (action: global), or go on
// from the one before (action: repeat).
func (c *collection) collect(docs []*document.Node) error {
	var global layers
	for _, d := range docs {
		if d.Kind() == document.Null {
			continue
		}
		if d.Kind() != document.Map {
			return &convert.Error{File: c.file, Line: d.Line(), Message: "this is no rule, but " + d.Kind().String()}
		}
		switch action := d.Get("action"); action.Text() {
		case "global":
			global = append(slices.Clip(global), d)
			continue
		case "reset":
			global = nil
			continue
		case "repeat":
			if len(c.rules) == 0 {
				return &convert.Error{File: c.file, Line: action.Line(), Message: "there is no rule before this one to repeat"}
			}
			c.rules = append(c.rules, append(slices.Clip(c.rules[len(c.rules)-1]), d))
		case "":
			c.rules = append(c.rules, append(slices.Clip(global), d))
		default:
			return &convert.Error{File: c.file, Line: action.Line(), Message: "action \"" + action.Text() + "\" is not known", Hint: "known are global, reset and repeat"}
		}
		last := c.rules[len(c.rules)-1]
		if last.get("correlation") == nil && (last.get("detection") == nil || last.get("logsource") == nil) {
			return &convert.Error{File: c.file, Line: d.Line(), Message: "this is no Sigma rule: it has no logsource or no detection"}
		}
	}
	if len(c.rules) == 0 {
		return &convert.Error{File: c.file, Line: 1, Message: "there is no rule in it"}
	}
	return nil
}

// layers are the documents that a rule is made of; what a later one says
// counts.
type layers []*document.Node

func (l layers) get(key string) *document.Node {
	for _, d := range slices.Backward(l) {
		if n := d.Get(key); n != nil {
			return n
		}
	}
	return nil
}

// within gives the values of a key inside another, such as the selections of
// a detection, of all layers.
func (l layers) within(key string) (names []string, values map[string]*document.Node) {
	values = map[string]*document.Node{}
	for _, d := range l {
		m := d.Get(key)
		for i, name := range m.Keys() {
			if values[name] == nil {
				names = append(names, name)
			}
			values[name] = m.Items()[i]
		}
	}
	return names, values
}

// line is where the rule itself begins.
func (l layers) line() int { return l[len(l)-1].Line() }

// header makes what a rule says of itself.
func (l layers) header() convert.Rule {
	x := convert.Rule{
		Name: l.get("title").Text(), Description: l.get("description").Text(), Severity: l.get("level").Text(),
		Tags: l.get("tags").Texts(), Line: l.line(), Outcome: convert.Whole,
	}
	if x.Name == "" {
		x.Name = "a rule without a title"
	}
	if refs := l.get("references").Texts(); len(refs) > 0 {
		x.Reference = refs[0]
		for _, more := range refs[1:] {
			x.Comments = append(x.Comments, "see "+more)
		}
	}
	for _, key := range [...]string{"id", "status", "author", "falsepositives"} {
		if said := strings.Join(l.get(key).Texts(), "; "); said != "" {
			x.Comments = append(x.Comments, strings.Replace(key, "falsep", "false p", 1)+": "+said)
		}
	}
	return x
}

// rule converts one rule: for each place where it can be asked, and for each
// of its conditions, a query.
func (c *collection) rule(d layers) {
	x := d.header()
	defer func() { c.result.Rules = append(c.result.Rules, x) }()
	t, err := parseDetection(d)
	if err != nil {
		x.Note(err.line, "%s", err.message)
		x.Outcome = convert.Not
		return
	}
	sources, why := sourcesOf(d)
	if why != "" {
		x.Note(d.get("logsource").Line(), "%s", why)
		x.Outcome = convert.Not
		return
	}
	w := &writer{rule: &x, lists: &c.result.Lists, file: stem(c.file)}
	for i, s := range sources {
		for _, cond := range t.conditions {
			if cond.aggregate != nil {
				if s.past {
					w.aggregate(s, cond)
				}
				continue
			}
			w.query(s, cond.tree, i > 0)
		}
	}
	if t.conditions[0].aggregate != nil && !slices.ContainsFunc(sources, func(s source) bool { return s.past }) {
		x.Lose(t.conditions[0].aggregate.line, "events are counted, and what a host has now tells of none that is past")
	}
	if len(x.Queries) == 0 {
		x.Outcome = convert.Not
	}
}

// stem makes of a file's name what the names of its lists begin with.
func stem(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name, _, _ = strings.Cut(name, ".")
	if name = strings.Trim(notPlain().ReplaceAllString(strings.ToLower(name), "-"), "-"); name == "" {
		return "sigma"
	}
	return name
}

var notPlain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^a-z0-9_]+`) })
