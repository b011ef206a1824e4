// Package rounds compares the answers to a question that is asked again and
// again: which rows are new, which are gone, which have changed, and of which
// nobody can tell.
//
// A newcomer needs [NewState], then for each round [State.Add] for its rows and
// [State.End], which gives what differs from the round before. A row that is
// not there any more is gone only where its place was looked at: [Gone] says
// so for one host's account. The rows of a round are held within a bound; a
// state that had to leave some out says of later rows that nobody can tell
// whether they are new, and never that they are.
//
// It compares, and asks nobody: it must not be used to decide what a row
// means.
package rounds

import (
	"errors"
	"fmt"
	"slices"

	"github.com/quaestor-engine/quaestor/value"
)

// A Change is what became of a row since the round before.
type Change string

// The changes. They are the words of the column that holds them.
const (
	Unknown Change = ""        // it may be new: not all rows of the round before were kept
	New     Change = "new"     // it was not there
	Gone    Change = "gone"    // it was there, its place was looked at, and it is not
	Changed Change = "changed" // a row with the same key was there, and looked different
)

// Changes lists what the column can say beside null.
func Changes() []string { return []string{string(New), string(Gone), string(Changed)} }

// Bytes bounds the rows that are held between two rounds, unless somebody says
// otherwise: about a million rows of a path and a hash.
const Bytes = 128 << 20

// overhead is what a kept row takes beside its values, in bytes.
const overhead = 96

// ErrMalformed says that bytes are no state.
var ErrMalformed = errors.New("rounds: malformed")

// A Row is one difference.
type Row struct {
	Table  int
	Change Change
	Values []value.Value
}

// A Count is what a round came to.
type Count struct {
	New, Gone, Changed, Same int64
	// MayBeNew rows came where the round before could not keep all of its own.
	MayBeNew int64
	// Unknown rows were there in the round before and are not in this one,
	// which could not look where they lie. They are waited for.
	Unknown int64
	Where   []string // a few of them, by their place or their first values
	// Unkept rows were shown and not held, since there was no room: later
	// rounds cannot tell whether they are new, and never say that they went.
	Unkept int64
}

// A State holds the rows of the last round.
type State struct {
	shapes []Shape
	bound  int64
	rows   map[string]*seen // by table and values, in their wire form
	held   int64            // bytes
	whole  bool             // the rows of the round before were all kept
	first  bool             // there was no round before
	next   int              // numbers rows as they come
	round  Count
}

type seen struct {
	table       int
	before, now int // how often
	order       int
}

// NewState makes the state before the first round. The shapes are those of the
// answer's tables; a bound of 0 is Bytes.
func NewState(shapes []Shape, bound int64) *State {
	if bound == 0 {
		bound = Bytes
	}
	return &State{shapes: shapes, bound: bound, rows: map[string]*seen{}, first: true, whole: true}
}

// Add takes a row of this round. True: it is to be shown now, with that
// change. False: End tells what became of it, if anything.
func (s *State) Add(table int, values []value.Value) (Change, bool) {
	key := encode(table, values)
	r := s.rows[key]
	if r == nil {
		if size := int64(len(key)) + overhead; s.held+size <= s.bound {
			s.held += size
			r = &seen{table: table, order: s.next}
			s.rows[key] = r
			s.next++
		}
	}
	switch {
	case r == nil:
		s.round.Unkept++
	case !s.first:
		r.now++
		return "", false
	default:
		r.now++
	}
	change := s.came()
	s.count(change, 1)
	return change, true
}

func (s *State) count(c Change, times int) {
	n := int64(times)
	switch c {
	case New:
		s.round.New += n
	case Gone:
		s.round.Gone += n
	case Changed:
		s.round.Changed += n
	case Unknown:
		s.round.MayBeNew += n
	}
}

// encode gives a row as bytes: equal for equal rows alone.
func encode(table int, values []value.Value) string {
	b := value.AppendBinary(nil, value.NewInt(int64(table)))
	for _, v := range values {
		b = value.AppendBinary(b, v)
	}
	return string(b)
}

// decode gives the values of a row.
func decode(key string) ([]value.Value, error) {
	rest := []byte(key)
	var values []value.Value
	for len(rest) > 0 {
		v, more, err := value.DecodeBinary(rest)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		values, rest = append(values, v), more
	}
	if len(values) == 0 || values[0].Type() != value.Int {
		return nil, fmt.Errorf("%w: a row of no table", ErrMalformed)
	}
	return values[1:], nil
}

// End ends a round and shows what differs, the new before the gone, until show
// says no. The judge says of a row that is not there any more whether this
// round has looked at its place.
func (s *State) End(judge func(Row) bool, show func(Row) bool) Count {
	came, went := s.differences()
	paired := s.pair(came, went)
	on := true
	tell := func(r Row, times int) {
		s.count(r.Change, times)
		for ; on && times > 0; times-- {
			on = show(r)
		}
	}
	for _, c := range came {
		if s.first {
			break // each was shown when it came
		}
		r := Row{Table: c.table, Change: s.came(), Values: c.values}
		if paired[c.key] {
			r.Change = Changed
		}
		tell(r, c.now-c.before)
	}
	for _, w := range went {
		r := Row{Table: w.table, Change: Gone, Values: w.values}
		missing := w.before - w.now
		switch {
		case paired[w.key]:
		case judge(r):
			tell(r, missing)
		default:
			w.now += missing // it is waited for
			s.round.Unknown += int64(missing)
			s.round.Where = s.name(s.round.Where, r)
		}
	}
	s.settle()
	count := s.round
	s.round, s.first, s.whole = Count{}, false, count.Unkept == 0
	return count
}

// came says what a row is that the round before did not have.
func (s *State) came() Change {
	if s.whole {
		return New
	}
	return Unknown
}

// A difference is a row that there is more or less often than before.
type difference struct {
	*seen
	key    string
	values []value.Value
}

// differences gives the rows that came and those that went, in the order in
// which they were first seen.
func (s *State) differences() (came, went []difference) {
	for key, r := range s.rows {
		s.round.Same += int64(min(r.now, r.before))
		if r.now == r.before {
			continue
		}
		values, err := decode(key)
		if err != nil {
			panic("rounds: a row that was kept cannot be read: " + err.Error())
		}
		d := difference{seen: r, key: key, values: values}
		if r.now > r.before {
			came = append(came, d)
		} else {
			went = append(went, d)
		}
	}
	byOrder := func(a, b difference) int { return a.order - b.order }
	slices.SortFunc(came, byOrder)
	slices.SortFunc(went, byOrder)
	return came, went
}

// pair finds the rows of which one went and one with the same key came: they
// have changed.
func (s *State) pair(came, went []difference) map[string]bool {
	type both struct{ came, went []difference }
	by := map[string]*both{}
	at := func(d difference) *both {
		key, ok := s.shapes[d.table].identity(d.table, d.values)
		if !ok {
			return &both{}
		}
		if by[key] == nil {
			by[key] = &both{}
		}
		return by[key]
	}
	for _, d := range came {
		b := at(d)
		b.came = append(b.came, d)
	}
	for _, d := range went {
		b := at(d)
		b.went = append(b.went, d)
	}
	paired := map[string]bool{}
	for _, b := range by {
		if len(b.came) == 1 && len(b.went) == 1 && b.came[0].now-b.came[0].before == 1 && b.went[0].before-b.went[0].now == 1 {
			paired[b.came[0].key], paired[b.went[0].key] = true, true
		}
	}
	return paired
}

// settle makes this round the one before.
func (s *State) settle() {
	for key, r := range s.rows {
		if r.now == 0 {
			s.held -= int64(len(key)) + overhead
			delete(s.rows, key)
			continue
		}
		r.before, r.now = r.now, 0
	}
}

// named is how many rows that nobody could look for a round names.
const named = 5

func (s *State) name(where []string, r Row) []string {
	if len(where) == named {
		return where
	}
	at := s.shapes[r.Table].at(r.Values)
	if slices.Contains(where, at) {
		return where
	}
	return append(where, at)
}
