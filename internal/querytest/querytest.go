// Package querytest runs the tests of query files: beside hunt.qst lies
// hunt.test.txtar, which pretends hosts and says what the query answers there.
//
// A newcomer needs [Find], which pairs queries with their tests, and [Run].
// docs/testing-queries.md describes the form of a test file for those who
// write one. The steps stand in files of their own: file.go reads a test file,
// host.go makes the hosts of a case, ask.go asks them, expect.go compares,
// diff.go shows how rows differ, update.go rewrites what was expected.
//
// Nothing here asks a machine: hosts exist in a temporary folder and in
// memory. A test file may come from a stranger: it is bounded, and writes
// nothing outside of that folder.
package querytest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/internal/pretend"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
)

// Options say how tests are run.
type Options struct {
	Modules []modules.Module // what queries can ask about
	Run     *regexp.Regexp   // of the cases, those whose "QUERY: CASE" it matches; nil: all
	Update  bool             // rewrite what is expected and did not come back
	Workers int              // cases at a time; 0: one a processor
}

// maxCase is how long one case may run. Hosts are small, so that a case which
// runs longer will not end.
const maxCase = 30 * time.Second

// Run runs the cases of all suites, and fills in what became of them. The
// error is that of a context that ended before all were tried.
func Run(ctx context.Context, suites []*Suite, o Options) (*Report, error) {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	start := time.Now()
	var free, alone []*Result
	for _, s := range suites {
		s.load(o)
		for _, r := range s.Cases {
			switch {
			case r.State != untried:
			case r.test.needsRights() && os.Geteuid() <= 0: // root, or a system without numbers
				alone = append(alone, r)
			default:
				free = append(free, r)
			}
		}
	}
	together(ctx, free, o)
	for _, r := range alone {
		r.runAsUser(ctx, o)
	}
	report := &Report{Suites: suites}
	for _, s := range suites {
		s.finish(o)
	}
	report.Took = time.Since(start)
	return report, ctx.Err()
}

// runAsUser runs a case as somebody to whom permissions apply. It changes who
// the process is, and nothing else may run meanwhile. What is read of the
// query's folder, which may be closed to others, is read before.
func (r *Result) runAsUser(ctx context.Context, o Options) {
	if r.prepare(o); r.failed != nil {
		r.run(ctx, o)
		return
	}
	back, err := pretend.AsUser()
	if err == nil {
		defer back()
		var dir string
		if dir, err = os.MkdirTemp("", tempName); err == nil {
			err = os.Remove(dir)
		}
	}
	if err != nil {
		r.State, r.Problems = LeftOut, []Problem{{Text: "root can read everything, and cannot be somebody else here: " + err.Error()}}
		return
	}
	r.run(ctx, o)
}

// together runs cases side by side.
func together(ctx context.Context, results []*Result, o Options) {
	todo := make(chan *Result) // closed below, when all were handed out
	var workers sync.WaitGroup
	for range min(o.Workers, len(results)) {
		workers.Go(func() {
			for r := range todo {
				r.run(ctx, o)
			}
		})
	}
	for _, r := range results {
		todo <- r
	}
	close(todo)
	workers.Wait()
}

// load reads the query file and the test file of a suite.
func (s *Suite) load(o Options) {
	if s.Query == "" {
		s.Wrong = "there is no query file beside it: " + strings.TrimSuffix(s.Test, testSuffix) + querySuffix
		return
	}
	text, err := readFile(s.Query, maxQuery)
	if err == nil {
		s.source = lang.Source{Name: s.Query, Text: string(text)}
	}
	if err != nil || s.Test == "" {
		s.wrong(err)
		return
	}
	data, err := readFile(s.Test, maxFile)
	if err == nil {
		s.file, err = parseFile(data)
	}
	if err != nil {
		s.Wrong = fmt.Sprintf("%s:%s", s.Test, messageOf(err))
		return
	}
	s.queries, s.broken = lang.Parse(s.source)
	for _, c := range s.file.cases {
		if o.Run != nil && !o.Run.MatchString(s.Query+": "+c.name) {
			continue
		}
		s.Cases = append(s.Cases, &Result{Name: c.name, About: c.about, Line: c.line, suite: s, test: c})
	}
}

func (s *Suite) wrong(err error) {
	if err != nil {
		s.Wrong = err.Error()
	}
}

// run runs one case.
func (r *Result) run(ctx context.Context, o Options) {
	start := time.Now()
	within, cancel := context.WithTimeout(ctx, maxCase)
	defer cancel()
	problems, err := r.try(within, o)
	r.Took = time.Since(start)
	switch {
	case ctx.Err() != nil:
		r.State = untried
	case within.Err() != nil:
		r.State, r.Problems = Failed, []Problem{{Text: fmt.Sprintf("it did not end within %s", maxCase)}}
	case err != nil:
		r.State, r.Problems = Wrong, []Problem{{Text: err.Error(), Line: lineOf(err)}}
	case len(problems) > 0:
		r.State, r.Problems = Failed, problems
	default:
		r.State = Passed
	}
}

// prepare reads what the case pretends and plans its query, once.
func (r *Result) prepare(o Options) {
	if r.ready == nil && r.failed == nil {
		r.ready, r.failed = newTrial(r.suite, r.test, o.Modules)
	}
}

func (r *Result) try(ctx context.Context, o Options) ([]Problem, error) {
	if r.prepare(o); r.failed != nil {
		return nil, r.failed
	}
	a, err := r.ready.ask(ctx)
	r.ready = nil // its rows are no longer needed
	if err != nil {
		return nil, err
	}
	r.Warnings = a.warnings
	problems, err := r.test.compare(a)
	if err != nil || len(problems) == 0 || !o.Update {
		return problems, err
	}
	edits, err := r.test.update(a)
	if err != nil || len(edits) == 0 {
		return problems, err
	}
	updated := *r.test
	updated.apply(edits)
	r.edits = edits
	return updated.compare(a)
}

// finish writes what was updated.
func (s *Suite) finish(o Options) {
	var edits []edit
	for _, r := range s.Cases {
		edits = append(edits, r.edits...)
	}
	if !o.Update || len(edits) == 0 {
		return
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.section.from, b.section.from) })
	var err error
	if s.Updated, err = s.file.rewrite(s.Test, s.file.edited(edits)); err != nil {
		s.Wrong = fmt.Sprintf("%s cannot be updated: %v", s.Test, err)
	}
}
