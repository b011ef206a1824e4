package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// An agentRecord is what the spine keeps of an agent.
type agentRecord struct {
	Membership []byte    `json:"membership"`
	Facts      []byte    `json:"facts"`
	Seen       time.Time `json:"seen"`
	Software   string    `json:"software"`
	Policy     int64     `json:"policy"`
}

// An agent is one that enrolled. Relay.mu guards it.
type agent struct {
	id      message.ID
	record  agentRecord
	member  signing.Member
	facts   factSet // with the administrator's tags; nil: it has told none
	factsAt time.Time
	// revision is of the record on the spine; 0: it is not there yet.
	revision uint64
	session  *agentSession // here
	at       *peer         // the other relay that it is connected to; nil: none
}

// online says whether an agent is connected, to whichever relay.
func (a *agent) online() bool { return a.session != nil || a.at != nil }

// described gives what investigators are told of an agent.
func (a *agent) described() message.Agent {
	return message.Agent{
		Agent: a.id, Membership: a.record.Membership, Facts: a.record.Facts, Online: a.online(),
		Seen: a.record.Seen, Software: a.record.Software, Policy: a.record.Policy,
	}
}

// learn takes facts that an agent signed.
func (r *Relay) learn(a *agent, statement []byte) error {
	s, err := signing.DecodeStatement(statement)
	if err != nil {
		return err
	}
	if err := s.Verify(a.member.Public); err != nil {
		return err
	}
	return r.know(a, s, statement)
}

// know takes what is in a statement that the agent signed.
func (r *Relay) know(a *agent, s *signing.Statement, statement []byte) error {
	if s.Kind != kindFacts {
		return fmt.Errorf("a statement of kind %.32q instead of facts", s.Kind)
	}
	facts, err := plan.DecodeFacts(s.Payload)
	if err != nil {
		return err
	}
	if s.At.Before(a.factsAt) {
		return nil // what it said before comes late
	}
	for tag, text := range a.member.Tags {
		facts["tags."+tag] = value.NewText(text)
	}
	before := a.facts
	a.factsAt, a.record.Facts, a.facts = s.At, statement, r.facts.add(facts)
	r.facts.drop(before)
	return nil
}

// takeMember takes what any relay keeps of an agent.
func (r *Relay) takeMember(_ context.Context, key string, m spineMessage) error {
	id, err := signing.ParseID(key)
	if err == nil && r.saw(id, m.sequence) {
		return nil
	}
	var record agentRecord
	if err == nil && !m.gone() {
		err = json.Unmarshal(m.data, &record)
	}
	if err != nil || m.gone() {
		if err != nil {
			r.log.Error("an agent is left out that the spine has", "agent", key, "why", err)
		}
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.agents[id]
	if a == nil {
		a = &agent{id: id, record: agentRecord{Membership: record.Membership}}
		if err := r.admit(a); err != nil {
			r.log.Info("agent left out", "agent", key, "why", err)
			return nil
		}
		r.agents[id] = a
		for _, p := range r.peers {
			if _, ok := p.here[id]; ok {
				a.at = p // that was told before
			}
		}
	}
	if a.session == nil && string(a.record.Membership) != string(record.Membership) {
		// It enrolled again, at another relay.
		fresh := &agent{id: id, record: agentRecord{Membership: record.Membership}}
		if r.admit(fresh) == nil {
			a.member, a.record.Membership = fresh.member, record.Membership
		}
	}
	a.merge(record)
	a.revision = max(a.revision, m.sequence)
	if err := r.relearn(a, record.Facts); err != nil {
		r.log.Warn("facts left out", "agent", key, "why", err)
	}
	return nil
}

// saw says whether what the spine has of an agent is what was written from here.
func (r *Relay) saw(id message.ID, sequence uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.agents[id]
	return a != nil && a.revision >= sequence
}

// merge takes from a record what is newer in it, but for the facts.
func (a *agent) merge(record agentRecord) {
	if a.session == nil && !record.Seen.Before(a.record.Seen) {
		a.record.Software, a.record.Policy = record.Software, record.Policy
	}
	if record.Seen.After(a.record.Seen) {
		a.record.Seen = record.Seen
	}
}

// relearn takes facts that a relay has kept. Where that was this one, in its own
// folder, they were verified before: ten thousand signatures are a second of each
// start.
func (r *Relay) relearn(a *agent, statement []byte) error {
	if statement == nil || string(statement) == string(a.record.Facts) {
		return nil
	}
	if !r.spine.records.together {
		return r.learn(a, statement)
	}
	s, err := signing.DecodeStatement(statement)
	if err != nil {
		return err
	}
	return r.know(a, s, statement)
}

// admit checks an agent's chain by the policy.
func (r *Relay) admit(a *agent) error {
	m, err := signing.DecodeMembership(a.record.Membership)
	if err != nil {
		return err
	}
	if a.member, err = r.policy.Member(m); err != nil {
		return err
	}
	if a.member.Agent != a.id {
		return fmt.Errorf("the chain is that of agent %s", a.member.Agent)
	}
	return nil
}

// keepAgent writes what is known of an agent to the spine. Where another relay
// has written since, what is newer of both is kept.
func (r *Relay) keepAgent(ctx context.Context, a *agent) error {
	for {
		r.mu.Lock()
		text, err := json.Marshal(a.record)
		before := a.revision
		r.mu.Unlock()
		if err != nil {
			return err
		}
		now, err := r.keepRecord(ctx, a.id, text, before)
		if err == nil {
			r.mu.Lock()
			a.revision = max(a.revision, now)
			r.mu.Unlock()
			return nil
		}
		if !errors.Is(err, errSwapped) {
			return err
		}
		if err := r.catchUp(ctx, r.spine.agents, r.members); err != nil {
			return err
		}
		r.mu.Lock()
		stuck := a.revision == before
		r.mu.Unlock()
		if stuck {
			return fmt.Errorf("agent %s: %w, and what it kept is not to be read", a.id, err)
		}
	}
}

// keepRecord writes an agent's record, with those of others that come.
func (r *Relay) keepRecord(ctx context.Context, id message.ID, text []byte, before uint64) (uint64, error) {
	if !r.spine.records.together {
		return r.spine.agents.swap(ctx, id.String(), text, before)
	}
	return r.spine.agents.swapTogether(ctx, r.spine.records, id.String(), text, before)
}

// tryKeepAgent is keepAgent for what the agent will tell again.
func (r *Relay) tryKeepAgent(ctx context.Context, a *agent) {
	if err := r.keepAgent(ctx, a); err != nil && ctx.Err() == nil {
		r.log.Error("an agent's facts were not kept", "agent", a.id, "why", err)
	}
}
