package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// Run asks the queries.
func (c *runCommand) Run(a *app) (err error) {
	if !slices.Contains(render.Formats(), c.Format) {
		_, err := render.New(c.Format, io.Discard, render.Options{})
		return err
	}
	session, err := quaestor.LocalWith(quaestor.Options{Root: c.Root, Params: c.Set, Workers: c.Workers})
	if err != nil {
		return err
	}
	defer session.Close()
	if c.Root != "" {
		if _, err := os.Stat(c.Root); err != nil {
			return fmt.Errorf("--root: %w", err)
		}
	}
	compiled, err := a.compile(session, c.Queries, c.Quiet)
	if err != nil {
		return err
	}
	c.limit(compiled)
	out, finish, err := c.open(a)
	if err != nil {
		return err
	}
	start := time.Now()
	rows, err := session.Run(a.ctx, compiled)
	if err != nil {
		return errors.Join(err, finish())
	}
	defer rows.Close()
	err = c.show(a, rows, out, start)
	if err := errors.Join(err, finish()); err != nil && (isClosedPipe(err) || a.ctx.Err() == nil) {
		return err
	}
	return c.verdict(a, rows.Summaries())
}

// limit puts --timeout into the plans, which may ask for less.
func (c *runCommand) limit(compiled *quaestor.Compiled) {
	for _, q := range compiled.Queries {
		if own := q.Plan.Limits.Timeout; c.Timeout > 0 && (own == 0 || own > c.Timeout) {
			q.Plan.Limits.Timeout = c.Timeout
		}
	}
}

// open gives where rows go, and what is to be done when they are there.
func (c *runCommand) open(a *app) (io.Writer, func() error, error) {
	if c.Output == "" {
		return a.Out, func() error { return nil }, nil
	}
	// For its owner alone: answers speak of what others must not see.
	f, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}

// show writes rows as they come, and the account of them at the end, which is
// also given when they ended badly.
func (c *runCommand) show(a *app, rows *quaestor.Rows, out io.Writer, start time.Time) error {
	v := &view{rows: rows, done: make(chan struct{})}
	opts := a.options(out, c.Colour)
	if width := widthOf(a.Err); width > 0 && !c.Quiet {
		v.progress = render.NewProgress(a.Err, width, start)
		out = &above{Writer: out, line: v.progress}
	}
	var err error
	if v.sink, err = render.New(c.Format, out, opts); err != nil {
		return err
	}
	err = v.stream()
	if c.Quiet || isClosedPipe(err) {
		return err
	}
	return errors.Join(err, c.account(a, rows, time.Since(start)))
}

func (c *runCommand) account(a *app, rows *quaestor.Rows, took time.Duration) error {
	return render.Summary(a.Err, rows.Summary(), took, a.options(a.Err, c.Colour))
}

// verdict gives the exit code that the answers deserve.
func (c *runCommand) verdict(a *app, sums []answer.Summary) error {
	if a.ctx.Err() != nil {
		return &exit{code: ExitInterrupted}
	}
	var hits int64
	whole := true
	for _, s := range sums {
		hits += s.Matched
		whole = whole && s.Outcome == answer.Complete
	}
	switch {
	case c.Require == "complete" && !whole:
		return &exit{code: ExitIncomplete}
	case slices.Contains(c.FailOn, "hits") && hits > 0,
		slices.Contains(c.FailOn, "misses") && hits == 0,
		slices.Contains(c.FailOn, "errors") && !whole:
		return &exit{code: ExitAsked}
	}
	return nil
}

// flushEvery is how long a row may wait for the next ones.
const flushEvery = 200 * time.Millisecond

// A view writes the rows of an answer while they are found.
type view struct {
	rows     *quaestor.Rows
	progress *render.Progress // nil: none
	done     chan struct{}    // closed by stream

	mu    sync.Mutex // guards what follows
	sink  render.Sink
	dirty bool
	err   error
}

func (v *view) stream() error {
	var tables []render.Table
	for _, t := range v.rows.Tables() {
		tab := render.Table{Name: t.Name}
		for _, c := range t.Columns {
			tab.Columns = append(tab.Columns, render.Column{Name: c.Name, Type: c.Type})
		}
		tables = append(tables, tab)
	}
	v.err = v.sink.Begin(tables)
	var ticking sync.WaitGroup
	ticking.Go(v.tick)
	failed := v.write()
	close(v.done)
	ticking.Wait()
	if v.progress != nil {
		v.progress.Clear()
	}
	err := v.sink.End(v.rows.Summary())
	switch {
	case v.err != nil:
		return v.err
	case errors.Is(failed, context.Canceled):
		failed = nil // the summary says so
	}
	return errors.Join(failed, err)
}

// write hands rows to the sink until they end.
func (v *view) write() error {
	for row, err := range v.rows.All() {
		if err != nil {
			return err
		}
		v.mu.Lock()
		if v.err == nil {
			v.err = v.sink.Row(row.Table(), row.Values())
			v.dirty = true
		}
		stop := v.err != nil
		v.mu.Unlock()
		if stop {
			return nil
		}
	}
	return nil
}

// tick flushes what waits, and moves the progress line.
func (v *view) tick() {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-v.done:
			return
		case now := <-t.C:
			v.mu.Lock()
			if v.dirty && v.err == nil {
				v.err = v.sink.Flush()
				v.dirty = false
			}
			if v.progress != nil {
				looked, rows := v.rows.Progress()
				v.progress.Update(now, rows, looked)
			}
			v.mu.Unlock()
		}
	}
}

// above writes over the progress line.
type above struct {
	io.Writer
	line *render.Progress
}

func (w *above) Write(p []byte) (int, error) {
	w.line.Clear()
	return w.Writer.Write(p)
}
