package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// A question is queries, who compiled them, and how they are asked again.
type question struct {
	local    *quaestor.LocalSession
	compiled *quaestor.Compiled
	repeat   *quaestor.Repeat // nil: they are asked once
}

// runFleet asks others than this machine.
func (c *runCommand) runFleet(a *app, q question, need required) (err error) {
	compiled := q.compiled
	if err := forFleet(compiled); err != nil {
		return err
	}
	if c.Root != "" {
		return errors.New("--root is a tree on this machine, and a fleet was to be asked\nhint: --local asks the tree what the fleet would be asked")
	}
	if c.Detach && c.Case != "" {
		return errors.New("--case keeps answers, and --detach waits for none")
	}
	sign, err := c.options(a)
	if err != nil {
		return err
	}
	s, err := a.dialWith(c.signerFlags, q.local)
	if err != nil {
		return err
	}
	defer s.disconnect()
	if c.Detach {
		return c.detach(a, s, compiled, sign)
	}
	if c.record, err = a.newRecord(c.Case, s.signer, compiled); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.record.close()) }()
	ids := &inquiries{}
	if c.record != nil {
		c.record.plans, c.record.envelope = ids.list, s.Envelope
	}
	o := client.RunOptions{
		Sign: sign, Follow: client.FollowOptions{Wait: time.Duration(c.Wait)},
		Submitted: func(_ int, sub message.Submitted) {
			if ids.add(sub.Plan); c.submitted != nil {
				c.submitted(sub.Plan.String())
			}
		},
	}
	err = a.follow(s, &c.showFlags, need, func(ctx context.Context) (*quaestor.Rows, *inquiries, error) {
		rows, err := rowsOf(ctx, q.local, q.repeat, func(ctx context.Context) (*quaestor.Rows, error) {
			ids.begin()
			return s.Run(ctx, compiled, o)
		})
		return rows, ids, err
	})
	if errors.Is(err, client.ErrPending) {
		return fmt.Errorf("%w\nhint: quaestor pending lists it; somebody else does quaestor cosign and submit", err)
	}
	return err
}

// forFleet says why queries cannot be asked of a fleet together.
func forFleet(compiled *quaestor.Compiled) error {
	for _, q := range compiled.Queries {
		switch {
		case q.Explain:
			return &exit{ExitWrong, fmt.Errorf("quaestor: the query %q begins with EXPLAIN, and others are to be asked\nhint: quaestor explain draws a plan", q.Name)}
		case q.Plan.Source == "case":
			return &exit{ExitWrong, fmt.Errorf("quaestor: the query %q asks a case, and others a fleet\nhint: ask it alone", q.Name)}
		case q.Plan.Source == "local":
			return &exit{ExitWrong, fmt.Errorf("quaestor: the query %q asks this machine, and others a fleet\nhint: begin it with FROM fleet, or ask it alone", q.Name)}
		}
	}
	return nil
}

// detach submits queries and waits for nobody.
func (c *runCommand) detach(a *app, s *link, compiled *quaestor.Compiled, o client.SignOptions) error {
	for _, q := range compiled.Queries {
		e, err := s.Sign(a.ctx, q, o)
		if err != nil {
			return err
		}
		sub, err := s.Submit(a.ctx, e)
		if err != nil {
			return err
		}
		if err := a.tellSubmitted(sub); err != nil {
			return err
		}
	}
	return nil
}

// A following is one or more investigations whose answers are shown as they
// come, and what Ctrl-C does to them.
type following struct {
	a       *app
	link    *link
	ids     *inquiries
	rows    *quaestor.Rows
	end     context.CancelFunc // ends the answers, not the investigation
	done    chan struct{}      // closed when they have ended
	stopped choice             // 0: they ended by themselves
}

// afterCancel is how long agents have to say what they had found when they
// were told to stop.
const afterCancel = 5 * time.Second

// follow shows the answers that begin gives, as they come. Ctrl-C ends no
// investigation before somebody said so.
func (a *app) follow(s *link, show *showFlags, need required, begin func(context.Context) (*quaestor.Rows, *inquiries, error)) error {
	start := time.Now()
	ctx, cancel := context.WithCancel(context.WithoutCancel(a.ctx))
	defer cancel()
	// Until the question is out Ctrl-C means what it always does.
	notYet := context.AfterFunc(a.ctx, cancel)
	rows, ids, err := begin(ctx)
	notYet()
	if err != nil {
		return errors.Join(err, a.ctx.Err())
	}
	f := &following{a: a, link: s, ids: ids, rows: rows, end: cancel, done: make(chan struct{})}
	asked := make(chan struct{})
	keys := a.interrupts()
	go func() {
		defer close(asked)
		f.listen(keys)
	}()
	err = show.answer(a.within(ctx), need, func() (*quaestor.Rows, error) { return rows, nil }, start)
	close(f.done)
	<-asked
	keys.stop()
	if f.stopped != 0 {
		return &exit{code: ExitInterrupted}
	}
	if (isClosedPipe(err) || errors.Is(err, errUnread)) && !show.Quiet {
		fmt.Fprintf(a.Err, "nobody reads the answer any more; agents that are not done go on with investigation %[1]s:\n"+
			"  quaestor investigations follow %[1]s\n  quaestor investigations cancel %[1]s\n", joined(ids.list()))
	}
	return err
}

// listen waits for Ctrl-C and does what the user says then.
func (f *following) listen(keys *interrupts) {
	for {
		key, interrupted := keys.wait(f.done)
		if !interrupted {
			return
		}
		what := leave
		if key {
			f.a.screen.Lock()
			what = keys.ask(f.a, f.state())
			f.a.screen.Unlock()
		}
		switch what {
		case goOn:
			continue
		case cancelAll:
			f.stopped = cancelAll
			f.cancel()
		case leave:
			f.stopped = leave
			for _, id := range f.ids.list() {
				fmt.Fprintf(f.a.Err, "investigation %s goes on; come back with\n  quaestor investigations follow %s\n", id, id)
			}
		}
		f.end()
		return
	}
}

// state says in a line how far it is.
func (f *following) state() string {
	t, _ := f.rows.Tally()
	_, n := f.rows.Progress()
	return fmt.Sprintf("%s: %s", joined(f.ids.list()), progressText(t, n))
}

// cancel stops the agents and gives them a moment to say what they had.
func (f *following) cancel() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.a.ctx), afterCancel)
	defer cancel()
	for _, id := range f.ids.list() {
		if err := f.link.Cancel(ctx, id); err != nil {
			fmt.Fprintf(f.a.Err, "quaestor: it could not be cancelled: %s\nhint: quaestor investigations cancel %s\n", value.EscapeText(err.Error()), id)
			continue
		}
		fmt.Fprintf(f.a.Err, "%s is cancelled; quaestor investigations results %s shows what was found\n", id, id)
	}
	select {
	case <-f.done:
	case <-ctx.Done():
	}
}

func joined(ids []signing.ID) string {
	var out []string
	for _, id := range ids {
		out = append(out, id.String())
	}
	return strings.Join(out, ", ")
}
