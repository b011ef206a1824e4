package lang

import (
	"net/netip"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/value"
)

// The generators make any tree that the grammar can express.

func genName(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"path", "size", "group", "order", "line", "any", "host", "version", "per", "by", "missing", "x", "é", "all", "contains1", "a_1"}),
		rapid.Map(rapid.StringMatching(`[a-z][a-z0-9_]{0,8}`), func(s string) string { return "z" + s }), // no keyword begins with it,
	).Draw(t, "name")
}

func genIdent(t *rapid.T) Ident { return Ident{Name: genName(t)} }

func genOptIdent(t *rapid.T) *Ident {
	if !rapid.Bool().Draw(t, "named") {
		return nil
	}
	id := genIdent(t)
	return &id
}

func genText(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "ioc", `C:\x`, `\d+`, "it's", `say "x"`, "a\nb", "\x00\xff\x80", "\u202e", "日本", "%a_", "-- x", `\'`, "*.so", "#"}),
		rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 9), func(b []byte) string { return string(b) }),
	).Draw(t, "text")
}

func genValue(t *rapid.T) value.Value {
	n := rapid.Int64Range(0, 1<<62).Draw(t, "n")
	switch rapid.IntRange(0, 10).Draw(t, "type") {
	case 0:
		return value.NewInt(n)
	case 1:
		return value.NewFloat(rapid.Float64Range(0, 1e300).Draw(t, "float"))
	case 2:
		return value.NewBool(n%2 == 0)
	case 3:
		return value.NewSize(n)
	case 4:
		return value.NewDuration(time.Duration(n))
	case 5:
		return value.NewTime(time.Unix(n%253402300800, n%3*123456789))
	case 6:
		return value.NewIP(genAddr(t))
	case 7:
		a := genAddr(t)
		return value.NewCIDR(netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")))
	case 8:
		return value.NewBytes([]byte(genText(t)))
	case 9:
		return value.Value{}
	}
	return value.NewText(genText(t))
}

func genAddr(t *rapid.T) netip.Addr {
	if rapid.Bool().Draw(t, "v4") {
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")))
	}
	b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xfe, 0x80, 0xab}), 16, 16).Draw(t, "addr")
	return netip.AddrFrom16([16]byte(b))
}

func genOperand(t *rapid.T, depth int) Expr {
	most := 8
	if depth <= 0 {
		most = 4
	}
	switch rapid.IntRange(0, most).Draw(t, "operand") {
	case 0, 1:
		return &Literal{Value: genValue(t)}
	case 2, 3:
		n := &Name{}
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			n.Parts = append(n.Parts, genIdent(t))
		}
		return n
	case 4:
		if rapid.Bool().Draw(t, "list") {
			return &ListRef{Path: rapid.SampledFrom([]string{"bad.txt", "a b", "x,y", "{a,b}", `q"`, "/abs/l", "é"}).Draw(t, "file")}
		}
		return &ParamRef{Name: genName(t)}
	case 5:
		return genCall(t, depth-1)
	case 6:
		return &Unary{Op: OpNeg, X: genSum(t, depth-1)}
	case 7:
		op := rapid.SampledFrom([]Op{OpAdd, OpSub, OpMul, OpDiv, OpMod}).Draw(t, "op")
		return &Binary{Op: op, X: genSum(t, depth-1), Y: genSum(t, depth-1)}
	}
	return &Tuple{Items: []Expr{genSum(t, depth-1), genExpr(t, depth-1)}}
}

func genSum(t *rapid.T, depth int) Expr { return genOperand(t, depth) }

func genCall(t *rapid.T, depth int) Expr {
	c := &Call{Name: Ident{Name: rapid.SampledFrom([]string{"count", "contains", "any", "all", "if", "now"}).Draw(t, "function")}}
	switch rapid.IntRange(0, 3).Draw(t, "call") {
	case 0:
		c.Star = true
	case 1:
		c.Distinct, c.Args = true, []Expr{genExpr(t, depth)}
	case 2:
		c.Args = []Expr{genExpr(t, depth), genExpr(t, depth)}
	}
	return c
}

func genExpr(t *rapid.T, depth int) Expr {
	if depth <= 0 {
		return genOperand(t, 0)
	}
	switch rapid.IntRange(0, 8).Draw(t, "expr") {
	case 0:
		return genOperand(t, depth)
	case 1:
		return &Unary{Op: OpNot, X: genExpr(t, depth-1)}
	case 2, 3:
		op := rapid.SampledFrom([]Op{OpAnd, OpOr}).Draw(t, "op")
		return &Binary{Op: op, X: genExpr(t, depth-1), Y: genExpr(t, depth-1)}
	case 4:
		return &Is{X: genSum(t, depth-1), Not: rapid.Bool().Draw(t, "not"), Missing: rapid.Bool().Draw(t, "missing")}
	case 5:
		return &Between{X: genSum(t, depth-1), Low: genSum(t, depth-1), High: genSum(t, depth-1), Not: rapid.Bool().Draw(t, "not")}
	case 6:
		return genIn(t, depth-1)
	case 7:
		op := rapid.SampledFrom([]Op{OpContains, OpMatches, OpYara}).Draw(t, "op")
		return &Compare{Op: op, Y: genSum(t, depth-1), NoCase: rapid.Bool().Draw(t, "nocase")}
	}
	return genCompare(t, depth-1)
}

func genLeft(t *rapid.T, depth int) Expr {
	if rapid.IntRange(0, 4).Draw(t, "left") == 0 {
		return &Line{Every: rapid.Bool().Draw(t, "every")}
	}
	return genSum(t, depth)
}

func genCompare(t *rapid.T, depth int) Expr {
	notNull := func(e Expr) Expr {
		if l, ok := e.(*Literal); ok && l.Value.IsNull() {
			return &Name{Parts: []Ident{{Name: "x"}}}
		}
		return e
	}
	x, y := notNull(genLeft(t, depth)), notNull(genSum(t, depth))
	if rapid.Bool().Draw(t, "plain") {
		return &Compare{Op: rapid.SampledFrom([]Op{OpEq, OpNe, OpLt, OpLe, OpGt, OpGe}).Draw(t, "op"), X: x, Y: y}
	}
	op := rapid.SampledFrom([]Op{OpGlob, OpMatches, OpContains, OpStarts, OpEnds, OpLike}).Draw(t, "op")
	if l, ok := y.(*Literal); ok && op == OpLike {
		y = &Literal{Value: value.NewText("%" + l.Value.Text())}
	}
	return &Compare{Op: op, X: x, Y: y, Not: rapid.Bool().Draw(t, "not"), NoCase: rapid.Bool().Draw(t, "nocase")}
}

func genIn(t *rapid.T, depth int) Expr {
	in := &In{X: genLeft(t, depth), Not: rapid.Bool().Draw(t, "not"), NoCase: rapid.Bool().Draw(t, "nocase")}
	switch rapid.IntRange(0, 3).Draw(t, "in") {
	case 0:
		in.Y = &ListRef{Path: "list.txt"}
	case 1:
		in.Y = &Subquery{Find: genFind(t, depth)}
	case 2:
		in.Y = &Tuple{Items: []Expr{genExpr(t, depth)}}
	default:
		in.Y = &Tuple{Items: []Expr{genExpr(t, depth), genExpr(t, depth)}}
	}
	return in
}

func genItems(t *rapid.T, depth int) []*Item {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *Item {
		return &Item{Expr: genExpr(t, depth), Name: genOptIdent(t)}
	}), 1, 3).Draw(t, "items")
}

func genScan(t *rapid.T) *Scan {
	s := &Scan{Module: genIdent(t), Alias: genOptIdent(t)}
	s.As = s.Alias != nil && rapid.Bool().Draw(t, "as")
	if s.Alias != nil && strings.EqualFold(pairOf(strings.ToUpper(s.Module.Name)), s.Alias.Name) {
		s.As = true // FIND any line would be ANY LINE
	}
	for range rapid.IntRange(0, 2).Draw(t, "locators") {
		s.Locators = append(s.Locators, rapid.OneOf(
			rapid.Map(rapid.SampledFrom([]string{"/etc/*", "*.so", ":22", "10.0.0.0/8", "a b", "where", "x", `C:\x\*`, "/a/{b,c}", "a;b", "--", "=", "'", "“x”", "/a/{b"}),
				func(s string) Expr { return &Literal{Value: value.NewText(s), Bare: true} }),
			rapid.Custom(func(t *rapid.T) Expr {
				return &Literal{Value: value.NewText(genText(t)), Bare: rapid.Bool().Draw(t, "bare")}
			}),
			rapid.Just[Expr](&ParamRef{Name: "dir"}), rapid.Just[Expr](&ListRef{Path: "dirs.txt"}),
		).Draw(t, "locator"))
	}
	return s
}

func genFind(t *rapid.T, depth int) *Find {
	yes := func(label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 0 }
	f := &Find{Watch: yes("watch"), Not: yes("not")}
	f.Scans = rapid.SliceOfN(rapid.Custom(genScan), 1, 2).Draw(t, "scans")
	if !yes("no where") {
		f.Where = genExpr(t, depth)
	}
	if yes("return") {
		f.Return = &Return{Distinct: yes("distinct"), Items: genItems(t, depth-1)}
	} else if yes("stack") {
		f.Stack = genItems(t, 0)
	}
	if yes("group") {
		f.Group = []Expr{genExpr(t, depth-1), genExpr(t, 0)}
	}
	if yes("having") {
		f.Having = genExpr(t, depth-1)
	}
	if yes("order") {
		f.Order = []*OrderItem{{Expr: genExpr(t, 0), Desc: yes("desc")}}
	}
	if yes("limit") {
		f.Limit, f.PerHost = &Literal{Value: value.NewInt(5)}, yes("per host")
	}
	return f
}

func genQuery(t *rapid.T) *Query {
	yes := func(label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 0 }
	q := &Query{Explain: yes("explain")}
	q.Analyze = q.Explain && yes("analyze")
	if yes("header") {
		q.Header = Header{Name: "a: b", Severity: "high", Tags: []string{"x", "y z"}}
	}
	if yes("param") {
		q.Params = []*Param{{Name: genIdent(t), Type: Ident{Name: "duration"}, Default: genSum(t, 1)}, {Name: genIdent(t), Type: Ident{Name: "text"}}}
	}
	if yes("let") {
		q.Lets = []*Let{{Name: genIdent(t), Value: genSum(t, 1)}}
	}
	if yes("from") {
		q.From = rapid.SampledFrom([]*From{
			{Source: Ident{Name: "fleet"}}, {Source: Ident{Name: "hits"}, Args: []Expr{&Literal{Value: value.NewText("id")}}},
		}).Draw(t, "source")
		if yes("target") {
			q.From = &From{Source: Ident{Name: "host"}, Args: []Expr{genSum(t, 1), genSum(t, 1)}, Where: genExpr(t, 2)}
		}
	}
	for i := range rapid.IntRange(1, 2).Draw(t, "finds") {
		f := genFind(t, 3)
		f.Or = i > 0 && yes("or")
		q.Finds = append(q.Finds, f)
	}
	if yes("every") {
		q.Every = &Literal{Value: value.NewDuration(time.Hour)}
	}
	if yes("with") {
		q.With = []*Setting{{Name: genIdent(t), Value: genSum(t, 1)}}
	}
	return q
}
