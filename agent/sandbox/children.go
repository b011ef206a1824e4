package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// Children runs each job in a process of its own, which ends with it. One that
// waits answers questions about facts, and takes the next job that needs no
// more rights than it has.
type Children struct {
	command   []string // the program, and what makes it call Serve
	dir       string   // the agent's folder, from which children are kept
	catalogue *modules.Catalogue
	log       *slog.Logger
	total     *budget       // of processors, of all children; nil: no bound
	grace     time.Duration // from when a job is to end
	silence   time.Duration // after which a child without a beat hangs
	held      held          // memory, by all children
	group     *Group        // that they are in; nil: that of the agent
	kills     func() int64  // how often the kernel has killed for want of memory

	asking sync.Mutex // held while the child that waits is asked
	mu     sync.Mutex
	spare  *process // the child that waits; nil while there is none
	doors  []Door   // as the latest child found them
	closed bool
}

// NewChildren makes a runner whose children are started by a command. The
// folder is the agent's own. The catalogue is the one that they serve.
func NewChildren(command []string, dir string, cat *modules.Catalogue, log *slog.Logger) *Children {
	return &Children{command: command, dir: dir, catalogue: cat, log: log, grace: 10 * time.Second, silence: silence, kills: OOMKills}
}

// Times that a child is given.
const (
	startTime = 30 * time.Second // to come up: a machine may be busy
	askTime   = time.Minute      // to tell facts
	// spareTime is how long a child waits for the next job: it holds memory,
	// and may not read what was made beside the agent's folder since it began.
	spareTime = 20 * time.Second
)

// Within has all children together use so many percent of one processor, and
// hold so many bytes of memory; 0: no bound.
func (c *Children) Within(cpu, memory int64) *Children {
	c.held.most = memory
	if cpu > 0 {
		c.total = newBudget(cpu)
	}
	return c
}

// In has children begin in a control group of their own; nil: in the agent's.
func (c *Children) In(g *Group) *Children {
	c.group = g
	return c
}

// Kind says what a child may do.
type Kind string

// The kinds of children.
const (
	Files     Kind = "files"     // reads files
	Processes Kind = "processes" // also looks into processes of others
	Sends     Kind = "sends"     // sends packets, and reads no files
)

// kindOf gives the kind of child that a plan needs. Apart: it needs a second
// one, which sends.
func kindOf(cat *modules.Catalogue, p *plan.Plan) (kind Kind, apart bool) {
	sends, reads, processes := false, false, false
	for _, t := range slices.Concat(p.Tables, p.Subs) {
		for _, s := range t.Slots {
			if schema, ok := cat.Schema(s.Module); ok { // else the engine refuses it
				sends = sends || schema.Sends
				reads = reads || !schema.Sends
				processes = processes || schema.Processes
			}
		}
	}
	switch {
	case sends && !reads:
		return Sends, false
	case processes:
		return Processes, sends
	}
	return Files, sends
}

// start makes a child of a kind.
func (c *Children) start(ctx context.Context, kind Kind) (*process, error) {
	p, err := spawn(c.command, c.group)
	if err != nil && c.group != nil && !errors.Is(err, syscall.EAGAIN) { // who has enough processes gets no more elsewhere
		if p, err = spawn(c.command, nil); err == nil {
			if err := c.group.take(p.cmd.Process.Pid); err != nil {
				c.log.Warn("a process that looks is not in its control group", "error", err)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: the process that looks cannot be started: %w", err)
	}
	p.kind = kind
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := p.out.writeJSON(frameConfine, Confinement{Kind: kind, Dir: c.dir}); err != nil {
		return nil, p.died(err)
	}
	body, err := p.answer(ctx, frameHello)
	if err != nil {
		return nil, err
	}
	var said hello
	if err := json.Unmarshal(body, &said); err != nil {
		p.kill()
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	if said.Cgo {
		p.end()
		return nil, fmt.Errorf("sandbox: %w", ErrCgo)
	}
	if p.doors = said.Doors; kind == Files {
		c.mu.Lock()
		c.doors = p.doors
		c.mu.Unlock()
	}
	return p, nil
}

// take gives a child of a kind: the one that waits, or a new one.
func (c *Children) take(ctx context.Context, kind Kind) (*process, error) {
	if kind == Files {
		c.mu.Lock()
		p := c.spare
		c.spare = nil
		c.mu.Unlock()
		if p != nil && !p.gone() {
			return p, nil
		}
		if p != nil {
			p.kill()
		}
	}
	return c.start(ctx, kind)
}

// keep has a child wait for the next question, unless another one does.
func (c *Children) keep(p *process) {
	c.mu.Lock()
	if c.spare == nil && !c.closed {
		kept := p
		time.AfterFunc(spareTime, func() { c.drop(kept) })
		c.spare, p = p, nil
	}
	c.mu.Unlock()
	if p != nil {
		p.end()
	}
}

// drop ends a child that has waited long enough.
func (c *Children) drop(p *process) {
	c.mu.Lock()
	waits := c.spare == p
	if waits {
		c.spare = nil
	}
	c.mu.Unlock()
	if waits {
		p.end()
	}
}

// ask puts a question about facts to a child, and to a second one where the
// first has ended.
func (c *Children) ask(ctx context.Context, kind byte, body []byte, want byte) ([]byte, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	var err error
	for range 2 {
		var p *process
		if p, err = c.take(ctx, Files); err != nil {
			continue
		}
		var back []byte
		if back, err = p.ask(ctx, kind, body, want); err == nil || errors.Is(err, errAnswer) {
			c.keep(p)
			return back, err
		}
		p.kill()
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// Facts asks a child.
func (c *Children) Facts(ctx context.Context) (plan.Facts, error) {
	body, err := c.ask(ctx, frameFacts, nil, frameFacts)
	if err != nil {
		return nil, err
	}
	return plan.DecodeFacts(body)
}

// Matches asks a child, where there is something to ask.
func (c *Children) Matches(ctx context.Context, p *plan.Plan, facts plan.Facts) (value.Truth, error) {
	if p.Target == nil {
		return value.True, nil
	}
	body, err := c.ask(ctx, frameMatch, join(p.Encode(), plan.EncodeFacts(facts)), frameTruth)
	if err != nil {
		return value.Unknown, err
	}
	if len(body) != 1 || body[0] > byte(max(value.True, value.False, value.Unknown)) {
		return value.Unknown, errFrame
	}
	return value.Truth(body[0]), nil
}

// Supply asks a child.
func (c *Children) Supply(ctx context.Context) (Supply, error) {
	body, err := c.ask(ctx, frameSupply, nil, frameSupply)
	if err != nil {
		return 0, err
	}
	if len(body) != 1 || body[0] > byte(Battery) {
		return 0, errFrame
	}
	return Supply(body[0]), nil
}

// Start prepares a job for a child.
func (c *Children) Start(ctx context.Context, job Job) Scan {
	s := &childScan{children: c, ctx: ctx, job: job}
	if s.kind, s.apart = kindOf(c.catalogue, job.Plan); job.Limits.CPU > 0 {
		s.job.share = newBudget(job.Limits.CPU)
	}
	return s
}

// Check says why there can be no child: an error that wraps ErrCgo, or what is
// wrong at the moment. The child that it starts waits for the first question.
func (c *Children) Check(ctx context.Context) error {
	c.asking.Lock()
	defer c.asking.Unlock()
	p, err := c.take(ctx, Files)
	if err == nil {
		c.keep(p)
	}
	return err
}

// Doors says what keeps children in, as the latest of them found it.
func (c *Children) Doors() []Door {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doors
}

// Try starts a child of a kind and has it try each door.
func (c *Children) Try(ctx context.Context, kind Kind) ([]Door, error) {
	p, err := c.start(ctx, kind)
	if err != nil {
		return nil, err
	}
	defer p.end()
	t := Trial{Agent: os.Getpid(), Dir: c.dir}
	body, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	if body, err = p.ask(ctx, frameTry, body, frameHello); err != nil {
		return nil, err
	}
	var doors []Door
	if err := json.Unmarshal(body, &doors); err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	return append(p.doors, doors...), nil
}

// Close ends the child that waits. Jobs have ended before.
func (c *Children) Close() error {
	c.mu.Lock()
	p := c.spare
	c.spare, c.closed = nil, true
	c.mu.Unlock()
	if p != nil {
		p.end()
	}
	return c.group.Close()
}

// errAnswer says that a child could not tell what it was asked, in its words.
var errAnswer = errors.New("sandbox: it cannot be told")

// An answerError is what a child says why.
type answerError struct {
	text    string
	refused bool
}

func (e *answerError) Error() string { return e.text }

func (e *answerError) Is(target error) bool {
	return target == errAnswer || e.refused && target == engine.ErrRefused
}
