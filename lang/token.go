package lang

import (
	"io"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/quaestor-engine/quaestor/value"
)

// The kinds of token. Their names appear in the printed grammar.
const (
	kindIdent   lexer.TokenType = iota + 1 // a name
	kindKeyword                            // a keyword, its text in upper case
	kindPunct                              // an operator or a bracket
	kindText                               // text in quotes
	kindBare                               // a path, glob, hash or version without quotes
	kindValue                              // a number, size, duration, time, address or bytes
	kindParam                              // $name
	kindList                               // @file
	kindBad                                // what fits nowhere; a diagnostic was made
)

// A token is a piece of the source. For keywords and punctuation text is what
// the grammar matches; for $name and @file it is the name.
type token struct {
	kind lexer.TokenType
	text string
	val  value.Value
	span Span
	bad  bool // a diagnostic was made for it, so nobody needs to complain again
}

func (t token) is(text string) bool {
	return (t.kind == kindKeyword || t.kind == kindPunct) && t.text == text
}

func (t token) isAny(texts ...string) bool {
	for _, s := range texts {
		if t.is(s) {
			return true
		}
	}
	return false
}

// endsOperand reports whether an operand may end with the token.
func (t token) endsOperand() bool {
	switch t.kind {
	case kindKeyword:
		return t.isAny("NULL", "TRUE", "FALSE", "MISSING", "NOCASE")
	case kindPunct:
		return t.text == ")"
	case lexer.EOF, kindBad:
		return false
	}
	return true
}

// startsOperand reports whether an operand may begin with the token.
func (t token) startsOperand() bool {
	switch t.kind {
	case kindKeyword:
		return t.isAny("NULL", "TRUE", "FALSE")
	case kindPunct:
		return t.text == "("
	case lexer.EOF, kindBad:
		return false
	}
	return true
}

// hardKeywords are keywords wherever a word stands, except after a dot and
// before one. The soft ones are in pairs and in softKeyword.
const hardKeywords = " EXPLAIN PARAM LET FROM WHERE FIND WATCH NOT AND OR IN IS NULL TRUE FALSE" +
	" LIKE GLOB MATCHES CONTAINS BETWEEN YARA NOCASE AS RETURN DISTINCT STACK" +
	" HAVING LIMIT EVERY WITH ASC DESC STARTS ENDS "

func isHardKeyword(upper string) bool {
	return !strings.Contains(upper, " ") && strings.Contains(hardKeywords, " "+upper+" ")
}

// pairs are the keywords of two words; the two become one token, so that
// either word alone can be a column.
func pairOf(upper string) string {
	switch upper {
	case "GROUP", "ORDER", "STACK":
		return "BY"
	case "ANY", "EVERY":
		return "LINE"
	case "STARTS", "ENDS":
		return "WITH"
	case "PER":
		return "HOST"
	}
	return ""
}

// definition is what participle sees of the lexer.
type definition struct{}

// Symbols names the kinds of token for the grammar.
func (definition) Symbols() map[string]lexer.TokenType {
	return map[string]lexer.TokenType{
		"EOF": lexer.EOF, "Ident": kindIdent, "Keyword": kindKeyword, "Punct": kindPunct, "Text": kindText,
		"Bare": kindBare, "Value": kindValue, "Param": kindParam, "List": kindList, "Bad": kindBad,
	}
}

// Lex reads everything from r and lexes it. Only reading can fail.
func (definition) Lex(_ string, r io.Reader) (lexer.Lexer, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxSource+1))
	if err != nil {
		return nil, err
	}
	toks := scan(string(text)).toks
	return &feed{toks: toks, end: len(toks) - 1}, nil
}

// feed hands the tokens from next to end to participle, with an end of input
// after them. The Line of a position is the index of the token.
type feed struct {
	toks      []token
	next, end int
}

// Next gives the next token; it never fails.
func (f *feed) Next() (lexer.Token, error) {
	pos := lexer.Position{Line: f.next}
	if f.next >= f.end {
		return lexer.EOFToken(pos), nil
	}
	t := f.toks[f.next]
	f.next++
	out := lexer.Token{Type: t.kind, Pos: pos}
	if t.kind == kindKeyword || t.kind == kindPunct {
		out.Value = t.text // a name like AND must not match the keyword, so only these have a value
	}
	return out, nil
}
