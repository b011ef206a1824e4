package lang

import (
	"strings"
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// stretch is embedded in a rule that needs its span: the Lines of the two
// positions are the index of the first token and of the first one behind.
type stretch struct{ Pos, EndPos lexer.Position }

// The rules below are the whole grammar, from the file down to the operand.
// Every clause is a rule of its own, so that a clause can be parsed alone when
// the query as a whole is wrong.

type fileRule struct {
	Queries []*queryRule `parser:"@@ ( ';' @@ )* ';'?"`
}

type queryRule struct {
	stretch
	Explain *explainRule `parser:"@@?"`
	Params  []*paramRule `parser:"@@*"`
	Lets    []*letRule   `parser:"@@*"`
	From    *fromRule    `parser:"@@?"`
	Target  *whereRule   `parser:"@@?"`
	First   *findRule    `parser:"@@"`
	More    []*moreRule  `parser:"@@*"`
	Every   *everyRule   `parser:"@@?"`
	With    *withRule    `parser:"@@?"`
}

type explainRule struct {
	Explain bool `parser:"@'EXPLAIN'"`
	Analyze bool `parser:"@'ANALYZE'?"`
}

type paramRule struct {
	stretch
	Name    lexer.Token `parser:"'PARAM' @Ident"`
	Type    lexer.Token `parser:"@Ident"`
	Default *sumRule    `parser:"( '=' @@ )?"`
}

type letRule struct {
	stretch
	Name  lexer.Token `parser:"'LET' @Ident"`
	Value *sumRule    `parser:"'=' @@"`
}

type fromRule struct {
	stretch
	Source lexer.Token `parser:"'FROM' @Ident"`
	Called []*sumRule  `parser:"( '(' @@ ( ',' @@ )* ')'"`
	Listed []*sumRule  `parser:"| (?! '(' ) @@ ( ',' @@ )* )?"`
}

type whereRule struct {
	stretch
	Cond *exprRule `parser:"'WHERE' @@"`
}

type moreRule struct {
	stretch
	Join lexer.Token `parser:"@( 'AND' | 'OR' )"`
	Find *findRule   `parser:"@@"`
}

type findRule struct {
	stretch
	Scans  *scansRule  `parser:"@@"`
	Where  *whereRule  `parser:"@@?"`
	Return *returnRule `parser:"( @@"`
	Stack  *stackRule  `parser:"| @@ )?"`
	Group  *groupRule  `parser:"@@?"`
	Having *havingRule `parser:"@@?"`
	Order  *orderRule  `parser:"@@?"`
	Limit  *limitRule  `parser:"@@?"`
}

// scansRule ends with a condition where WHERE may be left out.
type scansRule struct {
	stretch
	Find  lexer.Token `parser:"@( 'FIND' | 'WATCH' )"`
	Not   bool        `parser:"@'NOT'?"`
	Scans []*scanRule `parser:"@@ ( ',' @@ )*"`
	Cond  *exprRule   `parser:"( (?= 'CONTAINS' | 'MATCHES' | 'YARA' | 'ANY LINE' | 'EVERY LINE' | 'NOT' ) @@ )?"`
}

type scanRule struct {
	stretch
	Module   lexer.Token    `parser:"@Ident"`
	Locators []*locatorRule `parser:"( @@ ( ',' @@ )* )?"`
	As       bool           `parser:"( @'AS'?"`
	Alias    *lexer.Token   `parser:"@Ident )?"`
}

type locatorRule struct {
	Value lexer.Token `parser:"@( Bare | Text | Param | List )"`
}

type returnRule struct {
	stretch
	Distinct bool        `parser:"'RETURN' @'DISTINCT'?"`
	Items    []*itemRule `parser:"@@ ( ',' @@ )*"`
}

type stackRule struct {
	Items []*itemRule `parser:"( 'STACK BY' | 'STACK' ) @@ ( ',' @@ )*"`
}

type itemRule struct {
	stretch
	Expr *exprRule    `parser:"@@"`
	Name *lexer.Token `parser:"( 'AS' @Ident )?"`
}

type groupRule struct {
	Keys []*exprRule `parser:"'GROUP BY' @@ ( ',' @@ )*"`
}

type havingRule struct {
	Cond *exprRule `parser:"'HAVING' @@"`
}

type orderRule struct {
	Keys []*orderItemRule `parser:"'ORDER BY' @@ ( ',' @@ )*"`
}

type orderItemRule struct {
	stretch
	Expr *exprRule `parser:"@@"`
	Desc bool      `parser:"( 'ASC' | @'DESC' )?"`
}

type limitRule struct {
	Count   *sumRule `parser:"'LIMIT' @@"`
	PerHost bool     `parser:"@'PER HOST'?"`
}

type everyRule struct {
	Period *sumRule `parser:"'EVERY' @@"`
}

type withRule struct {
	Settings []*settingRule `parser:"'WITH' @@ ( ',' @@ )*"`
}

type settingRule struct {
	stretch
	Name  lexer.Token `parser:"@Ident"`
	Value *sumRule    `parser:"'=' @@"`
}

type exprRule struct {
	stretch
	First *andRule      `parser:"@@"`
	Rest  []*orTailRule `parser:"@@*"`
}

type orTailRule struct {
	Op lexer.Token `parser:"@'OR'"`
	Y  *andRule    `parser:"@@"`
}

type andRule struct {
	stretch
	First *notRule       `parser:"@@"`
	Rest  []*andTailRule `parser:"@@*"`
}

type andTailRule struct {
	Op lexer.Token `parser:"@'AND'"`
	Y  *notRule    `parser:"@@"`
}

type notRule struct {
	stretch
	Not  *notRule       `parser:"'NOT' @@"`
	Cond *conditionRule `parser:"| @@"`
}

type conditionRule struct {
	stretch
	Content *contentRule `parser:"@@"`
	Line    *lineRule    `parser:"| @@"`
	Left    *sumRule     `parser:"| @@"`
	Tail    *tailRule    `parser:"@@?"`
}

// contentRule is a test without a left side: it speaks of the content.
type contentRule struct {
	Op     lexer.Token `parser:"@( 'CONTAINS' | 'MATCHES' | 'YARA' )"`
	Y      *sumRule    `parser:"@@"`
	NoCase bool        `parser:"@'NOCASE'?"`
}

type lineRule struct {
	Line lexer.Token `parser:"@( 'ANY LINE' | 'EVERY LINE' )"`
	Not  bool        `parser:"@'NOT'?"`
	Test *testRule   `parser:"@@"`
}

type tailRule struct {
	Is   *isRule   `parser:"@@"`
	Not  bool      `parser:"| @'NOT'?"`
	Test *testRule `parser:"@@"`
}

type isRule struct {
	Not     bool `parser:"'IS' @'NOT'?"`
	Missing bool `parser:"( 'NULL' | @'MISSING' )"`
}

type testRule struct {
	Compare *compareRule `parser:"@@"`
	Text    *textRule    `parser:"| @@"`
	In      *inRule      `parser:"| @@"`
	Between *betweenRule `parser:"| @@"`
}

type compareRule struct {
	Op lexer.Token `parser:"@( '=' | '!=' | '<' | '<=' | '>' | '>=' )"`
	Y  *sumRule    `parser:"@@"`
}

type textRule struct {
	Op     lexer.Token `parser:"@( 'LIKE' | 'GLOB' | 'MATCHES' | 'CONTAINS' | 'STARTS WITH' | 'ENDS WITH' )"`
	Y      *sumRule    `parser:"@@"`
	NoCase bool        `parser:"@'NOCASE'?"`
}

type inRule struct {
	Op     lexer.Token `parser:"@'IN'"`
	Y      *sumRule    `parser:"@@"`
	NoCase bool        `parser:"@'NOCASE'?"`
}

type betweenRule struct {
	Op   lexer.Token `parser:"@'BETWEEN'"`
	Low  *sumRule    `parser:"@@"`
	High *sumRule    `parser:"'AND' @@"`
}

type sumRule struct {
	stretch
	First *productRule   `parser:"@@"`
	Rest  []*sumTailRule `parser:"@@*"`
}

type sumTailRule struct {
	Op lexer.Token  `parser:"@( '+' | '-' )"`
	Y  *productRule `parser:"@@"`
}

type productRule struct {
	stretch
	First *signRule          `parser:"@@"`
	Rest  []*productTailRule `parser:"@@*"`
}

type productTailRule struct {
	Op lexer.Token `parser:"@( '*' | '/' | '%' )"`
	Y  *signRule   `parser:"@@"`
}

type signRule struct {
	stretch
	Neg     *signRule    `parser:"'-' @@"`
	Operand *operandRule `parser:"| @@"`
}

type operandRule struct {
	stretch
	Literal *lexer.Token `parser:"@( Text | Bare | Value | 'TRUE' | 'FALSE' | 'NULL' )"`
	Param   *lexer.Token `parser:"| @Param"`
	List    *lexer.Token `parser:"| @List"`
	Named   *namedRule   `parser:"| @@"`
	Group   *groupedRule `parser:"| @@"`
}

// namedRule is a column, a bare word, or a call.
type namedRule struct {
	stretch
	First lexer.Token    `parser:"@Ident"`
	Call  *argumentsRule `parser:"( @@"`
	Rest  []*linkRule    `parser:"| @@+ )?"`
}

type linkRule struct {
	Name lexer.Token `parser:"'.' @Ident"`
}

type argumentsRule struct {
	Open     bool        `parser:"@'('"`
	Star     bool        `parser:"( @'*'"`
	Distinct bool        `parser:"| @'DISTINCT'?"`
	Args     []*exprRule `parser:"@@ ( ',' @@ )* )? ')'"`
}

// groupedRule is a subquery, a list, or an expression in parentheses.
type groupedRule struct {
	stretch
	Find  *findRule   `parser:"'(' ( @@"`
	Items []*exprRule `parser:"| @@ ( ',' @@ )* ) ')'"`
}

// parser is built at the first use, since building it takes longer than
// parsing a hundred queries. It is safe for use from several goroutines.
var parser = sync.OnceValue(func() *participle.Parser[fileRule] {
	return participle.MustBuild[fileRule](participle.Lexer(definition{}))
})

// parseRule parses exactly the tokens from one index to another as the rule. If
// that fails, at is the index of the token that could not be taken.
func parseRule[R any](toks []token, from, to int) (rule *R, at int, ok bool) {
	p, err := participle.ParserForProduction[R](parser())
	if err != nil {
		panic("lang: " + err.Error())
	}
	lex, err := lexer.Upgrade(&feed{toks: toks, next: from, end: to})
	if err != nil {
		panic("lang: " + err.Error())
	}
	rule, err = p.ParseFromLexer(lex)
	if err == nil {
		return rule, to, true
	}
	if e, isPlaced := err.(participle.Error); isPlaced {
		return nil, e.Position().Line, false
	}
	panic("lang: " + err.Error())
}

// Grammar gives the grammar in EBNF, one production a line, as the parser has
// it. What a text, a bare word or a value looks like is the lexer's business
// and told in prose.
func Grammar() string {
	ebnf := parser().String()
	return strings.ReplaceAll(ebnf, "Rule", "") + "\n"
}
