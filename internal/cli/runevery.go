package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// everyFlags say that queries are asked again and again.
type everyFlags struct {
	Every duration `placeholder:"10m" help:"Ask again so often, and show what is new, gone or changed since the time before. Ctrl-C ends it."`
	Until moment   `placeholder:"8h" help:"With --every or EVERY: ask no more after this time, or from this moment on (2026-11-23T18:00:00Z)."`
}

// A moment is a flag that is a time, or how long from now it is.
type moment struct {
	in time.Duration
	at time.Time
}

// UnmarshalText reads a flag.
func (m *moment) UnmarshalText(b []byte) error {
	var d duration
	err := d.UnmarshalText(b)
	if err == nil {
		m.in = time.Duration(d)
		return nil
	}
	at, notTime := value.ParseTime(string(b))
	if notTime != nil {
		return fmt.Errorf("%q is neither how long (8h) nor when (2026-11-23T18:00:00Z)", b)
	}
	m.at = at
	return nil
}

func (m moment) isSet() bool { return m.in != 0 || !m.at.IsZero() }

// from gives the moment in time; zero: there is none.
func (m moment) from(now time.Time) time.Time {
	if m.in != 0 {
		return now.Add(m.in)
	}
	return m.at
}

// repeat says how the queries are asked again, by the flags or by their own
// EVERY; nil: they are asked once.
func (c *runCommand) repeat(compiled *quaestor.Compiled) (*quaestor.Repeat, error) {
	every, err := compiled.Every()
	if err != nil {
		return nil, err
	}
	switch own := time.Duration(c.Every); {
	case own != 0 && own < quaestor.MinPeriod:
		return nil, fmt.Errorf("--every %s is too short: at least %s", value.FormatDuration(own), value.FormatDuration(quaestor.MinPeriod))
	case own != 0 && every != 0:
		return nil, errors.New("--every is given, and the query has an EVERY of its own\nhint: leave one out")
	case own != 0:
		every = own
	}
	if c.Every != 0 && slices.ContainsFunc(compiled.Queries, func(q quaestor.Query) bool { return q.Plan.Watch }) {
		return nil, errors.New("WATCH tells of changes as they happen, and is not repeated\nhint: leave --every out")
	}
	if every != 0 && asksOthers(compiled) && c.Every == 0 {
		if c.Until.isSet() {
			return nil, errors.New("--until ends what is asked from here, and agents repeat a query with EVERY by themselves\nhint: --window 8h says for how long")
		}
		return nil, nil // agents repeat it
	}
	now := time.Now()
	until := c.Until.from(now)
	switch {
	case every == 0 && c.Until.isSet():
		return nil, errors.New("--until says when to ask no more, and the query is asked once\nhint: --every 10m")
	case every == 0:
		return nil, nil
	case c.Until.isSet() && !until.After(now):
		return nil, fmt.Errorf("--until %s is over", value.NewTime(until))
	case c.Detach:
		return nil, errors.New("--every asks from here, and --detach does not wait\nhint: leave one out")
	}
	if slices.ContainsFunc(compiled.Queries, func(q quaestor.Query) bool { return q.Explain }) {
		return nil, errors.New("EXPLAIN draws a plan once, and is not repeated\nhint: leave --every out")
	}
	r := &quaestor.Repeat{Every: every, Until: until}
	if !c.Quiet {
		r.Told = c.tellRound
	}
	c.rounds = &roundTeller{}
	return r, nil
}

// A roundTeller says on the terminal what each round came to.
type roundTeller struct {
	app    *app
	view   *view
	colour string
}

// begin checks that rows can be shown as they come: a form for people shows
// one table after the other. A nil one is of an answer without rounds.
func (r *roundTeller) begin(a *app, c *showFlags, v *view) error {
	if r == nil {
		return nil
	}
	r.app, r.view, r.colour = a, v, c.Colour
	if n := len(v.rows.Tables()); n > 1 && slices.Contains([]string{"table", "record", "csv", "markdown"}, c.Format) {
		return fmt.Errorf("%d tables of a question that is asked again and again cannot be shown one after the other\nhint: --format jsonl, or ask the queries apart", n)
	}
	return nil
}

// width gives how wide a column is whose words are known: that of changes.
func (v *view) width(t quaestor.Table, column string) int {
	queries := v.rows.Queries()
	switch {
	case column != quaestor.ChangeColumn || t.Query >= len(queries):
	case queries[t.Query].Plan.Watch:
		return len(modules.Attributes)
	case queries[t.Query].Plan.Every > 0:
		return len("changed")
	}
	return 0
}

// tellRound says what a round came to, when its rows have been shown.
func (c *runCommand) tellRound(round quaestor.Round) { c.rounds.tell(round) }

func (r *roundTeller) tell(round quaestor.Round) {
	v := r.view
	v.screen.Lock()
	defer v.screen.Unlock()
	if v.err != nil {
		return
	}
	if v.err = v.sink.Flush(); v.err != nil {
		return
	}
	if v.progress != nil {
		v.progress.Clear()
	}
	fmt.Fprintln(r.app.Err, roundText(round))
	if round.Err != nil && r.app.ctx.Err() == nil {
		fmt.Fprintf(r.app.Err, "the round failed: %v\n", round.Err)
	} else if round.Summary.Outcome != answer.Complete {
		// What cannot be written to the terminal is lost, and no row is.
		_ = render.Summary(r.app.Err, round.Summary, round.Took, r.app.options(r.app.Err, r.colour))
	}
}

// roundText is a line about a round.
func roundText(round quaestor.Round) string {
	var parts []string
	for _, p := range []struct {
		n    int64
		what string
	}{{round.New, "new"}, {round.Changed, "changed"}, {round.Gone, "gone"}, {round.MayBeNew, "that may be new"}} {
		if p.n > 0 {
			parts = append(parts, render.Number(p.n)+" "+p.what)
		}
	}
	if len(parts) == 0 && round.Unknown == 0 && round.Err == nil {
		parts = append(parts, "nothing changed")
	}
	text := fmt.Sprintf("round %d, %s", round.Number, round.Began.Format(time.TimeOnly))
	if len(parts) > 0 {
		text += " · " + strings.Join(parts, ", ")
	}
	if round.Same > 0 {
		text += fmt.Sprintf(" · %s as before", render.Number(round.Same))
	}
	if round.Unknown > 0 {
		where := slices.Clone(round.Where)
		if int64(len(where)) < round.Unknown {
			where = append(where, "…")
		}
		text += fmt.Sprintf(" · of %s nobody knows, for want of looking (%s)", render.Number(round.Unknown), strings.Join(where, ", "))
	}
	if round.Left > 0 {
		text += fmt.Sprintf(" · %d left out before it: the one before took too long", round.Left)
	}
	return text
}

// inquiries are the investigations of the round that goes on.
type inquiries struct {
	mu  sync.Mutex
	ids []signing.ID
}

// list gives them.
func (a *inquiries) list() []signing.ID {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.ids)
}

func (a *inquiries) add(id signing.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids = append(a.ids, id)
}

// begin forgets those of the round before.
func (a *inquiries) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids = nil
}

// rowsOf asks once, or again and again.
func rowsOf(ctx context.Context, local *quaestor.LocalSession, r *quaestor.Repeat, ask func(context.Context) (*quaestor.Rows, error)) (*quaestor.Rows, error) {
	if r == nil {
		return ask(ctx)
	}
	return local.RepeatThrough(ctx, *r, ask)
}
