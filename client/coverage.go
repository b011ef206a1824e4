package client

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

func isNamed(hosts []string, f *FleetAgent) bool {
	return slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, f.Host) || h == f.ID.String() })
}

// state says how far an agent has come; mu of its lane is held.
func (a *answering) state(f *following, p *followed, ended bool) (quaestor.State, string) {
	switch {
	case a.fault != nil:
		return quaestor.Failed, clean(cut(a.fault.Error(), maxReason))
	case !a.final && p.every > 0 && a.outcome != 0:
		return a.stateOfRound(p, f.moment())
	case a.final && a.outcome == 0:
		return quaestor.Failed, "its answer has no account"
	case a.final:
		return a.judged(a.matched || a.rows > 0, a.reason())
	case a.reached && ended:
		return quaestor.Silent, "it was reached, and its answer has not ended"
	case a.reached:
		return quaestor.Reached, ""
	case a.online && ended:
		return quaestor.Silent, "it is connected, and did not say that it has the question"
	case a.online:
		return quaestor.Reached, ""
	}
	return quaestor.Offline, ""
}

// judged is the state of an agent by its account.
func (a *answering) judged(matched bool, reason string) (quaestor.State, string) {
	switch {
	case a.outcome == answer.Complete && matched:
		return quaestor.Matched, ""
	case a.outcome == answer.Complete:
		return quaestor.Empty, ""
	case a.outcome == answer.Partial:
		return quaestor.Partial, reason
	case a.outcome == answer.Refused:
		return quaestor.Refused, reason
	}
	return quaestor.Failed, reason
}

// reason is why the account is not complete.
func (a *answering) reason() string {
	if a.more == nil {
		return ""
	}
	why := clean(a.more.reason)
	if a.more.unnamed && why != "" {
		why += "; where is counted, and not named: there were too many places"
	}
	return why
}

// stateOfRound is the state of an agent that repeats a plan: that of its last
// round, as long as the next one is not overdue and the plan may go on.
func (a *answering) stateOfRound(p *followed, m moment) (quaestor.State, string) {
	reason, at := "round 0", time.Time{}
	if a.more != nil {
		reason, at = fmt.Sprintf("round %d", a.more.round), a.more.at
	}
	late := m.listened - a.heard - p.every - p.longest
	if !at.IsZero() { // it may have been heard just now, and be of yesterday
		late = max(late, m.at.Sub(at)-p.every-2*p.longest-signing.Leeway)
	}
	switch {
	case late > 0:
		return quaestor.Silent, fmt.Sprintf("%s was its last, and the next is overdue by %s", reason, late.Round(time.Second))
	case m.at.After(p.payload.Expires.Add(p.longest + signing.Leeway)):
		return quaestor.Silent, reason + " was its last, and its answer has not ended with the plan's window"
	}
	if why := a.reason(); why != "" {
		reason = why
	}
	return a.judged(a.rows > 0, reason)
}

// A moment is when somebody looks at who has answered: now, or the end of the
// answers once they have ended.
type moment struct {
	listened time.Duration // by the clock
	at       time.Time     // without the time for which it stood
}

// moment gives it; mu is held.
func (f *following) moment() moment {
	if f.ended {
		return f.last
	}
	listened, stood, _ := f.clock.read()
	return moment{listened, f.session.opts.now().Add(-stood)}
}

// least says whether of two states of one agent, in several queries, the second
// is the one to tell: the least good.
func least(have, one quaestor.State) bool {
	if one == quaestor.Matched || one == quaestor.Empty {
		return one == quaestor.Matched && have == quaestor.Empty
	}
	order := quaestor.States()
	return slices.Index(order, one) > slices.Index(order, have)
}

// described is an agent as coverage names it; mu of the lane is held.
func (a *answering) described(f *following, p *followed, id message.ID) quaestor.Agent {
	state, reason := a.state(f, p, f.ended)
	one := quaestor.Agent{Agent: id.String(), Host: a.host, State: state, Reason: reason, Rows: a.rows}
	if a.more != nil {
		one.Round, one.At, one.Skipped = a.more.round, a.more.at, slices.Clone(a.more.skipped)
	}
	return one
}

// Coverage says who answered: of several queries the least good.
func (f *following) Coverage() quaestor.Coverage {
	f.mu.Lock()
	defer f.mu.Unlock()
	var c quaestor.Coverage
	for _, l := range f.lanes {
		c.Agents = l.cover(f, c.Agents)
	}
	c.Sort()
	c.Doubts = f.doubtsLocked()
	return c
}

// cover adds the lane's agents.
func (l *lane) cover(f *following, agents []quaestor.Agent) []quaestor.Agent {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := map[message.ID]int{}
	for _, p := range f.plans {
		agents = slices.Grow(agents, len(l.parts[p.index].agents))
		for id, a := range l.parts[p.index].agents {
			one := a.described(f, p, id)
			i, known := at[id]
			if !known {
				if len(f.plans) > 1 {
					at[id] = len(agents)
				}
				agents = append(agents, one)
				continue
			}
			have := &agents[i]
			have.Rows += one.Rows
			have.Skipped = append(have.Skipped, one.Skipped...)
			if least(have.State, one.State) {
				have.State, have.Reason = one.State, one.Reason
			}
		}
	}
	return agents
}

// Tally counts what Coverage names.
func (f *following) Tally() quaestor.Tally {
	f.mu.Lock()
	defer f.mu.Unlock()
	var t quaestor.Tally
	for _, l := range f.lanes {
		l.tally(f, &t)
	}
	return t
}

func (l *lane) tally(f *following, t *quaestor.Tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, p := range f.plans {
		for id, a := range l.parts[p.index].agents {
			if l.before(i, id) {
				continue
			}
			state, _ := a.state(f, p, f.ended)
			for _, q := range f.plans[i+1:] {
				if b := l.parts[q.index].agents[id]; b != nil {
					if s, _ := b.state(f, q, f.ended); least(state, s) {
						state = s
					}
				}
			}
			t[state]++
		}
	}
}

// before says whether an agent is one of an earlier plan; mu is held.
func (l *lane) before(plan int, id message.ID) bool {
	return slices.ContainsFunc(l.parts[:plan], func(p part) bool { return p.agents[id] != nil })
}

// Progress says what agents have looked at, as far as their accounts came, and
// how many rows they sent.
func (f *following) Progress() (map[string]int64, int64) {
	looked, rows := map[string]int64{}, int64(0)
	for _, l := range f.lanes {
		l.mu.Lock()
		for i := range l.parts {
			for kind, n := range l.parts[i].looked {
				looked[kind] += n
			}
			rows += l.parts[i].rows
		}
		l.mu.Unlock()
	}
	return looked, rows
}

// doubtsLocked gives the reasons to think that this is not all.
func (f *following) doubtsLocked() []string {
	doubts := f.session.Doubts()
	for _, p := range f.plans {
		if len(p.hidden) > 0 {
			doubts = append(doubts, fmt.Sprintf("the relay does not name %s, known here and meant by the target: %s", count(len(p.hidden), "agent"), strings.Join(p.hidden[:min(5, len(p.hidden))], ", ")))
		}
		doubts = append(doubts, p.doubts...)
	}
	enrolled, crowd := map[token]int{}, int64(0)
	maps.Copy(enrolled, f.unnamed)
	for _, l := range f.lanes {
		l.mu.Lock()
		for i := range l.parts {
			for id, why := range l.parts[i].strangers {
				doubts = append(doubts, fmt.Sprintf("the relay names agent %s, which is none: %s", id, clean(why)))
			}
			crowd += l.parts[i].crowd
			for id, a := range l.parts[i].agents {
				if i == 0 || !l.before(i, id) {
					enrolled[*a.token]++
				}
			}
		}
		l.mu.Unlock()
	}
	if crowd > 0 {
		doubts = append(doubts, fmt.Sprintf("the relay names further agents that are none, %d times", crowd))
	}
	for t, n := range enrolled {
		if n > t.uses {
			doubts = append(doubts, fmt.Sprintf("%s have enrolled with token %s, which is for %d", count(n, "agent"), t.id, t.uses))
		}
	}
	slices.Sort(doubts)
	return slices.Compact(doubts)
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// findHidden looks for agents that were seen before, that the target means,
// and that the relay did not name.
func (f *following) findHidden() {
	now := f.session.opts.now()
	policy := f.session.Policy()
	all := f.session.opts.home.remembered()
	f.countUnnamed(all, f.session.opts.home.sumOf(policy))
	for _, p := range f.plans {
		p.hidden = nil
		switch {
		case f.cut: // the reader had what he wanted before everyone was named
			continue
		case !p.caughtUp:
			p.doubts = append(p.doubts, "the relay had not named every agent when the answer ended")
			continue
		}
		for id, k := range all {
			if f.names(p, id) || p.compiled.Source == "host" && k.By != nil && !isNamed(p.compiled.Hosts, &FleetAgent{ID: id, Host: k.By.Host}) {
				continue
			}
			a := describe(message.Agent{Agent: id, Membership: k.Membership, Facts: k.Facts, Seen: k.Seen}, policy)
			if a.Problem == nil && a.Meets(p.compiled, now) == value.True {
				p.hidden = append(p.hidden, hostOrID(a))
			}
		}
		slices.Sort(p.hidden)
	}
}

// countUnnamed counts by token the agents that are known here and were not named
// now: a relay could show some of those that it let in to one query, and others
// to the next.
func (f *following) countUnnamed(all map[message.ID]known, policy []byte) {
	f.unnamed = map[token]int{}
	for id, k := range all {
		named := slices.ContainsFunc(f.plans, func(p *followed) bool { return f.names(p, id) })
		if !named && k.By != nil && bytes.Equal(k.By.Policy, policy) {
			f.unnamed[token{k.By.Token, k.By.Uses}]++
		}
	}
}

// names says whether the relay named an agent.
func (f *following) names(p *followed, id message.ID) bool {
	l := f.laneOf(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parts[p.index].agents[id] != nil
}

func hostOrID(a FleetAgent) string {
	if a.Host != "" {
		return a.Host
	}
	return a.ID.String()
}

// Summaries gives the account of each query: complete only where every agent
// that the target names answered in full.
func (f *following) Summaries() []answer.Summary {
	f.mu.Lock()
	defer f.mu.Unlock()
	doubts := len(f.doubtsLocked()) > 0
	var out []answer.Summary
	for _, p := range f.plans {
		out = append(out, f.summary(p, doubts))
	}
	return out
}

// shownPlaces is how many places of a kind an account names.
const shownPlaces = 10

func (f *following) summary(p *followed, doubts bool) answer.Summary {
	s := answer.Summary{Outcome: answer.Complete, Looked: map[string]int64{}}
	kinds := map[modules.SkipKind]*answer.Skipped{}
	answered, named := 0, 0
	for _, l := range f.lanes {
		l.mu.Lock()
		part := &l.parts[p.index]
		for kind, n := range part.looked {
			s.Looked[kind] += n
		}
		s.Matched += part.rows
		named += len(part.agents)
		for _, a := range part.agents {
			if state, _ := a.state(f, p, f.ended); state == quaestor.Matched || state == quaestor.Empty {
				answered++
			}
			if a.more == nil {
				continue
			}
			s.Limits = append(s.Limits, a.more.limits...)
			if a.more.unnamed {
				s.Limits = append(s.Limits, limitPlaces)
			}
			for _, k := range a.more.skipped {
				add(kinds, k, a.host)
			}
		}
		l.mu.Unlock()
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		s.Skipped = append(s.Skipped, *kinds[kind])
	}
	slices.Sort(s.Limits)
	s.Limits = slices.Compact(s.Limits)
	switch {
	case named == 0:
		s.Outcome, s.Reason = answer.Partial, "the target names no agent"
	case answered < named:
		s.Outcome, s.Reason = answer.Partial, fmt.Sprintf("%d of %s answered in full", answered, count(named, "agent"))
	case doubts:
		s.Outcome, s.Reason = answer.Partial, "there are doubts whether these are all agents"
	}
	return s
}

// add adds what an agent left out for one reason. Of all places the first in
// their order are named, so that the account does not depend on who came first.
func add(kinds map[modules.SkipKind]*answer.Skipped, k answer.Skipped, host string) {
	to := kinds[k.Kind]
	if to == nil {
		to = &answer.Skipped{Kind: k.Kind}
		kinds[k.Kind] = to
	}
	to.Count += k.Count
	for _, f := range k.First {
		f.Where = host + ":" + f.Where
		i, _ := slices.BinarySearchFunc(to.First, f, func(a, b modules.Skip) int {
			return cmp.Or(strings.Compare(a.Where, b.Where), strings.Compare(a.Detail, b.Detail))
		})
		if i == shownPlaces {
			continue
		}
		to.First = slices.Insert(to.First[:min(len(to.First), shownPlaces-1)], i, f)
	}
}
