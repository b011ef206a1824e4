package sandbox

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
)

// ChildArgument is what a program is started with to be a child. It is none of
// its commands, and does nothing for who types it: see Serve.
const ChildArgument = "scan-for-agent"

// IsChild says whether a program was started to be a child.
func IsChild(args []string) bool { return len(args) == 2 && args[1] == ChildArgument }

// beatEvery is how often a child says that it lives.
const beatEvery = time.Second

// Serve is the child: it does over a pair of pipes what an agent asks for,
// until the agent closes its end. It gives the exit status.
func Serve(cat *modules.Catalogue, in io.Reader, out io.Writer) int {
	c := &child{cat: cat, in: bufio.NewReader(in), out: &pipe{w: out}}
	if err := c.serve(); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintf(os.Stderr, "scan: %v\n", err)
		return 1
	}
	return 0
}

// A child is the state of the process that looks.
type child struct {
	cat  *modules.Catalogue
	in   *bufio.Reader
	out  *pipe
	kept map[string][]byte // of modules.Host

	mu   sync.Mutex
	task *task // the one job; nil before it
	work sync.WaitGroup
}

// serve confines the process, and then does what it is told.
func (c *child) serve() error {
	kind, body, err := readFrame(c.in, maxToChild)
	if err != nil {
		return err
	}
	var conf Confinement
	if kind != frameConfine {
		return fmt.Errorf("%w: %q comes first", errFrame, kind)
	}
	if err := json.Unmarshal(body, &conf); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	if Cgo() {
		return c.out.writeJSON(frameHello, hello{Cgo: true})
	}
	c.keep()
	if err := c.out.writeJSON(frameHello, hello{Doors: conf.apply()}); err != nil {
		return err
	}
	stop := make(chan struct{})
	defer close(stop)
	go c.beat(stop)
	for {
		kind, body, err := readFrame(c.in, maxToChild)
		if err != nil {
			return err // at its end, too: the process ends, whatever runs in it
		}
		if err := c.do(kind, body); err != nil {
			return err
		}
	}
}

// keep reads what module host wants to know and a confined process may not
// read: whether what started everything here was told that it is a container.
func (c *child) keep() {
	const name, most = "/proc/1/environ", 64 << 10
	f, err := os.Open(name)
	if err != nil {
		return // the module finds that out, too
	}
	defer f.Close()
	if b, err := io.ReadAll(io.LimitReader(f, most)); err == nil {
		c.kept = map[string][]byte{name: b}
	}
}

// do does what a frame asks for.
func (c *child) do(kind byte, body []byte) error {
	switch kind {
	case frameFacts:
		facts, err := c.local().Facts(context.Background())
		if err != nil {
			return c.fail(err)
		}
		return c.out.write(frameFacts, plan.EncodeFacts(facts))
	case frameSupply:
		return c.out.write(frameSupply, []byte{byte(supplyOf(""))})
	case frameMatch:
		return c.match(body)
	case frameJob:
		return c.begin(body)
	case frameTry:
		var t Trial
		if err := json.Unmarshal(body, &t); err != nil {
			return fmt.Errorf("%w: %w", errFrame, err)
		}
		return c.out.writeJSON(frameHello, t.run())
	}
	c.mu.Lock()
	t := c.task
	c.mu.Unlock()
	if t == nil {
		return nil
	}
	switch kind {
	case frameCancel:
		t.cancel()
	case framePause:
		t.turn.Shut()
	case frameGo:
		t.turn.Open()
	case frameAccount:
		return t.account(frameAccount)
	case frameSent:
		return t.needs.take(body)
	}
	return nil
}

func (c *child) local() Local {
	return Local{Catalogue: c.cat, Host: func() modules.Host { return modules.Host{Now: time.Now, Kept: c.kept} }}
}

func (c *child) fail(err error) error {
	refused := byte(0)
	if errors.Is(err, engine.ErrRefused) {
		refused = 1
	}
	return c.out.write(frameFailed, append([]byte{refused}, err.Error()...))
}

func (c *child) match(body []byte) error {
	parts, err := split(body, 2)
	if err != nil {
		return err
	}
	p, err := plan.Decode(parts[0])
	if err != nil {
		return err
	}
	facts, err := plan.DecodeFacts(parts[1])
	if err != nil {
		return err
	}
	truth, err := c.local().Matches(context.Background(), p, facts)
	if err != nil {
		return c.fail(err)
	}
	return c.out.write(frameTruth, []byte{byte(truth)})
}

// beat tells the agent that the process lives, and what it has used.
func (c *child) beat(stop <-chan struct{}) {
	t := time.NewTicker(beatEvery)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		if c.out.write(frameBeat, binary.AppendVarint(nil, int64(ownCPU()))) != nil {
			return
		}
		c.mu.Lock()
		task := c.task
		c.mu.Unlock()
		if task != nil && task.account(frameAccount) != nil {
			return
		}
	}
}

// A task is the job while it runs.
type task struct {
	child  *child
	scan   Scan
	turn   Turn
	cancel context.CancelFunc
	needs  *needs

	telling sync.Mutex
	ended   bool // the summary is told

	mu    sync.Mutex
	rows  []byte // that wait to be sent
	wake  chan struct{}
	large int64 // rows that no chunk can hold
}

// begin starts the job.
func (c *child) begin(body []byte) error {
	parts, err := split(body, 4)
	if err != nil {
		return err
	}
	var h head
	if err := json.Unmarshal(parts[0], &h); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	p, err := plan.Decode(parts[1])
	if err != nil {
		return err
	}
	policy, err := signing.ParsePolicy(parts[2])
	if err != nil {
		return err
	}
	facts, err := plan.DecodeFacts(parts[3])
	if err != nil {
		return err
	}
	h.Limits.bind()
	ctx, cancel := context.WithCancel(context.Background())
	t := &task{child: c, cancel: cancel, wake: make(chan struct{}, 1), needs: &needs{out: c.out, open: map[uint64]chan []byte{}}}
	host := modules.Host{Now: time.Now, Agent: h.Agent, Kept: c.kept}
	local := Local{Catalogue: c.cat, Host: func() modules.Host { return host }}
	if h.Apart {
		if local.Catalogue, err = t.needs.apart(c.cat); err != nil {
			cancel()
			return err
		}
	}
	job := Job{Plan: p, Policy: policy, Facts: facts, Own: h.Own, Turn: &t.turn}
	if h.Self != nil {
		job.Self = func() modules.Self { return *h.Self }
	}
	t.scan = local.Start(ctx, job)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.task != nil && !c.task.told() {
		cancel()
		return fmt.Errorf("%w: a second job at once", errFrame)
	}
	c.task = t
	c.work.Go(t.run)
	return nil
}

// run tells the rows and the account.
func (t *task) run() {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t.flushNow(stop)
	}()
	for row, err := range t.scan.Rows() {
		if err != nil {
			break // the summary tells it
		}
		if t.add(row) != nil {
			break // nobody is there any more
		}
	}
	close(stop)
	<-done
	sum := t.scan.Summary()
	if t.large > 0 {
		if sum.Outcome == answer.Complete {
			sum.Outcome = answer.Partial
		}
		sum.Matched -= t.large
		sum.Reason = also(sum.Reason, tooLarge(t.large))
	}
	_ = t.flush() // whoever does not read has gone
	t.telling.Lock()
	defer t.telling.Unlock()
	t.ended = true
	_ = t.child.out.write(frameSummary, answer.AppendSummary(nil, sum))
}

func tooLarge(n int64) string { return fmt.Sprintf("%d rows were larger than what can be sent", n) }

func also(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// add adds a row to those that wait, and sends them when they are many.
func (t *task) add(row engine.Row) error {
	t.mu.Lock()
	before := len(t.rows)
	t.rows = answer.AppendRow(t.rows, row.Table, row.Values)
	if len(t.rows)-before > maxRow {
		t.rows = t.rows[:before]
		t.large++
	}
	size := len(t.rows)
	t.mu.Unlock()
	if size >= flushRows {
		return t.flush()
	}
	if before == 0 {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// flushNow sends rows as soon as nobody is sending others.
func (t *task) flushNow(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-t.wake:
		}
		if t.flush() != nil {
			t.cancel()
			return
		}
	}
}

func (t *task) flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) == 0 {
		return nil
	}
	err := t.child.out.write(frameRows, t.rows)
	t.rows = t.rows[:0]
	return err
}

func (t *task) told() bool {
	t.telling.Lock()
	defer t.telling.Unlock()
	return t.ended
}

// account tells what was done so far, unless all was told.
func (t *task) account(kind byte) error {
	t.telling.Lock()
	defer t.telling.Unlock()
	if t.ended {
		return nil
	}
	return t.child.out.write(kind, answer.AppendSummary(nil, t.scan.Summary()))
}

// bind has the process keep to a limit that the system does not hold alone.
func (l Limits) bind() {
	if l.Memory > 0 {
		debug.SetMemoryLimit(l.Memory)
		limitMemory(l.Memory)
	}
	if l.OpenFiles > 0 {
		limitFiles(l.OpenFiles)
	}
}
