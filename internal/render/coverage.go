package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/value"
)

// A Covered sink says of a fleet's answer who gave it, and who did not.
type Covered interface {
	// Cover is called before End, where others than this machine were asked.
	Cover(c quaestor.Coverage)
}

// shownHosts is how many hosts a line of the account names.
const shownHosts = 3

// shortAgent is how many digits of an agent's ID a list shows.
const shortAgent = 12

// Coverage says who answered and who did not:
//
//	4 of 5 agents answered: 1 matched, 3 empty
//	refused: 1 (db-1): no rule allows file.content
func Coverage(w io.Writer, c quaestor.Coverage) error {
	var b strings.Builder
	if c.Targeted() == 0 {
		b.WriteString("the target names no agent: nobody was asked\n")
	} else {
		fmt.Fprintf(&b, "%s of %s answered", Number(int64(c.Answered())), count(int64(c.Targeted()), "agent"))
		sep := ": "
		for _, s := range []quaestor.State{quaestor.Matched, quaestor.Empty, quaestor.Partial} {
			if n := c.Count(s); n > 0 {
				fmt.Fprintf(&b, "%s%s %s", sep, Number(int64(n)), s)
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
		hosts = append(hosts, HostOf(a.Host, a.Agent))
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
	line := fmt.Sprintf("%s: %s (%s)", s, Number(int64(n)), strings.Join(hosts, ", "))
	if len(reasons) > 0 {
		line += ": " + value.EscapeText(reasons[0])
	}
	if len(reasons) > 1 {
		line += fmt.Sprintf("; and %s: --agents shows all", count(int64(len(reasons)-1), "other reason"))
	}
	return line + "\n"
}

// HostOf gives what an agent is called in a sentence.
func HostOf(host, agent string) string {
	if host == "" {
		return value.EscapeText(agent[:min(len(agent), shortAgent)])
	}
	return value.EscapeText(host)
}

// appendCoverage writes who answered as JSON, in the words of the gateway.
func appendCoverage(dst []byte, c quaestor.Coverage) []byte {
	dst = fmt.Appendf(dst, `{"targeted":%d,"answered":%d,"agents":[`, c.Targeted(), c.Answered())
	for i, a := range c.Agents {
		dst = appendString(append(comma(dst, i), `{"agent":`...), a.Agent)
		dst = appendString(append(dst, `,"host":`...), a.Host)
		dst = appendString(append(dst, `,"state":`...), a.State.String())
		if a.Reason != "" {
			dst = appendString(append(dst, `,"reason":`...), a.Reason)
		}
		dst = fmt.Appendf(dst, `,"rows":%d}`, a.Rows)
	}
	dst = append(dst, `],"doubts":[`...)
	for i, d := range c.Doubts {
		dst = appendString(comma(dst, i), d)
	}
	return append(dst, "]}"...)
}
