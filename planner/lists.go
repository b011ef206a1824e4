package planner

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// Bounds of a list file: what is signed and sent to every host holds it.
const (
	maxListBytes = 128 << 20 // bytes of one file
	maxListLines = 1_000_000 // as many as search.Compile takes
)

// A listLine is one entry of a list file.
type listLine struct {
	text string
	line int
}

// listLines reads the file of an @list: one entry a line; blank lines, and
// lines that begin with #, do not count.
func (c *compiler) listLines(ref *lang.ListRef) ([]listLine, bool) {
	if lines, ok := c.files[ref.Path]; ok {
		return lines, true
	}
	if c.in.ReadList == nil {
		c.report(noLists(ref))
		return nil, false
	}
	data, err := c.in.ReadList(ref.Path)
	switch {
	case err != nil:
		c.report(unreadableList(ref, err))
		return nil, false
	case len(data) > maxListBytes:
		c.report(listTooLong(ref, fmt.Sprintf("%d bytes, more than %d", len(data), maxListBytes)))
		return nil, false
	}
	var lines []listLine
	n := 0
	for line := range strings.SplitSeq(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		n++
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' {
			lines = append(lines, listLine{line, n})
		}
	}
	switch {
	case len(lines) > maxListLines:
		c.report(listTooLong(ref, fmt.Sprintf("%d entries, more than %d", len(lines), maxListLines)))
		return nil, false
	case len(lines) == 0:
		c.report(emptyList(ref.Span()))
		return nil, false
	case !utf8.ValidString(ref.Path):
		c.report(unreadableList(ref, errors.New("its name is not UTF-8")))
		return nil, false
	}
	c.files[ref.Path] = lines
	return lines, true
}

// in checks X [NOT] IN Y.
func (s *scope) in(e *lang.In) (plan.Expr, bool) {
	if line, ok := e.X.(*lang.Line); ok && !s.line {
		return s.lineIn(e, line)
	}
	var xs []typed
	if t, ok := e.X.(*lang.Tuple); ok {
		for _, item := range t.Items {
			x, ok := s.operand(item, false)
			if !ok {
				return nil, false
			}
			xs = append(xs, x)
		}
	} else {
		x, ok := s.left(e.X)
		if !ok {
			return nil, false
		}
		xs = []typed{x}
	}
	for _, x := range xs {
		if e.NoCase && x.typ != value.Text && x.typ != value.Null {
			s.c.report(noCaseOnOther(e.OpSpan, x.typ))
			return nil, false
		}
	}
	out, ok := s.inList(e, xs, e.Y)
	if ok && e.Not {
		out = &plan.Not{X: out}
	}
	return out, ok
}

func (s *scope) inList(e *lang.In, xs []typed, y lang.Expr) (plan.Expr, bool) {
	switch y := y.(type) {
	case *lang.ParamRef:
		if l := s.c.let(y); l != nil {
			return s.inList(e, xs, l.Value)
		}
		return s.inItems(e, xs, []lang.Expr{y})
	case *lang.ListRef:
		return s.inFile(e, xs, y)
	case *lang.Subquery:
		return s.inSubquery(e, xs, y)
	case *lang.Tuple:
		return s.inItems(e, xs, y.Items)
	case *lang.Paren:
		return s.inItems(e, xs, []lang.Expr{y.X})
	case *lang.Literal:
		if y.Value.Type() == value.CIDR {
			return s.inItems(e, xs, []lang.Expr{y})
		}
	}
	t, ok := s.operand(y, false)
	if !ok {
		return nil, false
	}
	if t.typ == value.List && len(xs) == 1 {
		x, ok := s.member(e, xs[0], t)
		f, _ := plan.FuncByName("contains")
		if e.NoCase {
			f, _ = plan.FuncByName("CONTAINS NOCASE")
		}
		return plan.NewCall(f, t.expr, x.expr), ok
	}
	s.c.report(inNeedsList(y))
	return nil, false
}

// A lookedUp gathers the constant tuples of a list in sets: one for each way in
// which they have the left side read, since a mode is compared without its kind
// of file where the tuple's has none.
type lookedUp struct {
	name string
	fold bool
	sets []lookedUpSet
}

type lookedUpSet struct {
	xs  []typed
	set *plan.Set
}

func (l *lookedUp) add(xs []typed, row []value.Value) {
	i := slices.IndexFunc(l.sets, func(o lookedUpSet) bool {
		return slices.EqualFunc(o.xs, xs, func(a, b typed) bool { return a.expr == b.expr || plan.Same(a.expr, b.expr) })
	})
	if i < 0 {
		i = len(l.sets)
		l.sets = append(l.sets, lookedUpSet{xs, &plan.Set{Name: l.name, Width: len(xs), Fold: l.fold}})
	}
	l.sets[i].set.Values = append(l.sets[i].set.Values, row...)
}

// len is how many tuples there are.
func (l *lookedUp) len() int {
	n := 0
	for _, s := range l.sets {
		n += s.set.Len()
	}
	return n
}

// among makes the test of what was gathered, and of others that will do.
func (s *scope) among(l *lookedUp, others []plan.Expr) plan.Expr {
	var ors []plan.Expr
	for _, part := range l.sets {
		ors = append(ors, s.lookup(part.xs, part.set))
	}
	if ors = append(ors, others...); len(ors) == 1 {
		return ors[0]
	}
	return &plan.Or{Xs: ors}
}

// inItems checks IN against a list that stands in the text.
func (s *scope) inItems(e *lang.In, xs []typed, items []lang.Expr) (plan.Expr, bool) {
	tuples := &lookedUp{name: nodeText(e.Y), fold: e.NoCase}
	var others []plan.Expr
	ok := true
	for _, item := range items {
		parts := []lang.Expr{item}
		if t, isTuple := item.(*lang.Tuple); isTuple {
			parts = t.Items
		}
		if len(parts) != len(xs) {
			s.c.report(tupleWidth(item.Span(), len(parts), len(xs)))
			ok = false
			continue
		}
		other, fine := s.inItem(e, xs, parts, tuples)
		ok = ok && fine
		if other != nil {
			others = append(others, other)
		}
	}
	if !ok {
		return nil, false
	}
	return s.among(tuples, others), true
}

// inItem checks one item of a list. One that is no constant is a test of its
// own.
func (s *scope) inItem(e *lang.In, xs []typed, parts []lang.Expr, tuples *lookedUp) (other plan.Expr, ok bool) {
	var ands []plan.Expr
	var row []value.Value
	left := slices.Clone(xs)
	for i, part := range parts {
		y, ok := s.operand(part, true)
		if !ok {
			return nil, false
		}
		if isNullLiteral(y) {
			s.c.report(nullInList(part.Span()))
			return nil, false
		}
		if y.typ == value.CIDR && xs[i].typ == value.IP {
			f, _ := plan.FuncByName("in_cidr")
			ands = append(ands, plan.NewCall(f, xs[i].expr, y.expr))
			continue
		}
		if left[i], y, ok = s.agree(part, xs[i], y); !ok {
			return nil, false
		}
		if v, isConst := y.constant(); isConst {
			row = append(row, v)
		}
		ands = append(ands, &plan.Cmp{Op: plan.Eq, X: left[i].expr, Y: y.expr, Fold: e.NoCase})
	}
	switch {
	case len(row) == len(xs):
		tuples.add(left, row)
		return nil, true
	case len(ands) == 1:
		return ands[0], true
	}
	return &plan.And{Xs: ands}, true
}

// lookup makes the test of a set. Tuples are looked up by their first value
// first where that is cheaper than all of them.
func (s *scope) lookup(xs []typed, set *plan.Set) plan.Expr {
	in := func(set *plan.Set, xs []typed) plan.Expr {
		exprs := make([]plan.Expr, len(xs))
		for i, x := range xs {
			exprs[i] = x.expr
		}
		return &plan.InSet{Xs: exprs, Set: s.c.addSet(set), Name: set.Name}
	}
	whole := in(set, xs)
	if set.Width == 1 || s.c.in.Naive {
		return whole
	}
	type part struct {
		i    int
		cost cost
	}
	var parts []part
	for i, x := range xs {
		parts = append(parts, part{i, s.costOfAll(x.expr)})
	}
	slices.SortStableFunc(parts, func(a, b part) int { return int(a.cost) - int(b.cost) })
	if parts[0].cost == parts[len(parts)-1].cost {
		return whole
	}
	k := parts[0].i
	first := &plan.Set{Name: fmt.Sprintf("%s, column %d", set.Name, k+1), Width: 1, Fold: set.Fold}
	for i := k; i < len(set.Values); i += set.Width {
		first.Values = append(first.Values, set.Values[i])
	}
	return &plan.And{Xs: []plan.Expr{in(first, xs[k:k+1]), whole}}
}

func (c *compiler) addSet(set *plan.Set) int {
	c.plan.Sets = append(c.plan.Sets, set)
	return len(c.plan.Sets) - 1
}

// inFile checks IN @file: each line typed by the column that it meets.
func (s *scope) inFile(e *lang.In, xs []typed, ref *lang.ListRef) (plan.Expr, bool) {
	lines, ok := s.c.listLines(ref)
	if !ok {
		return nil, false
	}
	tuples := &lookedUp{name: "@" + ref.Path, fold: e.NoCase}
	sizes := &plan.Set{Name: "@" + ref.Path + ", sizes", Width: 1}
	var nets []plan.Expr
	bad := 0
	for _, l := range lines {
		if err := s.listEntry(l, xs, tuples, sizes, &nets); err != nil {
			if bad++; bad <= maxListProblems {
				s.c.report(badListLine(ref, l.line, l.text, err))
			}
		}
	}
	if bad > maxListProblems {
		s.c.report(moreListProblems(ref, bad-maxListProblems))
	}
	if bad > 0 {
		return nil, false
	}
	return s.inFileTest(ref, xs, tuples, sizes, nets)
}

// maxListProblems is how many bad lines of one list are shown.
const maxListProblems = 3

func (s *scope) inFileTest(ref *lang.ListRef, xs []typed, tuples *lookedUp, sizes *plan.Set, nets []plan.Expr) (plan.Expr, bool) {
	test := s.among(tuples, nets)
	if len(sizes.Values) == 0 {
		return test, true
	}
	size, ok := s.sizeBeside(xs[0])
	switch {
	case len(sizes.Values) != tuples.len():
		s.c.report(someSizes(ref, len(sizes.Values), tuples.len()))
		return nil, false
	case !ok:
		s.c.report(sizesWithoutColumn(ref))
		return nil, false
	}
	// A file with the hash has the size, so the size may be asked first.
	return &plan.And{Xs: []plan.Expr{s.lookup([]typed{size}, sizes), test}}, true
}

// sizeBeside gives the column size of the slot that a hash belongs to.
func (s *scope) sizeBeside(hash typed) (typed, bool) {
	col, ok := hash.expr.(*plan.Col)
	if !ok || s.table == nil {
		return typed{}, false
	}
	i, ok := s.slotSchema(col.Slot).Column("size")
	if !ok {
		return typed{}, false
	}
	c := &s.slotSchema(col.Slot).Columns[i]
	name := &lang.Name{Parts: []lang.Ident{{Name: "size"}}}
	return typed{expr: s.col(col.Slot, "size", name), typ: c.Type, col: c, node: hash.node}, true
}

// listEntry reads one line of a list for the columns that it meets.
func (s *scope) listEntry(l listLine, xs []typed, tuples *lookedUp, sizes *plan.Set, nets *[]plan.Expr) error {
	fields := []string{l.text}
	if len(xs) > 1 {
		r := csv.NewReader(strings.NewReader(l.text))
		r.TrimLeadingSpace = true
		var err error
		if fields, err = r.Read(); err != nil && err != io.EOF {
			return err
		}
		if len(fields) != len(xs) {
			return fmt.Errorf("%d values where %d are looked up", len(fields), len(xs))
		}
	} else if xs[0].typ == value.Hash {
		fields[0] = hashField(l.text, sizes)
	}
	left, row := xs, make([]value.Value, 0, len(xs))
	for i, f := range fields {
		f = strings.TrimSpace(f)
		if xs[i].typ == value.IP && strings.Contains(f, "/") && len(xs) == 1 {
			v, err := value.Convert(value.NewText(f), value.CIDR, s.c.in.Now)
			if err != nil {
				return err
			}
			fn, _ := plan.FuncByName("in_cidr")
			*nets = append(*nets, plan.NewCall(fn, xs[i].expr, &plan.Const{Value: v}))
			return nil
		}
		v, err := parseParam(f, xs[i].typ, s.c.in.Now)
		if err == nil {
			err = hashFits(xs[i].col, v)
		}
		if err != nil {
			return err
		}
		if xs[i].col != nil && len(xs[i].col.Values) > 0 && !slices.Contains(xs[i].col.Values, v.Text()) {
			return fmt.Errorf("%s is never %q", xs[i].col.Name, v.Text())
		}
		if v.Type() == value.Mode {
			left = slices.Clone(left)
			left[i] = permissionsOnly(xs[i], typed{expr: &plan.Const{Value: v}})
		}
		row = append(row, v)
	}
	tuples.add(left, row)
	return nil
}

// hashField takes the hash out of a line: alone, with the file's size behind
// it, or as sha256sum writes it with the file's name.
func hashField(line string, sizes *plan.Set) string {
	hash, rest, found := strings.Cut(line, " ")
	if !found {
		return line
	}
	if strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "*") {
		return hash
	}
	n, err := value.ParseSize(rest + "B")
	if err != nil {
		return line
	}
	sizes.Values = append(sizes.Values, value.NewSize(n))
	return hash
}

// parseParam reads a value from text that stands outside a query.
func parseParam(text string, typ value.Type, now time.Time) (value.Value, error) {
	if typ == value.Text || typ == value.Null {
		return value.NewText(text), nil
	}
	return value.Convert(value.NewText(text), typ, now)
}
