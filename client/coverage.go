package client

import (
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

// state says how far an agent has come; mu of the answers is held.
func (a *answering) state(ended bool) (quaestor.State, string) {
	switch s := a.summary; {
	case a.fault != nil:
		return quaestor.Failed, clean(a.fault.Error())
	case !a.final && a.every > 0 && s != nil:
		return a.stateOfRound(ended)
	case a.final && s == nil:
		return quaestor.Failed, "its answer has no account"
	case a.final:
		switch s.Outcome {
		case answer.Complete:
			if s.Matched > 0 || a.rows > 0 {
				return quaestor.Matched, ""
			}
			return quaestor.Empty, ""
		case answer.Partial:
			return quaestor.Partial, clean(s.Reason)
		case answer.Refused:
			return quaestor.Refused, clean(s.Reason)
		}
		return quaestor.Failed, clean(s.Reason)
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

// stateOfRound is the state of an agent that repeats a plan: that of its last
// round, as long as the next one is not overdue.
func (a *answering) stateOfRound(ended bool) (quaestor.State, string) {
	s := a.summary
	reason := fmt.Sprintf("round %d", s.Round)
	if late := time.Since(a.heard) - a.every - a.longest; late > 0 && !ended {
		return quaestor.Silent, fmt.Sprintf("%s was its last, and the next is overdue by %s", reason, late.Round(time.Second))
	}
	if why := clean(s.Reason); why != "" {
		reason = why
	}
	switch {
	case s.Outcome == answer.Complete && a.rows > 0:
		return quaestor.Matched, ""
	case s.Outcome == answer.Complete:
		return quaestor.Empty, ""
	case s.Outcome == answer.Partial:
		return quaestor.Partial, reason
	case s.Outcome == answer.Refused:
		return quaestor.Refused, reason
	}
	return quaestor.Failed, reason
}

// Coverage says who answered: of several queries the least good.
func (f *following) Coverage() quaestor.Coverage {
	f.mu.Lock()
	defer f.mu.Unlock()
	var c quaestor.Coverage
	at := map[message.ID]int{}
	order := quaestor.States()
	for _, p := range f.plans {
		for id, a := range p.agents {
			state, reason := a.state(f.ended)
			one := quaestor.Agent{Agent: id.String(), Host: a.host, State: state, Reason: reason, Rows: a.rows}
			if a.summary != nil {
				one.Round, one.At = a.summary.Round, a.summary.At
				one.Skipped = slices.Clone(a.summary.Skipped)
			}
			i, known := at[id]
			if !known {
				at[id] = len(c.Agents)
				c.Agents = append(c.Agents, one)
				continue
			}
			have := &c.Agents[i]
			have.Rows += one.Rows
			have.Skipped = append(have.Skipped, one.Skipped...)
			worse := slices.Index(order, one.State) - slices.Index(order, have.State)
			if one.State == quaestor.Matched && have.State == quaestor.Empty || worse > 0 && (one.State != quaestor.Empty || have.State != quaestor.Matched) {
				have.State, have.Reason = one.State, one.Reason
			}
		}
	}
	c.Sort()
	c.Doubts = f.doubtsLocked()
	return c
}

// doubtsLocked gives the reasons to think that this is not all.
func (f *following) doubtsLocked() []string {
	doubts := f.session.Doubts()
	members := map[signing.ID]map[message.ID]int{}
	for _, p := range f.plans {
		for _, id := range slices.SortedFunc(maps.Keys(p.strangers), func(a, b message.ID) int { return cmp.Compare(a.String(), b.String()) }) {
			doubts = append(doubts, fmt.Sprintf("the relay names agent %s, which is none: %s", id, clean(p.strangers[id].Error())))
		}
		for id, a := range p.agents {
			if members[a.member.Token] == nil {
				members[a.member.Token] = map[message.ID]int{}
			}
			members[a.member.Token][id] = a.member.Uses
		}
		if len(p.hidden) > 0 {
			doubts = append(doubts, fmt.Sprintf("the relay does not name %s, known here and meant by the target: %s", count(len(p.hidden), "agent"), strings.Join(p.hidden[:min(5, len(p.hidden))], ", ")))
		}
		doubts = append(doubts, p.doubts...)
	}
	for token, agents := range members {
		for _, uses := range agents {
			if len(agents) > uses {
				doubts = append(doubts, fmt.Sprintf("%s have enrolled with token %s, which is for %d", count(len(agents), "agent"), token, uses))
			}
			break
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
	for _, p := range f.plans {
		p.hidden = nil
		switch {
		case f.cut: // the reader had what he wanted before everyone was named
			continue
		case !p.caughtUp:
			p.doubts = append(p.doubts, "the relay had not named every agent when the answer ended")
			continue
		}
		for id, k := range f.session.opts.home.remembered() {
			if p.agents[id] != nil {
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
		out = append(out, p.summary(f.ended, doubts))
	}
	return out
}

// shownPlaces is how many places of a kind an account names.
const shownPlaces = 10

func (p *followed) summary(ended, doubts bool) answer.Summary {
	s := answer.Summary{Outcome: answer.Complete, Looked: map[string]int64{}}
	kinds := map[modules.SkipKind]*answer.Skipped{}
	answered := 0
	for _, a := range p.agents {
		state, _ := a.state(ended)
		if state == quaestor.Matched || state == quaestor.Empty {
			answered++
		} else {
			s.Outcome = answer.Partial
		}
		s.Matched += a.rows
		if a.summary == nil {
			continue
		}
		for kind, n := range a.summary.Looked {
			s.Looked[kind] += n
		}
		s.Limits = append(s.Limits, a.summary.Limits...)
		for _, k := range a.summary.Skipped {
			add(kinds, k, a.host)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		s.Skipped = append(s.Skipped, *kinds[kind])
	}
	slices.Sort(s.Limits)
	s.Limits = slices.Compact(s.Limits)
	switch {
	case len(p.agents) == 0:
		s.Outcome, s.Reason = answer.Partial, "the target names no agent"
	case s.Outcome != answer.Complete:
		s.Reason = fmt.Sprintf("%d of %s answered in full", answered, count(len(p.agents), "agent"))
	case doubts:
		s.Outcome, s.Reason = answer.Partial, "there are doubts whether these are all agents"
	}
	return s
}

func add(kinds map[modules.SkipKind]*answer.Skipped, k answer.Skipped, host string) {
	to := kinds[k.Kind]
	if to == nil {
		to = &answer.Skipped{Kind: k.Kind}
		kinds[k.Kind] = to
	}
	to.Count += k.Count
	for _, f := range k.First {
		if len(to.First) == shownPlaces {
			return
		}
		f.Where = host + ":" + f.Where
		to.First = append(to.First, f)
	}
}
