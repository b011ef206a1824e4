package lang

import (
	"slices"
	"strings"
)

// Surroundings are read from the front to the place, token by token, with a
// level for each parenthesis that is still open.
type surroundings struct {
	levels []level
	source string
	params []string
	prev   token
	named  bool // FIND was read: a WHERE is no target any more
}

// A level is what stands between a parenthesis and the place.
type level struct {
	clause string
	call   string // the function whose parenthesis it is
	arg    int
	list   bool     // it is a list behind IN
	ranged bool     // BETWEEN waits for its AND
	left   []string // what is compared
	names  []string // the name that was read last, with its dots
	find   *findSoFar
}

// A findSoFar is a FIND as far as it was written.
type findSoFar struct {
	scans   []CursorScan
	columns []string
	watch   bool
	state   place // within its scans, as for the lexer
}

// clauses are the keywords that begin one.
var clauses = []string{"PARAM", "LET", "FROM", "WHERE", "FIND", "WATCH", "RETURN", "STACK", "STACK BY",
	"GROUP BY", "HAVING", "ORDER BY", "LIMIT", "EVERY", "WITH"}

// comparisons leave what is on their left to be compared with.
var comparisons = []string{"=", "!=", "<", "<=", ">", ">=", "LIKE", "GLOB", "MATCHES", "CONTAINS",
	"STARTS WITH", "ENDS WITH", "IN", "BETWEEN"}

// around fills in what stands around the place behind the tokens.
func (c *Cursor) around(toks []token) {
	s := &surroundings{levels: []level{{}}, source: "local"}
	for _, t := range toks {
		s.take(t)
		s.prev = t
	}
	top := s.top()
	c.Clause, c.Call, c.Arg, c.Left = top.clause, top.call, top.arg, top.left
	c.Source, c.Params, c.After = s.source, s.params, s.prev.term()
	switch {
	case s.prev.is("."):
		c.Path = top.names
	case s.prev.kind == kindIdent || s.prev.isAny("NOT", "IS"):
		c.Before = top.names
	}
	if top.find != nil {
		c.Scans, c.Columns = top.find.scans, top.find.columns
	}
	if c.Clause == "WITH" && len(c.Left) == 1 {
		c.Setting = c.Left[0]
	}
}

func (s *surroundings) top() *level { return &s.levels[len(s.levels)-1] }

func (s *surroundings) take(t token) {
	top := s.top()
	if top.find != nil {
		if top.find.take(t); top.find.state == placeOther && (top.clause == "FIND" || top.clause == "WATCH") {
			top.clause = "WHERE" // which may be left out
		}
	}
	switch {
	case t.is("("):
		s.open()
	case t.is(")"):
		if len(s.levels) > 1 {
			s.levels = s.levels[:len(s.levels)-1]
		}
		s.top().names = nil
	case t.is(","):
		if top.arg++; !top.list {
			top.left = nil
		}
	case t.kind == kindIdent:
		s.name(t)
	case t.kind == kindKeyword && slices.Contains(clauses, t.text):
		s.begin(t)
	case t.isAny(comparisons...):
		top.left, top.names, top.ranged = top.names, nil, t.is("BETWEEN")
		if s.prev.kind != kindIdent && !s.prev.is("NOT") {
			top.left = nil // a call, or a test of the content
		}
	case t.is("AND") && top.ranged:
		top.ranged, top.names = false, nil
	case t.isAny("AND", "OR", "+", "-", "*", "/", "%"):
		top.left, top.names = nil, nil
	}
}

func (s *surroundings) open() {
	top := s.top()
	below := level{clause: top.clause, find: top.find}
	switch {
	case s.prev.kind == kindIdent:
		below.call = s.prev.text
	case s.prev.is("IN"):
		below.list, below.left = true, top.left
	}
	s.levels = append(s.levels, below)
}

func (s *surroundings) name(t token) {
	top := s.top()
	switch {
	case s.prev.is("."):
		top.names = append(slices.Clip(top.names), t.text)
	default:
		top.names = []string{t.text}
	}
	switch {
	case s.prev.is("FROM"):
		s.source = strings.ToLower(t.text)
	case s.prev.isAny("PARAM", "LET"):
		s.params = append(s.params, t.text)
	case s.prev.is("AS") && top.find != nil && top.find.state == placeOther:
		top.find.columns = append(top.find.columns, t.text)
	}
}

// begin enters a clause.
func (s *surroundings) begin(t token) {
	top := s.top()
	top.clause, top.left, top.names = t.text, nil, nil
	switch {
	case t.isAny("FIND", "WATCH"):
		s.named = true
		top.find = &findSoFar{state: placeModule, watch: t.is("WATCH")}
	case t.is("WHERE") && !s.named:
		top.clause = "TARGET"
	case t.is("STACK BY"):
		top.clause = "STACK"
	}
}

// take follows a token through the scans of FIND.
func (f *findSoFar) take(t token) {
	located := t.kind == kindText || t.kind == kindBare || t.kind == kindParam || t.kind == kindList
	switch at := f.state; {
	case at == placeOther || at == placeModule && t.is("NOT"):
	case (at == placeModule || at == placeLocatorOrModule) && t.kind == kindIdent:
		f.scans = append(f.scans, CursorScan{Module: t.text, Watch: f.watch})
		f.state = placeLocator
	case (at == placeLocator || at == placeLocatorOrModule) && located:
		f.state = placeAfterLocator
	case (at == placeLocator || at == placeAfterLocator) && t.is("AS"):
		f.state = placeAlias
	case at != placeModule && at != placeAfterAlias && t.kind == kindIdent:
		f.scans[len(f.scans)-1].Alias = t.text
		f.state = placeAfterAlias
	case t.is(",") && at == placeAfterLocator:
		f.state = placeLocatorOrModule
	case t.is(",") && (at == placeLocator || at == placeAfterAlias):
		f.state = placeModule
	default:
		f.state = placeOther
	}
}
