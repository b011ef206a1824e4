package faults

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
)

// last asks once more, of a fleet that nothing strikes any longer: every agent
// answers with all that it has.
func (f *fleet) last() {
	q, err := f.submit(-1)
	if err != nil {
		f.t.Error("the last plan: ", err)
		return
	}
	f.examine(q)
	for _, e := range f.agents {
		if q.final[e.name] != quaestor.Matched {
			f.t.Errorf("the last plan: %s is %s", e.name, q.final[e.name])
		}
	}
}

// examine takes the whole answer to a plan and looks at every row.
func (f *fleet) examine(q *query) {
	ctx, cancel := context.WithTimeout(f.t.Context(), recovery)
	defer cancel()
	o := client.FollowOptions{Wait: time.Minute}
	if f.broken.After(q.at) {
		o = client.FollowOptions{Stored: true} // who was acknowledged sends nothing again
	}
	rows, err := f.session.Follow(ctx, q.id, o)
	if err != nil {
		f.t.Errorf("plan %d, %s: %v", q.number, q.id, err)
		return
	}
	defer rows.Close()
	known := f.known()
	got, seen := map[string]int{}, map[string]bool{}
	bare := map[string]string{} // by row without a hash, whose it is
	for row, err := range rows.All() {
		if err != nil {
			f.t.Errorf("plan %d: %v", q.number, err)
			return
		}
		k := key(row)
		if known[k] && strings.HasSuffix(k, " ") { // it had no file left to open, and has to say so
			bare[k] = row.Text("host")
		}
		switch {
		case !known[k]:
			f.t.Errorf("plan %d: the row %q is nobody's", q.number, k)
		case seen[k]:
			f.t.Errorf("plan %d: the row %q comes twice", q.number, k)
		}
		seen[k] = true
		got[row.Text("host")]++
	}
	coverage, _ := rows.Coverage()
	f.account(q, coverage, got)
	for k, host := range bare {
		if q.final[host] != quaestor.Partial {
			f.t.Errorf("plan %d: the row %q has no hash, and its agent is %s", q.number, k, q.final[host])
		}
	}
	for k := range q.shown {
		if host, _, _ := strings.Cut(k, " "); !seen[k] && !f.mayLose(q, q.final[host]) {
			f.t.Errorf("plan %d: the row %q was shown, and is lost; its agent is %s", q.number, k, q.final[host])
		}
	}
}

// mayLose says whether a byte that a relay kept was changed after a plan was
// asked, and the agent whose rows are not there is said to have failed.
func (f *fleet) mayLose(q *query, s quaestor.State) bool {
	return f.broken.After(q.at) && s != quaestor.Matched && s != quaestor.Empty
}

// account looks at who is said to have answered.
func (f *fleet) account(q *query, c quaestor.Coverage, got map[string]int) {
	q.final, q.counts = map[string]quaestor.State{}, map[quaestor.State]int{}
	reasons := map[string]string{}
	for _, a := range c.Agents {
		q.final[a.Host], reasons[a.Host] = a.State, a.Reason
		q.counts[a.State]++
	}
	for _, e := range f.agents {
		s, why := q.final[e.name], reasons[e.name]
		bad := ""
		switch s {
		case quaestor.Matched:
			if got[e.name] != e.files {
				bad = fmt.Sprintf("says that it looked at everything, with %d rows of %d", got[e.name], e.files)
			}
		case quaestor.Failed, quaestor.Refused, quaestor.Partial:
			if why == "" {
				bad = "gives no reason"
			}
		case quaestor.Empty:
			bad = "says that it found nothing"
		default:
			if !f.broken.After(q.at) && !e.hurt.After(q.at) {
				bad = "has not ended its answer"
			}
		}
		if bad != "" {
			f.t.Errorf("plan %d, %s: %s is %s and %s: %s (asked at %s)", q.number, q.id, e.name, s, bad, why, q.at.UTC().Format("15:04:05.000"))
		}
	}
	for _, d := range c.Doubts {
		f.t.Errorf("plan %d: %s", q.number, d)
	}
}

// known gives every row that there is, and each as it is where its file could not
// be read.
func (f *fleet) known() map[string]bool {
	all := map[string]bool{}
	for _, e := range f.agents {
		for k := range e.files {
			all[e.name+" "+e.path(k)+" "+e.sum(k)] = true
			all[e.name+" "+e.path(k)+" "] = true
		}
	}
	return all
}

// tell sums up, and looks for processes that panicked.
func (f *fleet) tell(asked []*query) {
	total := map[quaestor.State]int{}
	for _, q := range asked {
		for s, n := range q.counts {
			total[s] += n
		}
	}
	lives := -len(f.agents)
	for _, e := range f.agents {
		lives += e.lives
		if text := e.crashed(); text != "" {
			f.t.Errorf("%s: %s", e.name, text)
		}
	}
	again := -len(f.relays)
	for _, c := range f.relays {
		again += c.lives
		if text := c.crashed(); text != "" {
			f.t.Errorf("%s: %s", c.name, text)
		}
	}
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(total)) {
		parts = append(parts, fmt.Sprintf("%d %s", total[s], s))
	}
	f.t.Logf("%d plans, %d answers: %s; agents were started again %d times, relays %d", len(asked), len(asked)*len(f.agents), strings.Join(parts, ", "), lives, again)
}
