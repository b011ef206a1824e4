package sandbox

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// A plan that sends packets and looks at the machine has two children: one
// runs the plan and may not send, the other may send and reads nothing. What
// the first needs of the second it asks its agent for, who asks only what the
// plan does. This file is the agent's side, remote.go the child's.

// A need is one scan of a module that sends.
type need struct {
	ID       uint64   `json:"id"`
	Module   string   `json:"module"`
	Columns  []int    `json:"columns"` // of the schema
	Locators []string `json:"locators"`
}

// Bounds of what a child may need.
const (
	maxNeeds   = 256      // scans at once: more than a plan has workers
	nameErrors = 10_000   // skips of such a scan that are named, for the other child to count
	sentBatch  = 64 << 10 // bytes of rows that wait for the child to ask for more
)

// A broker has a second child do the scans that the first one needs.
type broker struct {
	scan   *childScan // of the first child
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex
	open  map[uint64]*sending
	spare []*process // children that send and wait for the next scan
}

// A sending is one such scan while it runs.
type sending struct {
	out    *pipe
	id     uint64
	cancel context.CancelFunc

	mu    sync.Mutex
	room  sync.Cond
	rows  []byte
	wants bool // the child waits for rows
	ended bool
}

func newBroker(s *childScan) *broker {
	b := &broker{scan: s, open: map[uint64]*sending{}}
	b.ctx, b.cancel = context.WithCancel(s.ctx)
	return b
}

// close ends what runs, and the children that were kept.
func (b *broker) close() {
	b.cancel()
	b.mu.Lock()
	for _, s := range b.open {
		s.end()
	}
	b.mu.Unlock()
	b.work.Wait()
	for _, p := range b.spare {
		p.end()
	}
	b.spare = nil
}

// take gives a child that sends.
func (b *broker) take(ctx context.Context) (*process, error) {
	b.mu.Lock()
	for n := len(b.spare); n > 0; n = len(b.spare) {
		p := b.spare[n-1]
		b.spare = b.spare[:n-1]
		if !p.gone() {
			b.mu.Unlock()
			return p, nil
		}
		p.kill()
	}
	b.mu.Unlock()
	return b.scan.children.start(ctx, Sends)
}

// keep has a child wait for the next scan of the same plan.
func (b *broker) keep(p *process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spare = append(b.spare, p)
}

// needs starts a scan that the first child asks for. The error says that the
// plan does not ask for it.
func (b *broker) needs(p *process, body []byte) error {
	var n need
	if err := json.Unmarshal(body, &n); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	part, err := b.part(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(b.ctx)
	s := &sending{out: p.out, id: n.ID, cancel: cancel, wants: true}
	s.room.L = &s.mu
	b.mu.Lock()
	_, twice := b.open[n.ID]
	if twice || len(b.open) >= maxNeeds {
		b.mu.Unlock()
		cancel()
		return fmt.Errorf("%w: scan %d is one too many", errFrame, n.ID)
	}
	b.open[n.ID] = s
	b.mu.Unlock()
	b.work.Go(func() {
		defer b.forget(s)
		b.run(ctx, s, part)
	})
	return nil
}

func (b *broker) forget(s *sending) {
	s.cancel()
	b.mu.Lock()
	delete(b.open, s.id)
	b.mu.Unlock()
}

// more says that the child has taken the rows that it had; with drop, that it
// wants no others.
func (b *broker) more(body []byte, drop bool) error {
	id, k := binary.Uvarint(body)
	if k <= 0 {
		return errFrame
	}
	b.mu.Lock()
	s := b.open[id]
	b.mu.Unlock()
	switch {
	case s == nil: // it has ended meanwhile
	case drop:
		s.end()
	default:
		return s.more()
	}
	return nil
}

// part makes the plan of one scan: what the first child may ask for is a scan
// of a module that sends, in places that the plan names, or, where the plan has
// rows name them, in one that the policy allows.
func (b *broker) part(n need) (*plan.Plan, error) {
	p := b.scan.job.Plan
	schema, ok := b.scan.children.catalogue.Schema(n.Module)
	if !ok || !schema.Sends || !asks(p, n) {
		return nil, fmt.Errorf("%w: the plan does not send to %.200q by %.200q", errFrame, n.Locators, n.Module)
	}
	slot := &plan.Slot{Module: n.Module, Alias: n.Module, Locators: n.Locators}
	table := &plan.Table{Name: n.Module, Slots: []*plan.Slot{slot}, Limit: -1}
	for i, k := range n.Columns {
		if k < 0 || k >= len(schema.Columns) {
			return nil, fmt.Errorf("%w: %s has no column %d", errFrame, n.Module, k)
		}
		c := schema.Columns[k]
		slot.Columns = append(slot.Columns, c.Name)
		table.Outputs = append(table.Outputs, plan.Output{Name: c.Name, Type: c.Type, Expr: &plan.Col{Index: i, Name: c.Name}})
	}
	limits := p.Limits
	limits.Rows, limits.Bytes, limits.Errors = 0, 0, nameErrors
	return &plan.Plan{Query: p.Query, Source: p.Source, Tables: []*plan.Table{table}, Limits: limits}, nil
}

// asks says whether a plan has a scan such as is needed.
func asks(p *plan.Plan, n need) bool {
	for _, t := range slices.Concat(p.Tables, p.Subs) {
		for _, s := range t.Slots {
			if s.Module == n.Module && (s.Within && len(n.Locators) == 1 || !s.Within && slices.Equal(s.Locators, n.Locators)) {
				return true
			}
		}
	}
	return false
}

// run has a child that sends scan, and hands on what it finds.
func (b *broker) run(ctx context.Context, s *sending, p *plan.Plan) {
	job := b.scan.job
	job.Plan, job.Self, job.Turn = p, nil, &Turn{}
	run := &childScan{children: b.scan.children, ctx: ctx, job: job, kind: Sends, broker: b, second: true}
	for row, err := range run.Rows() {
		if err != nil {
			break // the summary tells it
		}
		b.scan.job.Turn.Pass(ctx)
		if s.add(row) != nil {
			break // nobody wants them any more
		}
	}
	s.finish(run.Summary())
}

// add hands a row on, and waits where the child has enough.
func (s *sending) add(row engine.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.rows) >= sentBatch && !s.ended {
		s.room.Wait()
	}
	if s.ended {
		return errBroken
	}
	if s.rows = answer.AppendRow(s.rows, 0, row.Values); s.wants {
		return s.flush()
	}
	return nil
}

// more takes the child's word that it waits for rows.
func (s *sending) more() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wants = true; len(s.rows) > 0 && !s.ended {
		return s.flush()
	}
	return nil
}

// flush sends the rows that are there. It needs mu.
func (s *sending) flush() error {
	err := s.out.write(frameSent, append(binary.AppendUvarint(nil, s.id), s.rows...))
	s.rows, s.wants = s.rows[:0], false
	s.room.Broadcast()
	return err
}

// end has nobody wait any more.
func (s *sending) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.room.Broadcast()
	s.cancel()
}

// finish sends the rows that are left, and the account.
func (s *sending) finish(sum answer.Summary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	body := append(binary.AppendUvarint(nil, s.id), s.rows...)
	_ = s.out.write(frameSent, answer.AppendSummary(body, sum)) // the child may have ended
}
