package watch

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/quaestor-engine/quaestor/value"
)

// A LeafView is how a leaf is, between two readings. Rates are a second.
type LeafView struct {
	Leaf    string  `json:"leaf"`
	Seconds float64 `json:"seconds"` // between the readings
	Up      Number  `json:"up_seconds"`

	Line struct {
		Up          Number `json:"up"`            // 1: there is one
		For         Number `json:"for_seconds"`   // so, or not so
		Made        Number `json:"made"`          // since the start
		Received    Number `json:"received_rate"` // bytes a second
		Sent        Number `json:"sent_rate"`
		Certificate Number `json:"certificate_left_seconds"`
	} `json:"line"`
	Agents struct {
		Connected Number `json:"connected"`
		Joined    Number `json:"joined"` // whom a relay serves over the line
		Enrolling Number `json:"enrolling"`
	} `json:"agents"`
	Waiting struct {
		Answers  Number `json:"answers"`
		Paused   Number `json:"paused"` // that are tried again later
		Bytes    Number `json:"bytes"`
		Limit    Number `json:"limit_bytes"`
		Unkept   Number `json:"unkept"` // chunks, between the readings
		Unwanted Number `json:"unwanted"`
		Damaged  Number `json:"damaged"` // answers, since the start
	} `json:"waiting"`
	Rates struct {
		Chunks     Number `json:"chunks"`
		ChunkBytes Number `json:"chunk_bytes"`
		Passed     Number `json:"passed_chunks"` // that relays have stored
		Received   Number `json:"received_bytes"`
		Sent       Number `json:"sent_bytes"`
		Handshakes Number `json:"handshakes"`
		Refused    Number `json:"refused"`
		Processors Number `json:"processors"`
	} `json:"rates"`
	Store  Latency `json:"store"` // from a chunk to the disk
	Outbox Outbox  `json:"outbox"`
	Memory Memory  `json:"memory"`
	Disk   struct {
		Free Number `json:"free_bytes"`
		Size Number `json:"size_bytes"`
	} `json:"disk"`
	Wrong []string `json:"wrong"`
}

// LookLeaf is Look for readings of a leaf.
func LookLeaf(before, now *Reading) LeafView {
	p := pairOf(before, now)
	var v LeafView
	v.Leaf, v.Up, v.Seconds = p.name(infoLeaf), p.up(now.At), p.seconds
	l := &v.Line
	l.Up, l.For, l.Made = p.get("quaestor_leaf_line_up"), p.get("quaestor_leaf_line_state_seconds"), p.get("quaestor_leaf_lines_total")
	l.Received, l.Sent = p.rate("quaestor_leaf_line_received_bytes_total"), p.rate("quaestor_leaf_line_sent_bytes_total")
	l.Certificate = p.get("quaestor_leaf_certificate_left_seconds")
	a := &v.Agents
	a.Connected, a.Joined, a.Enrolling = p.get("quaestor_leaf_connected_agents"), p.get("quaestor_leaf_joined_agents"), p.get("quaestor_leaf_enrolling")
	w := &v.Waiting
	w.Answers, w.Paused = p.get("quaestor_leaf_waiting_answers"), p.get("quaestor_leaf_paused_answers")
	w.Bytes, w.Limit = p.get("quaestor_leaf_waiting_bytes"), p.get("quaestor_leaf_waiting_limit_bytes")
	w.Unkept, w.Unwanted, w.Damaged = p.more("quaestor_leaf_unkept_chunks_total"), p.more("quaestor_leaf_unwanted_answers_total"), p.get("quaestor_leaf_damaged_answers_total")
	r := &v.Rates
	r.Chunks, r.ChunkBytes, r.Passed = p.rate("quaestor_leaf_chunks_total"), p.rate("quaestor_leaf_chunk_bytes_total"), p.rate("quaestor_leaf_passed_chunks_total")
	r.Received, r.Sent = p.rate("quaestor_leaf_received_bytes_total"), p.rate("quaestor_leaf_sent_bytes_total")
	r.Handshakes, r.Refused, r.Processors = p.rate("quaestor_leaf_handshakes_total"), p.rate("quaestor_leaf_refusals_total"), p.rate("process_cpu_seconds_total")
	v.Store = p.latency("quaestor_leaf_store_seconds")
	o := &v.Outbox
	o.Frames, o.Deepest, o.Limit = p.get("quaestor_leaf_outbox_frames"), p.get("quaestor_leaf_outbox_deepest_frames"), p.get("quaestor_leaf_outbox_limit_frames")
	o.CutOff = p.more("quaestor_leaf_slow_agents_total")
	p.memory(&v.Memory)
	v.Disk.Free, v.Disk.Size = p.get("quaestor_leaf_disk_free_bytes"), p.get("quaestor_leaf_disk_size_bytes")
	v.Wrong = v.wrong()
	return v
}

// Faults gives what is wrong.
func (v LeafView) Faults() []string { return v.Wrong }

// Table writes the view for a person.
func (v LeafView) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "leaf %s, up %s\n\n", value.EscapeText(v.Leaf), span(v.Up))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%s\t"+format+"\n", append([]any{what}, args...)...)
	}
	l := &v.Line
	switch {
	case l.Up == nil:
		line("line", unknown)
	case *l.Up == 0:
		line("line", "down for %s; %s made since the start", span(l.For), count(l.Made))
	default:
		line("line", "up for %s; %s made since the start", span(l.For), count(l.Made))
	}
	line("over it a second", "%s in, %s out", size(l.Received), size(l.Sent))
	a := &v.Agents
	line("agents", "%s connected, %s of them served by a relay; %s machines enrol", count(a.Connected), count(a.Joined), count(a.Enrolling))
	x := &v.Waiting
	line("waiting", "%s answers, %s of %s; %s could not be sent or stored, and are tried again", count(x.Answers), size(x.Bytes), size(x.Limit), count(x.Paused))
	line("", "%s chunks not kept, %s answers unwanted, %s damaged since the start", count(x.Unkept), count(x.Unwanted), count(x.Damaged))
	r := &v.Rates
	line("a second", "%s chunks of %s kept, %s passed on", rate(r.Chunks), size(r.ChunkBytes), rate(r.Passed))
	line("", "%s in, %s out, %s handshakes, %s refused", size(r.Received), size(r.Sent), rate(r.Handshakes), rate(r.Refused))
	line("to the disk", "%s", v.Store)
	o := &v.Outbox
	line("outboxes", "%s frames, at most %s for one agent, of %s; %s agents cut off", count(o.Frames), count(o.Deepest), count(o.Limit), count(o.CutOff))
	m := &v.Memory
	line("memory", "%s resident, %s heap, %s stacks, %s goroutines", size(m.Resident), size(m.Heap), size(m.Stacks), count(m.Goroutines))
	line("processors", "%s busy; %s of %s files open", rate(r.Processors), count(m.Files), count(m.FilesLimit))
	line("disk", "%s free of %s", size(v.Disk.Free), size(v.Disk.Size))
	line("certificate", "good for %s", span(l.Certificate))
	_ = w.Flush()
	tableWrong(&b, v.Wrong)
	return b.String()
}

// From when on something is wrong with a leaf.
const (
	longDown     = 60.0           // seconds without a line
	fullSpool    = 0.8            // of what may wait
	soonEnds     = 60 * 24 * 3600 // seconds that the certificate is still good
	longUnjoined = 60.0           // seconds of a line within which every agent is joined
)

// wrong says what is wrong, in words that say what to do.
func (v *LeafView) wrong() []string {
	all := []string{}
	add := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	l, w, d := &v.Line, &v.Waiting, &v.Disk
	add(l.Up != nil && *l.Up == 0 && over(l.For, longDown), "there has been no line to a relay for %s: the agents here are offline to whoever asks, and what they answer waits here; quaestor-relay doctor says why", span(l.For))
	add(over(w.Damaged, 0), "of %s answers chunks that were acknowledged could not be read when the leaf was started: they are in damaged, in its folder, and the answers will not be whole", count(w.Damaged))
	add(over(w.Unkept, 0), "%s chunks were not kept since the last look: agents keep them; the journal of the leaf says why", count(w.Unkept))
	add(over(w.Bytes, fullSpool**orZero(w.Limit)) && over(w.Limit, 0), "%s wait for the relays, and keep_bytes allows %s: beyond it agents keep their answers themselves", size(w.Bytes), size(w.Limit))
	add(d.Free != nil && over(d.Size, 0) && *d.Free < lowDisk**d.Size, "%s of %s are free on the disk: make room, or lower keep_bytes", size(d.Free), size(d.Size))
	add(d.Free != nil && w.Bytes != nil && over(w.Limit, *orZero(w.Bytes)) && *d.Free < *w.Limit-*w.Bytes, "%s may still wait by keep_bytes, and %s are free on the disk: lower keep_bytes, or make room", size(less(w.Limit, w.Bytes)), size(d.Free))
	add(over(l.Up, 0) && over(w.Paused, 0), "%s answers could not be sent or stored, and are tried again: the journals of the leaf and of the relay say why", count(w.Paused))
	add(over(l.Up, 0) && over(l.For, longUnjoined) && over(v.Agents.Connected, *orZero(v.Agents.Joined)), "%s agents are connected that no relay serves: they came just now, or relays do not want them", count(less(v.Agents.Connected, v.Agents.Joined)))
	add(!v.Store.Ever && v.Store.Count >= fewStores && (v.Store.Hundred == nil || *v.Store.Hundred > slowStore), "one of a hundred chunks takes longer than 100 ms to the disk: it is slow")
	o := &v.Outbox
	add(over(o.CutOff, 0), "%s agents were cut off since the last look, since they took nothing: their line or machine is too slow; they come back by themselves", count(o.CutOff))
	add(o.Limit != nil && over(o.Deepest, deepOutbox**orZero(o.Limit)), "%s frames wait for one agent, which is cut off at %s", count(o.Deepest), count(o.Limit))
	m := &v.Memory
	add(m.FilesLimit != nil && over(m.Files, manyFiles**orZero(m.FilesLimit)), "%s of %s files are open, and each agent takes one: raise LimitNOFILE", count(m.Files), count(m.FilesLimit))
	add(over(v.Rates.Refused, manyRefusals), "%s a second are refused: quaestor_leaf_refusals_total says for what reason", rate(v.Rates.Refused))
	add(l.Certificate != nil && *l.Certificate < soonEnds, "the leaf's certificate is good for %s: make the next one by quaestor-relay leaf, as at first, bring leaf.pem here and start the leaf again", span(l.Certificate))
	add(l.Up == nil, "the leaf does not say whether it has a line")
	return all
}
