package mig

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// maxChain bounds how tests may depend on one another.
const maxChain = 20

// A scribe is a document of objects, which say what to look at, and of tests
// of them.
type scribe struct {
	objects, tests map[string]*document.Node
	from           string
}

// readScribe makes a rule of each test. What a test depends on is joined to it
// by AND, and what only others depend on is none of its own.
func readScribe(doc *document.Node, r *convert.Result, from string) {
	s := &scribe{objects: map[string]*document.Node{}, tests: map[string]*document.Node{}, from: from}
	for _, o := range doc.Get("objects").Items() {
		s.objects[o.Get("object").Text()] = o
	}
	needed := map[string]bool{}
	for _, t := range doc.Get("tests").Items() {
		s.tests[t.Get("test").Text()] = t
		for _, id := range t.Get("if").Texts() {
			needed[id] = true
		}
	}
	if s.from == "" {
		s.from = "FROM fleet"
	}
	if len(doc.Get("variables").Items()) > 0 {
		r.Notes = append(r.Notes, convert.Note{Line: doc.Get("variables").Line(), Message: "variables are not carried over; what uses them is named"})
	}
	for _, t := range doc.Get("tests").Items() {
		id := t.Get("test").Text()
		if needed[id] && len(t.Get("tags").Items()) == 0 && t.Get("name").Text() == "" {
			continue // it stands with those that depend on it
		}
		r.Rules = append(r.Rules, s.rule(id, t))
	}
}

func (s *scribe) rule(id string, t *document.Node) convert.Rule {
	x := convert.Rule{Name: t.Get("name").Text(), Description: t.Get("description").Text(), Line: t.Line(), Outcome: convert.Whole}
	if x.Name == "" {
		x.Name = id
	}
	for _, tag := range t.Get("tags").Items() {
		key, value := tag.Get("key").Text(), tag.Get("value").Text()
		if value == "" {
			continue
		}
		if key == "severity" || key == "category" && severity(value) != "" {
			x.Severity = severity(value)
		}
		x.Tags = append(x.Tags, key+"="+strings.ReplaceAll(value, ",", " "))
	}
	finds, err := s.finds(id, 0)
	if err != nil {
		x.Outcome = convert.Not
		x.Note(t.Line(), "%s", err)
		return x
	}
	x.Queries = []string{s.from + "\n" + strings.Join(finds, "\nAND ")}
	return x
}

// finds gives the FINDs of a test and of all that it depends on.
func (s *scribe) finds(id string, depth int) ([]string, error) {
	t := s.tests[id]
	if t == nil {
		return nil, fmt.Errorf("there is no test %q", id)
	}
	if depth > maxChain {
		return nil, fmt.Errorf("tests depend on one another over %d times", maxChain)
	}
	find, err := s.find(t)
	if err != nil {
		return nil, err
	}
	finds := []string{find}
	for _, other := range t.Get("if").Texts() {
		more, err := s.finds(other, depth+1)
		if err != nil {
			return nil, err
		}
		finds = append(finds, more...)
	}
	return finds, nil
}

// find gives the FIND that is true where the test is.
func (s *scribe) find(t *document.Node) (string, error) {
	name := t.Get("object").Text()
	o := s.objects[name]
	switch {
	case o == nil:
		return "", fmt.Errorf("there is no object %q", name)
	case strings.Contains(name, "${"):
		return "", fmt.Errorf("object %q has variables", name)
	case len(o.Get("package").Keys()) > 0:
		return packageTest(o.Get("package"), t)
	case len(o.Get("filecontent").Keys()) > 0:
		return contentTest(o.Get("filecontent"), t)
	case len(o.Get("filename").Keys()) > 0:
		f := o.Get("filename")
		c, err := nameCondition(f.Get("file").Text())
		if err == nil && len(t.Get("regexp").Keys())+len(t.Get("exactmatch").Keys())+len(t.Get("evr").Keys()) > 0 {
			err = fmt.Errorf("a test of what a name of a file holds is not carried over")
		}
		return "FIND file " + locator(f.Get("path").Text()) + " WHERE " + c + " RETURN path", err
	case len(o.Get("hasline").Keys()) > 0:
		return lineTest(o.Get("hasline"))
	}
	return "", fmt.Errorf("object %q has a value of its own, and looks at nothing", name)
}

func packageTest(p, t *document.Node) (string, error) {
	conds := []string{"name = " + convert.Quote(p.Get("name").Text())}
	if re := p.Get("collectmatch").Text(); re != "" {
		c, err := nameCondition(re)
		if err != nil {
			return "", err
		}
		conds = []string{c}
	}
	if p.Get("onlynewest").Text() == "true" {
		return "", fmt.Errorf("onlynewest is not carried over: every version that is installed is tested")
	}
	evr := t.Get("evr")
	switch op := evr.Get("operation").Text(); op {
	case "<", ">", "=":
		conds = append(conds, "version "+op+" "+convert.Quote(evr.Get("value").Text()))
	case "":
	default:
		return "", fmt.Errorf("evr compares by %q, which is not known", op)
	}
	if v := t.Get("exactmatch").Get("value"); v != nil {
		conds = append(conds, "concat(version) = "+convert.Quote(v.Text()))
	}
	if v := t.Get("regexp").Get("value"); v != nil {
		c, err := matches("concat(version)", v.Text(), "")
		if err != nil {
			return "", err
		}
		conds = append(conds, c)
	}
	return "FIND package WHERE " + all(conds) + " RETURN name, version", nil
}

// contentTest gives the test of what a group of an expression caught in a line.
func contentTest(f, t *document.Node) (string, error) {
	if len(f.Get("import-chain").Items()) > 0 || f.Get("concat").Text() != "" {
		return "", fmt.Errorf("a chain of what several expressions caught is not carried over")
	}
	if t.Get("evr").Get("operation").Text() != "" {
		return "", fmt.Errorf("a version that stands in a file is not compared")
	}
	re := f.Get("expression").Text()
	tree, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		return "", err
	}
	if tree.MaxCap() > 1 {
		return "", fmt.Errorf("an expression with several groups is not carried over")
	}
	name, err := nameCondition(f.Get("file").Text())
	if err != nil {
		return "", err
	}
	cond, caught := "text MATCHES "+convert.Quote(re), fmt.Sprintf("extract(text, %s, %d)", convert.Quote(re), tree.MaxCap())
	if v := t.Get("exactmatch").Get("value"); v != nil {
		cond = caught + " = " + convert.Quote(v.Text())
	}
	if v := t.Get("regexp").Get("value"); v != nil {
		if _, err := regexp.Compile(v.Text()); err != nil {
			return "", err
		}
		cond = caught + " MATCHES " + convert.Quote(v.Text())
	}
	return "FIND line " + locator(f.Get("path").Text()) + " WHERE " + strings.Replace(name, "name ", "path.name ", 1) + " AND " + cond + " RETURN path, number", nil
}

func lineTest(h *document.Node) (string, error) {
	name, err := nameCondition(h.Get("file").Text())
	if err != nil {
		return "", err
	}
	re := h.Get("expression").Text()
	if _, err := regexp.Compile(re); err != nil {
		return "", err
	}
	return "FIND file " + locator(h.Get("path").Text()) + " WHERE " + name + " AND ANY LINE MATCHES " + convert.Quote(re) + " RETURN path", nil
}
