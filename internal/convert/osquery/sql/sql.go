// Package sql reads SQL as osquery has it: the SELECT of SQLite, and no other
// statement.
//
// A newcomer needs [Parse], which gives the statements of a text, each a
// [Select] whose nodes know their places, and its comments. The tree is what
// was written: names are not resolved, and nothing is evaluated.
//
// What SQLite takes and osquery's tables have no use for (window functions,
// parameters, INDEXED BY) is refused with its place. Input of any kind gives a
// tree or an [*Error]; it is bounded in length, in words and in nesting.
package sql

import "fmt"

// Bounds of what is read.
const (
	// MaxText is what a text may hold in bytes: the longest query of a pack
	// that is known has 60 KiB.
	MaxText = 4 << 20
	// maxTokens is how many words and signs a text may have.
	maxTokens = 400_000
	// maxDepth is how deep expressions and queries may be nested: people come
	// to ten, and the parser calls itself.
	maxDepth = 100
)

// An Error says what is wrong with a text, and where.
type Error struct {
	At      int    // offset in bytes
	Message string // lower case, no full stop
}

// Error gives the message; the place is the caller's to show.
func (e *Error) Error() string { return e.Message }

// A Statement is a query and what was said before it.
type Statement struct {
	Query    *Select
	At, End  int       // offsets in bytes
	Comments []Comment // in and before it, and behind it on its last line
}

// A Comment is a comment without its marks.
type Comment struct {
	At   int
	Text string
}

// A Select is a query: one core, or several that are put together.
type Select struct {
	At     int
	With   []CTE
	Cores  []*Core
	Ops    []string // between the cores: UNION, UNION ALL, EXCEPT, INTERSECT
	Order  []Order
	Limit  Expr // nil: none
	Offset Expr
}

// A CTE is a query with a name.
type CTE struct {
	At      int
	Name    string
	Columns []string
	Query   *Select
}

// A Core is what stands between two of UNION and the like. Where it has
// Values it is VALUES (…), and the rest is empty.
type Core struct {
	At       int
	Distinct bool
	Columns  []Column
	From     []Source
	Where    Expr
	Group    []Expr
	Having   Expr
	Values   [][]Expr
}

// A Column is what is selected: an expression, or a star.
type Column struct {
	At    int
	Star  bool
	Table string // of a star: whose columns; empty for all
	Expr  Expr
	Alias string
}

// A Source is a table, or a query in the place of one, and how it is joined to
// what stands before it.
type Source struct {
	At      int
	Join    Join
	Natural bool
	Table   string
	Query   *Select
	Alias   string
	On      Expr
	Using   []string
}

// Name is what columns call the source.
func (s *Source) Name() string {
	if s.Alias != "" {
		return s.Alias
	}
	return s.Table
}

// A Join says what becomes of rows without a partner.
type Join uint8

// The joins. A comma, JOIN, INNER JOIN and CROSS JOIN are one.
const (
	Inner Join = iota
	Left
	Right
	Full
)

// An Order is a key of ORDER BY.
type Order struct {
	Expr  Expr
	Desc  bool
	Nulls string // FIRST, LAST or nothing
}

// An Expr is an expression. The set is closed.
type Expr interface {
	// Place is where it begins, as an offset in bytes.
	Place() int
	expr()
}

// At is the place of a node.
type At int

// Place implements Expr.
func (a At) Place() int { return int(a) }
func (At) expr()        {}

// The expressions.
type (
	// Literal is a value: its kind, and its text without quotes.
	Literal struct {
		At
		Kind Kind
		Text string
	}
	// Name is a column, perhaps with its table. One in double quotes may also
	// be a text: SQLite takes it for one where no column has the name.
	Name struct {
		At
		Table, Name string
		Quoted      bool
	}
	// Unary is -, +, ~ or NOT.
	Unary struct {
		At
		Op string
		X  Expr
	}
	// Binary is an operator between two, in upper case; = and != also where
	// == and <> were written, IS and IS NOT.
	Binary struct {
		At
		Op   string
		X, Y Expr
	}
	// Match is LIKE, GLOB, REGEXP or MATCH.
	Match struct {
		At
		Op     string
		Not    bool
		X, Y   Expr
		Escape Expr
	}
	// Between is BETWEEN.
	Between struct {
		At
		Not          bool
		X, Low, High Expr
	}
	// In is IN, with a list, a query or the name of a table.
	In struct {
		At
		Not   bool
		X     Expr
		List  []Expr
		Query *Select
		Table string
	}
	// IsNull is IS NULL, ISNULL, IS NOT NULL, NOTNULL and NOT NULL.
	IsNull struct {
		At
		Not bool
		X   Expr
	}
	// Exists is EXISTS.
	Exists struct {
		At
		Query *Select
	}
	// Scalar is a query in the place of a value.
	Scalar struct {
		At
		Query *Select
	}
	// Call is a function, its name in lower case.
	Call struct {
		At
		Name     string
		Distinct bool
		Star     bool
		Args     []Expr
		Filter   Expr
	}
	// Case is CASE.
	Case struct {
		At
		Operand Expr // nil: the whens are conditions
		Whens   []When
		Else    Expr
	}
	// Cast is CAST, with the type in upper case.
	Cast struct {
		At
		X    Expr
		Type string
	}
	// Collate is COLLATE, with the name in upper case.
	Collate struct {
		At
		X    Expr
		Name string
	}
	// Row is several expressions in parentheses.
	Row struct {
		At
		Items []Expr
	}
)

// A When is a branch of CASE.
type When struct{ If, Then Expr }

// Kind is what a literal is.
type Kind uint8

// The kinds of literals.
const (
	Text Kind = iota
	Number
	Blob
	Null
	Bool
)

// Parse reads the statements of a text.
func Parse(text string) ([]Statement, error) {
	if len(text) > MaxText {
		return nil, &Error{0, fmt.Sprintf("it has over %d MiB", MaxText>>20)}
	}
	toks, comments, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	return p.statements(comments)
}
