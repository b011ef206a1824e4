package lang

import "github.com/quaestor-engine/quaestor/value"

// A Node is a piece of a query that knows where it stands. The set of nodes
// is closed: only this package makes them.
type Node interface {
	Span() Span
	node()
}

// An Expr is a Node that has a value.
type Expr interface {
	Node
	expr()
}

// at is embedded in every node: its place in the source.
type at struct{ span Span }

// Span gives the half-open range of bytes that the node was read from.
func (a at) Span() Span { return a.span }
func (a at) node()      {}

type exprAt struct{ at }

func (exprAt) expr() {}

// A File is a whole source: queries with the comments between them.
type File struct {
	at
	Source   Source
	Queries  []*Query
	Comments []Comment // all of them, in order
}

// A Comment runs from -- to the end of its line.
type Comment struct {
	Span Span
	Text string // with the dashes, without the line's end
}

// A Query is one question, up to its semicolon.
type Query struct {
	at
	Header  Header
	Explain bool // EXPLAIN
	Analyze bool // EXPLAIN ANALYZE
	Params  []*Param
	Lets    []*Let
	From    *From // nil means local
	Finds   []*Find
	Every   Expr // the duration after EVERY, or nil
	With    []*Setting
}

// Header is what the comments before a query say of it: "-- name: …" and so
// on. Keys are in lower case.
type Header struct {
	Name, Description, Severity, Reference string
	Tags                                   []string
}

// An Ident is a name as it was written.
type Ident struct {
	at
	Name string
}

// Join makes one name of two that stand beside each other with a dot.
func (i Ident) Join(next Ident) Ident {
	i.Name += "." + next.Name
	i.span.End = next.span.End
	return i
}

// A Param declares a parameter: PARAM name type [= default].
type Param struct {
	at
	Name    Ident
	Type    Ident
	Default Expr // or nil
}

// A Let names a value: LET name = value. It is used as $name.
type Let struct {
	at
	Name  Ident
	Value Expr
}

// A From says who is asked.
type From struct {
	at
	Source Ident  // fleet, local, host, hits, misses, case; lower case
	Args   []Expr // of host, hits, misses and case
	Where  Expr   // the target, or nil
}

// A Find is one FIND with the clauses that follow it. Several in one query
// make the host-level logic; AND binds closer than OR.
type Find struct {
	at
	Or      bool // joined to the Find before it by OR, else by AND; false in the first
	Watch   bool // WATCH in the place of FIND
	Not     bool
	Scans   []*Scan
	Where   Expr
	Return  *Return
	Stack   []*Item // STACK [BY]
	Group   []Expr  // GROUP BY
	Having  Expr
	Order   []*OrderItem
	Limit   Expr // or nil
	PerHost bool // LIMIT n PER HOST
}

// A Scan names a module, where it is to look, and what its rows are called.
type Scan struct {
	at
	Module   Ident
	Locators []Expr // *Literal (text), *ParamRef or *ListRef
	Alias    *Ident // or nil
	As       bool   // the alias was written with AS
}

// A Return lists what is brought back.
type Return struct {
	at
	Distinct bool
	Items    []*Item
}

// An Item is an expression with an optional name.
type Item struct {
	at
	Expr Expr
	Name *Ident // or nil
}

// An OrderItem is one key of ORDER BY.
type OrderItem struct {
	at
	Expr Expr
	Desc bool
}

// A Setting is one name = value of WITH.
type Setting struct {
	at
	Name  Ident
	Value Expr
}

// A Literal is a value that stands in the text.
type Literal struct {
	exprAt
	Value value.Value
	// Bare marks text without quotes that is not a plain name: a path, a
	// glob, a hash, a version. What it is follows from what it meets.
	Bare bool
}

// A Name is a column, perhaps behind an alias or over links, or a bare word:
// only the planner knows which.
type Name struct {
	exprAt
	Parts []Ident // at least one
}

// A ParamRef is $name.
type ParamRef struct {
	exprAt
	Name string
}

// A ListRef is @file.
type ListRef struct {
	exprAt
	Path string
}

// A Call is a function with its arguments.
type Call struct {
	exprAt
	Name     Ident // lower case
	Args     []Expr
	Distinct bool // count(DISTINCT x)
	Star     bool // count(*)
}

// A Unary is - x or NOT x.
type Unary struct {
	exprAt
	Op Op // OpNeg or OpNot
	X  Expr
}

// A Binary is arithmetic, AND or OR.
type Binary struct {
	exprAt
	Op     Op
	X, Y   Expr
	OpSpan Span
}

// A Compare is a comparison or a text predicate.
type Compare struct {
	exprAt
	Op Op
	// X is nil where the predicate speaks of the content, and a *Line where
	// it speaks of its lines.
	X      Expr
	Y      Expr
	Not    bool // x NOT LIKE y
	NoCase bool
	OpSpan Span
}

// An In is X [NOT] IN Y.
type In struct {
	exprAt
	X      Expr // a *Tuple where several columns are looked up together
	Y      Expr // *Tuple, *ListRef, *ParamRef, *Subquery or a CIDR
	Not    bool
	NoCase bool
	OpSpan Span
}

// A Between is X [NOT] BETWEEN Low AND High.
type Between struct {
	exprAt
	X, Low, High Expr
	Not          bool
	OpSpan       Span
}

// An Is is X IS [NOT] NULL, or X IS [NOT] MISSING.
type Is struct {
	exprAt
	X       Expr
	Not     bool
	Missing bool
}

// A Line is ANY LINE or EVERY LINE in the place of a left side.
type Line struct {
	exprAt
	Every bool
}

// A Tuple is (a, b, …): a list on the right of IN, several columns on its
// left. A parenthesised single expression is a Paren.
type Tuple struct {
	exprAt
	Items []Expr
}

// A Paren is (x): kept, so that what is printed has the grouping that was
// written. After IN it is a list of one.
type Paren struct {
	exprAt
	X Expr
}

// A Subquery is (FIND …), a list of what it finds on the same host.
type Subquery struct {
	exprAt
	Find *Find
}

// An Op is an operator.
type Op uint8

// The operators.
const (
	OpOr Op = iota + 1
	OpAnd
	OpNot
	OpEq
	OpNe
	OpLt
	OpLe
	OpGt
	OpGe
	OpLike
	OpGlob
	OpMatches
	OpContains
	OpStarts
	OpEnds
	OpYara
	OpAdd
	OpSub
	OpMul
	OpDiv
	OpMod
	OpNeg
)

var opText = [...]string{
	OpOr: "OR", OpAnd: "AND", OpNot: "NOT",
	OpEq: "=", OpNe: "!=", OpLt: "<", OpLe: "<=", OpGt: ">", OpGe: ">=",
	OpLike: "LIKE", OpGlob: "GLOB", OpMatches: "MATCHES", OpContains: "CONTAINS",
	OpStarts: "STARTS WITH", OpEnds: "ENDS WITH", OpYara: "YARA",
	OpAdd: "+", OpSub: "-", OpMul: "*", OpDiv: "/", OpMod: "%", OpNeg: "-",
}

// String gives the operator as the language writes it.
func (o Op) String() string {
	if int(o) < len(opText) {
		return opText[o]
	}
	return "?"
}
