package leaf

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"time"

	disk "github.com/quaestor-engine/quaestor/internal/room"
	"github.com/quaestor-engine/quaestor/relay/meter"
	"github.com/quaestor-engine/quaestor/relay/watch"
	"github.com/quaestor-engine/quaestor/transport"
)

// meters are what a leaf counts beside its spool.
type meters struct {
	since   time.Time        // it was started
	until   time.Time        // its certificate is good
	line    transport.Counts // bytes alone
	lines   meter.Counter    // that were made
	alone   meter.Counter    // agents that it welcomed itself
	noLine  meter.Counter    // who needed a relay while there was none
	crowded meter.Counter    // machines that wanted to enrol, of too many at once
	odd     meter.Counter    // who is no agent
	slow    meter.Counter    // agents that were cut off
}

// expiry gives when a certificate ends.
func expiry(c tls.Certificate) (time.Time, error) {
	x, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return time.Time{}, err
	}
	return x.NotAfter, nil
}

// A watched is a leaf as whoever watches it sees it. Nothing on its page names
// an agent, a host or a plan.
type watched struct{ *Leaf }

// Plans gives none: a leaf knows no plan from another.
func (watched) Plans() []watch.Plan { return nil }

// Page writes how the leaf is.
func (l watched) Page(_ context.Context, p *meter.Page) {
	p.Family("quaestor_leaf_info", meter.TypeGauge, "What this leaf is called.")
	p.Sample("quaestor_leaf_info", 1, "name", strings.ToValidUTF8(l.o.Name, "?"))
	l.pageLine(p)
	l.pageAgents(p)
	l.pageDoor(p)
	l.pageSpool(p)
	if d, err := disk.Of(l.o.Dir); err == nil {
		p.Gauge("quaestor_leaf_disk_free_bytes", "Bytes that can still be written on the disk of the leaf's folder.", float64(d.Free))
		p.Gauge("quaestor_leaf_disk_size_bytes", "Size of that disk.", float64(d.Size))
	}
	meter.Runtime(p, l.meters.since)
}

func (l watched) pageLine(p *meter.Page) {
	m, s, up := &l.meters, l.State(), 0.0
	if s.Line {
		up = 1
	}
	p.Gauge("quaestor_leaf_line_up", "1 while there is a line to a relay.", up)
	p.Gauge("quaestor_leaf_line_state_seconds", "For how long there has been one, or none.", s.For.Seconds())
	p.Counter("quaestor_leaf_lines_total", "Lines that were made. One that holds is one.", m.lines.Value())
	p.Counter("quaestor_leaf_line_received_bytes_total", "Bytes that came over lines, inside of TLS.", m.line.Received.Load())
	p.Counter("quaestor_leaf_line_sent_bytes_total", "Bytes that were sent over lines, inside of TLS.", m.line.Sent.Load())
	p.Gauge("quaestor_leaf_certificate_left_seconds", "How long the leaf's certificate is still good.", time.Until(m.until).Seconds())
}

func (l watched) pageAgents(p *meter.Page) {
	var joined, frames, deepest int
	l.mu.Lock()
	all := make([]*session, 0, len(l.sessions))
	for _, s := range l.sessions {
		all = append(all, s)
	}
	strangers := l.strangers
	l.mu.Unlock()
	for _, s := range all {
		n := s.out.Depth()
		frames, deepest = frames+n, max(deepest, n)
		s.mu.Lock()
		if s.line != nil && s.welcome {
			joined++
		}
		s.mu.Unlock()
	}
	p.Gauge("quaestor_leaf_connected_agents", "Agents that are connected to this leaf.", float64(len(all)))
	p.Gauge("quaestor_leaf_joined_agents", "Of these, agents that a relay serves over the line: whoever asks sees these online.", float64(joined))
	p.Gauge("quaestor_leaf_enrolling", "Connections of machines that enrol.", float64(strangers))
	p.Counter("quaestor_leaf_welcomed_alone_total", "Agents that came while there was no line, and that this leaf welcomed.", l.meters.alone.Value())
	p.Gauge("quaestor_leaf_outbox_frames", "Frames that wait for agents to take them.", float64(frames))
	p.Gauge("quaestor_leaf_outbox_deepest_frames", "Frames that wait for the agent for which most of them do.", float64(deepest))
	p.Gauge("quaestor_leaf_outbox_limit_frames", "Frames that may wait for one agent, before it is cut off.", maxOutbox)
	p.Counter("quaestor_leaf_slow_agents_total", "Agents that were cut off since they took nothing.", l.meters.slow.Value())
}

// pageDoor writes what comes to the door, and what passes it.
func (l watched) pageDoor(p *meter.Page) {
	c, m := l.listener.Counts(), &l.meters
	p.Gauge("quaestor_leaf_open_connections", "Connections of agents, with those in a handshake.", float64(c.Open.Load()))
	p.Counter("quaestor_leaf_handshakes_total", "TLS handshakes that were begun.", c.Begun.Load())
	p.Family("quaestor_leaf_refusals_total", meter.TypeCounter, "Connections, and what was asked over them, that were refused.")
	for _, x := range []struct {
		why string
		n   uint64
	}{
		{"crowded", c.Crowded.Load()}, {"late", c.Late.Load()}, {"certificate", c.Unproved.Load()}, {"handshake", c.Broken.Load()},
		{"enrolment", m.crowded.Value()}, {"line", m.noLine.Value()}, {"stream", m.odd.Value()},
	} {
		p.Sample("quaestor_leaf_refusals_total", float64(x.n), "reason", x.why)
	}
	p.Counter("quaestor_leaf_received_bytes_total", "Bytes that came from agents, inside of TLS.", c.Received.Load())
	p.Counter("quaestor_leaf_sent_bytes_total", "Bytes that were sent to agents, inside of TLS.", c.Sent.Load())
}

func (l watched) pageSpool(p *meter.Page) {
	s, m := l.State(), &l.spool.meters
	p.Gauge("quaestor_leaf_waiting_answers", "Answers of which something waits for the relays.", float64(s.Answers))
	p.Gauge("quaestor_leaf_paused_answers", "Of these, answers that could not be sent or stored, and are tried again later.", float64(s.Paused))
	p.Gauge("quaestor_leaf_waiting_bytes", "Bytes that wait for the relays.", float64(s.Bytes))
	p.Gauge("quaestor_leaf_waiting_limit_bytes", "Bytes that may wait for the relays: keep_bytes.", float64(l.o.Limit))
	p.Counter("quaestor_leaf_chunks_total", "Chunks of answers that came here and are on the disk.", m.kept.Value())
	p.Counter("quaestor_leaf_chunk_bytes_total", "Bytes of these chunks.", m.keptBytes.Value())
	p.Counter("quaestor_leaf_passed_chunks_total", "Chunks that the relays have stored since.", m.stored.Value())
	p.Counter("quaestor_leaf_unwanted_answers_total", "Answers that were held and that nobody wants any more.", m.unwanted.Value())
	p.Counter("quaestor_leaf_answer_retries_total", "Times that an answer could not be sent or stored.", m.tries.Value())
	p.Counter("quaestor_leaf_damaged_answers_total", "Answers with chunks that were acknowledged and could not be read when the leaf was started.", m.damaged.Value())
	p.Family("quaestor_leaf_unkept_chunks_total", meter.TypeCounter, "Chunks that were not taken, for want of room or since the disk refused. Agents keep them, and try again.")
	p.Sample("quaestor_leaf_unkept_chunks_total", float64(m.full.Value()), "reason", "full")
	p.Sample("quaestor_leaf_unkept_chunks_total", float64(m.failed.Value()), "reason", "disk")
	p.Family("quaestor_leaf_store_seconds", meter.TypeHistogram, "From when a chunk came until it was on the disk, synced.")
	p.Histogram("quaestor_leaf_store_seconds", &m.toDisk)
}
