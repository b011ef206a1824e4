package relay

import (
	"context"
	"fmt"
	"slices"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// doRollOut takes a stage of a release, and offers it to those whom it means.
func (r *Relay) doRollOut(ctx context.Context, s *transport.Stream) *message.Failure {
	text, failure := take(s, message.TypeEnvelope)
	if failure != nil {
		return failure
	}
	st, failure := r.admitRollOut(text)
	if failure != nil {
		return failure
	}
	rel, failure := r.keepRelease(ctx, st.payload.Release, func(record *releaseRecord) *message.Failure { return record.add(st) })
	if failure != nil {
		return failure
	}
	if err := r.logRelease(ctx, rel); err != nil {
		return storeFailure(err)
	}
	var out message.RolledOut
	r.mu.Lock()
	m := r.facts.matcher(st.target, r.now())
	for _, a := range r.agents {
		if !r.meets(m, a) {
			continue
		}
		if a.online() {
			out.Online++
		} else {
			out.Offline++
		}
	}
	r.mu.Unlock()
	r.offerUpgrades()
	_ = s.WriteFrame(message.TypeResult, message.Marshal(out))
	return nil
}

func (r *Relay) admitRollOut(text []byte) (*stage, *message.Failure) {
	e, err := signing.ParseEnvelope(text)
	if err != nil {
		return nil, &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	r.mu.Lock()
	_, err = r.policy.AdmitRollOut(e, r.now())
	r.mu.Unlock()
	if err != nil {
		return nil, &message.Failure{Code: message.FailDenied, Reason: err.Error()}
	}
	st, err := restoredStage(text)
	if err != nil {
		return nil, &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	return st, nil
}

// add adds a stage to a release that has all of its programs.
func (r *releaseRecord) add(st *stage) *message.Failure {
	version := st.payload.Release
	unknown := &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("there is no release %s here with all of its programs: quaestor release publish sends them", version)}
	if !r.Complete {
		return unknown
	}
	rel, err := restoredRelease(*r)
	switch {
	case err != nil:
		return unknown
	case rel.manifest != st.payload.Manifest:
		return &message.Failure{Code: message.FailDenied, Reason: fmt.Sprintf("the roll-out is that of another release %s than the one that was published", version)}
	}
	for _, have := range rel.stages {
		if have.sum == st.sum {
			return nil
		}
		if have.payload.Number == st.payload.Number {
			return &message.Failure{Code: message.FailExists, Reason: fmt.Sprintf("release %s has a stage %d already, and it is another one", version, st.payload.Number)}
		}
	}
	if len(rel.stages) >= maxStages {
		return &message.Failure{Code: message.FailLimit, Reason: fmt.Sprintf("release %s has %d stages already", version, maxStages)}
	}
	r.RollOuts = append(slices.Clone(r.RollOuts), st.envelope)
	return nil
}

// meets says whether the target of a stage is true of an agent, as far as that
// can be told from here.
func (r *Relay) meets(m *matcher, a *agent) bool {
	return (m.plan.Source == "fleet" || m.plan.Source == "host") && r.isFor(m, a)
}
