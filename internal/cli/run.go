package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// Run asks the queries, of this machine or of a fleet.
func (c *runCommand) Run(a *app) error {
	need, err := c.check(a)
	if err != nil {
		return err
	}
	session, err := quaestor.LocalWith(quaestor.Options{Root: c.Root, Params: c.Set, Workers: c.Workers, Case: a.caseModule})
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
	return c.ask(a, session, compiled, need)
}

// ask asks what was compiled, and shows the answer.
func (c *runCommand) ask(a *app, session *quaestor.LocalSession, compiled *quaestor.Compiled, need required) (err error) {
	c.limit(compiled)
	if c.Local {
		askHere(compiled)
	}
	repeat, err := c.repeat(compiled)
	if err != nil {
		return err
	}
	if asksOthers(compiled) {
		return c.runFleet(a, question{session, compiled, repeat}, need)
	}
	if need.share > 0 {
		return fmt.Errorf("--require %s counts agents, and this machine alone is asked\nhint: --require complete", c.Require)
	}
	if c.record, err = c.recordHere(a, compiled); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.record.close()) }()
	start := time.Now()
	return c.answer(a, need, func() (*quaestor.Rows, error) {
		if repeat != nil {
			return session.Repeat(a.ctx, compiled, *repeat)
		}
		return session.Run(a.ctx, compiled)
	}, start)
}

// asksOthers says whether a query is for others than this machine.
func asksOthers(compiled *quaestor.Compiled) bool {
	return slices.ContainsFunc(compiled.Queries, func(q quaestor.Query) bool { return q.Plan.Source != "local" && q.Plan.Source != "case" && !q.Explain })
}

// askHere lets this machine answer what others are meant to, whatever they are:
// the query is tried.
func askHere(compiled *quaestor.Compiled) {
	for _, q := range compiled.Queries {
		if p := q.Plan; p.Source != "case" {
			p.Source, p.Hosts, p.Target = "local", nil, nil
		}
	}
}

// limit puts --timeout into the plans, which may ask for less.
func (c *runCommand) limit(compiled *quaestor.Compiled) {
	for _, q := range compiled.Queries {
		if own := q.Plan.Limits.Timeout; c.Timeout > 0 && (own == 0 || own > c.Timeout) {
			q.Plan.Limits.Timeout = c.Timeout
		}
	}
}

// check looks at the flags before anything is asked.
func (c *showFlags) check(a *app) (required, error) {
	if !slices.Contains(render.Formats(), c.Format) {
		_, err := render.New(c.Format, io.Discard, render.Options{})
		return required{}, err
	}
	if c.Format == "parquet" && c.Output == "" && widthOf(a.Out) > 0 {
		return required{}, errors.New("parquet is bytes for programs, and this is a terminal\nhint: --output FILE; at the prompt \\o FILE")
	}
	if c.Baseline != "" {
		var err error
		if c.before, err = readBaseline(c.Baseline); err != nil {
			return required{}, err
		}
	}
	return parseRequired(c.Require)
}

// errUnread says that whoever was to read an answer has gone before its end.
var errUnread = errors.New("nobody read the answer to its end")

// answer shows an answer that begins with ask, and gives the exit code that it
// deserves.
func (c *showFlags) answer(a *app, need required, ask func() (*quaestor.Rows, error), start time.Time) error {
	out, finish, err := c.open(a)
	if err != nil {
		return err
	}
	rows, err := ask()
	if err != nil {
		return errors.Join(err, finish())
	}
	defer rows.Close()
	c.record.begin(a.ctx, rows)
	err = c.show(a, rows, out, start)
	kept := c.record.end(a, rows, c.Quiet)
	if err = errors.Join(err, finish()); isClosedPipe(err) && c.Require != "" {
		return &exit{ExitIncomplete, fmt.Errorf("%w, so that nothing is known of --require %s", errUnread, c.Require)}
	}
	if err != nil && (isClosedPipe(err) || a.ctx.Err() == nil) {
		return errors.Join(err, kept)
	}
	if kept != nil {
		return kept
	}
	return c.verdict(a, rows, need)
}

// open gives where rows go, and what is to be done when they are there.
func (c *showFlags) open(a *app) (io.Writer, func() error, error) {
	if c.Output == "" {
		return a.Out, func() error { return nil }, nil
	}
	how := os.O_TRUNC
	if c.adds {
		how = os.O_APPEND
	}
	// For its owner alone: answers speak of what others must not see.
	f, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_CREATE|how, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if !c.adds {
		return f, f.Close, nil
	}
	if _, err := io.WriteString(f, between[c.Format]); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, f.Close, nil
}

// between is what parts one answer from the next in a file, of the forms of
// which a file can hold several.
var between = map[string]string{"table": "\n", "record": "\n", "markdown": "\n", "csv": "\r\n", "jsonl": ""}

// show writes rows as they come, and the account of them at the end, which is
// also given when they ended badly.
func (c *showFlags) show(a *app, rows *quaestor.Rows, out io.Writer, start time.Time) error {
	if err := c.before.begin(rows.Tables()); err != nil {
		return err
	}
	c.keep.begin(rows)
	v := &view{rows: rows, keep: c.keep, before: c.before, record: c.record, done: make(chan struct{}), people: c.Format == "table" || c.Format == "record" || c.Format == "markdown", screen: a.screen}
	opts := a.options(out, c.Colour)
	opts.FailOn = c.FailOn
	if c.Output != "" {
		opts.Another = func(table string) (io.WriteCloser, error) { return besides(c.Output, table) }
	}
	if !c.Quiet {
		out = v.tells(a, out, start)
	}
	var err error
	if v.sink, err = render.New(c.Format, out, opts); err != nil {
		return err
	}
	if err := c.rounds.begin(a, c, v); err != nil {
		return err
	}
	err = v.stream()
	if c.Quiet || isClosedPipe(err) {
		return err
	}
	return errors.Join(err, c.account(a, rows, time.Since(start)))
}

// tells has the view say how far the answer is: in a line at the foot of a
// terminal, which rows that go to out are written above, and elsewhere in few
// lines, of a fleet.
func (v *view) tells(a *app, out io.Writer, start time.Time) io.Writer {
	width := widthOf(a.Err)
	_, fleet := v.rows.Tally()
	tally := func() quaestor.Tally {
		t, _ := v.rows.Tally()
		return t
	}
	switch {
	case fleet && width > 0:
		v.progress = &fleetProgress{w: a.Err, width: width, tally: tally, start: start}
	case fleet:
		v.progress = &fleetLines{w: a.Err, tally: tally, start: start}
		return out
	case width > 0:
		v.progress = render.NewProgress(a.Err, width, start)
	default:
		return out
	}
	return &above{Writer: out, line: v.progress}
}

func (c *showFlags) account(a *app, rows *quaestor.Rows, took time.Duration) error {
	err := render.Summary(a.Err, rows.Summary(), took, a.options(a.Err, c.Colour))
	err = errors.Join(err, c.before.account(a.Err, rows.Summary()))
	var fleet bool
	if c.coverage, fleet = rows.Coverage(); err != nil || !fleet {
		return err
	}
	if err := render.Coverage(a.Err, c.coverage); err != nil || !c.Agents {
		return err
	}
	return a.writeAgents(a.Err, c.coverage)
}

// verdict gives the exit code that the answers deserve.
func (c *showFlags) verdict(a *app, rows *quaestor.Rows, need required) error {
	if a.ctx.Err() != nil {
		return &exit{code: ExitInterrupted}
	}
	var hits int64
	whole := true
	for _, s := range rows.Summaries() {
		hits += s.Matched
		whole = whole && s.Outcome == answer.Complete
	}
	if c.before != nil {
		hits = c.before.fresh
	}
	if coverage, fleet := rows.Coverage(); fleet {
		if !need.met(coverage, whole) {
			return &exit{code: ExitIncomplete}
		}
	} else if need.complete && !whole {
		return &exit{code: ExitIncomplete}
	}
	switch {
	case slices.Contains(c.FailOn, "hits") && hits > 0,
		slices.Contains(c.FailOn, "misses") && hits == 0,
		slices.Contains(c.FailOn, "errors") && !whole:
		return &exit{code: ExitAsked}
	}
	return nil
}

// flushEvery is how long a row may wait for the next ones.
const flushEvery = 200 * time.Millisecond

// A progress is a line at the foot of the terminal.
type progress interface {
	Update(now time.Time, rows int64, looked map[string]int64)
	Clear()
}

// A view writes the rows of an answer while they are found.
type view struct {
	rows     *quaestor.Rows
	keep     *lastAnswer   // where rows are kept, too; nil: nowhere
	before   *baseline     // rows that are not shown again; nil: none
	record   *caseRecord   // where they are kept for good; nil: nowhere
	people   bool          // the agents' IDs are left out, which nobody reads
	progress progress      // nil: none
	done     chan struct{} // closed by stream

	screen *sync.Mutex // guards what follows, and the terminal
	sink   render.Sink
	dirty  bool
	err    error
}

func (v *view) stream() error {
	var tables []render.Table
	for _, t := range v.rows.Tables() {
		tab := render.Table{Name: t.Name, About: v.about(t)}
		for i, c := range t.Columns {
			if v.hides(t, i) {
				continue
			}
			tab.Columns = append(tab.Columns, render.Column{Name: c.Name, Type: c.Type})
			tab.Widths = append(tab.Widths, v.width(t, c.Name))
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
	sum := v.rows.Summary()
	v.keep.end(sum)
	if s, ok := v.sink.(render.Covered); ok {
		if c, fleet := v.rows.Coverage(); fleet {
			s.Cover(c)
		}
	}
	err := v.sink.End(sum)
	switch {
	case v.err != nil:
		return v.err
	case errors.Is(failed, context.Canceled):
		failed = nil // the summary says so
	}
	return errors.Join(failed, err)
}

// about gives what the header of a table's query says.
func (v *view) about(t quaestor.Table) render.About {
	queries := v.rows.Queries()
	if t.Query >= len(queries) {
		return render.About{}
	}
	q := queries[t.Query]
	about := render.About{Name: q.Header.Name, Description: q.Header.Description, Severity: q.Header.Severity, Reference: q.Header.Reference, Tags: q.Header.Tags}
	if strings.HasSuffix(q.File, ".qst") {
		about.File = q.File
	}
	return about
}

// hides says whether a column is not for the eyes: the agent's ID, second of
// the columns that say where a row comes from.
func (v *view) hides(t quaestor.Table, column int) bool { return v.people && t.Origin && column == 1 }

// write hands rows to the sink until they end.
func (v *view) write() error {
	for row, err := range v.rows.All() {
		if err != nil {
			return err
		}
		v.keep.add(row)
		v.record.add(row)
		if known, err := v.before.knows(row.Table(), row.Values()); known || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		v.screen.Lock()
		if v.err == nil {
			values := row.Values()
			if len(values) > 1 && v.hides(v.rows.Tables()[row.Table()], 1) {
				values = append(append(make([]value.Value, 0, len(values)), values[0]), values[2:]...)
			}
			v.err = v.sink.Row(row.Table(), values)
			v.dirty = true
		}
		stop := v.err != nil
		v.screen.Unlock()
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
			v.screen.Lock()
			if v.dirty && v.err == nil {
				v.err = v.sink.Flush()
				v.dirty = false
			}
			if v.progress != nil {
				looked, rows := v.rows.Progress()
				v.progress.Update(now, rows, looked)
			}
			v.screen.Unlock()
		}
	}
}

// above writes over the progress line.
type above struct {
	io.Writer
	line progress
}

func (w *above) Write(p []byte) (int, error) {
	w.line.Clear()
	return w.Writer.Write(p)
}
