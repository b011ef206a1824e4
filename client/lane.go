package client

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// Bounds of what is in memory between the relay and who reads the rows, however
// many agents answer. When one is reached the relay waits.
const (
	ahead       = 8 << 20   // bytes of frames that wait to be opened
	laneJobs    = 64        // frames that wait for one lane
	batchRows   = 256       // rows that are handed on together
	batchBytes  = 128 << 10 // the same in bytes, as values are held
	valuesBlock = 1024      // values that are allocated together
)

// A lane does all that there is to do for some of the agents, in the order in
// which it came: it verifies who they are, opens their chunks and hands their
// rows on. There are as many lanes as processors, and an agent's is always the
// same, so that what must be one after the other is, and nothing else.
type lane struct {
	f    *following
	jobs chan job // closed when the readers have ended

	mu     sync.Mutex
	parts  []part // one a plan
	places int    // bytes of places that could not be looked at, as far as they are held
}

// A job is a frame about an agent, or the mark that everyone was named.
type job struct {
	plan  *followed
	kind  message.Type
	agent message.ID
	body  []byte
	left  *atomic.Int32 // of a mark: the lanes that have not come to it
}

// A part is what a lane knows of one plan; the lane's mu guards it.
type part struct {
	agents    map[message.ID]*answering
	strangers map[message.ID]string // that the relay named, or took an answer from, and why they are no agents
	crowd     int64                 // what was said of further ones
	tokens    map[signing.ID]*token
	looked    map[string]int64 // by all agents together
	rows      int64
	lagging   *answering // that was waited for when last asked
}

// A token is one that agents of a part have enrolled with.
type token struct {
	id   signing.ID
	uses int
}

// answering is one agent's answer to one plan. There may be a hundred thousand
// of them: what all have in common is not in it.
type answering struct {
	host   string
	token  *token
	public ed25519.PublicKey // nil when nothing more is opened
	opener *sealing.Opener   // nil before the first chunk, and after the last
	since  time.Duration     // by the clock: when it was named, or changed
	heard  time.Duration     // likewise: when the last account came
	rows   int64
	more   *account // what it says beyond outcome and rows; nil: nothing
	fault  error

	outcome         answer.Outcome // of its account; 0: there is none yet
	matched         bool           // the account says that there are rows
	online, reached bool
	final           bool
}

// An account is what few agents have to say.
type account struct {
	reason  string
	skipped []answer.Skipped
	limits  []string
	round   int
	at      time.Time
	looked  map[string]int64 // of a round, until the next one
	places  int              // bytes of places that are held of it
	unnamed bool             // places of it are counted, and not named
}

func newLane(f *following, plans int) *lane {
	l := &lane{f: f, jobs: make(chan job, laneJobs), parts: make([]part, plans)}
	for i := range l.parts {
		l.parts[i] = part{agents: map[message.ID]*answering{}, strangers: map[message.ID]string{}, tokens: map[signing.ID]*token{}, looked: map[string]int64{}}
	}
	return l
}

// work does what comes until the readers have ended.
func (l *lane) work() {
	for j := range l.jobs {
		if l.f.ctx.Err() == nil {
			if err := l.do(j); err != nil {
				l.f.fail(err)
			}
		}
		l.f.room.Release(min(int64(len(j.body)), ahead))
		l.f.dealt()
	}
}

func (l *lane) do(j job) error {
	switch j.kind {
	case message.TypeAgent:
		return l.name(j)
	case message.TypeState:
		return l.note(j)
	case message.TypeChunk:
		return l.open(j)
	}
	if j.left.Add(-1) == 0 {
		l.f.mu.Lock()
		j.plan.caughtUp = true
		l.f.mu.Unlock()
		l.f.tell()
	}
	return nil
}

// waitsFor says whether one of the lane's agents is waited for.
func (l *lane) waitsFor(p *followed, waited func(*answering) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &l.parts[p.index]
	if part.lagging != nil && waited(part.lagging) {
		return true
	}
	for _, a := range part.agents {
		if waited(a) {
			part.lagging = a
			return true
		}
	}
	return false
}

// Bounds of what is kept of the agents that a relay may invent, by lane.
const (
	maxStrangers = 1000
	maxWhy       = 300 // characters of why one is none: errors quote what they are about
)

// stranger notes what the relay says of somebody who is no agent.
func (l *lane) stranger(j job, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.parts[j.plan.index]
	switch _, known := p.strangers[j.agent]; {
	case known:
	case len(p.strangers) < maxStrangers:
		p.strangers[j.agent] = cut(why.Error(), maxWhy)
	default:
		p.crowd++
	}
}

// cut gives the front of a text, of at most so many characters.
func cut(text string, most int) string {
	if front := fmt.Sprintf("%.*s", most, text); len(front) < len(text) {
		return front + "…"
	}
	return text
}

// known gives an agent that was named. No other lane changes it.
func (l *lane) known(j job) *answering { return l.parts[j.plan.index].agents[j.agent] }

// name takes an agent that the plan is for, once its chain was verified.
func (l *lane) name(j job) error {
	m, err := message.DecodeAgent(j.body)
	if err != nil {
		return fmt.Errorf("%w: %w", errOurs, err)
	}
	switch {
	case l.known(j) != nil:
		return nil
	case j.plan.named.Add(1) > maxFleet:
		return fmt.Errorf("%w: %w", errOurs, errTooMany)
	}
	who, err := l.f.session.opts.home.recognise(m, l.f.session.Policy(), l.f.session.opts.now())
	if err != nil {
		j.plan.named.Add(-1)
		l.stranger(j, err)
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.parts[j.plan.index]
	t := p.tokens[who.Token]
	if t == nil {
		t = &token{id: who.Token, uses: who.Uses}
		p.tokens[t.id] = t
	}
	p.agents[j.agent] = &answering{host: who.Host, token: t, public: who.Public, online: m.Online, since: l.f.clock.now()}
	return nil
}

func (l *lane) note(j job) error {
	m, err := message.DecodeState(j.body)
	if err != nil {
		return fmt.Errorf("%w: %w", errOurs, err)
	}
	l.mu.Lock()
	if a := l.known(j); a != nil {
		// A relay that says again that an agent has not come to the question has
		// heard of it: it is busy with others.
		if a.online != m.Online || a.reached != m.Reached || m.Online && !m.Reached {
			a.since = l.f.clock.now()
		}
		a.online, a.reached = m.Online, a.reached || m.Reached
	}
	l.mu.Unlock()
	l.f.tell()
	return nil
}

// open verifies and opens a chunk. One that is not the agent's ends the
// agent's answer: what came before it stands.
func (l *lane) open(j job) error {
	c, err := message.DecodeChunk(j.body)
	if err != nil {
		return fmt.Errorf("%w: %w", errOurs, err)
	}
	a, payload := l.known(j), j.plan.payload
	switch {
	case a == nil:
		l.stranger(j, errors.New("an answer came that nobody was named for"))
		return nil
	case a.fault != nil || a.public == nil || c.Plan != payload.ID:
		return nil
	case a.opener == nil:
		a.opener = sealing.NewOpener(j.plan.key, sealing.Binding{Fleet: payload.Fleet, Plan: payload.ID, Agent: c.Agent}, a.public)
	}
	if c.Seq < a.opener.Next() {
		return nil // it came over an earlier connection
	}
	plain, final, err := a.opener.Open(c.Data)
	if err != nil {
		l.blame(a, fmt.Errorf("its answer was changed on the way, or is not whole: %w", err))
		return nil
	}
	if final {
		a.opener, a.public = nil, nil // what comes again is passed over
	}
	return l.give(j, a, plain, final)
}

// blame ends the answer of an agent that is none.
func (l *lane) blame(a *answering, err error) {
	l.mu.Lock()
	if a.fault == nil {
		a.fault = err
	}
	a.opener, a.public = nil, nil
	l.mu.Unlock()
	l.f.tell()
}

// give hands the rows of one chunk on, and takes the account. A chunk that the
// agent sealed and that makes no sense is the agent's fault.
func (l *lane) give(j job, a *answering, plain []byte, final bool) error {
	b := &batch{lane: l, job: j, agent: a, answer: quaestor.Answer{Host: a.host, Agent: j.agent.String(), Query: j.plan.index}}
	err := answer.Decode(plain, b.row, func(s answer.Summary) error {
		if err := b.flush(); err != nil {
			return err // what it says of rows that are none is not counted
		}
		return l.account(j.plan, a, &s)
	})
	// Rows before what is malformed are handed on, and who takes them may want no
	// more: that is no agent's fault.
	for _, err := range []error{err, b.flush()} {
		switch {
		case err == nil:
		case errors.Is(err, engine.ErrMalformed), errors.Is(err, answer.ErrMalformed):
			l.blame(a, fmt.Errorf("it sent what the query has no place for: %w", err))
		default:
			l.f.mu.Lock()
			l.f.cut = l.f.cut || l.f.ctx.Err() == nil
			l.f.mu.Unlock()
			return err
		}
	}
	l.mu.Lock()
	a.final = a.final || final
	l.mu.Unlock()
	if final {
		l.f.tell()
	}
	return nil
}

// account takes what an agent says of its work: nothing more than has to be
// known of it. The error wraps answer.ErrMalformed where it is no account.
func (l *lane) account(p *followed, a *answering, s *answer.Summary) error {
	if err := admissible(s); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.every == 0 && a.outcome != 0 {
		return fmt.Errorf("%w: a second account", answer.ErrMalformed)
	}
	part := &l.parts[p.index]
	if a.more != nil {
		for kind, n := range a.more.looked {
			part.looked[kind] -= n
		}
		maps.DeleteFunc(part.looked, func(_ string, n int64) bool { return n == 0 })
		l.places -= a.more.places
	}
	var looked map[string]int64
	if p.every > 0 {
		looked = make(map[string]int64, len(s.Looked))
	}
	for kind, n := range s.Looked {
		if _, known := part.looked[kind]; !known && len(part.looked) >= maxKinds {
			kind = otherKinds
		}
		if part.looked[kind] += n; looked != nil {
			looked[kind] += n
		}
	}
	a.outcome, a.matched, a.heard, a.more = s.Outcome, s.Matched > 0, l.f.clock.now(), nil
	if s.Reason == "" && len(s.Skipped) == 0 && len(s.Limits) == 0 && s.Round == 0 {
		return nil
	}
	a.more = &account{reason: cut(s.Reason, maxReason), skipped: s.Skipped, limits: s.Limits, round: s.Round, at: s.At, looked: looked}
	for i, k := range s.Skipped {
		size := 0
		for _, place := range k.First {
			size += len(place.Where) + len(place.Detail) + placeOverhead
		}
		if l.places+size > maxPlaces/len(l.f.lanes) {
			s.Skipped[i].First, a.more.unnamed = nil, true // they stay counted
			continue
		}
		l.places += size
		a.more.places += size
	}
	return nil
}

// maxReason is how much is told of why an answer is none, or not complete, in
// characters: many times what agents say.
const maxReason = 10_000

// Bounds of the kinds that accounts name: agents tell of far fewer, and one that
// invents them takes no more memory.
const (
	maxKinds    = 256      // in an account; and of what is counted of one plan, by lane
	maxKindName = 64       // bytes
	otherKinds  = "others" // is what further ones are counted as
)

// admissible says why an account is none.
func admissible(s *answer.Summary) error {
	if s.Outcome == 0 {
		return fmt.Errorf("%w: an account without an outcome", answer.ErrMalformed)
	}
	if n := max(len(s.Looked), len(s.Skipped), len(s.Limits)); n > maxKinds {
		return fmt.Errorf("%w: an account of %d kinds is more than %d", answer.ErrMalformed, n, maxKinds)
	}
	longest := 0
	for kind := range s.Looked {
		longest = max(longest, len(kind))
	}
	for _, k := range s.Skipped {
		longest = max(longest, len(k.Kind))
	}
	for _, name := range s.Limits {
		longest = max(longest, len(name))
	}
	if longest > maxKindName {
		return fmt.Errorf("%w: an account of a kind whose name takes %d bytes is more than %d", answer.ErrMalformed, longest, maxKindName)
	}
	return nil
}

// maxPlaces bounds what is held of the places that agents could not look at, in
// bytes: those of further agents are counted, and not named, and limitPlaces
// stands among the limits of the answer.
const maxPlaces = 64 << 20

const limitPlaces = "names of places"

// placeOverhead is about what a place takes beside its texts, in bytes.
const placeOverhead = 64

// A batch gathers rows of one chunk, to hand them on together.
type batch struct {
	lane   *lane
	job    job
	agent  *answering
	answer quaestor.Answer
	values []value.Value // room for those of further rows
	bytes  int
}

// row takes a row, whose values are the decoder's to use again. Texts in them
// are part of the chunk, which nobody uses again.
func (b *batch) row(table int, values []value.Value) error {
	if cap(b.values)-len(b.values) < len(values) {
		b.values = make([]value.Value, 0, max(valuesBlock, len(values)))
	}
	from := len(b.values)
	b.values = append(b.values, values...)
	b.answer.Rows = append(b.answer.Rows, quaestor.Found{Table: table, Values: b.values[from:len(b.values):len(b.values)]})
	b.bytes += rowOverhead * (1 + len(values))
	if len(b.answer.Rows) < batchRows && b.bytes < batchBytes {
		return nil
	}
	return b.flush()
}

// rowOverhead is about what a value takes beside its text, which is part of the
// chunk, in bytes; and a row as much again.
const rowOverhead = 64

// flush hands on what was gathered, and waits until somebody wants it.
func (b *batch) flush() error {
	if len(b.answer.Rows) == 0 {
		return nil
	}
	f := b.lane.f
	select {
	case <-f.ready:
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
	n, err := f.take(b.answer)
	b.answer.Rows, b.bytes = nil, 0
	b.lane.mu.Lock()
	defer b.lane.mu.Unlock()
	b.agent.rows += int64(n)
	b.lane.parts[b.job.plan.index].rows += int64(n)
	return err
}
