package relay

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/internal/room"
	"github.com/quaestor-engine/quaestor/relay/meter"
	"github.com/quaestor-engine/quaestor/relay/watch"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// Bounds of what a look at a relay costs it.
const (
	// lookWithin is how long the spine may take to say what it holds: what it
	// does not say is left out of the page.
	lookWithin = 2 * time.Second
	// lookPlans is how many open plans are looked at for the slowest, the
	// oldest first.
	lookPlans = 100
)

// A watched is a relay as whoever watches it sees it. Nothing on its page names
// an agent, an investigator, a host or a plan.
type watched struct{ *Relay }

// Page writes how the relay is.
func (r watched) Page(ctx context.Context, p *meter.Page) {
	p.Family("quaestor_relay_info", meter.TypeGauge, "What this relay is called.")
	p.Sample("quaestor_relay_info", 1, "name", strings.ToValidUTF8(r.cfg.Name, "?"))
	r.pageAgents(p)
	r.pageDoor(p)
	r.pagePlans(p)
	r.pageStores(p)
	r.pageSpine(ctx, p)
	r.pageDisk(p)
	r.ledger.page(p)
	meter.Runtime(p, r.meters.since)
}

func (r watched) pageAgents(p *meter.Page) {
	var frames, deepest, connected int
	r.mu.Lock()
	known := len(r.agents)
	for _, a := range r.agents {
		if a.session != nil {
			connected++
			n := a.session.outbox.Depth()
			frames, deepest = frames+n, max(deepest, n)
		}
	}
	cut := r.cut
	var peers, alive, elsewhere int
	for _, x := range r.peers {
		if peers++; x.alive(time.Now()) {
			alive, elsewhere = alive+1, elsewhere+x.agents
		}
	}
	r.mu.Unlock()
	p.Gauge("quaestor_relay_connected_agents", "Agents that are connected to this relay.", float64(connected))
	p.Gauge("quaestor_relay_known_agents", "Agents that are members of the fleet, connected or not.", float64(known))
	p.Gauge("quaestor_relay_outbox_frames", "Frames that wait for agents to take them.", float64(frames))
	p.Gauge("quaestor_relay_outbox_deepest_frames", "Frames that wait for the agent for which most of them do.", float64(deepest))
	p.Gauge("quaestor_relay_outbox_limit_frames", "Frames that may wait for one agent, before it is cut off.", maxOutbox)
	p.Counter("quaestor_relay_slow_agents_total", "Agents that were cut off since they took nothing.", r.meters.slow.Value())
	p.Gauge("quaestor_relay_peers", "Other relays of the fleet that were ever heard of.", float64(peers))
	p.Gauge("quaestor_relay_alive_peers", "Other relays of the fleet that live.", float64(alive))
	p.Gauge("quaestor_relay_peer_connected_agents", "Agents that are connected to other relays that live.", float64(elsewhere))
	p.Gauge("quaestor_relay_cut_off", "1 while this relay cannot keep anything and serves nobody.", truth(cut))
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// pageDoor writes what comes to the door, and what passes it.
func (r watched) pageDoor(p *meter.Page) {
	c := r.listener.Counts()
	p.Gauge("quaestor_relay_open_connections", "Connections of agents, investigators and witnesses, with those in a handshake.", float64(c.Open.Load()))
	p.Counter("quaestor_relay_handshakes_total", "TLS handshakes that were begun.", c.Begun.Load())
	p.Family("quaestor_relay_refusals_total", meter.TypeCounter, "Connections, and what was asked over them, that were refused.")
	for _, x := range []struct {
		why string
		n   uint64
	}{{"crowded", c.Crowded.Load()}, {"busy", c.Busy.Load()}, {"late", c.Late.Load()}, {"certificate", c.Unproved.Load()}, {"handshake", c.Broken.Load()}} {
		p.Sample("quaestor_relay_refusals_total", float64(x.n), "reason", x.why)
	}
	for i, name := range refusalNames() {
		p.Sample("quaestor_relay_refusals_total", float64(r.meters.refusals[i].Value()), "reason", name)
	}
	p.Counter("quaestor_relay_received_bytes_total", "Bytes that came, inside of TLS.", c.Received.Load())
	p.Counter("quaestor_relay_sent_bytes_total", "Bytes that were sent, inside of TLS.", c.Sent.Load())
}

func (r watched) pagePlans(p *meter.Page) {
	now := r.now()
	var open, waits int
	var bytes int64
	r.mu.Lock()
	kept, pending := len(r.plans), len(r.pending)
	for _, x := range r.plans {
		if !x.over(now) {
			open++
			if x.waits {
				waits++
			}
		}
		bytes += x.bytes()
	}
	r.mu.Unlock()
	p.Gauge("quaestor_relay_open_plans", "Plans that still take agents.", float64(open))
	p.Gauge("quaestor_relay_unlogged_plans", "Open plans that nobody is offered, since the log or its witnesses are waited for.", float64(waits))
	p.Gauge("quaestor_relay_kept_plans", "Plans that are kept, open or not.", float64(kept))
	p.Gauge("quaestor_relay_pending_plans", "Plans that wait for signatures.", float64(pending))
	p.Gauge("quaestor_relay_kept_answer_bytes", "Bytes of sealed answers that are kept.", float64(bytes))
	p.Gauge("quaestor_relay_kept_answer_limit_bytes", "Bytes of sealed answers after which the oldest are forgotten: keep_bytes.", float64(r.cfg.KeepSize))
	m := &r.meters
	p.Counter("quaestor_relay_plans_total", "Plans that were handed in here and accepted.", m.plans.Value())
	p.Family("quaestor_relay_fanout_seconds", meter.TypeHistogram, "From when a plan and its agent were both here until the plan was handed to the agent's connection.")
	p.Histogram("quaestor_relay_fanout_seconds", &m.fanOut)
	p.Counter("quaestor_relay_chunks_total", "Chunks of answers that came here and are stored.", m.chunks.Value())
	p.Counter("quaestor_relay_chunk_bytes_total", "Bytes of these chunks.", m.sealed.Value())
	p.Counter("quaestor_relay_answers_total", "Answers whose last chunk came here and is stored.", m.answers.Value())
	p.Counter("quaestor_relay_acknowledgements_total", "Acknowledgements that were handed to agents' connections.", m.acks.Value())
}

func (r watched) pageStores(p *meter.Page) {
	m := &r.meters
	p.Family("quaestor_relay_store_seconds", meter.TypeHistogram, "From when the spine was given something until it said that it has it, synced to the disk, at as many relays as keep it.")
	for i, name := range storedNames() {
		p.Histogram("quaestor_relay_store_seconds", &m.stores[i], "what", name)
	}
	p.Family("quaestor_relay_store_conflicts_total", meter.TypeCounter, "Writes that the spine refused since another relay, or an earlier try, was faster. They are made again.")
	for i, name := range storedNames() {
		p.Sample("quaestor_relay_store_conflicts_total", float64(m.conflicts[i].Value()), "what", name)
	}
	p.Family("quaestor_relay_store_failures_total", meter.TypeCounter, "Writes that the spine did not take, or said nothing of.")
	for i, name := range storedNames() {
		p.Sample("quaestor_relay_store_failures_total", float64(m.failures[i].Value()), "what", name)
	}
}

// A held is what the spine says of one of its streams.
type held struct {
	name   string
	stream stream
	mirror *mirror // nil: this relay does not mirror it
	info   *jetstream.StreamInfo
	lag    uint64
	behind bool
}

// pageSpine writes how the spine is: what it does not say within its time is
// left out.
func (r watched) pageSpine(ctx context.Context, p *meter.Page) {
	s := r.spine
	p.Gauge("quaestor_relay_spine_up", "1 while enough servers of the spine see each other for it to keep something.", truth(s.joined()))
	r.ledger.mu.Lock()
	entries := r.ledger.mirror
	r.ledger.mu.Unlock()
	answers := r.chunks
	if answers.once {
		answers = nil // nobody else stores any, and what is stored here was dealt with
	}
	all := []*held{
		{name: "answers", stream: s.answers, mirror: answers}, {name: "envelopes", stream: s.sealed}, {name: "log", stream: s.entries, mirror: entries},
		{name: "agents", stream: s.agents.stream, mirror: r.members}, {name: "plans", stream: s.plans.stream, mirror: r.shares},
		{name: "state", stream: s.state.stream, mirror: r.states}, {name: "relays", stream: s.relays.stream, mirror: r.beats},
		{name: "releases", stream: s.releases.stream, mirror: r.rollOuts}, {name: "programs", stream: s.pieces.stream},
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	var asked sync.WaitGroup
	for _, h := range all {
		asked.Go(func() { h.ask(ctx) })
	}
	asked.Wait()
	all = slices.DeleteFunc(all, func(h *held) bool { return h.info == nil })
	each := func(name, help string, value func(h *held) (float64, bool)) {
		p.Family(name, meter.TypeGauge, help)
		for _, h := range all {
			if v, ok := value(h); ok {
				p.Sample(name, v, "stream", h.name)
			}
		}
	}
	each("quaestor_relay_spine_bytes", "Bytes that the spine holds.", func(h *held) (float64, bool) { return float64(h.info.State.Bytes), true })
	each("quaestor_relay_spine_messages", "Messages that the spine holds.", func(h *held) (float64, bool) { return float64(h.info.State.Msgs), true })
	each("quaestor_relay_spine_lag_messages", "Messages that the spine has and that this relay has not dealt with.", func(h *held) (float64, bool) { return float64(h.lag), h.mirror != nil })
	each("quaestor_relay_spine_copies", "Servers that are to hold a copy.", func(h *held) (float64, bool) { return float64(h.info.Config.Replicas), true })
	each("quaestor_relay_spine_copies_behind", "Copies that are not at hand or not up to date, as the server that leads says.", func(h *held) (float64, bool) {
		if h.info.Cluster == nil {
			return 0, true
		}
		behind := 0
		for _, x := range h.info.Cluster.Replicas {
			if x.Offline || !x.Current {
				behind++
			}
		}
		return float64(behind), true
	})
}

// ask asks the spine about a stream. That it has a later message than the
// mirror is no lag where those in between were deleted.
func (h *held) ask(ctx context.Context) {
	info, err := h.stream.Info(ctx)
	if err != nil {
		return
	}
	if h.mirror != nil {
		if seen := h.mirror.at(); info.State.LastSeq > seen && info.State.Msgs > 0 {
			next, err := h.stream.next(ctx, seen+1, ">")
			if err == nil {
				h.lag = info.State.LastSeq - next.Sequence + 1
			}
		}
	}
	h.info = info
}

func (r watched) pageDisk(p *meter.Page) {
	if d, err := room.Of(r.cfg.dir); err == nil {
		p.Gauge("quaestor_relay_disk_free_bytes", "Bytes that can still be written on the disk of the relay's folder.", float64(d.Free))
		p.Gauge("quaestor_relay_disk_size_bytes", "Size of that disk.", float64(d.Size))
	}
}

// page writes how the log is, where the fleet has one.
func (l *ledger) page(p *meter.Page) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.Gauge("quaestor_relay_log_on", "1 where the policy names a log.", truth(l.keys != nil))
	if l.keys == nil {
		return
	}
	p.Gauge("quaestor_relay_log_entries", "Entries of the log.", float64(l.log.Size()))
	p.Gauge("quaestor_relay_log_witnessed_entries", "Entries that enough witnesses have signed.", float64(l.proved.Size))
	if !l.proved.At.IsZero() {
		p.Gauge("quaestor_relay_log_checkpoint_age_seconds", "Since when a checkpoint that counts was last signed, by the witness's clock. Of a log that nothing was added to it grows.", l.relay.now().Sub(l.proved.At).Seconds())
	}
	p.Gauge("quaestor_relay_log_waiting_seconds", "How long the oldest entry has waited for witnesses; 0 is that none waits.", l.waiting().Seconds())
}

// waiting gives how long the oldest entry has waited for witnesses; mu is held.
func (l *ledger) waiting() time.Duration {
	if l.proved.Size >= l.log.Size() || l.keys.Threshold() == 0 {
		return 0
	}
	text, _, err := l.log.Entry(l.proved.Size)
	if err != nil {
		return 0
	}
	e, err := translog.ParseEntry(text)
	if err != nil {
		return 0
	}
	return max(0, l.relay.now().Sub(e.At))
}

// Plans gives the open plans that most agents who are here have not answered.
func (r watched) Plans() []watch.Plan {
	now := r.now()
	r.mu.Lock()
	var open []*investigation
	for _, p := range r.plans {
		if !p.over(now) {
			open = append(open, p)
		}
	}
	r.mu.Unlock()
	slices.SortFunc(open, func(a, b *investigation) int { return a.record.Submitted.Compare(b.record.Submitted) })
	var out []watch.Plan
	for _, p := range open[:min(len(open), lookPlans)] {
		out = append(out, r.standing(p, now))
	}
	slices.SortStableFunc(out, func(a, b watch.Plan) int { return b.Waiting - a.Waiting })
	return out[:min(len(out), watch.MaxPlans)]
}

// standing gives how far a plan is.
func (r watched) standing(p *investigation, now time.Time) watch.Plan {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := watch.Plan{
		Plan: p.id.String(), Age: now.Sub(p.record.Submitted).Seconds(), Left: p.payload.Expires.Sub(now).Seconds(), Agents: len(p.agents), Bytes: p.bytes(),
		Unlogged: p.waits,
	}
	for id, d := range p.agents {
		if d.reached {
			x.Reached++
		}
		if d.final {
			x.Done++
		} else if a := r.agents[id]; a != nil && a.online() {
			x.Waiting++
		}
	}
	return x
}
