package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/value"
)

func agents(n int) string {
	return render.Number(int64(n)) + " " + plural(n, "agent", "agents")
}

// writeAgents lists every agent of an answer.
func (a *app) writeAgents(w io.Writer, c quaestor.Coverage) error {
	l := list{name: "agents"}
	l.column("state", value.Version)
	l.column("host", value.Version)
	l.column("agent", value.Version)
	l.column("rows", value.Int)
	repeated := slices.ContainsFunc(c.Agents, func(g quaestor.Agent) bool { return g.Round > 0 })
	if repeated {
		l.column("round", value.Int)
		l.column("at", value.Time)
	}
	l.column("reason", value.Text)
	for _, s := range quaestor.States() {
		for _, g := range c.Agents {
			if g.State != s {
				continue
			}
			row := []value.Value{value.NewText(s.String()), value.NewText(g.Host), value.NewText(g.Agent), value.NewInt(g.Rows)}
			if round := make([]value.Value, 2); repeated {
				if g.Round > 0 {
					round = []value.Value{value.NewInt(int64(g.Round)), value.NewTime(g.At)}
				}
				row = append(row, round...)
			}
			l.row(append(row, textOrNull(g.Reason))...)
		}
	}
	return a.listTo(w, l, "table")
}

// A required share of the agents is what --require asks for.
type required struct {
	complete bool
	share    float64 // 0: none
}

// parseRequired reads the flag: empty, complete, or a percentage.
func parseRequired(s string) (required, error) {
	switch {
	case s == "":
		return required{}, nil
	case s == "complete":
		return required{complete: true}, nil
	}
	number, ok := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(f > 0 && f <= 100) {
		return required{}, fmt.Errorf("--require %s: write complete, or a percentage of the agents such as 95%%", s)
	}
	return required{share: f / 100}, nil
}

// met says whether a fleet's answer is as whole as it had to be.
func (r required) met(c quaestor.Coverage, whole bool) bool {
	if r.complete {
		return whole && c.Targeted() > 0 && c.Answered() == c.Targeted() && len(c.Doubts) == 0
	}
	return c.Share() >= r.share
}

// progressText says how far a fleet's answer is, for one line.
func progressText(t quaestor.Tally, rows int64) string {
	reached := t.Targeted() - t.Count(quaestor.Offline)
	s := fmt.Sprintf("%s of %s reached, %s answered", render.Number(int64(reached)), agents(t.Targeted()), render.Number(int64(t.Answered())))
	for _, state := range []quaestor.State{quaestor.Matched, quaestor.Empty, quaestor.Partial, quaestor.Failed, quaestor.Refused, quaestor.Silent, quaestor.Offline} {
		if n := t.Count(state); n > 0 {
			s += fmt.Sprintf(", %s %s", render.Number(int64(n)), state)
		}
	}
	return s + " · " + render.Number(rows) + " " + plural(int(min(rows, 2)), "row", "rows")
}
