package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// The lines of an answer, beside rows and problems.
type (
	tablesLine struct {
		Kind   string  `json:"kind"` // "tables"
		Tables []table `json:"tables"`
	}
	table struct {
		Name    string   `json:"name"`
		Ordered bool     `json:"ordered"` // rows come in the order that the query asks for
		Columns []column `json:"columns"`
	}
	column struct {
		Name string `json:"name"` // the key in a row
		Type string `json:"type"`
	}
	investigationLine struct {
		Kind    string     `json:"kind"` // "investigation"
		ID      signing.ID `json:"id"`
		Online  int        `json:"online"`
		Offline int        `json:"offline"`
		Pending bool       `json:"pending"`
	}
	warningLine struct {
		Kind string `json:"kind"` // "warning"
		Diagnostic
	}
	progressLine struct {
		Kind    string           `json:"kind"` // "progress"
		Rows    int64            `json:"rows"`
		Looked  map[string]int64 `json:"looked"`
		Elapsed float64          `json:"elapsed"` // seconds
		Agents  map[string]int   `json:"agents,omitempty"`
	}
	summaryLine struct {
		Kind    string  `json:"kind"` // "summary"
		Elapsed float64 `json:"elapsed"`
		account
	}
)

// query answers POST /v1/query.
func (g *Gateway) query(w http.ResponseWriter, r *http.Request) {
	var q question
	if err := g.read(w, r, &q); err != nil {
		fail(w, problem(err))
		return
	}
	compiled, err := g.compiled(q)
	if err != nil {
		fail(w, problem(err))
		return
	}
	if compiled.local {
		g.stream(w, r, func(ctx context.Context, _ *stream) (*quaestor.Rows, func(), error) {
			rows, err := compiled.session.Run(ctx, compiled.Compiled)
			return rows, func() {}, err
		})
	} else {
		g.stream(w, r, func(ctx context.Context, s *stream) (*quaestor.Rows, func(), error) {
			return g.askFleet(ctx, s, q, compiled.Compiled)
		})
	}
	_ = compiled.session.Close() // it never fails
}

// A compilation is queries that may be run, and who runs them.
type compilation struct {
	*quaestor.Compiled
	session *quaestor.LocalSession
	local   bool
}

func (g *Gateway) compiled(q question) (compilation, error) {
	s, err := g.session(q.Params)
	if err != nil {
		return compilation{}, err
	}
	c, err := s.Compile(q.source())
	if err == nil {
		err = q.suits(c)
	}
	if err != nil {
		_ = s.Close() // it never fails
		return compilation{}, err
	}
	return compilation{c, s, here(c.Queries[0])}, nil
}

// here says whether a query is answered on this machine.
func here(q quaestor.Query) bool { return isHere(q.Plan.Source) }

func isHere(source string) bool { return source == "local" || source == "case" }

// suits says whether the queries can be asked together as the question has it,
// and puts its bounds into them.
func (q question) suits(c *quaestor.Compiled) error {
	if len(c.Queries) == 0 {
		return fmt.Errorf("%w: there is no query in it", errRequest)
	}
	local := here(c.Queries[0])
	bound := min(time.Duration(q.Timeout), MaxTime)
	for _, one := range c.Queries {
		switch {
		case here(one) != local:
			return fmt.Errorf("%w: queries for this machine and for others cannot be asked together", errRequest)
		case one.Plan.Standing() && !one.Explain:
			return fmt.Errorf("%w: a query that stands has no end, and an answer here has one\nhint: quaestor run asks it", errRequest)
		case one.Explain && !local:
			return fmt.Errorf("%w: a query that begins with EXPLAIN is not asked\nhint: POST /v1/explain draws it", errRequest)
		}
		if bound == 0 {
			bound = MaxTime
		}
		if own := one.Plan.Limits.Timeout; local && (own == 0 || own > bound) {
			one.Plan.Limits.Timeout = bound
		}
	}
	switch {
	case local && (q.Wait != 0 || q.Window != 0 || q.Purpose != "" || q.Keep):
		return fmt.Errorf("%w: wait, window, purpose and keep are for fleets, and this machine is asked", errRequest)
	case !local && q.Timeout != 0:
		return fmt.Errorf("%w: timeout is for this machine\nhint: WITH timeout = … in the query bounds agents, and wait how long they are waited for", errRequest)
	case time.Duration(q.Timeout) > MaxTime:
		return fmt.Errorf("%w: timeout is over %s", errBound, MaxTime)
	case time.Duration(q.Wait) > MaxWait:
		return fmt.Errorf("%w: wait is over %s", errBound, MaxWait)
	}
	return nil
}

// afterwards is how long cancelling may take when the reader has gone.
const afterwards = 5 * time.Second

// askFleet asks agents. The function cancels what still runs where nobody
// reads any more, unless it is to be kept.
func (g *Gateway) askFleet(ctx context.Context, s *stream, q question, c *quaestor.Compiled) (*quaestor.Rows, func(), error) {
	none := func() {}
	f, err := g.connected(ctx)
	if err != nil {
		return nil, none, err
	}
	var asked []signing.ID
	rows, err := f.Run(ctx, c, client.RunOptions{
		Sign:   client.SignOptions{Purpose: q.Purpose, Window: time.Duration(q.Window)},
		Follow: client.FollowOptions{Wait: time.Duration(q.Wait)},
		Submitted: func(_ int, sub message.Submitted) {
			asked = append(asked, sub.Plan)
			s.line(investigationLine{"investigation", sub.Plan, sub.Online, sub.Offline, sub.Pending})
		},
	})
	return rows, func() {
		if q.Keep || ctx.Err() == nil {
			return
		}
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
		defer cancel()
		for _, id := range asked {
			// There is nobody left who could be told; the plan expires.
			_ = f.Cancel(after, id)
		}
	}, err
}

// An asking begins an answer; the function is called when it has ended.
type asking func(context.Context, *stream) (*quaestor.Rows, func(), error)

// stream writes an answer as it comes, and ends it with a summary or an error.
func (g *Gateway) stream(w http.ResponseWriter, r *http.Request, ask asking) {
	end := g.begin()
	if end == nil {
		fail(w, &Problem{Code: CodeBusy, Message: fmt.Sprintf("%d answers stream already", g.opts.MaxAnswers), Hint: "wait for one to end"})
		return
	}
	defer end()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := newStream(w, g.opts.WriteTime, cancel)
	start := time.Now()
	rows, done, err := ask(ctx, s)
	defer done()
	if err != nil {
		s.refuse(problem(err))
		return
	}
	defer rows.Close()
	keys := s.begin(rows)
	stop := s.follow(rows, start)
	err = s.rows(rows, keys)
	stop()
	if c, fleet := rows.Coverage(); fleet {
		s.line(newCoverage(c))
	}
	sum := newAccount(rows.Summary())
	if err == nil {
		err = ctx.Err() // of this machine it is no error of the rows
	}
	if err != nil {
		p := problem(err)
		p.Summary = &sum
		s.line(p)
		return
	}
	s.line(summaryLine{"summary", time.Since(start).Seconds(), sum})
}

// begin writes what is known before the first row.
func (s *stream) begin(rows *quaestor.Rows) []rowKeys {
	for _, w := range rows.Warnings() {
		s.line(warningLine{"warning", newDiagnostic(w.Diagnostic, w.Source)})
	}
	line := tablesLine{Kind: "tables"}
	var keys []rowKeys
	for i, t := range rows.Tables() {
		names := unique(t.Columns)
		one := table{Name: t.Name, Ordered: t.Ordered, Columns: []column{}}
		for k, c := range t.Columns {
			one.Columns = append(one.Columns, column{names[k], c.Type.String()})
		}
		line.Tables = append(line.Tables, one)
		keys = append(keys, newRowKeys(i, names))
	}
	s.line(line)
	return keys
}

// unique gives the columns of a table names of their own: a query may call one
// as the origin of a row is called.
func unique(columns []quaestor.Column) []string {
	var names []string
	for _, c := range columns {
		name := c.Name
		for n := 2; slices.Contains(names, name); n++ {
			name = c.Name + " " + strconv.Itoa(n)
		}
		names = append(names, name)
	}
	return names
}

// rowKeys are what stands before a row, and before each of its values.
type rowKeys struct {
	head []byte
	keys [][]byte
}

func newRowKeys(i int, names []string) rowKeys {
	k := rowKeys{head: fmt.Appendf(nil, `{"kind":"row","table":%d,"row":{`, i)}
	for n, name := range names {
		var key []byte
		if n > 0 {
			key = append(key, ',')
		}
		k.keys = append(k.keys, append(value.AppendJSON(key, value.NewText(name)), ':'))
	}
	return k
}

func (s *stream) rows(rows *quaestor.Rows, keys []rowKeys) error {
	for row, err := range rows.All() {
		if err != nil {
			return err
		}
		k := keys[row.Table()]
		s.row(k.head, k.keys, row.Values())
	}
	return nil
}

// follow tells progress until it is stopped, which waits for it.
func (s *stream) follow(rows *quaestor.Rows, start time.Time) (stop func()) {
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(tick)
		defer t.Stop()
		for n := 1; ; n++ {
			select {
			case <-ended:
				return
			case <-t.C:
			}
			if n%progressTicks == 0 {
				s.line(newProgress(rows, start))
			} else {
				s.tick()
			}
		}
	})
	return func() {
		close(ended)
		wg.Wait()
	}
}

func newProgress(rows *quaestor.Rows, start time.Time) progressLine {
	looked, n := rows.Progress()
	p := progressLine{Kind: "progress", Rows: n, Looked: looked, Elapsed: time.Since(start).Seconds()}
	if c, fleet := rows.Coverage(); fleet {
		p.Agents = map[string]int{"targeted": c.Targeted(), "answered": c.Answered()}
		for _, state := range quaestor.States() {
			if n := c.Count(state); n > 0 {
				p.Agents[state.String()] = n
			}
		}
	}
	return p
}
