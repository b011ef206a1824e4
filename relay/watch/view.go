package watch

import (
	"math"
	"strconv"
	"time"

	"github.com/quaestor-engine/quaestor/relay/meter"
)

// A Number is one that the relay said, or nil where it said none: what is not
// known is never 0.
type Number = *float64

// A Shown is what there is to see of a relay, or of a leaf: as a document, and
// for a person.
type Shown interface {
	Table() string
	Faults() []string // what is wrong, in words, the worst first
}

// Compare compares two readings of one relay, or of one leaf. Of another kind of
// program than before it is the first that is seen.
func Compare(before, now *Reading) Shown {
	if now.Scrape.Find(infoLeaf) == nil {
		return Look(before, now)
	}
	return LookLeaf(before, now)
}

// Faults gives what is wrong.
func (v View) Faults() []string { return v.Wrong }

// A View is how a relay is, between two readings. Rates are a second.
type View struct {
	Relay   string  `json:"relay"`
	Seconds float64 `json:"seconds"` // between the readings
	Up      Number  `json:"up_seconds"`

	Agents struct {
		Connected Number `json:"connected"`
		Elsewhere Number `json:"elsewhere"` // at other relays
		Known     Number `json:"known"`
	} `json:"agents"`
	Rates struct {
		Plans      Number `json:"plans"`
		Answers    Number `json:"answers"`
		Chunks     Number `json:"chunks"`
		ChunkBytes Number `json:"chunk_bytes"`
		Received   Number `json:"received_bytes"`
		Sent       Number `json:"sent_bytes"`
		Handshakes Number `json:"handshakes"`
		Refused    Number `json:"refused"`
		Processors Number `json:"processors"` // how many are busy with it
	} `json:"rates"`
	// FanOut is from a plan to its agent, Store from something to keep to the
	// disk.
	FanOut Latency `json:"fan_out"`
	Store  Latency `json:"store"`
	Plans  struct {
		Open     Number `json:"open"`
		Kept     Number `json:"kept"`
		Pending  Number `json:"pending"`  // for signatures
		Unlogged Number `json:"unlogged"` // they wait for the log
		Slowest  []Plan `json:"slowest"`
	} `json:"plans"`
	Outbox Outbox `json:"outbox"`
	Memory Memory `json:"memory"`
	Disk   struct {
		Free         Number `json:"free_bytes"`
		Size         Number `json:"size_bytes"`
		Answers      Number `json:"answer_bytes"`
		AnswersLimit Number `json:"answer_limit_bytes"`
		Spine        Number `json:"spine_bytes"`
	} `json:"disk"`
	Spine struct {
		Up       Number `json:"up"`
		CutOff   Number `json:"cut_off"`
		Peers    Number `json:"peers"`
		Alive    Number `json:"alive_peers"`
		Lag      Number `json:"lag_messages"`
		Behind   Number `json:"copies_behind"`
		Failures Number `json:"failures"`  // between the readings
		Refused  Number `json:"conflicts"` // between the readings
	} `json:"spine"`
	Log struct {
		On        Number `json:"on"`
		Entries   Number `json:"entries"`
		Witnessed Number `json:"witnessed"`
		Waiting   Number `json:"waiting_seconds"`
		Age       Number `json:"checkpoint_age_seconds"`
	} `json:"log"`
	Wrong []string `json:"wrong"` // in words, the worst first
}

// An Outbox is what waits to be sent to agents.
type Outbox struct {
	Frames  Number `json:"frames"`
	Deepest Number `json:"deepest"`
	Limit   Number `json:"limit"`
	CutOff  Number `json:"cut_off"` // agents, between the readings
}

// Memory is what a process has.
type Memory struct {
	Resident   Number `json:"resident_bytes"`
	Heap       Number `json:"heap_bytes"`
	Stacks     Number `json:"stack_bytes"`
	Goroutines Number `json:"goroutines"`
	Files      Number `json:"files"`
	FilesLimit Number `json:"files_limit"`
}

// A Latency is how long something took between the readings, or since the relay
// was started where nothing did. Half took at most Half, and so on: the upper
// ends of the buckets that they are in; nil is longer than any, or none.
type Latency struct {
	Count   float64 `json:"count"`
	Ever    bool    `json:"ever"` // since the start
	Half    Number  `json:"half_seconds"`
	Hundred Number  `json:"99_percent_seconds"`
}

// A pair is two readings that are compared.
type pair struct {
	before, now *meter.Scrape
	seconds     float64
}

// Look compares two readings of one relay. One that was started anew between
// them is compared with nothing.
func Look(before, now *Reading) View {
	p := pairOf(before, now)
	var v View
	v.Seconds = p.seconds
	v.Relay, v.Up = p.name(infoRelay), p.up(now.At)
	p.activity(&v)
	p.state(&v)
	v.Plans.Slowest = now.Plans
	v.Wrong = v.wrong()
	return v
}

// pairOf compares nothing with what was started anew.
func pairOf(before, now *Reading) *pair {
	p := &pair{before.Scrape, now.Scrape, now.At.Sub(before.At).Seconds()}
	if a, b := p.get("process_start_time_seconds"), number(before.Scrape, "process_start_time_seconds"); a != nil && b != nil && *a > *b+1 {
		p.before = &meter.Scrape{}
	}
	return p
}

// name gives what a program is called.
func (p *pair) name(info string) string {
	if f := p.now.Find(info); f != nil && len(f.Samples) > 0 {
		return f.Samples[0].Label("name")
	}
	return ""
}

// up gives for how long it has run.
func (p *pair) up(now time.Time) Number {
	start := p.get("process_start_time_seconds")
	if start != nil {
		*start = now.Sub(time.UnixMilli(int64(*start * 1000))).Seconds()
	}
	return start
}

// memory fills in what a process has.
func (p *pair) memory(m *Memory) {
	m.Resident, m.Heap, m.Stacks = p.get("process_resident_memory_bytes"), p.get("go_memstats_heap_alloc_bytes"), p.get("go_memstats_stack_inuse_bytes")
	m.Goroutines, m.Files, m.FilesLimit = p.get("go_goroutines"), p.get("process_open_fds"), p.get("process_max_fds")
}

// activity fills in what happened.
func (p *pair) activity(v *View) {
	r := &v.Rates
	r.Plans, r.Answers, r.Chunks = p.rate("quaestor_relay_plans_total"), p.rate("quaestor_relay_answers_total"), p.rate("quaestor_relay_chunks_total")
	r.ChunkBytes, r.Received, r.Sent = p.rate("quaestor_relay_chunk_bytes_total"), p.rate("quaestor_relay_received_bytes_total"), p.rate("quaestor_relay_sent_bytes_total")
	r.Handshakes, r.Refused = p.rate("quaestor_relay_handshakes_total"), p.rate("quaestor_relay_refusals_total")
	r.Processors = p.rate("process_cpu_seconds_total")
	v.FanOut, v.Store = p.latency("quaestor_relay_fanout_seconds"), p.latency("quaestor_relay_store_seconds")
	v.Outbox.CutOff = p.more("quaestor_relay_slow_agents_total")
	v.Spine.Failures, v.Spine.Refused = p.more("quaestor_relay_store_failures_total"), p.more("quaestor_relay_store_conflicts_total")
}

// state fills in how things stand.
func (p *pair) state(v *View) {
	v.Agents.Connected, v.Agents.Known, v.Agents.Elsewhere = p.get("quaestor_relay_connected_agents"), p.get("quaestor_relay_known_agents"), p.get("quaestor_relay_peer_connected_agents")
	v.Plans.Open, v.Plans.Kept = p.get("quaestor_relay_open_plans"), p.get("quaestor_relay_kept_plans")
	v.Plans.Pending, v.Plans.Unlogged = p.get("quaestor_relay_pending_plans"), p.get("quaestor_relay_unlogged_plans")
	v.Outbox.Frames, v.Outbox.Deepest, v.Outbox.Limit = p.get("quaestor_relay_outbox_frames"), p.get("quaestor_relay_outbox_deepest_frames"), p.get("quaestor_relay_outbox_limit_frames")
	p.memory(&v.Memory)
	v.Disk.Free, v.Disk.Size, v.Disk.Spine = p.get("quaestor_relay_disk_free_bytes"), p.get("quaestor_relay_disk_size_bytes"), p.get("quaestor_relay_spine_bytes")
	v.Disk.Answers, v.Disk.AnswersLimit = p.get("quaestor_relay_kept_answer_bytes"), p.get("quaestor_relay_kept_answer_limit_bytes")
	s := &v.Spine
	s.Up, s.CutOff, s.Peers, s.Alive = p.get("quaestor_relay_spine_up"), p.get("quaestor_relay_cut_off"), p.get("quaestor_relay_peers"), p.get("quaestor_relay_alive_peers")
	s.Lag, s.Behind = p.get("quaestor_relay_spine_lag_messages"), p.get("quaestor_relay_spine_copies_behind")
	l := &v.Log
	l.On, l.Entries, l.Witnessed = p.get("quaestor_relay_log_on"), p.get("quaestor_relay_log_entries"), p.get("quaestor_relay_log_witnessed_entries")
	l.Waiting, l.Age = p.get("quaestor_relay_log_waiting_seconds"), p.get("quaestor_relay_log_checkpoint_age_seconds")
}

func (p *pair) get(name string) Number { return number(p.now, name) }

// number gives the sum of a family that is no histogram; nil is that there is
// none.
func number(s *meter.Scrape, name string) Number {
	f := s.Find(name)
	if f == nil || len(f.Samples) == 0 {
		return nil
	}
	sum := 0.0
	for _, x := range f.Samples {
		sum += x.Value
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return nil // JSON has no way to say it, and it says nothing
	}
	return &sum
}

// more gives how much was counted between the readings.
func (p *pair) more(name string) Number {
	now, before := p.get(name), number(p.before, name)
	if now != nil && before != nil {
		*now = max(0, *now-*before)
	}
	return now
}

// rate gives it a second.
func (p *pair) rate(name string) Number {
	n := p.more(name)
	if n == nil || p.seconds <= 0 {
		return nil
	}
	*n /= p.seconds
	return n
}

// latency sums a family of histograms.
func (p *pair) latency(name string) Latency {
	after, bounds := buckets(p.now, name)
	before, _ := buckets(p.before, name)
	between := map[float64]float64{}
	for bound, n := range after {
		between[bound] = n - before[bound]
	}
	l := Latency{Count: between[math.Inf(1)]}
	if l.Count <= 0 {
		l = Latency{Count: after[math.Inf(1)], Ever: true}
		between = after
	}
	l.Half, l.Hundred = quantile(between, bounds, 0.5), quantile(between, bounds, 0.99)
	return l
}

// buckets gives how many took at most as long as each bound, which rise.
func buckets(s *meter.Scrape, name string) (n map[float64]float64, bounds []float64) {
	n = map[float64]float64{}
	f := s.Find(name)
	if f == nil {
		return n, nil
	}
	for _, x := range f.Samples {
		bound, err := strconv.ParseFloat(x.Label("le"), 64)
		if err != nil {
			continue // the sum, or the count
		}
		if _, ok := n[bound]; !ok {
			bounds = append(bounds, bound)
		}
		n[bound] += x.Value
	}
	return n, bounds
}

// quantile gives the upper end of the bucket that a share of all ends in.
func quantile(n map[float64]float64, bounds []float64, share float64) Number {
	all := n[math.Inf(1)]
	for _, bound := range bounds {
		if all > 0 && n[bound] >= share*all && !math.IsInf(bound, 1) {
			return &bound
		}
	}
	return nil
}
