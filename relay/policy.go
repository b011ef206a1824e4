package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// The keys of policies in the spine: that of the one in force, and with a dot
// and a version behind it that of each policy that was before, and of each of
// those that changed the administrators.
const (
	keyPolicy = "policy"
	keyTurn   = "turn"
)

// maxTurns is how many policies may change the administrators: whoever comes
// from the first one takes them all. A weekly change fills it in ten years.
const maxTurns = 500

// A turn is a policy whose administrators are others than those of the one
// before it. The one before it is signed by nobody whom the later ones need, so
// that those who come from there take it first.
type turn struct {
	version  int64
	envelope []byte
}

// loadPolicy takes the policy of the spine, or at the first start that of the
// folder, which it puts there.
func (r *Relay) loadPolicy(ctx context.Context) error {
	text, err := r.cfg.firstPolicy()
	if err == nil {
		err = r.patient(ctx, func(ctx context.Context) error {
			_, err := r.spine.state.swap(ctx, keyPolicy, text, 0)
			if errors.Is(err, errSwapped) {
				return nil // there is one
			}
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("relay: the policy: %w", err)
	}
	r.states = r.mirrorOf(r.spine.state, r.takeState)
	if err := r.begin(ctx, r.states); err != nil {
		return err
	}
	if err := r.settle(ctx, r.spine.state, r.states); err != nil {
		return err
	}
	select {
	case err := <-r.fatal:
		return err
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.policy == nil {
		return errors.New("relay: the spine has no policy")
	}
	return nil
}

// takeState takes what relays keep of the fleet as a whole.
func (r *Relay) takeState(ctx context.Context, key string, m spineMessage) error {
	kind, rest, _ := strings.Cut(key, ".")
	switch {
	case m.gone():
	case key == keyPolicy:
		return r.takePolicy(ctx, m)
	case kind == keyTurn:
		if n, err := strconv.ParseInt(rest, 10, 64); err == nil {
			r.mu.Lock()
			r.turn(turn{n, m.data})
			r.mu.Unlock()
		}
	case kind == keyUse:
		r.takeUse(rest, m.sequence)
	case key == keyHead || key == keySigned:
		r.ledger.takeKept(key, m.data, m.sequence)
		r.offerLogged()
		r.offerUpgrades()
	}
	return nil
}

// takePolicy takes the policy that is in force: it is put into the log, then
// obeyed, and every agent is told. Agents that are members no more are let go.
// One that cannot be obeyed ends the relay.
func (r *Relay) takePolicy(ctx context.Context, m spineMessage) error {
	next, err := policyOf(m.data)
	if err != nil {
		r.fail(fmt.Errorf("relay: the policy: %w", err))
		return nil
	}
	r.mu.Lock()
	r.revision = m.sequence
	known := r.policy
	r.mu.Unlock()
	if known != nil && next.Version() <= known.Version() {
		return nil
	}
	if err := r.logPolicies(ctx, next, m.data); err != nil {
		if isFatal(err) {
			r.fail(err)
			return nil
		}
		r.log.Error("a policy is not obeyed yet: it could not be put into the log", "version", next.Version(), "why", err)
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.turnsTo(next) {
		r.turn(turn{next.Version(), m.data})
	}
	r.policy, r.envelope = next, m.data
	for _, p := range r.plans {
		p.notifyAll() // followers who are in it no more are let go
	}
	for id, a := range r.agents {
		err := r.admit(a)
		if a.session != nil && a.session.greeted {
			a.session.send(message.TypePolicy, m.data)
		}
		if err != nil {
			r.letGo(id, a, err)
		}
	}
	if known != nil {
		r.wg.Go(r.logPlans) // those that were taken before there was a log
		r.wg.Go(r.logReleases)
	}
	return nil
}

func policyOf(text []byte) (*signing.Policy, error) {
	e, err := signing.ParseEnvelope(text)
	if err != nil {
		return nil, err
	}
	return signing.ParsePolicy(e.Payload)
}

// turnsTo says whether a policy's administrators are others than those before
// it; mu is held.
func (r *Relay) turnsTo(next *signing.Policy) bool {
	before := r.policy
	if before == nil {
		if len(r.turns) == 0 {
			return true
		}
		// Since the last turn they were the same.
		last := r.turns[0]
		for _, t := range r.turns {
			if t.version < next.Version() {
				last = t
			}
		}
		var err error
		if before, err = policyOf(last.envelope); err != nil {
			return true
		}
	}
	return !before.SameAdministrators(next)
}

// turn notes a policy that changed the administrators; mu is held.
func (r *Relay) turn(t turn) {
	i, ok := slices.BinarySearchFunc(r.turns, t.version, func(t turn, v int64) int { return cmp.Compare(t.version, v) })
	if ok {
		r.turns[i] = t
		return
	}
	r.turns = slices.Insert(r.turns, i, t)
}

// newer gives the policies that lead from a version to the one in force, in
// order: those that changed the administrators, and that one. mu is held.
func (r *Relay) newer(version int64) [][]byte {
	var out [][]byte
	last := version
	for _, t := range r.turns {
		if t.version > version && t.version <= r.policy.Version() {
			out, last = append(out, t.envelope), t.version
		}
	}
	if last < r.policy.Version() {
		out = append(out, r.envelope)
	}
	return out
}

// policies sends what leads from a version to the one in force.
func (r *Relay) policies(s *transport.Stream, after int64) {
	r.mu.Lock()
	chain := r.newer(after)
	r.mu.Unlock()
	for _, text := range chain {
		if s.WriteFrame(message.TypePolicy, text) != nil {
			return
		}
	}
}

// publish takes the next policy, and returns when this relay obeys it. The
// others do as soon as they hear of it.
func (r *Relay) publish(ctx context.Context, s *transport.Stream) *message.Failure {
	text, failure := take(s, message.TypePolicy)
	if failure != nil {
		return failure
	}
	e, err := signing.ParseEnvelope(text)
	if err != nil {
		return &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	for {
		done, failure := r.tryPublish(ctx, e, text)
		if done || failure != nil {
			return failure
		}
		// Another relay took a policy at the same time: its comes first.
		if err := r.catchUp(ctx, r.spine.state, r.states); err != nil {
			return storeFailure(err)
		}
	}
}

// tryPublish puts a policy in force, unless another came before it.
func (r *Relay) tryPublish(ctx context.Context, e *signing.Envelope, text []byte) (bool, *message.Failure) {
	r.mu.Lock()
	current, before, revision, turns := r.policy, r.envelope, r.revision, slices.Clone(r.turns)
	r.mu.Unlock()
	next, err := current.Accept(e, r.now())
	if err != nil {
		return false, &message.Failure{Code: message.FailDenied, Reason: err.Error()}
	}
	if next == current {
		return true, nil
	}
	if len(turns) >= maxTurns && !current.SameAdministrators(next) {
		return false, &message.Failure{Code: message.FailLimit, Reason: fmt.Sprintf("the administrators of this fleet have changed %d times, and agents that were long away could not follow any more", maxTurns)}
	}
	if err := r.ledger.may(next.Log()); err != nil {
		return false, storeFailure(err)
	}
	// The one before is kept under its number, for good, before it is replaced.
	keys := []string{fmt.Sprintf("%s.%d", keyPolicy, current.Version())}
	if n := len(turns); n > 0 && turns[n-1].version == current.Version() {
		keys = append(keys, fmt.Sprintf("%s.%d", keyTurn, current.Version()))
	}
	for _, key := range keys {
		if _, err := r.spine.state.put(ctx, key, before); err != nil {
			return false, storeFailure(err)
		}
	}
	sequence, err := r.spine.state.swap(ctx, keyPolicy, text, revision)
	if errors.Is(err, errSwapped) {
		return false, nil
	}
	if err == nil {
		err = r.states.until(ctx, sequence)
	}
	if err != nil {
		return false, storeFailure(err)
	}
	return true, nil
}

// farewell refuses an agent. One that was a member is told of the policies that
// it missed, by which it learns what became of it.
func (r *Relay) farewell(c *transport.Conn, s *transport.Stream, hello *message.Hello, why error) {
	r.mu.Lock()
	chain := r.newer(hello.Policy)
	welcome := message.Welcome{Relay: r.cfg.Name, Time: r.now(), Policy: r.policy.Version()}
	r.mu.Unlock()
	if hello.Agent.String() != c.Peer() || hello.Policy < 1 || len(chain) == 0 {
		fail(s, message.FailDenied, why.Error())
		return
	}
	s.SetWriteDeadline(time.Now().Add(helloWithin))
	if s.WriteFrame(message.TypeWelcome, message.Marshal(welcome)) != nil {
		return
	}
	for _, text := range chain {
		if s.WriteFrame(message.TypePolicy, text) != nil {
			return
		}
	}
	_ = s.WriteFrame(message.TypeGoodbye, message.Marshal(message.Failure{Code: message.FailDenied, Reason: why.Error()}))
}

// letGo ends what there is with an agent that is a member no more. It is the
// last that it is told; mu is held.
func (r *Relay) letGo(id message.ID, a *agent, why error) {
	r.log.Info("agent let go", "agent", id, "why", why)
	delete(r.agents, id)
	r.facts.drop(a.facts)
	a.facts = nil
	if a.session == nil {
		return
	}
	a.session.send(message.TypeGoodbye, message.Marshal(message.Failure{Code: message.FailDenied, Reason: why.Error()}))
	conn, stream, box := a.session.conn, a.session.stream, &a.session.outbox
	r.wg.Go(func() {
		written(box)
		stream.SetWriteDeadline(time.Now().Add(lastWords))
		_ = stream.Flush() // what a stream took it may not have sent
		_ = conn.Close()
	})
}
