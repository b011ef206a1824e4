package relay

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// What relays tell each other, beside what they keep, goes over two subjects of
// the spine, with the relay behind it: who is connected to it, and that
// somebody wants to know all of them.
const (
	subjectPresence = "quaestor.presence."
	subjectAll      = "quaestor.all."
)

const (
	// touchEvery is how often a relay says that it lives, and touchGone the
	// silence after which the others take it for gone, with its agents.
	touchEvery = 2 * time.Second
	touchGone  = 8 * time.Second
	// touchWithin bounds one try to say so.
	touchWithin = 3 * time.Second
	// tellEvery is how long news of agents are gathered.
	tellEvery = 100 * time.Millisecond
	// maxTold is how many agents one message names: 36 bytes each, where a
	// server takes a MiB.
	maxTold = 20_000
	// minority is how long a relay sees too few of the others, and stuck how
	// long nothing can be kept though it sees them, until it serves nobody any
	// more. The spine chooses a new leader within ten seconds.
	minority = 3 * time.Second
	stuck    = 25 * time.Second
)

// isCutOff is what is said to who comes to a relay that cannot keep anything.
const isCutOff = "this relay is cut off from the others and cannot keep anything: try another one"

// ErrTwin is how Serve ends when another process serves under the same name.
var ErrTwin = errors.New("relay: another relay of this fleet has the same name: each needs its own in relay.toml")

// A pulse is what a relay says of itself on the spine.
type pulse struct {
	Name   string `json:"name"`
	Epoch  string `json:"epoch"`  // of this process
	Agents int    `json:"agents"` // that are connected
	Told   uint64 `json:"told"`   // messages about who is connected

	revision uint64
	kept     time.Time // when it was last kept, by this machine's own time
}

// A presence is who came and went.
type presence struct {
	Epoch string       `json:"epoch"`
	Told  uint64       `json:"told"`
	All   bool         `json:"all,omitempty"` // nobody else is connected
	Up    []message.ID `json:"up,omitempty"`
	Down  []message.ID `json:"down,omitempty"`
}

// came and left note news for the other relays; mu is held.
func (p *presence) came(id message.ID) { p.Up = append(p.Up, id) }
func (p *presence) left(id message.ID) { p.Down = append(p.Down, id) }

// A peer is another relay, as this one knows it. Relay.mu guards it.
type peer struct {
	name   string
	pulse  uint64 // the sequence of the last one on the spine
	epoch  string // "": who is connected to it is not known
	told   uint64
	agents int
	heard  time.Time // by this machine's own time
	here   map[message.ID]struct{}
}

// alive says whether a relay has been heard of lately.
func (p *peer) alive(now time.Time) bool { return now.Sub(p.heard) < touchGone }

// meetPeers begins to tell the other relays of this one, and to hear of them.
func (r *Relay) meetPeers(ctx context.Context) error {
	r.pulse.Name, r.pulse.Epoch, r.pulse.kept = r.cfg.Name, rand.Text(), time.Now()
	r.news.Epoch = r.pulse.Epoch
	for subject, handle := range map[string]nats.MsgHandler{subjectPresence + "*": r.hear, subjectAll + r.me: r.tellAll} {
		if _, err := r.spine.conn.Subscribe(subject, handle); err != nil {
			return fmt.Errorf("relay: the spine: %w", err)
		}
	}
	if err := r.spine.conn.FlushTimeout(spineTimeout); err != nil {
		return fmt.Errorf("relay: the spine: %w", err)
	}
	r.beats = r.mirrorOf(r.spine.relays, r.takePulse)
	if err := r.begin(ctx, r.beats); err != nil {
		return err
	}
	text, err := json.Marshal(r.pulse)
	if err == nil {
		err = r.patient(ctx, func(ctx context.Context) (err error) {
			r.pulse.revision, err = r.spine.relays.put(ctx, r.me, text)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("relay: the spine: %w", err)
	}
	return nil
}

// takePulse takes that another relay lives, or that it ended.
func (r *Relay) takePulse(_ context.Context, key string, m spineMessage) error {
	if key == r.me {
		return nil
	}
	var said pulse
	if !m.gone() && json.Unmarshal(m.data, &said) != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.peers[key]
	if p == nil {
		p = &peer{here: map[message.ID]struct{}{}}
		r.peers[key] = p
	}
	if m.gone() {
		r.lose(p)
		return nil
	}
	p.name, p.agents = said.Name, said.Agents
	// The first may be what the spine holds of one that ended long ago: the
	// second is a sign of life, as is an answer.
	if p.pulse > 0 {
		p.heard = time.Now()
	}
	p.pulse = m.sequence
	if p.epoch != said.Epoch || p.told < said.Told {
		r.wg.Go(func() { r.askAll(key) })
	}
	return nil
}

// askAll asks a relay who is connected to it.
func (r *Relay) askAll(key string) { _ = r.spine.conn.Publish(subjectAll+key, nil) }

// lose takes the agents of a relay that is gone for offline; mu is held.
func (r *Relay) lose(p *peer) {
	p.epoch, p.told, p.heard = "", 0, time.Time{}
	for id := range p.here {
		r.departed(p, id)
	}
}

// departed notes that an agent is at a relay no more; mu is held.
func (r *Relay) departed(p *peer, id message.ID) {
	delete(p.here, id)
	if a := r.agents[id]; a != nil && a.at == p {
		a.at = nil
		r.presence(a)
	}
}

// hear takes who is connected to another relay. Where something was missed, it
// is asked for everything.
func (r *Relay) hear(m *nats.Msg) {
	key := m.Subject[len(subjectPresence):]
	var said presence
	if key == r.me || json.Unmarshal(m.Data, &said) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.peers[key]
	if p == nil {
		p = &peer{here: map[message.ID]struct{}{}}
		r.peers[key] = p
	}
	switch {
	case said.All:
		for id := range p.here {
			r.departed(p, id)
		}
	case said.Epoch != p.epoch || said.Told != p.told+1:
		r.wg.Go(func() { r.askAll(key) })
		return
	}
	p.epoch, p.told, p.heard = said.Epoch, said.Told, time.Now()
	for _, id := range said.Down {
		r.departed(p, id)
	}
	for _, id := range said.Up {
		p.here[id] = struct{}{}
		if a := r.agents[id]; a != nil {
			r.moved(a, p)
		}
	}
}

// moved notes that an agent is at another relay. A connection of it that is
// here may be dead and not know it; mu is held.
func (r *Relay) moved(a *agent, to *peer) {
	a.at = to
	if s := a.session; s != nil && time.Since(s.since) > touchEvery {
		r.wg.Go(func() { _ = s.conn.Close() })
	}
	r.presence(a)
}

// tell tells the other relays of agents that came and went.
func (r *Relay) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.news.Up)+len(r.news.Down) > 0 {
		r.say(r.news)
		r.news.Up, r.news.Down = nil, nil
	}
}

// tellAll tells them of all who are connected here.
func (r *Relay) tellAll(*nats.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.news.Up, r.news.Down = nil, nil
	said := presence{All: true}
	for id, a := range r.agents {
		if a.session == nil {
			continue
		}
		if said.Up = append(said.Up, id); len(said.Up) == maxTold {
			r.say(said)
			said = presence{}
		}
	}
	r.say(said)
}

// say sends what is to be told, in as many messages as it takes; mu is held, so
// that they have one order.
func (r *Relay) say(p presence) {
	for first := true; first || len(p.Up)+len(p.Down) > 0; first = false {
		part := presence{Epoch: r.pulse.Epoch, All: p.All && first}
		n := min(len(p.Down), maxTold)
		part.Down, p.Down = p.Down[:n], p.Down[n:]
		n = min(len(p.Up), maxTold-n)
		part.Up, p.Up = p.Up[:n], p.Up[n:]
		r.pulse.Told++
		part.Told = r.pulse.Told
		if text, err := json.Marshal(part); err == nil {
			_ = r.spine.conn.Publish(subjectPresence+r.me, text) // who misses it sees that from the next pulse
		}
	}
}

// keepTouch tells the others of this relay, notices which of them are gone, and
// stops serving where this one is cut off from them.
func (r *Relay) keepTouch(ctx context.Context) {
	r.wg.Go(func() { r.beat(ctx) })
	tell, look := time.NewTicker(tellEvery), time.NewTicker(time.Second)
	defer tell.Stop()
	defer look.Stop()
	seen := time.Now() // enough of the others
	for round := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tell.C:
			r.tell()
			continue
		case <-look.C:
		}
		if r.spine.joined() {
			seen = time.Now()
		}
		r.mu.Lock()
		for _, p := range r.silent(time.Now()) {
			r.log.Warn("a relay is gone", "relay", p.name, "agents", len(p.here))
			r.lose(p)
		}
		cut := r.cutOff(seen)
		was := r.cut
		r.cut = cut
		r.mu.Unlock()
		switch {
		case cut && !was:
			r.log.Error("this relay cannot keep anything: it sees too few of the others, and sends everybody away")
			r.sendAway()
		case was && !cut:
			r.log.Info("this relay is with the others again")
		}
		if round++; round%shareOutEvery == 0 && !cut {
			r.shareOut()
		}
	}
}

// cutOff says whether this relay is cut off from the others, which it saw enough
// of then. One that never heard of another is not: whoever it sent away had
// nowhere to go, and would come back with all that he has begun, to a disk or a
// processor that is wanted elsewhere already. mu is held.
func (r *Relay) cutOff(seen time.Time) bool {
	return len(r.peers) > 0 && (time.Since(seen) > minority || time.Since(r.pulse.kept) > stuck)
}

// silent gives the relays that are taken for gone. While the spine keeps nothing,
// as where the relay that led it has ended and the next one is being chosen,
// nobody can be heard: then the others' silence counts for half of what it
// takes, so that they are heard first when it goes on. mu is held.
func (r *Relay) silent(now time.Time) (gone []*peer) {
	stands := now.Sub(r.pulse.kept) > 2*touchEvery
	for _, p := range r.peers {
		if least := now.Add(-touchGone / 2); stands && p.alive(now) && p.heard.Before(least) {
			p.heard = least
		}
		if p.epoch != "" && !p.alive(now) {
			gone = append(gone, p)
		}
	}
	return gone
}

// joined says whether enough servers see each other for the spine to keep
// something.
func (s *spine) joined() bool {
	if s.server == nil {
		return s.conn.IsConnected()
	}
	return s.server.NumRemotes()+1 >= s.quorum
}

// beat keeps this relay's pulse on the spine until ctx ends.
func (r *Relay) beat(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(touchEvery):
		}
		r.mu.Lock()
		r.pulse.Agents = r.connected()
		text, err := json.Marshal(r.pulse)
		before := r.pulse.revision
		r.mu.Unlock()
		if err != nil {
			continue
		}
		within, cancel := context.WithTimeout(ctx, touchWithin)
		now, err := r.spine.relays.swap(within, r.me, text, before)
		if errors.Is(err, errSwapped) {
			now, err = r.beatAgain(within, text)
		}
		cancel()
		switch {
		case errors.Is(err, ErrTwin):
			r.fail(err)
			return
		case err == nil:
			r.mu.Lock()
			r.pulse.revision, r.pulse.kept = now, time.Now()
			r.mu.Unlock()
		case ctx.Err() == nil:
			r.log.Debug("no pulse", "why", err)
		}
	}
}

// beatAgain keeps the pulse where the spine has another one than the last that
// is known: it may have come from here, or be lost with the memory of all
// servers. One of another process is that of a relay with the same name.
func (r *Relay) beatAgain(ctx context.Context, text []byte) (uint64, error) {
	have, revision, err := r.spine.relays.get(ctx, r.me)
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, err
	}
	var said pulse
	if err == nil && json.Unmarshal(have, &said) == nil && said.Epoch != r.pulse.Epoch {
		return 0, ErrTwin
	}
	return r.spine.relays.swap(ctx, r.me, text, revision)
}

// connected counts the agents that are connected here; mu is held.
func (r *Relay) connected() (n int) {
	for _, a := range r.agents {
		if a.session != nil {
			n++
		}
	}
	return n
}

// sendAway ends every connection: agents and investigators find another relay.
func (r *Relay) sendAway() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		r.wg.Go(func() { _ = c.Close() })
	}
}

// Agents stay where they are. After a relay came back, or a new one was added,
// those who are too many elsewhere are sent on their way again, a few at a
// time: they choose by chance.
const (
	shareOutEvery = 5    // seconds
	shareSlack    = 0.15 // of the even share, that one relay may have more
	shareMost     = 0.05 // of what it has too many of, or of its own, go at a time
	shareLeast    = 2    // agents that it may have more, however few there are
)

// shareOut sends agents away that other relays have room for.
func (r *Relay) shareOut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	mine := r.connected()
	all, relays := mine, 1
	for _, p := range r.peers {
		if p.alive(time.Now()) {
			all, relays = all+p.agents, relays+1
		}
	}
	even := float64(all) / float64(relays)
	if excess := float64(mine) - even; relays == 1 || excess <= max(even*shareSlack, shareLeast) {
		return
	}
	n := max(1, int(float64(mine)*shareMost))
	for _, a := range r.agents {
		if a.session == nil || a.session.carried() || r.busy(a) {
			continue
		}
		s := a.session
		r.wg.Go(func() {
			s.goodbye(0)
			_ = s.conn.Close()
		})
		if n--; n == 0 {
			return
		}
	}
}

// busy says whether an agent has begun something that it has not ended; mu is
// held.
func (r *Relay) busy(a *agent) bool {
	for _, p := range r.live {
		if d := p.agents[a.id]; d != nil && !d.final && (d.reached || d.sent == a.session) && !p.over(r.now()) {
			return true
		}
	}
	return false
}

// leavePeers tells the other relays that this one ends.
func (r *Relay) leavePeers(ctx context.Context) {
	if r.beats != nil && r.spine.joined() {
		_ = r.spine.relays.Purge(ctx, r.me)
	}
}
