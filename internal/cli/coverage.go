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

// shownHosts is how many hosts a line of the account names.
const shownHosts = 3

// shortAgent is how many digits of an agent's ID a list shows.
const shortAgent = 12

// writeCoverage says who answered and who did not:
//
//	4 of 5 agents answered: 1 matched, 3 empty
//	refused: 1 (db-1): no rule allows file.content
func writeCoverage(w io.Writer, c quaestor.Coverage) error {
	var b strings.Builder
	if c.Targeted() == 0 {
		b.WriteString("the target names no agent: nobody was asked\n")
	} else {
		fmt.Fprintf(&b, "%s of %s answered", render.Number(int64(c.Answered())), agents(c.Targeted()))
		sep := ": "
		for _, s := range []quaestor.State{quaestor.Matched, quaestor.Empty, quaestor.Partial} {
			if n := c.Count(s); n > 0 {
				fmt.Fprintf(&b, "%s%s %s", sep, render.Number(int64(n)), s)
				sep = ", "
			}
		}
		b.WriteByte('\n')
	}
	for _, s := range quaestor.States() {
		if s != quaestor.Matched && s != quaestor.Empty {
			b.WriteString(whoIs(c, s))
		}
	}
	for _, d := range c.Doubts {
		b.WriteString("doubt: " + value.EscapeText(d) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// whoIs names a few of the agents in a state, and why where they agree.
func whoIs(c quaestor.Coverage, s quaestor.State) string {
	var hosts, reasons []string
	for _, a := range c.Agents {
		if a.State != s {
			continue
		}
		hosts = append(hosts, hostOf(a.Host, a.Agent))
		if a.Reason != "" && !slices.Contains(reasons, a.Reason) {
			reasons = append(reasons, a.Reason)
		}
	}
	if len(hosts) == 0 {
		return ""
	}
	n := len(hosts)
	if n > shownHosts {
		hosts = append(hosts[:shownHosts], "…")
	}
	line := fmt.Sprintf("%s: %s (%s)", s, render.Number(int64(n)), strings.Join(hosts, ", "))
	if len(reasons) > 0 {
		line += ": " + value.EscapeText(reasons[0])
	}
	if len(reasons) > 1 {
		line += fmt.Sprintf("; and %s: --agents shows all", plurals(len(reasons)-1, "other reason"))
	}
	return line + "\n"
}

func agents(n int) string {
	return render.Number(int64(n)) + " " + plural(n, "agent", "agents")
}

// hostOf gives what an agent is called in a sentence.
func hostOf(host, agent string) string {
	if host == "" {
		return value.EscapeText(agent[:min(len(agent), shortAgent)])
	}
	return value.EscapeText(host)
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
