package search

import (
	"bytes"
	"regexp"
)

// verdict is what is known of a pattern in a content.
type verdict uint8

const (
	open verdict = iota // not decided yet
	yes
	no
)

// seeker finds strings of one length; it is a literal or classes.
type seeker interface {
	// index returns where one first stands in b, or -1.
	index(b []byte) int
	// size is the length in bytes, at least one.
	size() int
}

// regex is a compiled expression and how it is sought. It is read-only.
type regex struct {
	std    *regexp.Regexp
	p      *prog
	seek   []seeker // each match contains what one of them finds; empty when none is known
	widest int      // size of the longest of them
	before int      // bytes a match may hold before that, or endless
	reach  int      // bytes of the longest match, or endless
}

// newRegex compiles an expression whose syntax Pattern.Regexp describes.
func newRegex(expr string, fold bool) (*regex, error) {
	tree, std, err := parse(expr, fold)
	if err != nil {
		return nil, err
	}
	p, err := newProg(tree)
	if err != nil {
		return nil, err
	}
	x := &regex{std: std, p: p}
	req, reach, folded := analyse(tree)
	x.reach = reach
	if req != nil && !p.locates(req.before) {
		req = nil
	}
	if req == nil || len(req.texts) > maxCheap {
		if c := findCore(tree); c != nil && p.locates(c.before) {
			if s := newClasses(c.sets); s != nil {
				x.add(s, c.before)
				return x, nil
			}
		}
	}
	if req == nil {
		return x, nil
	}
	for _, t := range req.texts {
		x.add(newLiteral(t, folded), req.before)
	}
	return x, nil
}

// locates tells whether it helps to find what a match may hold so many bytes
// before: whether that, or else a line, says where the match could begin.
func (p *prog) locates(before int) bool {
	return p.lineOnly || before != endless && before <= maxBefore
}

// add makes s one of what is sought ahead of the automaton.
func (x *regex) add(s seeker, before int) {
	x.seek = append(x.seek, s)
	x.widest = max(x.widest, s.size())
	if x.before = before; before > maxBefore {
		x.before = endless
	}
}

// history is how many bytes before a chunk a stream must keep for x.
func (x *regex) history() int {
	if len(x.seek) == 0 {
		return 0
	}
	// Three bytes to find where a rune begins, one to see what is before it.
	return max(x.before, 0) + x.widest - 1 + 4
}

// regexRun seeks one expression. It belongs to one goroutine. Where the
// expression has something to seek, the automaton runs only from where a match
// around a hit could begin until nothing is hoped for.
type regexRun struct {
	x      *regex
	d      *dfa
	hunts  bool // something is sought first
	active bool // the carried state hopes for something
	next   [maxRequired]int
}

func newRegexRun(x *regex, limit int) *regexRun {
	r := &regexRun{x: x, d: newDFA(x.p, limit)}
	r.hunts = len(x.seek) > 0 && r.d.starts[afterOther]&special == 0
	return r
}

// start forgets the stream.
func (r *regexRun) start() {
	r.d.live[liveCarry] = unset
	r.active = false
}

// whole tells whether b, a whole content, holds a match; a stream under way
// is left as it is.
func (r *regexRun) whole(b []byte) bool {
	d, active := r.d, r.active
	d.live[liveKept] = d.live[liveCarry]
	r.start()
	v := r.feed(&seam{}, b, true)
	d.live[liveCarry], r.active = d.live[liveKept], active
	d.live[liveKept] = unset
	return v == yes
}

// feed looks at the next chunk of a stream.
func (r *regexRun) feed(v *seam, b []byte, last bool) verdict {
	d := r.d
	if d.live[liveCarry] == unset {
		d.live[liveCarry] = d.starts[afterText]
	}
	if d.live[liveCarry]&special == 0 {
		if r.hunts {
			r.hunt(v, b)
		} else {
			d.scan(liveCarry, b, r.x.reach)
		}
	}
	switch s := d.live[liveCarry]; {
	case s == matched:
		return yes
	case s == hopeless:
		return no
	case !last:
		return open
	case d.end(s):
		return yes
	default:
		return no
	}
}

// hunt looks for hits of what is sought in b, and for matches around them. It
// leaves the carried state as after b, or, when not active and where the
// beginning of a match can be found again from a hit, some idle state.
func (r *regexRun) hunt(v *seam, b []byte) {
	pos, settled := r.resume(v, b)
	if settled {
		return
	}
	d, work := r.d, 0
	for k := range r.x.seek {
		r.next[k] = -1
	}
	for {
		hit := r.nextHit(b, pos)
		if hit < 0 {
			break
		}
		if work > 2048+pos/2 {
			// Hits are no help here: the lanes are faster.
			d.scan(liveCarry, b[pos:], r.x.reach)
			r.active = true
			return
		}
		from := r.from(v, b, pos, hit)
		// Where one run has cost what the lanes would take for all the rest,
		// they take over.
		stop := min(len(b), hit+1+max(2048, (len(b)-from)/liveLanes))
		n := d.runToIdle(liveCarry, b[from:stop], hit+1-from)
		work += n
		pos = from + n
		if s := d.live[liveCarry]; s&special != 0 {
			return
		} else if !d.idle(s) {
			d.scan(liveCarry, b[pos:], r.x.reach)
			r.active = true
			return
		}
	}
	r.settle(b, pos)
}

// resume continues what the chunk before left unfinished, and takes up a
// hit that straddles the edge. It returns from where b is still to be
// looked at; settled is true when nothing is left to do.
func (r *regexRun) resume(v *seam, b []byte) (pos int, settled bool) {
	d := r.d
	if !r.active {
		hit := r.straddling(v)
		if hit < 0 {
			return 0, false
		}
		r.active = true
		if r.x.before != endless {
			r.startIn(v, hit)
		}
	}
	pos = d.runToIdle(liveCarry, b, 0)
	s := d.live[liveCarry]
	if s&special != 0 || !d.idle(s) {
		return pos, true
	}
	r.active = false
	return pos, false
}

// straddling returns where the first hit that lies across the edge
// begins in the seam, or -1.
func (r *regexRun) straddling(v *seam) int {
	first := -1
	for _, l := range r.x.seek {
		if i := v.straddling(l); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	return first
}

// from returns where in b the automaton must begin for a hit, and
// puts it in the state that belongs there. pos is where it stands idle, if
// not 0.
func (r *regexRun) from(v *seam, b []byte, pos, hit int) int {
	d, x := r.d, r.x
	if x.before == endless {
		if j := bytes.LastIndexByte(b[pos:hit], '\n'); j >= 0 {
			d.live[liveCarry] = d.starts[afterLine]
			return pos + j + 1
		}
		return pos
	}
	if pos == 0 && v.edge > 0 && hit-x.before < 4 {
		return r.startIn(v, v.edge+hit)
	}
	from := pos
	if hit-x.before > pos {
		from = max(pos, alignRune(b, hit-x.before))
	}
	switch {
	case from > pos:
		d.live[liveCarry] = d.starts[beforeAfter(rune(b[from-1]))]
	case pos == 0:
		d.live[liveCarry] = d.starts[afterText]
	}
	return from
}

// startIn is from for a hit in the seam: it runs the automaton up
// to the edge and returns where in b it stands.
func (r *regexRun) startIn(v *seam, hit int) int {
	d := r.d
	i, before := hit-r.x.before, afterText
	if i > 0 {
		i = alignRune(v.text, i)
	}
	if i > 0 {
		before = beforeAfter(rune(v.text[i-1]))
	}
	i = max(i, 0)
	d.live[liveCarry] = d.starts[before]
	if i >= v.edge {
		return i - v.edge
	}
	d.run(liveCarry, v.text[i:v.edge])
	return 0
}

// nextHit returns where the first hit at or after pos begins, or -1.
func (r *regexRun) nextHit(b []byte, pos int) int {
	first := len(b)
	for k, l := range r.x.seek {
		if r.next[k] < pos {
			r.next[k] = len(b)
			if i := l.index(b[pos:]); i >= 0 {
				r.next[k] = pos + i
			}
		}
		first = min(first, r.next[k])
	}
	if first == len(b) {
		return -1
	}
	return first
}

// settle leaves the state for the next chunk, pos being where the automaton
// stands idle.
func (r *regexRun) settle(b []byte, pos int) {
	d := r.d
	if r.x.before != endless {
		d.live[liveCarry] = d.starts[afterOther]
		return
	}
	// A match may have begun anywhere in the last line.
	if j := bytes.LastIndexByte(b[pos:], '\n'); j >= 0 {
		d.live[liveCarry] = d.starts[afterLine]
		pos += j + 1
	}
	d.run(liveCarry, b[pos:])
}

// seam is the edge between what was fed and the chunk at hand: the end of the
// one and the beginning of the other, in one piece.
type seam struct {
	text []byte
	edge int // where the chunk begins in text
}

// straddling returns where l lies across the edge, or -1.
func (v *seam) straddling(l seeker) int {
	lo := max(0, v.edge-l.size()+1)
	hi := min(len(v.text), v.edge+l.size()-1)
	if lo == v.edge || hi-lo < l.size() {
		return -1
	}
	if i := l.index(v.text[lo:hi]); i >= 0 {
		return lo + i
	}
	return -1
}
