// Package plan is the compiled question: what travels from the one who asks
// to the one who answers.
//
// A newcomer needs [Plan] and [Plan.String], which is EXPLAIN. A plan is made
// by package planner from a query, or by [Decode] from bytes; it is run by
// package engine. It holds names of modules and columns, not their indexes, so
// that a host with another version of a module refuses what it does not know
// instead of answering about something else.
//
// Expressions are evaluated here ([Expr]), purely, over an [Env]: whoever
// routes, checks or runs a plan shares this one evaluator. The package looks
// at nothing on the host and must not learn to.
package plan

import (
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// A Plan is a checked question, whole in itself: lists are inside.
type Plan struct {
	Query  string   // the canonical text that it was compiled from
	Source string   // fleet, local, host, hits, misses or case
	Hosts  []string // the arguments of host, hits, misses and case
	Target Expr     // over the columns Facts of the host module; or nil
	Facts  []string
	Tables []*Table // one for each FIND
	Subs   []*Table // subqueries, by the number that InSub has
	Sets   []*Set   // by the number that InSet has
	Limits Limits
	// Every, where not 0, is the time from the beginning of one answer to that
	// of the next: the plan is standing.
	Every time.Duration `wire:"2"`
	// Watch makes the plan one about changes from now on: the first slot of
	// its one table is watched, and has the columns of modules.Watched.
	Watch bool `wire:"2"`
}

// A Table is what one FIND makes: rows of scans, joined, filtered, grouped,
// ordered and cut.
type Table struct {
	Name string
	// Or and Not are the host-level logic: how this FIND is joined to the
	// one before it, and whether it asks that nothing be found.
	Or, Not bool
	// Slots are the sources of rows. The first is scanned; each further one
	// is a scan joined to those before it, or a link followed from them.
	Slots []*Slot
	// Where is what is left to decide over all slots, or nil.
	Where Expr
	// Group, where not nil, replaces the rows by groups; Outputs, Having and
	// Order then speak of its Out columns: the keys, then the aggregates.
	Group    *Group
	Having   Expr
	Outputs  []Output
	Distinct bool
	Order    []OrderKey
	Limit    int64 // rows; negative: all
	PerHost  bool
}

// A Slot is one source of rows.
type Slot struct {
	Module  string
	Alias   string
	Columns []string // the columns that expressions number
	// Locators say where to look; nil where the module needs none.
	Locators []string
	// Keys, where not nil, are the only values of the key column to look at.
	Keys []value.Value
	// Key, over earlier slots, makes this a lookup of the rows whose key
	// column equals it. With Link the lookup is lazy, finds at most one row
	// and gives nulls where there is none; without, it is a join.
	Key  Expr
	Link bool
	// Within makes Key a glob, or what else the module takes for a place, in
	// which each earlier row has this scan look; it is no link then.
	Within bool
	// JoinHere and JoinThere are equal for rows that join: the first over
	// this slot, the second over earlier ones. Empty: every pair.
	JoinHere, JoinThere []Expr
	// Filter decides on rows of this slot alone while they are scanned.
	Filter Expr
	// FilterColumns are the columns, as indexes into Columns, that Filter
	// asks for.
	FilterColumns []int
	Questions     []Question
	// Lines makes a row of each line that answered a shown question.
	Lines bool
}

// A Question is put to the content of a slot's rows.
type Question struct {
	Kind    QuestionKind
	Literal [][]byte // Contains: any of them
	Regexp  string   // Matches
	Fold    bool
	Lines   LineMode
	Test    Expr // LineTest: over Out 0, the line
	Show    bool
	Text    string // as EXPLAIN shows it
	Rules   *Rules `wire:"3"` // Yara
}

// Rules are a text of rules in the language of YARA, and what they name
// without defining it.
type Rules struct {
	Name      string // as the query calls them: @rules.yar
	Text      string // every include stands resolved in it
	Externals []External
}

// An External is a variable that rules name, with its value for this plan: an
// integer, a float, a truth or a text.
type External struct {
	Name  string
	Value value.Value
}

// QuestionKind says what a question asks.
type QuestionKind uint8

// The kinds of question.
const (
	Contains QuestionKind = iota + 1
	Matches
	LineTest
	Yara
)

// LineMode says whether a question is put to the content or to its lines.
type LineMode uint8

// The line modes, as in package modules.
const (
	WholeContent LineMode = iota
	AnyLine
	EveryLine
)

// A Group makes groups of rows.
type Group struct {
	Keys []Expr
	Aggs []Agg
}

// An Agg is one aggregate of a group.
type Agg struct {
	Func     AggFunc
	Arg      Expr // nil for count() and hosts()
	Distinct bool
	N        int64 // of list(x, n)
}

// An AggFunc is an aggregate function.
type AggFunc uint8

// The aggregates.
const (
	AggCount AggFunc = iota + 1
	AggHosts
	AggMin
	AggMax
	AggSum
	AggAvg
	AggAny
	AggList
)

// An Output is one column of the answer.
type Output struct {
	Name string
	Type value.Type
	Expr Expr
	// Content says that it carries content of the host. It is on the wire for whoever
	// reads a plan; what a plan needs is found in Expr, and not believed of this.
	Content bool
}

// An OrderKey is one key of ORDER BY.
type OrderKey struct {
	Expr Expr
	Desc bool
}

// A Set is a list that IN looks values up in: tuples of Width values each.
type Set struct {
	Name   string // as the query calls it: @bad.txt
	Width  int
	Values []value.Value
	Fold   bool // text is compared without regard to case
	index  map[string]struct{}
	loose  bool // the index does not tell all that is equal: see among
}

// IO says how far behind others a plan stands when it wants a disk.
type IO uint8

// The classes of I/O, from the most polite; the zero IO leaves it to the host.
const (
	IOIdle   IO = iota + 1 // only when nobody else wants the disk
	IOLow                  // behind all others that want it
	IONormal               // as others do
)

// IOWords are the words for the classes, in their order.
func IOWords() []string { return []string{"idle", "low", "normal"} }

// ParseIO reads a word.
func ParseIO(word string) (IO, bool) {
	i := slices.Index(IOWords(), word)
	return IO(i + 1), i >= 0
}

// String gives the word; "" for the zero IO.
func (c IO) String() string {
	if c < IOIdle || c > IONormal {
		return ""
	}
	return IOWords()[c-1]
}

// Limits bound a plan on each host. Zero means the engine's own default.
type Limits struct {
	Timeout       time.Duration
	Rows          int64 // rows of all tables together
	Memory        int64 // bytes held for joins, groups, order and host logic
	Bytes         int64 // bytes read
	Workers       int64
	Depth         int64 // -1: unbounded
	Errors        int64 // skips named one by one; all are counted
	Context       int64 // bytes shown of a line
	MaxFile       int64
	Archives      bool
	Decompress    bool
	FollowLinks   bool
	OneFilesystem bool
	CPU           int64 `wire:"4"` // percent of one processor
	Sent          int64 `wire:"5"` // bytes of the answer that leave a host
	OpenFiles     int64 `wire:"5"` // at once
	IO            IO    `wire:"5"`
}
