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

// A childScan is a job in a child.
type childScan struct {
	children *Children
	ctx      context.Context
	job      Job
	kind     Kind
	apart    bool    // what it sends, another child does
	second   bool    // it is what that child does
	unborn   int     // children that did not come up
	broker   *broker // between the two; nil where there is one child

	mu    sync.Mutex
	proc  *process
	sum   answer.Summary // the latest account
	whole bool           // it is the last
	news  chan struct{}  // closed by the next account
	rows  int64
}

// Rows has a child look, and another one where the first died before it told
// anything.
func (s *childScan) Rows() iter.Seq2[engine.Row, error] {
	return func(yield func(engine.Row, error) bool) {
		failure, again := s.attempt(yield)
		for again {
			s.children.log.Warn("a process that looked died before it told anything, and another one tries", "error", failure)
			failure, again = s.attempt(yield)
		}
		if failure != nil {
			yield(engine.Row{}, failure)
		}
	}
}

// errBroken ends an attempt whose rows nobody wants any more.
var errBroken = errors.New("sandbox: nobody reads the rows")

// attempt has one child look. Again: it died before it told a row, and another
// one may try.
func (s *childScan) attempt(yield func(engine.Row, error) bool) (failure error, again bool) {
	s.job.Turn.Pass(s.ctx)
	if s.job.Deaths >= MaxDeaths {
		return s.fail(answer.Failed, NoThird, ""), false
	}
	if s.apart {
		s.broker = newBroker(s)
		defer s.broker.close()
	}
	kills, pressed := s.children.kills(), s.children.group.pressed()
	p, err := s.child()
	if err != nil { // which is no fault of the plan
		s.unborn++
		if s.unborn < 2 && s.ctx.Err() == nil {
			return err, true
		}
		return s.fail(answer.Failed, err.Error(), ""), false
	}
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
	p.wants(s.job.Limits)
	if err := p.out.write(frameJob, s.body()); err != nil {
		p.kill()
	}
	watch := newWatchdog(s, p)
	s.job.Turn.tell(func(shut bool) { p.halt.set("turn", shut) })
	err = s.listen(p, yield, watch)
	s.job.Turn.tell(nil)
	watch.end()
	p.halt.clear()
	switch {
	case errors.Is(err, errBroken):
		return nil, false
	case s.finished():
		if s.second {
			s.broker.keep(p)
		} else {
			p.end()
		}
		return s.failure(), false
	}
	p.kill()
	if err != nil {
		return s.died(err.Error())
	}
	if s.children.kills() > kills && p.killed() {
		return s.buried(p, watch, s.children.group.whose(pressed))
	}
	return s.buried(p, watch, "")
}

// NoThird is the reason of an answer whose plan is not tried any more.
const NoThird = "two processes that looked for this plan died, and there is no third"

// buried says what becomes of a job whose child has ended without a summary.
// Short says whose memory was used up, where the kernel killed it for that.
func (s *childScan) buried(p *process, w *watchdog, short string) (failure error, again bool) {
	words := p.words.String()
	defer func() {
		s.children.log.Error("a process that looked died", "reason", failure, "words", words)
	}()
	switch why := w.reason(); {
	case why != "" && (w.limit() == "memory" || s.ctx.Err() != nil):
		return s.fail(answer.Partial, why, w.limit()), false
	case why != "" && (w.limit() != "" || s.rows > 0):
		s.mourn(why)
		return s.fail(answer.Partial, why, w.limit()), false
	case why != "":
		return s.died(why)
	case strings.Contains(words, "out of memory") || strings.Contains(words, "cannot allocate memory"):
		return s.fail(answer.Partial, "the process that looked needed more memory than it may have, and ended", "memory"), false
	case short != "":
		return s.fail(answer.Partial, "the kernel killed the process that looked: "+short, "memory"), false
	}
	return s.died("the process that looked ended: " + p.how(nil))
}

// died counts a child that died for no good reason, and says whether another
// one may try.
func (s *childScan) died(why string) (failure error, again bool) {
	s.mourn(why)
	if s.rows == 0 && s.job.Deaths < MaxDeaths && s.ctx.Err() == nil {
		return errors.New(why), true
	}
	if s.job.Deaths >= MaxDeaths {
		why += "; " + NoThird
	}
	return s.fail(answer.Failed, why, ""), false
}

// mourn counts a child that died.
func (s *childScan) mourn(why string) {
	if s.ctx.Err() != nil {
		return // it was told to end
	}
	if s.job.Deaths++; s.job.Died != nil {
		s.job.Died(why)
	}
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

// fail makes the account of a job whose child did not, with the bound that it
// was over, and gives the reason as an error.
func (s *childScan) fail(o answer.Outcome, reason, limit string) error {
	s.mu.Lock()
	sum := s.sum
	sum.Outcome, sum.Reason, sum.Matched = o, reason, s.rows
	if sum.Looked == nil {
		sum.Looked = map[string]int64{}
	}
	if limit != "" {
		sum.Limits = append(sum.Limits, limit)
	}
	s.mu.Unlock()
	s.take(sum, true)
	return errors.New(reason)
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
