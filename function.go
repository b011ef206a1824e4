package quaestor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A Function is one of a program's own, for Options.Functions. Agents do not
// have it: a query of a fleet that calls it is refused.
type Function struct {
	Name string       // as queries call it: lower case letters, digits and _
	Doc  string       // one sentence
	Args []value.Type // of its arguments, all of which must be given
	Type value.Type   // of its result
	// Call computes it. It is called by several goroutines at once, never with
	// a null, and must depend on nothing but its arguments: how often it is
	// called, and for which rows, is not said. What has no value is null.
	Call func(args []value.Value) value.Value
}

// functions puts functions into the form of the language's own.
func functions(own []Function) ([]plan.Func, error) {
	var out []plan.Func
	for i, f := range own {
		if f.Name == "" || f.Call == nil {
			return nil, fmt.Errorf("the function %q needs a name and a Call", f.Name)
		}
		if strings.Trim(f.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || f.Name[0] >= '0' && f.Name[0] <= '9' {
			return nil, fmt.Errorf("no query can call a function %q: a name is of lower case letters, digits and _", f.Name)
		}
		if slices.ContainsFunc(own[:i], func(o Function) bool { return o.Name == f.Name }) {
			return nil, fmt.Errorf("two functions are called %q", f.Name)
		}
		if _, taken := plan.FuncByName(f.Name); taken {
			return nil, fmt.Errorf("the language has a function %q of its own", f.Name)
		}
		if _, taken := plan.AggByName(f.Name); taken || f.Name == "now" || f.Name == "age" {
			return nil, fmt.Errorf("the language has a function %q of its own", f.Name)
		}
		signature := f.Name + "("
		for i, t := range f.Args {
			if i > 0 {
				signature += ", "
			}
			signature += t.String()
		}
		out = append(out, plan.Func{
			Name: f.Name, Signature: signature + ")", Doc: f.Doc, Min: len(f.Args), Max: len(f.Args), Eval: f.Call,
			Type: func(args []value.Type) (value.Type, error) {
				for i, t := range args {
					if t != f.Args[i] && t != value.Null {
						return 0, fmt.Errorf("argument %d is a %s, not a %s", i+1, f.Args[i], t)
					}
				}
				return f.Type, nil
			},
		})
	}
	return out, nil
}

// Limits bound every query of a session: a query may ask for less with WITH,
// and not for more. 0 bounds nothing.
type Limits struct {
	Timeout time.Duration
	Memory  int64 // bytes that joins, groups and orders may hold
	Rows    int64
	Bytes   int64 // of content that is read
}

// cap lowers what a plan asks for.
func (l Limits) cap(p *plan.Limits) {
	least := func(own int64, to *int64) {
		if own > 0 && (*to <= 0 || *to > own) {
			*to = own
		}
	}
	if l.Timeout > 0 && (p.Timeout <= 0 || p.Timeout > l.Timeout) {
		p.Timeout = l.Timeout
	}
	least(l.Memory, &p.Memory)
	least(l.Rows, &p.Rows)
	least(l.Bytes, &p.Bytes)
}

// logEnd tells the logger how an answer ended.
func logEnd(log *slog.Logger, name string, sum answer.Summary, took time.Duration) {
	if log == nil {
		return
	}
	log.Debug("query ended", "query", name, "outcome", sum.Outcome.String(), "rows", sum.Matched, "took", took, "reason", sum.Reason)
	for _, s := range sum.Skipped {
		log.Log(context.Background(), slog.LevelDebug, "left out", "query", name, "kind", string(s.Kind), "count", s.Count, "first", s.First)
	}
}
