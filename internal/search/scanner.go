package search

// Scanner asks the patterns of a Set of one content after another. It belongs
// to one goroutine and is meant to be used for millions of contents: it
// allocates nothing for a content, but for automaton states not met before.
type Scanner struct {
	set  *Set
	runs []*regexRun // by pattern; nil where there is no expression
	say  []verdict   // by pattern
	want []bool      // by pattern
	open []int       // wanted patterns that are not decided
	hist []byte      // the end of the stream so far
	hits []hit
}

// NewScanner returns a Scanner for one goroutine.
func (s *Set) NewScanner() *Scanner {
	n := len(s.pats)
	c := &Scanner{
		set:  s,
		runs: make([]*regexRun, n),
		say:  make([]verdict, n),
		want: make([]bool, n),
		open: make([]int, 0, n),
		hist: make([]byte, 0, 4*s.keep),
	}
	for i := range s.pats {
		if re := s.pats[i].re; re != nil {
			c.runs[i] = newRegexRun(re, max(minStates, maxStates/s.runs))
		}
	}
	return c
}

// Whole tells whether pattern p occurs in b, a whole content. It does not
// disturb a stream under way.
func (c *Scanner) Whole(p int, b []byte) bool {
	pat := &c.set.pats[p]
	if pat.lit != nil {
		return pat.lit.index(b) >= 0
	}
	if pat.list != nil && pat.list.contains(b) {
		return true
	}
	return pat.re != nil && c.runs[p].whole(b)
}

// Start begins a streamed content: it forgets what was wanted and found.
func (c *Scanner) Start() {
	clear(c.say)
	clear(c.want)
	c.open = c.open[:0]
	c.hist = c.hist[:0]
}

// Want asks for pattern p in the content begun by Start. It must come before
// the first Feed.
func (c *Scanner) Want(p int) {
	if c.want[p] {
		return
	}
	c.want[p] = true
	c.open = append(c.open, p)
	if r := c.runs[p]; r != nil {
		r.start()
	}
}

// Feed takes the next chunk of the content, of any length, which the caller
// may reuse afterwards; last says that the content ends with it. An empty
// content is one empty chunk. done says that the answer to every wanted
// pattern is known, and nothing more need be read.
func (c *Scanner) Feed(chunk []byte, last bool) (done bool) {
	if len(c.open) == 0 {
		return true
	}
	keep := c.set.keep
	v := seam{edge: len(c.hist)}
	if v.edge > 0 || len(chunk) < keep {
		c.hist = append(c.hist, chunk[:min(keep, len(chunk))]...)
		v.text = c.hist
	}
	still := c.open[:0]
	for _, p := range c.open {
		if c.say[p] = c.feed(p, &v, chunk, last); c.say[p] == open {
			still = append(still, p)
		}
	}
	c.open = still
	switch {
	case len(chunk) >= keep:
		c.hist = append(c.hist[:0], chunk[len(chunk)-keep:]...)
	case len(c.hist) > 3*keep:
		c.hist = append(c.hist[:0], c.hist[len(c.hist)-keep:]...)
	}
	return len(c.open) == 0
}

// Found tells whether pattern p, wanted, occurs in what was fed.
func (c *Scanner) Found(p int) bool { return c.say[p] == yes }

// feed shows pattern p the next chunk.
func (c *Scanner) feed(p int, v *seam, chunk []byte, last bool) verdict {
	pat := &c.set.pats[p]
	if pat.lit != nil {
		if v.straddling(pat.lit) >= 0 || pat.lit.index(chunk) >= 0 {
			return yes
		}
	}
	if pat.list != nil {
		if pat.list.straddles(v) || pat.list.contains(chunk) {
			return yes
		}
	}
	if pat.re != nil {
		return c.runs[p].feed(v, chunk, last)
	}
	if last {
		return no
	}
	return open
}
