package yara

// This file asks where strings stand.

// strRef names a string: one of the rule, or the one that a loop is at.
type strRef struct {
	s *str // nil for the loop's
}

func (e strRef) get(r *run) *str {
	if e.s != nil {
		return e.s
	}
	return r.current
}

type foundExpr struct{ strRef }

func (e *foundExpr) eval(r *run) Value {
	s := e.get(r)
	return r.unlessOver(s, len(r.places(s)) > 0)
}

type foundAtExpr struct {
	strRef
	at expr
}

func (e *foundAtExpr) eval(r *run) Value {
	at := e.at.eval(r)
	if at.kind != Int {
		return Boolean(false)
	}
	s := e.get(r)
	return r.unlessOver(s, r.countIn(s, at.Int(), at.Int()) > 0)
}

type foundInExpr struct {
	strRef
	lo, hi expr
}

func (e *foundInExpr) eval(r *run) Value {
	lo, hi := e.lo.eval(r), e.hi.eval(r)
	if lo.kind != Int || hi.kind != Int {
		return Value{}
	}
	s := e.get(r)
	return r.unlessOver(s, r.countIn(s, lo.Int(), hi.Int()) > 0)
}

// unlessOver is an answer that may be no only because places were dropped.
func (r *run) unlessOver(s *str, found bool) Value {
	if !found && r.over(s) {
		return r.tooMany(s)
	}
	return Boolean(found)
}

func (r *run) tooMany(s *str) Value {
	return r.fail("string " + s.name + " stands in too many places to be counted")
}

type countExpr struct{ strRef }

func (e *countExpr) eval(r *run) Value {
	s := e.get(r)
	if r.over(s) {
		return r.tooMany(s)
	}
	return Integer(int64(len(r.places(s))))
}

type countInExpr struct {
	strRef
	lo, hi expr
}

func (e *countInExpr) eval(r *run) Value {
	lo, hi := e.lo.eval(r), e.hi.eval(r)
	if lo.kind != Int || hi.kind != Int {
		return Value{}
	}
	s := e.get(r)
	if r.over(s) {
		return r.tooMany(s)
	}
	return Integer(int64(r.countIn(s, lo.Int(), hi.Int())))
}

// placeExpr is @a[i], or with length !a[i]; i counts from 1.
type placeExpr struct {
	strRef
	index  expr
	length bool
}

func (e *placeExpr) eval(r *run) Value {
	i := e.index.eval(r)
	s := e.get(r)
	if i.kind != Int || i.Int() < 1 {
		return Value{}
	}
	places := r.places(s)
	if i.Int() > int64(len(places)) {
		if r.over(s) {
			return r.tooMany(s)
		}
		return Value{}
	}
	p := places[i.Int()-1]
	if e.length {
		return Integer(int64(p.n))
	}
	return Integer(p.off)
}

// quant is how many of a number must hold.
type quant struct {
	kind    quantKind
	n       expr // of a number or a share
	literal int64
}

type quantKind uint8

const (
	quantAll quantKind = iota
	quantAny
	quantNone
	quantCount
	quantShare
)

// holds says whether as many of a total hold. An undefined number means all,
// as it does to YARA.
func (q *quant) holds(n Value, found, total int64) Value {
	switch q.kind {
	case quantAll:
		return Boolean(found == total)
	case quantAny:
		return Boolean(found > 0)
	case quantNone:
		return Boolean(found == 0)
	case quantShare:
		if n.kind != Int {
			return Value{}
		}
		return Boolean(float64(found)/float64(total)*100 >= float64(n.Int()))
	}
	if n.kind != Int {
		return Boolean(found == total)
	}
	if n.Int() == 0 {
		return Boolean(found == 0)
	}
	return Boolean(found >= n.Int())
}

func (q *quant) number(r *run) Value {
	if q.n == nil {
		return Value{}
	}
	return q.n.eval(r)
}

// ofExpr is "q of strings", with at or in.
type ofExpr struct {
	q      quant
	strs   []*str
	at     expr
	lo, hi expr
}

func (e *ofExpr) eval(r *run) Value {
	n := e.q.number(r)
	lo, hi := Value{}, Value{}
	switch {
	case e.at != nil:
		lo = e.at.eval(r)
		hi = lo
	case e.lo != nil:
		lo, hi = e.lo.eval(r), e.hi.eval(r)
	}
	ranged := e.at != nil || e.lo != nil
	if ranged && (lo.kind != Int || hi.kind != Int) {
		return Value{}
	}
	r.spend(int64(len(e.strs)))
	var found int64
	for _, s := range e.strs {
		if !ranged && len(r.places(s)) > 0 || ranged && r.countIn(s, lo.Int(), hi.Int()) > 0 {
			found++
		} else if r.over(s) {
			return r.tooMany(s)
		}
	}
	return e.q.holds(n, found, int64(len(e.strs)))
}

// ofRulesExpr is "q of rules".
type ofRulesExpr struct {
	q     quant
	rules []expr
}

func (e *ofRulesExpr) eval(r *run) Value {
	n := e.q.number(r)
	var found int64
	for _, x := range e.rules {
		if truth(x.eval(r)) {
			found++
		}
	}
	return e.q.holds(n, found, int64(len(e.rules)))
}

// forOfExpr is "for q of strings : (body)".
type forOfExpr struct {
	q    quant
	strs []*str
	body expr
	cost int64 // of the body, in steps
}

func (e *forOfExpr) eval(r *run) Value {
	n := e.q.number(r)
	outer := r.current
	defer func() { r.current = outer }()
	var t tally
	for i, s := range e.strs {
		if r.spend(e.cost); r.why != "" {
			return Value{}
		}
		r.current = s
		if t.add(truth(e.body.eval(r))); e.q.settled(n, &t, int64(len(e.strs)-1-i)) {
			break
		}
	}
	return e.q.holds(n, t.found, int64(len(e.strs)))
}

// tally counts what a loop found.
type tally struct{ found, total int64 }

func (t *tally) add(holds bool) {
	t.total++
	if holds {
		t.found++
	}
}

// settled says that what is left, of which so many are known, cannot change
// what a loop comes to; a negative left is an unknown number.
func (q *quant) settled(n Value, t *tally, left int64) bool {
	switch q.kind {
	case quantAll:
		return t.found < t.total
	case quantAny:
		return t.found > 0
	case quantNone:
		return t.found > 0
	case quantCount:
		return n.kind == Int && n.Int() > 0 && t.found >= n.Int()
	}
	return false
}

// ruleExpr says whether another rule holds.
type ruleExpr struct{ rule *Rule }

func (e *ruleExpr) eval(r *run) Value {
	if r.state[e.rule.index] == isUndecided {
		return r.fail("rule " + e.rule.Name + " is undecided")
	}
	return Boolean(r.state[e.rule.index] == isTrue)
}
