package sandbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A remote is, in a child that may not send, a module that does: another child
// scans for it.
type remote struct {
	modules.Module
	needs *needs
}

// needs are the scans of others that a child waits for.
type needs struct {
	out *pipe

	mu   sync.Mutex
	last uint64
	open map[uint64]chan []byte // has room for the one frame that was asked for
}

// apart gives the catalogue of a child whose modules that send are elsewhere.
func (n *needs) apart(cat *modules.Catalogue) (*modules.Catalogue, error) {
	var list []modules.Module
	for _, name := range cat.Names() {
		m, _ := cat.Module(name)
		if m.Schema().Sends {
			m = remote{m, n}
		}
		list = append(list, m)
	}
	return modules.NewCatalogue(list...)
}

// take hands a frame of the agent to the scan that waits for it.
func (n *needs) take(body []byte) error {
	id, k := binary.Uvarint(body)
	if k <= 0 {
		return errFrame
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.open[id]; c != nil {
		select {
		case c <- body[k:]:
		default:
			return fmt.Errorf("%w: nobody asked for rows of scan %d", errFrame, id)
		}
	}
	return nil
}

// begin asks for a scan.
func (n *needs) begin(what need) (uint64, chan []byte, error) {
	c := make(chan []byte, 2) // the account may come behind rows that were asked for
	n.mu.Lock()
	n.last++
	what.ID = n.last
	n.open[what.ID] = c
	n.mu.Unlock()
	return what.ID, c, n.out.writeJSON(frameNeed, what)
}

func (n *needs) end(id uint64) {
	n.mu.Lock()
	delete(n.open, id)
	n.mu.Unlock()
}

// Scan has another child look, and gives its rows and its account for its own.
func (r remote) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	id, frames, err := r.needs.begin(need{Module: r.Schema().Name, Columns: req.Columns, Locators: req.Locators})
	if err != nil {
		return err
	}
	defer r.needs.end(id)
	ask := binary.AppendUvarint(nil, id)
	var sum answer.Summary
	for sum.Outcome == 0 {
		var body []byte
		select {
		case body = <-frames:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), r.needs.out.write(frameDrop, ask))
		}
		err := answer.Decode(body, func(_ int, values []value.Value) error {
			return yield(sent{req.Columns, values})
		}, func(s answer.Summary) error { sum = s; return nil })
		if err != nil {
			if sum.Outcome == 0 {
				_ = r.needs.out.write(frameDrop, ask) // what ended the scan is told
			}
			return err
		}
		if err := r.needs.out.write(frameMore, ask); err != nil {
			return err
		}
	}
	return account(r.Schema().Name, req.Report, sum)
}

// account gives what another child did as what this one did.
func account(module string, to modules.Report, sum answer.Summary) error {
	if sum.Outcome == answer.Refused || sum.Outcome == answer.Failed {
		return errors.New(sum.Reason)
	}
	for kind, n := range sum.Looked {
		to.Looked(kind, n)
	}
	for _, s := range sum.Skipped {
		for _, first := range s.First {
			to.Skip(first)
		}
		// Those that were not named are counted, up to what a plan can ask about.
		for range min(s.Count, 1<<20) - int64(len(s.First)) {
			to.Skip(modules.Skip{Kind: s.Kind})
		}
	}
	if sum.Outcome == answer.Partial && sum.Reason != answer.NotLookedAt {
		to.Skip(modules.Skip{Kind: modules.SkipLimit, Where: module, Detail: sum.Reason})
	}
	return nil
}

// A sent is a row that another child found.
type sent struct {
	columns []int // of the schema
	values  []value.Value
}

// Column implements modules.Row.
func (s sent) Column(_ context.Context, i int) (value.Value, error) {
	k := slices.Index(s.columns, i)
	if k < 0 || k >= len(s.values) {
		return value.Value{}, fmt.Errorf("sandbox: column %d was not asked for", i)
	}
	return s.values[k], nil
}
