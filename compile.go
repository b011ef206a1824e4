package quaestor

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/planner"
	"github.com/quaestor-engine/quaestor/value"
)

// A Compiled is one or more queries that were checked and planned, to be run
// together.
type Compiled struct {
	Queries  []Query
	Warnings []Warning
	cases    map[string]*modules.Catalogue // those that the queries ask, by name
}

// Mistakes gives the mistakes of queries that an error of Compile, Query or
// Prepare holds, one *lang.Error for each query that has any; none where the
// error is about something else.
func Mistakes(err error) []*lang.Error { return lang.Mistakes(err) }

// Every gives the period at which the queries are to be asked again; 0: once.
// Queries that are asked together have one period.
func (c *Compiled) Every() (time.Duration, error) {
	var every time.Duration
	for i, q := range c.Queries {
		own := q.Plan.Every
		if q.Explain {
			own = 0
		}
		if i > 0 && own != every {
			return 0, fmt.Errorf("the query %q is to be asked EVERY %s and %q EVERY %s\nhint: ask them apart, or give both the same EVERY",
				c.Queries[0].Name, period(every), q.Name, period(own))
		}
		every = own
	}
	return every, nil
}

func period(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return value.FormatDuration(d)
}

// A Query is one of them.
type Query struct {
	Name             string // from its header, or from its source
	File             string // what its source is called
	Header           lang.Header
	Explain, Analyze bool // it begins with EXPLAIN or EXPLAIN ANALYZE
	Plan             *plan.Plan

	cat *modules.Catalogue // of the case that it asks; nil: the session's own

	// What the plan was made from, beside Plan.Query: who has all of it can
	// make the same plan again, with LocalSession.Recompile.
	Inputs Inputs
}

// Inputs are what a plan was made from, beside the query's text.
type Inputs struct {
	Params map[string]string // as text
	Lists  []List            // the @lists that it names, in the order of their names
	At     time.Time         // when: what dates and "now" in lists and parameters were read at
}

// A List is the file of an @list.
type List struct {
	Name string // as the query names it, without the @
	Data []byte
}

// A Warning is a doubt about a query that can run.
type Warning struct {
	Source     lang.Source
	Diagnostic lang.Diagnostic
}

// String shows the warning as errors are shown, with its line and a caret.
func (w Warning) String() string { return w.Diagnostic.Render(w.Source) }

// Compile checks and plans every query of the sources. The error holds a
// *lang.Error for each query or source with mistakes; the warnings are there
// even then. Lists and paths of a source are relative to Options.Dir, or to
// the folder of its file where its name is a path that ends in .qst.
func (s *LocalSession) Compile(sources ...lang.Source) (*Compiled, error) {
	c := &Compiled{}
	errs := make([]error, len(sources))
	files := make([]*lang.File, len(sources)) // nil: it cannot be read
	for i, src := range sources {
		files[i], errs[i] = lang.Parse(src)
		if errs[i] != nil {
			files[i] = nil
		}
	}
	unknown := s.undeclared(files)
	for i, f := range files {
		if f == nil {
			continue
		}
		for k, q := range f.Queries {
			err := s.compile(c, f, k, given{params: s.paramsOf(q, unknown)})
			errs[i] = errors.Join(errs[i], err)
			unknown = nil // said once
		}
	}
	return c, errors.Join(errs...)
}

// undeclared gives the parameters that no query declares.
func (s *LocalSession) undeclared(files []*lang.File) map[string]string {
	unknown := map[string]string{}
	for name, text := range s.opts.Params {
		unknown[name] = text
	}
	for _, f := range files {
		if f == nil {
			continue
		}
		for _, q := range f.Queries {
			for _, p := range q.Params {
				delete(unknown, p.Name.Name)
			}
		}
	}
	return unknown
}

// paramsOf gives a query the parameters that it declares, and those that it
// is to complain about.
func (s *LocalSession) paramsOf(q *lang.Query, more map[string]string) map[string]string {
	params := map[string]string{}
	for _, p := range q.Params {
		if text, ok := s.opts.Params[p.Name.Name]; ok {
			params[p.Name.Name] = text
		}
	}
	for name, text := range more {
		params[name] = text
	}
	return params
}

func (s *LocalSession) compile(c *Compiled, f *lang.File, i int, g given) error {
	q := f.Queries[i]
	dir := s.dirOf(f.Source)
	lists := map[string][]byte{}
	in := Inputs{Params: g.params, At: s.opts.Now()}
	var cat *modules.Catalogue
	p, warnings, err := planner.Compile(q, s.cat, planner.Inputs{
		Case: func(name string) (planner.Catalogue, error) {
			var err error
			cat, err = s.caseOf(c, name)
			return cat, err
		},
		Source: f.Source, Dir: dir, Params: g.params, Funcs: s.funcs, OS: s.opts.OS, Now: in.At, Naive: s.opts.Naive,
		ReadList: func(name string) ([]byte, error) {
			data, ok := g.lists[name]
			if ok {
				lists[name] = data
				return data, nil
			}
			data, err := s.readList(dir, name)
			lists[name] = data
			return data, err
		},
	})
	for _, w := range warnings {
		c.Warnings = append(c.Warnings, Warning{Source: f.Source, Diagnostic: w})
	}
	if err != nil {
		return err
	}
	if p.Source == "local" || cat != nil {
		s.opts.Limits.cap(&p.Limits) // a fleet's plan is what its text says
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		in.Lists = append(in.Lists, List{Name: name, Data: lists[name]})
	}
	c.Queries = append(c.Queries, Query{Name: nameOf(f, i), File: f.Source.Name, Header: q.Header, Explain: q.Explain, Analyze: q.Analyze, Plan: p, Inputs: in, cat: cat})
	return nil
}

// caseOf gives the catalogue of a case, the same one to all queries that ask
// it.
func (s *LocalSession) caseOf(c *Compiled, name string) (*modules.Catalogue, error) {
	if cat, ok := c.cases[name]; ok {
		return cat, nil
	}
	if s.opts.Case == nil {
		return nil, errors.New("there are no cases here")
	}
	m, err := s.opts.Case(name)
	if err != nil {
		return nil, err
	}
	cat, err := modules.NewCatalogue(m)
	if err != nil {
		return nil, err
	}
	if c.cases == nil {
		c.cases = map[string]*modules.Catalogue{}
	}
	c.cases[name] = cat
	return cat, nil
}

// Recompile makes a plan again from its canonical text and what it was made
// from, and reads no file. Who compares the result with a plan that somebody
// else made knows whether that plan is what its text says. The error holds a
// *lang.Error, or says that the text is not one query.
func (s *LocalSession) Recompile(text string, in Inputs) (*plan.Plan, error) {
	src := lang.Source{Name: "query", Text: text}
	f, err := lang.Parse(src)
	if err != nil {
		return nil, err
	}
	if len(f.Queries) != 1 {
		return nil, fmt.Errorf("a plan is made from one query, not from %d", len(f.Queries))
	}
	p, _, err := planner.Compile(f.Queries[0], s.cat, planner.Inputs{
		Source: src, Dir: s.opts.Dir, Params: in.Params, Funcs: s.funcs, OS: s.opts.OS, Now: in.At, Naive: s.opts.Naive,
		ReadList: func(name string) ([]byte, error) {
			i := slices.IndexFunc(in.Lists, func(l List) bool { return l.Name == name })
			if i < 0 {
				return nil, fmt.Errorf("the list @%s did not come with the plan", name)
			}
			return in.Lists[i].Data, nil
		},
	})
	return p, err
}

func (s *LocalSession) dirOf(src lang.Source) string {
	if !strings.HasSuffix(src.Name, ".qst") {
		return s.opts.Dir
	}
	if filepath.IsAbs(src.Name) {
		return filepath.Dir(src.Name)
	}
	return filepath.Join(s.opts.Dir, filepath.Dir(src.Name))
}

// nameOf gives what the query's header calls it, or its source, numbered
// where that holds several.
func nameOf(f *lang.File, i int) string {
	if name := f.Queries[i].Header.Name; name != "" {
		return name
	}
	name := strings.TrimSuffix(filepath.Base(f.Source.Name), ".qst")
	if len(f.Queries) > 1 {
		return fmt.Sprintf("%s %d", name, i+1)
	}
	return name
}
