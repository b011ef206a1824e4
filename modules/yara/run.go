package yara

import "context"

// program is what rules were compiled to.
type program struct{}

// expr is a part of a condition.
type expr interface{ eval(r *run) Value }

// str is a string of a rule.
type str struct{ name string }

// run is one scan under way.
type run struct {
	rules *Rules
	data  Data
	res   Result
}

func newRun(r *Rules, _ Limits) *run { return &run{rules: r} }

func (r *run) start(c Content) {
	r.data = Data{size: c.Size, process: c.Process, at: c.At}
	r.res = Result{}
}

func (r *run) whole(_ context.Context, b []byte) { r.data.whole = b }

func (r *run) feed(ctx context.Context, _ int64, _ []byte) bool { return ctx.Err() != nil }

// end leaves every rule undecided.
func (r *run) end(ctx context.Context) (*Result, error) {
	for _, rule := range r.rules.rules {
		r.res.Undecided = append(r.res.Undecided, Undecided{Rule: rule, Reason: "conditions are not looked at yet"})
	}
	return &r.res, ctx.Err()
}
