package cases

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// Rows are written when there are so many bytes of them, or when the first of
// them has waited so long and another one comes: a process that is killed
// loses no more.
const (
	batchBytes = 256 << 10
	batchAge   = time.Second
)

// maxQuestion bounds the text of a question, in bytes: the language's own
// bound is lower.
const maxQuestion = 32 << 20

// A Recording takes one answer. It may be used by several goroutines.
type Recording struct {
	c   *Case
	of  int64
	cut []int // columns, by table

	mu     sync.Mutex
	batch  []byte
	since  time.Time // when the first row of the batch came
	waits  []int64   // rows of the batch, by table
	answer Answer
	failed error
	ended  bool
}

// Begin adds a question, whose answer the recording takes. An error that
// comes with a recording says that the question is kept and not signed.
func (c *Case) Begin(ctx context.Context, q Question) (*Recording, error) {
	if len(q.Text) > maxQuestion {
		return nil, fmt.Errorf("the case %s: a query of %d bytes is more than %d", c.name, len(q.Text), maxQuestion)
	}
	q.by = c.by()
	r := &Recording{c: c, waits: make([]int64, len(q.Tables))}
	r.answer.Rows = make([]int64, len(q.Tables))
	for _, t := range q.Tables {
		r.cut = append(r.cut, len(t.Columns))
		r.answer.elems = append(r.answer.elems, make([]value.Type, len(t.Columns)))
	}
	var err error
	if r.of, err = c.addSigned(ctx, kindQuestion, 0, &q); r.of == 0 {
		return nil, err
	}
	return r, err
}

// Entry gives the number that the question has in the case.
func (r *Recording) Entry() int64 { return r.of }

// Row takes a row of Question.Tables[table]. The values are not kept. After
// an error, which is given once, rows are only counted: the answer can be
// shown on.
func (r *Recording) Row(table int, values []value.Value) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if table < 0 || table >= len(r.cut) || len(values) != r.cut[table] {
		return fmt.Errorf("the case %s: a row of %d columns that table %d does not have", r.c.name, len(values), table)
	}
	if r.failed != nil || r.ended {
		r.answer.Lost++
		return nil
	}
	now := time.Now()
	if len(r.batch) == 0 {
		r.since = now
	}
	r.batch = answer.AppendRow(r.batch, table, values)
	r.waits[table]++
	r.learn(table, values)
	if len(r.batch) < batchBytes && now.Sub(r.since) < batchAge {
		return nil
	}
	return r.flush(context.Background())
}

// learn remembers what lists are of, which no column says.
func (r *Recording) learn(table int, values []value.Value) {
	for i, v := range values {
		known := &r.answer.elems[table][i]
		for _, e := range v.List() {
			switch {
			case e.IsNull(), e.Type() == *known:
			case *known == value.Null:
				*known = e.Type()
			default:
				*known = value.Text
			}
		}
	}
}

func (r *Recording) flush(ctx context.Context) error {
	if len(r.batch) == 0 || r.failed != nil {
		return nil
	}
	_, _, err := r.c.add(ctx, kindRows, r.of, r.batch)
	for i, n := range r.waits {
		if err != nil {
			r.answer.Lost += n
		} else {
			r.answer.Rows[i] += n
		}
		r.waits[i] = 0
	}
	r.batch, r.failed = r.batch[:0], err
	return err
}

// End adds the account of the answer, and the coverage where a fleet was
// asked. Rows that could not be kept are counted in it.
func (r *Recording) End(ctx context.Context, sum answer.Summary, coverage *quaestor.Coverage) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return errors.New("cases: an answer ends once")
	}
	err := r.flush(ctx)
	r.ended = true
	a := r.answer
	a.by, a.Summary, a.Coverage = r.c.by(), sum, coverage
	_, ended := r.c.addSigned(ctx, kindAnswer, r.of, &a)
	return errors.Join(err, ended)
}

// Rows gives the rows that are kept of a question, in the order in which they
// came. The values are valid until yield returns.
func (c *Case) Rows(ctx context.Context, question int64, yield func(table int, values []value.Value) error) error {
	upTo, err := c.head(ctx)
	if err != nil {
		return err
	}
	// Only this question's: the others may hold gigabytes.
	which := fmt.Sprintf("AND e.kind = '%s' AND e.of = %d %s", kindRows, question, anyEntry)
	for e, err := range c.entries(ctx, which, upTo) {
		switch {
		case err != nil:
			return err
		case e.Doubt != "":
			return fmt.Errorf("entry %d of the case %s: %s", e.Seq, c.name, e.Doubt)
		}
		if err := answer.Decode(e.rows, yield, func(answer.Summary) error { return nil }); err != nil {
			return fmt.Errorf("entry %d of the case %s: %w", e.Seq, c.name, err)
		}
	}
	return nil
}
