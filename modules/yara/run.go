package yara

import (
	"bytes"
	"context"
	"math"
	"slices"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules/yara/pattern"
)

// Defaults of Limits, and bounds of a scan.
const (
	defaultShown   = 100
	defaultData    = 64
	defaultMatches = 100_000
	defaultSteps   = 200_000_000
	// maxPlaces is how many places are remembered of all strings together,
	// of 24 bytes each.
	maxPlaces = 1_000_000
	// maxHead is how much of the beginning of a stream is kept for
	// conditions that ask before the end, in bytes.
	maxHead = 64 << 10
	// block is how many bytes are searched before what was found is looked
	// at: it bounds what is held between.
	block = 64 << 10
	// steps of conditions are put to the same account as those of matches.
	tooDear = "it would take more steps than the scan may spend"
)

// Values of run.state.
const (
	isFalse uint8 = iota
	isTrue
	isUndecided
)

// place is where a part of a string stands.
type place struct {
	off  int64
	data int32 // where its bytes were copied to, plus one; 0 for nowhere
	n    int32
	rank uint8 // of the spelling
}

// partState is what a scan found of a part.
type partState struct {
	places []place
	over   bool // some were dropped that a condition may ask for
	more   bool // some were dropped that would have been shown
	loose  bool // they are not in order
	dead   bool // nobody could look for it to the end
}

// gate is a set of guards that several rules have in common: conditions that
// can be answered before the search.
type gate struct {
	guards  []int
	strings bool // rules behind it have strings
}

// Values of run.gates.
const (
	gateUnknown uint8 = iota
	gateOpen
	gateClosed
)

type moduleState struct {
	val    Value
	err    error
	loaded bool
}

// run is one scan under way, and the room for the next.
type run struct {
	rules  *Rules
	limits Limits
	data   Data
	res    Result

	parts   []partState
	touched []*part
	total   int // places that are remembered
	arena   []byte

	gates  []uint8
	guards []uint8 // as gates, by guard
	state  []uint8 // by rule
	dirty  []*Rule // rules that have a state
	marked []bool  // by rule: a string of it stands somewhere
	hot    []*Rule // rules that are marked

	current *str
	vars    []Value
	modules []moduleState
	loaded  bool
	why     string // why what is being asked cannot be decided
	early   bool   // the search has not begun
	ctx     context.Context
	tick    int64 // what was spent since the context was looked at

	matcher pattern.Matcher
	hits    []search.Hit
	window  window
}

func newRun(r *Rules, l Limits) *run {
	or := func(n, d int) int {
		if n == 0 {
			return d
		}
		return n
	}
	l.Shown, l.Data, l.Matches = or(l.Shown, defaultShown), or(l.Data, defaultData), or(l.Matches, defaultMatches)
	if l.Steps == 0 {
		l.Steps = defaultSteps
	}
	p := r.prog
	return &run{
		rules: r, limits: l,
		parts: make([]partState, len(p.parts)),
		gates: make([]uint8, len(p.gates)), guards: make([]uint8, len(p.guards)),
		state: make([]uint8, len(r.rules)), marked: make([]bool, len(r.rules)),
		vars: make([]Value, p.vars), modules: make([]moduleState, len(p.modules)),
	}
}

// start forgets the content before.
func (r *run) start(c Content) {
	for _, p := range r.touched {
		s := &r.parts[p.index]
		*s = partState{places: s.places[:0]}
		if cap(s.places) > 1<<12 {
			s.places = nil // one content of many must not cost memory for ever
		}
	}
	for _, rule := range r.hot {
		r.marked[rule.index] = false
	}
	for _, rule := range r.dirty {
		r.state[rule.index] = isFalse
	}
	if r.loaded {
		clear(r.modules)
		r.loaded = false
	}
	clear(r.gates)
	clear(r.guards)
	r.touched, r.hot, r.dirty, r.arena = r.touched[:0], r.hot[:0], r.dirty[:0], r.arena[:0]
	r.total, r.why, r.early, r.current = 0, "", true, nil
	r.matcher.Steps = r.limits.Steps
	r.res.Matches, r.res.Undecided = r.res.Matches[:0], r.res.Undecided[:0]
	spare, head := r.data.spare, r.data.head[:0]
	r.data = Data{size: c.Size, process: c.Process, at: c.At, spare: spare, head: head}
	r.window.start()
}

// spend takes from the account; where nothing is left the answer is no more
// to be trusted.
func (r *run) spend(n int64) {
	const often = 1 << 20 // steps, of about 10 ns
	if r.tick += n; r.tick > often {
		if r.tick = 0; r.ctx != nil && r.ctx.Err() != nil {
			r.fail("the scan was cancelled")
		}
	}
	if r.matcher.Steps -= n; r.matcher.Steps <= 0 {
		r.fail(tooDear)
	}
}

// fail says why what is being asked cannot be decided.
func (r *run) fail(why string) Value {
	if r.why == "" {
		r.why = why
	}
	return Value{}
}

// whole scans a content in memory.
func (r *run) whole(ctx context.Context, b []byte) {
	r.data.whole, r.ctx = b, ctx
	if r.wanted() {
		r.window.whole(b)
		r.search(ctx, true)
	}
}

// feed takes the next block of a stream.
func (r *run) feed(ctx context.Context, off int64, b []byte) (done bool) {
	if len(b) == 0 {
		return false
	}
	w := &r.window
	r.ctx = ctx
	if r.early {
		if off == 0 {
			r.data.head = append(r.data.head, b[:min(len(b), maxHead)]...)
		}
		w.idle = !r.wanted()
		r.early = false
	}
	if w.idle {
		w.end = off + int64(len(b))
		return r.data.process || r.data.size >= 0
	}
	if w.end != off && len(w.buf) > 0 {
		r.search(ctx, true)
		w.drop()
	}
	w.add(off, b)
	r.search(ctx, false)
	w.shift(r.rules.prog.atoms.before)
	return false
}

// end evaluates what was found.
func (r *run) end(ctx context.Context) (*Result, error) {
	r.ctx = ctx
	if r.data.whole == nil {
		if !r.window.idle && len(r.window.buf) > 0 {
			r.search(ctx, true)
		}
		if !r.data.process && r.data.size < 0 {
			r.data.size = r.window.end
		}
	}
	r.early = false
	if err := ctx.Err(); err != nil {
		return &Result{}, err
	}
	r.link()
	r.evaluate(ctx)
	return &r.res, ctx.Err()
}

// wanted answers the guards as far as they can be, and says whether any
// string has to be searched for.
func (r *run) wanted() bool {
	for _, g := range r.rules.prog.globals {
		if r.gate(g.gate) == gateClosed {
			return false // no rule can hold
		}
	}
	for i := range r.rules.prog.gates {
		if r.rules.prog.gates[i].strings && r.gate(i) != gateClosed {
			return true
		}
	}
	return false
}

// gate says whether rules behind a gate can hold.
func (r *run) gate(i int) uint8 {
	if r.gates[i] != gateUnknown {
		return r.gates[i]
	}
	r.gates[i] = gateOpen
	for _, g := range r.rules.prog.gates[i].guards {
		if r.guards[g] == gateUnknown {
			r.guards[g] = gateOpen
			if v := r.rules.prog.guards[g].eval(r); r.why == "" && !truth(v) {
				r.guards[g] = gateClosed
			}
			r.why, r.data.err = "", nil
		}
		if r.guards[g] == gateClosed {
			r.gates[i] = gateClosed
		}
	}
	return r.gates[i]
}

// evaluate asks the conditions of all rules that may hold.
func (r *run) evaluate(ctx context.Context) {
	slices.SortFunc(r.hot, func(a, b *Rule) int { return a.index - b.index })
	always, hot := r.rules.prog.always, r.hot
	for len(always)+len(hot) > 0 && ctx.Err() == nil {
		var rule *Rule
		if len(hot) == 0 || len(always) > 0 && always[0].index <= hot[0].index {
			rule, always = always[0], always[1:]
			if len(hot) > 0 && hot[0] == rule {
				hot = hot[1:]
			}
		} else {
			rule, hot = hot[0], hot[1:]
		}
		if r.gate(rule.gate) != gateClosed {
			r.ask(rule)
		}
	}
	r.report()
}

// ask evaluates one rule.
func (r *run) ask(rule *Rule) {
	r.why = ""
	for _, s := range rule.strings {
		for _, p := range s.parts {
			if r.parts[p.index].dead {
				r.fail(tooDear)
			}
		}
	}
	holds := r.why == "" && truth(rule.cond.eval(r))
	r.dirty = append(r.dirty, rule)
	switch {
	case r.why != "":
		r.state[rule.index] = isUndecided
		r.res.Undecided = append(r.res.Undecided, Undecided{Rule: rule, Reason: r.why})
	case holds:
		r.state[rule.index] = isTrue
	}
}

// report lists the rules that hold, unless a global one does not.
func (r *run) report() {
	for _, g := range r.rules.prog.globals {
		switch r.state[g.index] {
		case isFalse:
			r.res.Undecided = r.res.Undecided[:0]
			return
		case isUndecided:
			r.doubt(g)
			return
		}
	}
	for _, rule := range r.dirty {
		if r.state[rule.index] == isTrue && !rule.Private {
			r.res.Matches = append(r.res.Matches, r.match(rule))
		}
	}
}

// doubt makes every rule that would hold as undecided as a global one.
func (r *run) doubt(g *Rule) {
	for _, rule := range r.dirty {
		if r.state[rule.index] == isTrue {
			r.res.Undecided = append(r.res.Undecided, Undecided{Rule: rule, Reason: "global rule " + g.Name + " is undecided"})
		}
	}
}

// match lists where the strings of a rule stand.
func (r *run) match(rule *Rule) Match {
	m := Match{Rule: rule}
	for _, s := range rule.strings {
		if s.private {
			continue
		}
		state := &r.parts[s.parts[0].index]
		m.More = m.More || state.more || len(state.places) > r.limits.Shown
		for _, p := range state.places[:min(len(state.places), max(0, r.limits.Shown))] {
			m.Strings = append(m.Strings, Place{Name: s.name, Offset: p.off, Length: int(p.n), Data: r.bytes(p)})
		}
	}
	return m
}

// bytes gives the first bytes of a place.
func (r *run) bytes(p place) []byte {
	n := min(int(p.n), max(0, r.limits.Data))
	if r.data.whole != nil {
		return cut(r.data.whole, p.off, n)
	}
	if n == 0 {
		return nil
	}
	if p.data == 0 {
		// Nobody thought that it would be shown: it may be read again.
		b, err := r.data.Slice(p.off, n)
		if err != nil {
			return nil
		}
		return bytes.Clone(b)
	}
	from := int(p.data) - 1
	return r.arena[from:min(from+n, len(r.arena))]
}

// places are where a string stands, in order.
func (r *run) places(s *str) []place { return r.parts[s.parts[0].index].places }

// over says that places of a string were dropped.
func (r *run) over(s *str) bool { return r.parts[s.parts[0].index].over }

// countIn counts the places from lo to hi.
func (r *run) countIn(s *str, lo, hi int64) int {
	places := r.places(s)
	r.spend(8)
	from := firstAt(places, lo)
	if hi < lo {
		return 0
	}
	to := len(places)
	if hi < math.MaxInt64 {
		to = firstAt(places, hi+1)
	}
	return to - from
}

// firstAt gives the index of the first place at or after an offset.
func firstAt(places []place, off int64) int {
	i, _ := slices.BinarySearchFunc(places, off, func(p place, off int64) int {
		switch {
		case p.off < off:
			return -1
		case p.off > off:
			return 1
		}
		return 0
	})
	return i
}
