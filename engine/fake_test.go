package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A fake is a module whose rows are in memory. Its texts are overwritten when
// yield returns, as the contract allows: who keeps one without a clone is
// found out.
type fake struct {
	schema  modules.Schema
	rows    [][]value.Value
	content []string       // of each row, for modules with content
	skips   []modules.Skip // reported by every scan, and by lookups of their Where alone
	err     error          // what a scan ends with
	fail    error          // what a column ends with
	hangs   string         // a column that waits until nobody wants it any more
	endless bool           // the rows come again and again
	anyKey  bool           // every row is given for every key
	spares  bool           // rows that Request.Only throws away do not come
	visit   func(row int)  // called for each row, before yield

	mu        sync.Mutex
	asked     map[string]int // columns that were computed
	scans     atomic.Int64
	lookups   atomic.Int64
	shared    atomic.Int64
	delivered atomic.Int64
}

// A sharer is a fake that serves several requests in one pass.
type sharer struct{ *fake }

func newFake(name string, columns ...string) *fake {
	f := &fake{schema: modules.Schema{Name: name, Doc: "a fake"}, asked: map[string]int{}}
	for _, c := range columns {
		f.schema.Columns = append(f.schema.Columns, modules.Column{Name: c, Type: value.Int, Doc: "a column"})
	}
	return f
}

// keyed makes the first column the key, to which others may link.
func (f *fake) keyed() *fake { f.schema.Key = f.schema.Columns[0].Name; return f }

func (f *fake) with(rows ...[]any) *fake {
	for _, r := range rows {
		f.rows = append(f.rows, vals(r...))
	}
	return f
}

func (f *fake) count(column string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[column]
}

func (f *fake) Schema() *modules.Schema { return &f.schema }

func (f *fake) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	if req.Keys != nil {
		f.lookups.Add(1)
	} else {
		f.scans.Add(1)
	}
	return f.scan(ctx, []*modules.Request{req}, func(_ int, row modules.Row) error { return yield(row) })
}

func (s sharer) ScanShared(ctx context.Context, reqs []*modules.Request, yield func(int, modules.Row) error) error {
	s.shared.Add(1)
	return s.scan(ctx, reqs, yield)
}

func (f *fake) scan(ctx context.Context, reqs []*modules.Request, yield func(int, modules.Row) error) error {
	for _, req := range reqs {
		for _, s := range f.skips {
			if req.Keys == nil || s.Where == req.Keys[0].String() {
				req.Report.Skip(s)
			}
		}
	}
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	enough := make([]atomic.Bool, len(reqs))
	work := make(chan int)
	for range reqs[0].Workers {
		wg.Go(func() {
			for i := range work {
				for k, req := range reqs {
					if failed.Load() != nil || enough[k].Load() || !f.wanted(req, i) {
						continue
					}
					if err := f.show(req, i, func(r modules.Row) error { return yield(k, r) }); errors.Is(err, modules.ErrEnough) {
						enough[k].Store(true)
					} else if err != nil {
						failed.Store(&err)
					}
				}
			}
		})
	}
	done := func() bool {
		return ctx.Err() != nil || failed.Load() != nil ||
			!slices.ContainsFunc(reqs, func(r *modules.Request) bool { return !enough[slices.Index(reqs, r)].Load() })
	}
	for again := true; again && !done(); again = f.endless {
		for i := range f.rows {
			if done() {
				break
			}
			work <- i
		}
	}
	close(work)
	wg.Wait()
	switch err := failed.Load(); {
	case err != nil:
		return *err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case len(reqs) == 1 && enough[0].Load():
		return modules.ErrEnough
	}
	return f.err
}

func (f *fake) wanted(req *modules.Request, i int) bool {
	if f.rows[i] == nil {
		return true
	}
	for _, r := range req.Only {
		if f.spares && !slices.ContainsFunc(r.Values, func(v value.Value) bool {
			eq, ok := value.Equal(v, f.rows[i][r.Column])
			return eq && ok
		}) {
			return false
		}
	}
	if req.Keys == nil || f.anyKey {
		return len(req.Locators) == 0 || f.located(req.Locators, f.rows[i][0])
	}
	return slices.ContainsFunc(req.Keys, func(k value.Value) bool {
		eq, ok := value.Equal(k, f.rows[i][0])
		return eq && ok
	})
}

// located says whether the first column is of one of the places.
func (f *fake) located(globs []string, v value.Value) bool {
	return v.Type() == value.Text && slices.ContainsFunc(globs, func(text string) bool {
		g, err := value.CompileGlob(text, value.GlobOptions{})
		return err == nil && g.Match(v.Text())
	})
}

func (f *fake) show(req *modules.Request, i int, yield func(modules.Row) error) error {
	if f.visit != nil {
		f.visit(i)
	}
	f.delivered.Add(1)
	req.Report.Looked(f.schema.Name, 1)
	r := &fakeRow{fake: f, req: req, i: i}
	defer r.end()
	return yield(r)
}

type fakeRow struct {
	fake *fake
	req  *modules.Request
	i    int
	line int
	lent [][]byte
	over bool
}

func (r *fakeRow) end() {
	r.over = true
	for _, b := range r.lent {
		for i := range b {
			b[i] = '!'
		}
	}
}

func (r *fakeRow) Column(ctx context.Context, i int) (value.Value, error) {
	switch {
	case r.over:
		panic("a row was used when yield had returned")
	case !slices.Contains(r.req.Columns, i):
		return value.Value{}, fmt.Errorf("column %d was not announced", i)
	}
	r.fake.mu.Lock()
	r.fake.asked[r.fake.schema.Columns[i].Name]++
	r.fake.mu.Unlock()
	if r.fake.schema.Columns[i].Line {
		return value.NewInt(int64(r.line)), nil
	}
	if r.fake.hangs == r.fake.schema.Columns[i].Name {
		<-ctx.Done()
		return value.Value{}, ctx.Err()
	}
	if r.fake.fail != nil {
		return value.Value{}, r.fake.fail
	}
	v := r.fake.rows[r.i][i]
	if v.Type() == value.Text {
		b := []byte(v.Text())
		r.lent = append(r.lent, b)
		return value.NewText(lend(b)), nil
	}
	return v, nil
}

func (r *fakeRow) answers(q int, text string) bool {
	ask := r.req.Questions[q]
	switch {
	case ask.Test != nil:
		return ask.Test([]byte(text))
	case ask.Pattern.Literal != nil:
		return strings.Contains(text, string(ask.Pattern.Literal))
	}
	return slices.ContainsFunc(ask.Pattern.List, func(l []byte) bool { return strings.Contains(text, string(l)) })
}

func (r *fakeRow) Ask(ctx context.Context, q int) (value.Value, error) {
	r.fake.mu.Lock()
	r.fake.asked["?"]++
	r.fake.mu.Unlock()
	text := r.fake.content[r.i]
	if r.req.Questions[q].Lines == modules.WholeContent {
		return value.NewBool(r.answers(q, text)), nil
	}
	every := r.req.Questions[q].Lines == modules.EveryLine
	for line := range strings.SplitSeq(text, "\n") {
		if r.answers(q, line) != every {
			return value.NewBool(!every), nil
		}
	}
	return value.NewBool(every), nil
}

func (r *fakeRow) Lines(ctx context.Context, yield func(modules.Row) error) error {
	for i, line := range strings.Split(r.fake.content[r.i], "\n") {
		if r.line = i + 1; r.answers(0, line) {
			if err := yield(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// vals makes values of Go's: nil is null, a string text.
func vals(xs ...any) []value.Value {
	out := make([]value.Value, len(xs))
	for i, x := range xs {
		switch x := x.(type) {
		case int:
			out[i] = value.NewInt(int64(x))
		case float64:
			out[i] = value.NewFloat(x)
		case bool:
			out[i] = value.NewBool(x)
		case string:
			out[i] = value.NewText(x)
		case time.Duration:
			out[i] = value.NewDuration(x)
		case value.Value:
			out[i] = x
		}
	}
	return out
}

// ints is a row of each number.
func ints(n int) (rows [][]any) {
	for i := range n {
		rows = append(rows, []any{i})
	}
	return rows
}

func col(slot, i int) plan.Expr { return &plan.Col{Slot: slot, Index: i} }
func out(i int) plan.Expr       { return &plan.Out{Index: i} }
func lit(x any) plan.Expr       { return &plan.Const{Value: vals(x)[0]} }
func and(xs ...plan.Expr) plan.Expr {
	return &plan.And{Xs: xs}
}
func not(x plan.Expr) plan.Expr { return &plan.Not{X: x} }
func cmp(op plan.CmpOp, x, y plan.Expr) plan.Expr {
	return &plan.Cmp{Op: op, X: x, Y: y}
}
func returns(xs ...plan.Expr) (outs []plan.Output) {
	for i, x := range xs {
		outs = append(outs, plan.Output{Name: fmt.Sprint("c", i), Expr: x})
	}
	return outs
}

// find is a table with all columns of its modules, no limit, and the columns
// of the first slot as what it returns.
func find(mods ...modules.Module) *plan.Table {
	t := &plan.Table{Name: mods[0].Schema().Name, Limit: -1}
	for i, m := range mods {
		s := &plan.Slot{Module: m.Schema().Name, Alias: m.Schema().Name}
		for k, c := range m.Schema().Columns {
			s.Columns = append(s.Columns, c.Name)
			if i == 0 {
				t.Outputs = append(t.Outputs, plan.Output{Name: c.Name, Expr: col(0, k)})
			}
		}
		t.Slots = append(t.Slots, s)
	}
	return t
}

func query(tables ...*plan.Table) *plan.Plan {
	return &plan.Plan{Source: "local", Tables: tables, Limits: plan.Limits{Depth: -1, Errors: 5}}
}

func newEngine(t testing.TB, mods ...modules.Module) *engine.Engine {
	t.Helper()
	cat, err := modules.NewCatalogue(mods...)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	return engine.New(cat, engine.Options{Workers: 4, Analyze: true, Host: modules.Host{Now: func() time.Time { return now }}})
}

// start prepares the plans and starts them.
func start(t testing.TB, e *engine.Engine, plans ...*plan.Plan) *engine.Run {
	t.Helper()
	for _, p := range plans {
		if err := p.Prepare(); err != nil {
			t.Fatal(err)
		}
	}
	return e.Start(t.Context(), plans...)
}

// read gives the rows as texts, "table: values" where there are several
// tables, in the order of the answer.
func read(r *engine.Run) (rows []string, err error) {
	for row, e := range r.Rows() {
		if e != nil {
			return rows, e
		}
		text := make([]string, len(row.Values))
		for i, v := range row.Values {
			text[i] = v.Literal()
		}
		prefix := ""
		if row.Plan != 0 || row.Table != 0 {
			prefix = fmt.Sprintf("%d.%d: ", row.Plan, row.Table)
		}
		rows = append(rows, prefix+strings.Join(text, " "))
	}
	return rows, nil
}

// ask runs one plan and gives its rows sorted.
func ask(t testing.TB, e *engine.Engine, p *plan.Plan) ([]string, *engine.Run) {
	t.Helper()
	r := start(t, e, p)
	rows, err := read(r)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(rows)
	return rows, r
}

func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// lend gives bytes as a text that changes with them.
func lend(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// byTable runs one plan and gives its rows, sorted, each behind the number of
// its table.
func byTable(t testing.TB, e *engine.Engine, p *plan.Plan) ([]string, answer.Summary) {
	t.Helper()
	r := start(t, e, p)
	var rows []string
	for row, err := range r.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		text := make([]string, len(row.Values))
		for i, v := range row.Values {
			text[i] = v.Literal()
		}
		rows = append(rows, fmt.Sprintf("%d:%s", row.Table, strings.Join(text, " ")))
	}
	slices.Sort(rows)
	return rows, r.Summary(0)
}
