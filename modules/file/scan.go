package file

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/packages"
	"github.com/quaestor-engine/quaestor/modules/yara/asking"
	"github.com/quaestor-engine/quaestor/value"
)

// A request is a modules.Request, made ready.
type request struct {
	*modules.Request
	index  int
	root   string // see realRoot
	ask    questions
	rules  *asking.Set // nil where no question is one of rules
	ruled  bool        // columns of rules are asked for
	fused  hashes      // those that decide whether a row is wanted
	hashed hashes      // those that may be asked for at all
	owners *owners
	brings func() *packages.Owners // who brought files; nil: it is not known
	done   atomic.Bool             // yield has had enough
	member bool                    // archives are looked into, but for keys: nothing lies below those
}

// A scan is one walk for several requests.
type scan struct {
	fs      fsys
	reqs    []*request
	yield   func(int, modules.Row) error
	fronts  front
	follow  bool // a request follows links
	denier  denier
	stopped atomic.Bool
	open    atomic.Int32 // directories that are open
	bound   int32        // how many may be

	mu     sync.Mutex
	wake   sync.Cond
	queue  []task // work that nobody has taken; only as much as there are idle workers asks for
	idle   int
	crew   int
	hungry atomic.Int32 // idle workers for whom the queue holds nothing
	left   int          // requests that have not had enough
	enough bool
	err    error
}

// A task is a directory to read, a piece of one's listing, or a front.
type task struct {
	dir   *dir
	piece []byte
	front *front
}

// prepare compiles the requests.
func prepare(reqs []*modules.Request, portable bool, yield func(int, modules.Row) error) (*scan, error) {
	s := &scan{fs: fsys{portable: portable, self: os.Geteuid()}, yield: yield, bound: int32(openBound()), left: len(reqs)}
	s.wake.L = &s.mu
	known := map[string]*owners{}
	for i, m := range reqs {
		root, err := realRoot(m.Host.Root)
		if err != nil {
			return nil, err
		}
		if !s.denier.asks() { // the requests of one run see one host
			s.denier = newDenier(m.Host, root)
		}
		r := &request{Request: m, index: i, root: root, member: m.Settings.Archives && m.Keys == nil}
		r.brings = rememberOwners(r)
		if r.owners = known[root]; r.owners == nil {
			r.owners = &owners{host: m.Host, report: m.Report}
			known[root] = r.owners
		}
		if r.ask, err = compile(m.Questions); err != nil {
			return nil, err
		}
		if r.rules, err = asking.Compile(m, colYara); err != nil {
			return nil, err
		}
		r.ruled = slices.ContainsFunc(m.Columns, func(c int) bool { return c >= colYara })
		for _, c := range m.Filter {
			r.fused |= hashOf(c)
		}
		r.hashed = r.fused
		for _, c := range m.Columns {
			r.hashed |= hashOf(c)
		}
		s.follow = s.follow || m.Settings.FollowLinks
		s.reqs = append(s.reqs, r)
		if err := s.locate(r); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// run walks every front. Those that lie on the way of another one are served
// as it passes; if it did not get there they have a walk of their own.
func (s *scan) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	release := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	defer release()
	count := slices.MinFunc(s.reqs, func(a, b *request) int { return a.Workers - b.Workers }).Workers
	crew := make([]*worker, max(count, 1))
	for i := range crew {
		crew[i] = newWorker(s)
	}
	for !s.stopped.Load() {
		tops := s.fronts.tops(nil)
		if len(tops) == 0 {
			break
		}
		for _, f := range tops {
			f.claimed.Store(true)
			s.queue = append(s.queue, task{front: f})
		}
		s.idle, s.crew = 0, len(crew)
		var all sync.WaitGroup
		for _, w := range crew {
			all.Go(func() { w.work(ctx) })
		}
		all.Wait()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// fail ends the scan; the first reason counts.
func (s *scan) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.stopped.Store(true)
	s.wake.Broadcast()
	s.mu.Unlock()
}

// satisfied ends one request, and the scan with the last.
func (s *scan) satisfied(r *request) {
	if r.done.Swap(true) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enough = true
	if s.left--; s.left == 0 {
		s.stopped.Store(true)
		s.wake.Broadcast()
	}
}

// take gives a worker without work some of the others', or says that there is
// none left.
func (s *scan) take() (task, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle++
	for len(s.queue) == 0 && s.idle < s.crew {
		s.hungry.Store(int32(s.idle))
		s.wake.Wait()
	}
	if len(s.queue) == 0 {
		s.wake.Broadcast()
		return task{}, false
	}
	s.idle--
	t := s.queue[len(s.queue)-1]
	s.queue = s.queue[:len(s.queue)-1]
	s.hungry.Store(int32(max(0, s.idle-len(s.queue))))
	return t, true
}

// offer hands tasks to idle workers.
func (s *scan) offer(ts ...task) {
	s.mu.Lock()
	s.queue = append(s.queue, ts...)
	s.hungry.Store(int32(max(0, s.idle-len(s.queue))))
	s.mu.Unlock()
	for range ts {
		s.wake.Signal()
	}
}

// emit hands a row to the request.
func (s *scan) emit(r *request, row modules.Row) {
	err := s.yield(r.index, row)
	switch {
	case err == nil:
	case errors.Is(err, modules.ErrEnough):
		s.satisfied(r)
	default:
		s.fail(err)
	}
}

// questions are those of a request, compiled.
type questions struct {
	list   []question
	set    *search.Set
	show   bool
	byLine bool // one of them is put to lines
}

// A question as a pass over content sees it.
type question struct {
	modules.Question
	pattern int  // in the set; -1 for a test
	whole   bool // it is put to the whole content
	sieve   bool // no line can answer yes unless the whole content does
}

func compile(qs []modules.Question) (questions, error) {
	var ask questions
	var patterns []search.Pattern
	for _, q := range qs {
		c := question{Question: q, pattern: -1}
		if q.Rules != nil {
			c.whole = true
		} else if q.Test == nil {
			c.pattern = len(patterns)
			patterns = append(patterns, q.Pattern)
			c.whole = q.Lines == modules.WholeContent || q.Lines == modules.AnyLine && withinLine(q.Pattern)
			c.sieve = q.Lines == modules.AnyLine && unanchored(q.Pattern)
		} else if q.Lines == modules.WholeContent {
			c.Lines = modules.AnyLine
		}
		ask.show = ask.show || q.Show
		ask.byLine = ask.byLine || !c.whole
		ask.list = append(ask.list, c)
	}
	var err error
	if len(patterns) > 0 {
		ask.set, err = search.Compile(patterns)
	}
	return ask, err
}

// A state is where a locator stands in a directory.
type state struct {
	loc   *locator
	base  *dir // the directory of the front
	glob  value.GlobState
	level int // how far below the front
}
