package osquery

import (
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

// caseOf makes if() of CASE.
func (s *scope) caseOf(e *sql.Case) term {
	rest := atom("null", text)
	if e.Else != nil {
		rest = s.term(e.Else)
	}
	values := []term{rest}
	for _, w := range e.Whens {
		values = append(values, s.term(w.Then))
	}
	k, mixed := text, false
	known := false
	for i := range values {
		if values[i].text == "null" {
			continue
		}
		if known && values[i].kind != k {
			mixed = true
		}
		k, known = values[i].kind, true
	}
	fit := func(t term) string {
		switch {
		case t.text == "null":
			return t.text
		case mixed && t.kind == flag:
			return "concat(" + number01(t).text + ")"
		case mixed:
			return plainText(t)
		case t.lit != nil && t.lit.Kind == sql.Text:
			return t.text
		}
		return t.filled().text
	}
	if mixed {
		k = text
	}
	out := fit(values[0])
	for i := len(e.Whens) - 1; i >= 0; i-- {
		w := e.Whens[i]
		test := w.If
		if e.Operand != nil {
			test = &sql.Binary{At: sql.At(w.If.Place()), Op: "=", X: e.Operand, Y: w.If}
		}
		c := s.cond(test, false)
		if c.always() {
			out = fit(values[i+1])
			continue
		}
		out = "if(" + c.text + ", " + fit(values[i+1]) + ", " + out + ")"
	}
	return atom(out, k)
}

func (s *scope) cast(e *sql.Cast) term {
	x := s.term(e.X)
	to := e.Type
	switch {
	case strings.Contains(to, "INT"), strings.Contains(to, "REAL"), strings.Contains(to, "FLOA"), strings.Contains(to, "DOUB"), strings.Contains(to, "NUMERIC"), strings.Contains(to, "DECIMAL"), to == "UNSIGNED":
		switch x.kind {
		case number, seconds, duration:
			return x
		case flag:
			return number01(x)
		}
		if x.lit != nil {
			t := s.numeric(x)
			return s.literal(&sql.Literal{At: e.At, Kind: sql.Number, Text: t.text})
		}
		return s.numeric(x)
	case strings.Contains(to, "CHAR"), strings.Contains(to, "TEXT"), strings.Contains(to, "CLOB"):
		switch {
		case x.lit != nil:
			return s.literal(&sql.Literal{At: e.At, Kind: sql.Text, Text: x.lit.Text})
		case x.kind == text:
			return x
		case x.kind == flag:
			x = number01(x)
		case x.kind == seconds:
			s.c.lose(e.Place(), "a time as a text is written otherwise")
		}
		return term{text: "concat(" + x.text + ")", prec: precAtom, kind: text}
	}
	s.c.refuse(e.Place(), "CAST AS %s is not carried over", to)
	return term{}
}
