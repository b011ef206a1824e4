package plan

import (
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// The columns that rows of a plan which hosts repeat begin with.
const (
	RoundChange = "change" // new, gone or changed; null where nobody can tell
	RoundAt     = "at"     // when the round began
)

// WatchAccount is how often a host that watches for a plan gives its account,
// whether anything has changed or not.
const WatchAccount = 10 * time.Minute

// Pace gives how often a host that answers the plan gives an account; 0: once,
// at its end.
func (p *Plan) Pace() time.Duration {
	if p.Watch {
		return WatchAccount
	}
	return p.Every
}

// InRounds gives the plan as it is answered by hosts that repeat it: what
// became of a row, and when, stand before its own columns.
func (p *Plan) InRounds() *Plan {
	own := *p
	own.Tables = make([]*Table, len(p.Tables))
	for i, t := range p.Tables {
		table := *t
		table.Outputs = []Output{{Name: free(t, RoundChange), Type: value.Text, Expr: &Const{}}, {Name: free(t, RoundAt), Type: value.Time, Expr: &Const{}}}
		table.Outputs = append(table.Outputs, t.Outputs...)
		own.Tables[i] = &table
	}
	return &own
}

// free gives the name, or one that no output of the table has.
func free(t *Table, name string) string {
	for slices.ContainsFunc(t.Outputs, func(o Output) bool { return o.Name == name }) {
		name = "_" + name
	}
	return name
}
