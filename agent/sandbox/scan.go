package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// Times after which a child is taken to hang.
const (
	silence  = time.Minute     // without a beat, while it may work
	accounts = 5 * time.Second // that an account may take
)

// tries is how often a job is tried whose process ends before it told a row:
// whatever kills two of them would kill a third.
const tries = 2

// A childScan is a job in a child.
type childScan struct {
	children *Children
	ctx      context.Context
	job      Job
	kind     Kind
	apart    bool    // what it sends, another child does
	second   bool    // it is what that child does
	broker   *broker // between the two; nil where there is one child

	mu    sync.Mutex
	proc  *process
	sum   answer.Summary // the latest account
	whole bool           // it is the last
	news  chan struct{}  // closed by the next account
	rows  int64
}

// Rows has a child look, and a second one where the first ended before it told
// anything.
func (s *childScan) Rows() iter.Seq2[engine.Row, error] {
	return func(yield func(engine.Row, error) bool) {
		var failure error
		for try := 1; try <= tries; try++ {
			var again bool
			if failure, again = s.attempt(yield, try == tries); !again {
				break
			}
			s.children.log.Warn("a process that looked ended before it told anything, and another one tries", "error", failure)
		}
		if failure != nil {
			yield(engine.Row{}, failure)
		}
	}
}

// errBroken ends an attempt whose rows nobody wants any more.
var errBroken = errors.New("sandbox: nobody reads the rows")

// attempt has one child look. Again: it ended before it told a row, and this
// was not the last attempt.
func (s *childScan) attempt(yield func(engine.Row, error) bool, last bool) (failure error, again bool) {
	s.job.Turn.Pass(s.ctx)
	if s.apart {
		s.broker = newBroker(s)
		defer s.broker.close()
	}
	p, err := s.child()
	if err != nil {
		s.fail(answer.Failed, err.Error())
		return err, !last && s.ctx.Err() == nil
	}
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
	if err := p.out.write(frameJob, s.body()); err != nil {
		p.kill()
	}
	watch := newWatchdog(s, p)
	s.job.Turn.tell(func(shut bool) { p.halt.set("turn", shut) })
	err = s.listen(p, yield, watch)
	s.job.Turn.tell(nil)
	watch.end()
	p.halt.clear()
	if errors.Is(err, errBroken) {
		return nil, false
	}
	if s.finished() {
		if s.second {
			s.broker.keep(p)
		} else {
			p.end()
		}
		return s.failure(), false
	}
	p.kill()
	outcome, reason, limit := s.causeOf(p, watch)
	if s.rows == 0 && limit == "" && !last && s.ctx.Err() == nil && !watch.fired() {
		return errors.New(reason), true
	}
	if last && limit == "" && !watch.fired() {
		reason += "; this was the second try, and there is no third"
	}
	s.children.log.Error("a process that looked ended", "reason", reason, "words", p.words.String())
	s.fail(outcome, reason)
	if limit != "" {
		s.mu.Lock()
		s.sum.Limits = append(s.sum.Limits, limit)
		s.mu.Unlock()
	}
	return errors.New(reason), false
}

// child gives one for the scan.
func (s *childScan) child() (*process, error) {
	if s.second {
		return s.broker.take(s.ctx)
	}
	return s.children.take(s.ctx, s.kind)
}

// selfModule is the module that shows what an agent says of itself.
const selfModule = "agent"

func names(p *plan.Plan, module string) bool {
	for _, t := range slices.Concat(p.Tables, p.Subs) {
		if slices.ContainsFunc(t.Slots, func(s *plan.Slot) bool { return s.Module == module }) {
			return true
		}
	}
	return false
}

// body is the frame that a job is.
func (s *childScan) body() []byte {
	h := head{Own: s.job.Own, Agent: int64(os.Getpid()), Limits: s.job.Limits, Apart: s.apart}
	if s.job.Self != nil && names(s.job.Plan, selfModule) {
		self := s.job.Self()
		h.Self = &self
	}
	text, err := json.Marshal(h)
	if err != nil {
		panic("sandbox: a head that JSON cannot hold: " + err.Error())
	}
	return join(text, s.job.Plan.Encode(), s.job.Policy.Text(), plan.EncodeFacts(s.job.Facts))
}

// listen takes what the child says until the summary or its end.
func (s *childScan) listen(p *process, yield func(engine.Row, error) bool, w *watchdog) error {
	broken := false
	for f := range p.frames {
		w.busy(true)
		var err error
		switch f.kind {
		case frameRows:
			if !broken {
				err = answer.Decode(f.body, func(table int, values []value.Value) error {
					s.count()
					if !yield(engine.Row{Table: table, Values: values}, nil) {
						return errBroken
					}
					return nil
				}, func(answer.Summary) error { return errFrame })
			}
		case frameAccount, frameSummary:
			err = answer.Decode(f.body, func(int, []value.Value) error { return errFrame }, func(sum answer.Summary) error {
				s.take(sum, f.kind == frameSummary)
				return nil
			})
		case frameNeed, frameMore, frameDrop:
			err = s.need(p, f)
		}
		w.busy(false)
		switch {
		case errors.Is(err, errBroken):
			broken = true
			w.cancel()
		case err != nil:
			p.kill()
			return err
		}
		if s.finished() {
			break
		}
	}
	if broken {
		p.kill()
		return errBroken
	}
	return nil
}

// need takes what the child says to one that sends.
func (s *childScan) need(p *process, f frame) error {
	switch {
	case !s.apart:
		return fmt.Errorf("%w: the plan has nothing sent by others", errFrame)
	case f.kind == frameNeed:
		return s.broker.needs(p, f.body)
	}
	return s.broker.more(f.body, f.kind == frameDrop)
}

func (s *childScan) count() {
	s.mu.Lock()
	s.rows++
	s.mu.Unlock()
}

func (s *childScan) take(sum answer.Summary, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.whole {
		return
	}
	s.sum, s.whole = sum, whole
	if s.news != nil {
		close(s.news)
		s.news = nil
	}
}

func (s *childScan) finished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole
}

// failure gives the error that engine.Run would have ended with.
func (s *childScan) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ctx.Err() != nil:
		return context.Cause(s.ctx)
	case s.sum.Outcome == answer.Refused:
		return fmt.Errorf("%w: %s", engine.ErrRefused, s.sum.Reason)
	case s.sum.Outcome == answer.Failed:
		return errors.New(s.sum.Reason)
	}
	return nil
}

// fail makes the account of a job whose child did not.
func (s *childScan) fail(o answer.Outcome, reason string) {
	s.mu.Lock()
	sum := s.sum
	sum.Outcome, sum.Reason, sum.Matched = o, reason, s.rows
	if sum.Looked == nil {
		sum.Looked = map[string]int64{}
	}
	s.mu.Unlock()
	s.take(sum, true)
}

// causeOf says why a child ended that had not told its summary.
func (s *childScan) causeOf(p *process, w *watchdog) (o answer.Outcome, reason, limit string) {
	switch why := w.reason(); {
	case why != "":
		return answer.Partial, why, w.limit()
	case strings.Contains(p.words.String(), "out of memory") || strings.Contains(p.words.String(), "cannot allocate memory"):
		return answer.Partial, "the process that looked needed more memory than it may have, and ended", "memory"
	}
	return answer.Failed, "the process that looked ended: " + p.how(nil), ""
}

// Summary gives the latest account, and while the child works it asks for one.
func (s *childScan) Summary() answer.Summary {
	s.mu.Lock()
	p := s.proc
	if s.whole || p == nil {
		defer s.mu.Unlock()
		return s.copy()
	}
	if s.news == nil {
		s.news = make(chan struct{})
	}
	news := s.news
	s.mu.Unlock()
	if p.out.write(frameAccount, nil) == nil {
		select {
		case <-news:
		case <-p.ended:
		case <-time.After(accounts):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copy()
}

// copy gives the account; one that nobody made is of a job that did not end.
func (s *childScan) copy() answer.Summary {
	sum := s.sum
	sum.Looked = maps.Clone(sum.Looked)
	if sum.Outcome == 0 {
		sum.Outcome, sum.Reason = answer.Partial, "it has not ended"
	}
	return sum
}
