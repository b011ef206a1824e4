package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Bounds of releases.
const (
	maxReleases = 16 // that are kept
	maxStages   = 64 // roll-outs of one
)

// A releaseRecord is what the spine keeps of a release beside its programs.
type releaseRecord struct {
	Envelope []byte   `json:"envelope"`
	RollOuts [][]byte `json:"roll_outs,omitempty"`
	Complete bool     `json:"complete"` // all programs are there, and are those that were signed
}

// A release is one that was published. Relay.mu guards it.
type release struct {
	record   releaseRecord
	payload  *signing.Release
	manifest translog.Sum
	stages   []*stage
	revision uint64 // of the record on the spine
}

// A stage is a roll-out of a release.
type stage struct {
	envelope []byte
	sum      translog.Sum
	payload  *signing.RollOut
	target   *plan.Plan
}

// takeRelease takes what any relay keeps of a release.
func (r *Relay) takeRelease(_ context.Context, version string, m spineMessage) error {
	if m.gone() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.releases, version)
		return nil
	}
	var record releaseRecord
	err := json.Unmarshal(m.data, &record)
	var rel *release
	if err == nil {
		rel, err = restoredRelease(record)
	}
	if err != nil {
		r.log.Error("a release is left out that the spine has", "release", version, "why", err)
		return nil
	}
	rel.revision = m.sequence
	r.mu.Lock()
	r.releases[version] = rel
	r.mu.Unlock()
	r.offerUpgrades()
	return nil
}

// restoredRelease makes a release of what was verified when it came.
func restoredRelease(record releaseRecord) (*release, error) {
	e, err := signing.ParseEnvelope(record.Envelope)
	if err != nil {
		return nil, err
	}
	payload, err := signing.DecodeRelease(e.Payload)
	if err != nil {
		return nil, err
	}
	rel := &release{record: record, payload: payload, manifest: translog.SumOf(e.Payload)}
	for _, text := range record.RollOuts {
		s, err := restoredStage(text)
		if err != nil {
			return nil, err
		}
		rel.stages = append(rel.stages, s)
	}
	return rel, nil
}

func restoredStage(text []byte) (*stage, error) {
	e, err := signing.ParseEnvelope(text)
	if err != nil {
		return nil, err
	}
	payload, err := signing.DecodeRollOut(e.Payload)
	if err != nil {
		return nil, err
	}
	target, err := plan.Decode(payload.Compiled)
	if err != nil {
		return nil, err
	}
	return &stage{envelope: text, sum: translog.SumOf(text), payload: payload, target: target}, nil
}

// keepRelease changes what the spine has of a release, at whichever relay it
// was changed before, and gives what this relay then knows of it. A change that
// gives a failure is not made.
func (r *Relay) keepRelease(ctx context.Context, version string, change func(*releaseRecord) *message.Failure) (*release, *message.Failure) {
	for {
		var record releaseRecord
		var before uint64
		r.mu.Lock()
		if rel := r.releases[version]; rel != nil {
			record, before = rel.record, rel.revision
		}
		r.mu.Unlock()
		if failure := change(&record); failure != nil {
			return nil, failure
		}
		text, err := json.Marshal(record)
		var now uint64
		if err == nil {
			now, err = r.spine.releases.swap(ctx, version, text, before)
		}
		switch {
		case err == nil:
			err = r.rollOuts.until(ctx, now)
		case errors.Is(err, errSwapped):
			if err = r.catchUp(ctx, r.spine.releases, r.rollOuts); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, storeFailure(err)
		}
		r.mu.Lock()
		rel := r.releases[version]
		r.mu.Unlock()
		if rel == nil {
			return nil, &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("release %s was withdrawn", version)}
		}
		return rel, nil
	}
}

// doRelease takes a release with its programs. What of these is there already is
// not sent again.
func (r *Relay) doRelease(ctx context.Context, s *transport.Stream) *message.Failure {
	text, failure := take(s, message.TypeEnvelope)
	if failure != nil {
		return failure
	}
	if !r.publishing.TryLock() {
		return &message.Failure{Code: message.FailLimit, Reason: "another release is being published at this moment; try again"}
	}
	defer r.publishing.Unlock()
	rel, failure := r.admitRelease(text)
	if failure != nil {
		return failure
	}
	missing, err := r.missing(ctx, rel.payload)
	if err != nil {
		return storeFailure(err)
	}
	if s.WriteFrame(message.TypeResult, message.Marshal(missing)) != nil {
		return nil
	}
	// It is there before its programs are, so that they belong to somebody.
	_, failure = r.keepRelease(ctx, rel.payload.Release, func(record *releaseRecord) *message.Failure {
		if record.Envelope != nil {
			return rel.same(record.Envelope)
		}
		record.Envelope = text
		return nil
	})
	if failure != nil {
		return failure
	}
	for _, p := range missing.Programs {
		if failure := r.takeProgram(ctx, s, rel.payload, p); failure != nil {
			return failure
		}
	}
	for _, f := range rel.payload.Files {
		if failure := r.checkProgram(ctx, f); failure != nil {
			return failure
		}
	}
	whole, failure := r.keepRelease(ctx, rel.payload.Release, func(record *releaseRecord) *message.Failure {
		if record.Envelope == nil {
			return &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("release %s was withdrawn", rel.payload.Release)}
		}
		record.Complete = true
		return rel.same(record.Envelope)
	})
	if failure != nil {
		return failure
	}
	if err := r.logRelease(ctx, whole); err != nil {
		return storeFailure(err)
	}
	r.offerUpgrades()
	return nil
}

// same fails where another release was published under the same version.
func (l *release) same(text []byte) *message.Failure {
	if have, err := restoredRelease(releaseRecord{Envelope: text}); err != nil || have.manifest != l.manifest {
		return &message.Failure{Code: message.FailExists, Reason: fmt.Sprintf("release %s was published already, as another one: versions only grow", l.payload.Release)}
	}
	return nil
}

// admitRelease verifies a release, so that nonsense costs agents nothing. One
// that is there already, with the same text, is given.
func (r *Relay) admitRelease(text []byte) (*release, *message.Failure) {
	e, err := signing.ParseEnvelope(text)
	if err != nil {
		return nil, &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	payload, err := r.policy.VerifyRelease(e, r.now())
	if err != nil {
		return nil, &message.Failure{Code: message.FailDenied, Reason: err.Error()}
	}
	rel := &release{record: releaseRecord{Envelope: text}, payload: payload, manifest: translog.SumOf(e.Payload)}
	switch have := r.releases[payload.Release]; {
	case have == nil && len(r.releases) >= maxReleases:
		return nil, &message.Failure{Code: message.FailLimit, Reason: fmt.Sprintf("there are %d releases; withdraw some", maxReleases)}
	case have == nil:
		return rel, nil
	default:
		return have, have.same(text)
	}
}

// logRelease puts a release and its stages into the log, where there is one.
func (r *Relay) logRelease(ctx context.Context, rel *release) error {
	r.mu.Lock()
	type item struct {
		entry    translog.Entry
		envelope []byte
	}
	items := []item{{translog.Entry{Kind: translog.KindRelease, Name: rel.payload.Release, At: r.now()}, rel.record.Envelope}}
	for _, s := range rel.stages {
		name := fmt.Sprintf("%s/%d", rel.payload.Release, s.payload.Number)
		items = append(items, item{translog.Entry{Kind: translog.KindRollOut, Name: name, At: r.now()}, s.envelope})
	}
	r.mu.Unlock()
	for _, i := range items {
		if r.ledger.holds(translog.SumOf(i.envelope), false) {
			continue
		}
		if err := r.ledger.add(ctx, i.entry, i.envelope); err != nil {
			return err
		}
	}
	return nil
}

// logReleases puts those into the log that were taken before there was one.
func (r *Relay) logReleases() {
	r.mu.Lock()
	var all []*release
	for _, rel := range r.releases {
		if rel.record.Complete {
			all = append(all, rel)
		}
	}
	r.mu.Unlock()
	for _, rel := range all {
		if err := r.logRelease(r.life, rel); err != nil {
			r.log.Error("a release could not be put into the log, and is offered to nobody", "release", rel.payload.Release, "why", err)
			return
		}
	}
}

// offerUpgrades offers every agent what is newest for it.
func (r *Relay) offerUpgrades() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.agents {
		r.offerUpgrade(a)
	}
}

// opened says whether the window of a stage opened between two times.
func (r *Relay) opened(since, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rel := range r.releases {
		for _, s := range rel.stages {
			if s.payload.NotBefore.After(since) && !s.payload.NotBefore.After(now) {
				return true
			}
		}
	}
	return false
}

// offerUpgrade offers an agent the newest release that a stage of it means it
// for, once over each connection; mu is held.
func (r *Relay) offerUpgrade(a *agent) {
	if a.session == nil || !a.session.greeted || a.facts == nil || len(r.releases) == 0 {
		return
	}
	var best *release
	var at *stage
	for _, rel := range r.releases {
		if !rel.record.Complete || !signing.Newer(rel.payload.Release, a.record.Software) || best != nil && !signing.Newer(rel.payload.Release, best.payload.Release) {
			continue
		}
		if s := r.stageFor(rel, a); s != nil {
			best, at = rel, s
		}
	}
	if best == nil || a.session.upgrade == at.sum {
		return
	}
	a.session.upgrade = at.sum
	a.session.send(message.TypeUpgrade, message.Marshal(message.Upgrade{Release: best.record.Envelope, RollOut: at.envelope}))
}

// stageFor gives the latest stage of a release that is open, in the log where
// it must be, and means an agent.
func (r *Relay) stageFor(rel *release, a *agent) *stage {
	now, rule := r.now(), r.policy.Log()
	proof := rule != nil && rule.Required
	if !r.ledger.holds(translog.SumOf(rel.record.Envelope), proof) || !now.Before(rel.payload.Expires) {
		return nil
	}
	for _, s := range slices.Backward(rel.stages) {
		if !now.Before(s.payload.NotBefore) && now.Before(s.payload.Expires) && r.ledger.holds(s.sum, proof) && r.meets(r.facts.matcher(s.target, r.now()), a) {
			return s
		}
	}
	return nil
}

// listReleases sends all releases, the newest first.
func (r *Relay) listReleases(s *transport.Stream) *message.Failure {
	r.mu.Lock()
	var all []message.Release
	var versions []string
	for version := range r.releases {
		versions = append(versions, version)
	}
	slices.SortFunc(versions, func(a, b string) int {
		if signing.Newer(a, b) {
			return -1
		}
		return strings.Compare(b, a)
	})
	for _, version := range versions {
		rec := r.releases[version].record
		all = append(all, message.Release{Envelope: rec.Envelope, RollOuts: rec.RollOuts, Complete: rec.Complete})
	}
	r.mu.Unlock()
	for _, rel := range all {
		if s.WriteFrame(message.TypeRelease, message.Marshal(rel)) != nil {
			return nil
		}
	}
	return nil
}

// withdraw forgets a release, for an administrator: it is offered to nobody any
// more, and who is fetching it gets no further.
func (r *Relay) withdraw(ctx context.Context, version string, who signing.Principal) *message.Failure {
	r.mu.Lock()
	_, isAdmin := r.policy.Administrator(who.Key.Fingerprint())
	rel := r.releases[version]
	if isAdmin && rel != nil {
		delete(r.releases, version)
	}
	r.mu.Unlock()
	switch {
	case !isAdmin:
		return &message.Failure{Code: message.FailDenied, Reason: "administrators withdraw releases"}
	case rel == nil:
		return &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("there is no release %.80q", version)}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := r.spine.releases.Purge(ctx, version); err != nil {
		return storeFailure(err)
	}
	if err := r.forgetPrograms(ctx, rel.payload); err != nil {
		return storeFailure(err)
	}
	return nil
}

// takeWell hears an agent whose program is tried.
func (s *agentSession) takeWell(body []byte) error {
	st, err := signing.DecodeStatement(body)
	if err != nil {
		return err
	}
	s.relay.mu.Lock()
	public := s.agent.member.Public
	s.relay.mu.Unlock()
	if err := st.Verify(public); err != nil {
		return err
	}
	if st.Kind != message.KindWell {
		return fmt.Errorf("a statement of kind %.32q instead of how it is", st.Kind)
	}
	w, err := message.WellOf(st)
	if err != nil {
		return err
	}
	s.relay.log.Info("a release is well", "agent", s.agent.id, "release", w.Release)
	s.send(message.TypeHeard, message.Marshal(translog.SumOf(body)))
	return nil
}
