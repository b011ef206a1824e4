package planner

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// place says of every scan where it looks: as the query says, as its
// predicate implies, or as another scan's rows tell. Scans are put in an order
// in which each can be told.
func (s *scope) place(f *lang.Find, conjuncts []*conjunct) {
	for _, scan := range s.scans {
		s.locators(scan)
	}
	if s.failed {
		return
	}
	for _, c := range conjuncts {
		s.measure(c)
	}
	for _, scan := range s.scans {
		if len(s.table.Slots[scan.slot].Locators) == 0 && !(s.c.in.Naive && s.told(scan)) {
			s.implied(scan, conjuncts)
		}
	}
	s.bind(f, conjuncts)
}

// locators reads the words behind the module's name.
func (s *scope) locators(scan *scanInfo) {
	slot := s.table.Slots[scan.slot]
	if len(scan.node.Locators) > 0 && scan.schema.Locator.Use == modules.NoLocator {
		s.c.report(takesNoLocator(scan.node.Locators[0].Span(), scan.schema.Name))
		s.failed = true
		return
	}
	for _, l := range scan.node.Locators {
		if s.isColumnAsPlace(l, scan) {
			s.failed = true
			return
		}
		texts, _, _, ok := s.patterns(l)
		if !ok {
			s.failed = true
			return
		}
		for _, text := range texts {
			if text, ok = s.locator(l, scan, text); !ok {
				s.failed = true
				return
			}
			slot.Locators = append(slot.Locators, text)
		}
	}
}

// locator checks one locator and gives it whole.
func (s *scope) locator(node lang.Expr, scan *scanInfo, text string) (string, bool) {
	isFile := scan.schema.Locator.Column == "path"
	windows := value.BackslashSeparates(text)
	if isFile && !windows && !strings.HasPrefix(text, "/") {
		if s.c.plan.Source != "local" {
			s.c.report(relativeLocator(node.Span(), text))
			return "", false
		}
		text = filepath.ToSlash(filepath.Join(s.c.in.Dir, text))
	}
	g, err := value.CompileGlob(text, value.GlobOptions{Windows: windows})
	if err != nil {
		s.c.report(badPattern(node.Span(), plan.Glob, text, err))
		return "", false
	}
	if isFile && g.Prefix() == "/" && (g.Literal() || strings.Contains(text, "**")) && !s.hasDepth() {
		s.c.warn(walksEverything(node.Span()))
	}
	return text, true
}

func (s *scope) hasDepth() bool { return s.c.plan.Limits.Depth >= 0 }

// implied takes places from the predicate: path = …, path IN (…),
// path GLOB …, dir = …. The predicate stays, so a place may be too wide.
func (s *scope) implied(scan *scanInfo, conjuncts []*conjunct) {
	slot := s.table.Slots[scan.slot]
	loc := scan.schema.Locator
	if loc.Use == modules.NoLocator {
		return
	}
	isCol := func(e plan.Expr, name string) bool {
		col, ok := e.(*plan.Col)
		return ok && name != "" && col.Slot == scan.slot && slot.Columns[col.Index] == name
	}
	for _, c := range conjuncts {
		switch e := c.expr.(type) {
		case *plan.Cmp:
			k, isConst := e.Y.(*plan.Const)
			if e.Op != plan.Eq || e.Fold || !isConst {
				continue
			}
			if isCol(e.X, scan.schema.Key) && loc.Column == scan.schema.Key {
				slot.Keys = []value.Value{k.Value}
				return
			}
			if isCol(e.X, loc.Column) && value.BackslashSeparates(k.Value.Text()) && scan.schema.Key != loc.Column {
				slot.Locators = []string{value.EscapeGlob(k.Value.Text())}
				return
			}
			if isCol(e.X, loc.Dir) {
				slot.Locators = []string{strings.TrimSuffix(value.EscapeGlob(k.Value.Text()), "/") + "/*"}
				return
			}
		case *plan.InSet:
			if len(e.Xs) == 1 && isCol(e.Xs[0], scan.schema.Key) && loc.Column == scan.schema.Key && !s.c.plan.Sets[e.Set].Fold {
				slot.Keys = s.c.plan.Sets[e.Set].Values
				return
			}
		case *plan.Match:
			if e.Op == plan.Glob && !e.Fold && e.Dynamic == nil && isCol(e.X, loc.Column) {
				s.globs(scan, c.node, e.Patterns)
				return
			}
		}
	}
}

// globs takes the globs of a condition for places. Those of files begin at a
// root, as their paths do.
func (s *scope) globs(scan *scanInfo, node lang.Expr, patterns []string) {
	slot := s.table.Slots[scan.slot]
	slot.Locators = slices.Clone(patterns)
	if scan.schema.Locator.Column != "path" {
		return
	}
	for _, text := range patterns {
		g, err := value.CompileGlob(text, value.GlobOptions{Windows: value.BackslashSeparates(text)})
		switch {
		case err != nil: // it was said
		case !fromRoot(text):
			s.c.warnings = slices.DeleteFunc(s.c.warnings, func(d lang.Diagnostic) bool { return d.Code == CodeGlobOfNoPath })
			s.c.report(globOfNoPath(node.Span(), text))
			s.failed = true
			return
		case strings.Trim(g.Prefix(), "/") == "" && strings.Contains(text, "**") && !s.hasDepth():
			s.c.warn(walksEverything(node.Span()))
		}
	}
}

// fromRoot says whether a glob can be of a whole path: one of Windows, or one
// that begins with a / or with a * for the root.
func fromRoot(glob string) bool {
	if value.BackslashSeparates(glob) {
		return true
	}
	first, _, more := strings.Cut(glob, "/")
	return more && first == "" || strings.HasPrefix(first, "**") || more && first == "*" || strings.HasPrefix(first, "{")
}

// told says whether a scan knows where to look without being told by others.
func (s *scope) told(scan *scanInfo) bool {
	slot := s.table.Slots[scan.slot]
	return scan.schema.Locator.Use != modules.LocatorRequired || len(slot.Locators) > 0 || slot.Keys != nil
}

// bind orders the scans and finds what each later one is joined by.
func (s *scope) bind(f *lang.Find, conjuncts []*conjunct) {
	placed := map[int]bool{}
	var order []int
	for len(order) < len(s.scans) {
		i := s.nextScan(placed, conjuncts)
		if i < 0 {
			for _, scan := range s.scans {
				if !placed[scan.slot] {
					s.c.report(locatorMissing(scan.node, scan.schema, len(s.scans) > 1))
				}
			}
			s.failed = true
			return
		}
		if len(order) > 0 {
			s.joinScan(i, placed, conjuncts)
		}
		placed[i] = true
		order = append(order, i)
	}
	s.renumber(order, conjuncts)
}

// nextScan picks the first scan that can be placed: one that knows where to
// look, else one whose key another one's rows give.
func (s *scope) nextScan(placed map[int]bool, conjuncts []*conjunct) int {
	for _, scan := range s.scans {
		if !placed[scan.slot] && s.told(scan) {
			return scan.slot
		}
	}
	for _, scan := range s.scans {
		if placed[scan.slot] {
			continue
		}
		if s.keyFrom(scan, placed, conjuncts) != nil || s.placeFrom(scan, placed, conjuncts) != nil {
			return scan.slot
		}
	}
	return -1
}

// placeFrom finds a conjunct path GLOB x, where x follows from scans that have
// their place. It stays a condition: a module may look in more than a glob.
func (s *scope) placeFrom(scan *scanInfo, placed map[int]bool, conjuncts []*conjunct) plan.Expr {
	for _, c := range conjuncts {
		m, ok := c.expr.(*plan.Match)
		if !ok || m.Op != plan.Glob || m.Fold || m.Dynamic == nil || !speaksOf(m.Dynamic, func(i int) bool { return placed[i] }) {
			continue
		}
		col, ok := m.X.(*plan.Col)
		if ok && col.Slot == scan.slot && s.table.Slots[col.Slot].Columns[col.Index] == scan.schema.Locator.Column {
			return m.Dynamic
		}
	}
	return nil
}

// keyFrom finds a conjunct that says what a scan's key is, from scans that have
// their place. It stays a condition: a module may take two keys for the same.
func (s *scope) keyFrom(scan *scanInfo, placed map[int]bool, conjuncts []*conjunct) plan.Expr {
	for _, c := range conjuncts {
		here, there := s.sides(c, scan.slot, placed)
		col, ok := here.(*plan.Col)
		if ok && s.table.Slots[col.Slot].Columns[col.Index] == scan.schema.Key {
			return there
		}
	}
	return nil
}

// sides splits an equality between a slot and slots that have their place.
func (s *scope) sides(c *conjunct, slot int, placed map[int]bool) (here, there plan.Expr) {
	e, ok := c.expr.(*plan.Cmp)
	if !ok || e.Op != plan.Eq || e.Fold || c.bound {
		return nil, nil
	}
	isHere := func(i int) bool { return i == slot }
	isThere := func(i int) bool { return placed[i] }
	switch {
	case speaksOf(e.X, isHere) && speaksOf(e.Y, isThere):
		return e.X, e.Y
	case speaksOf(e.Y, isHere) && speaksOf(e.X, isThere):
		return e.Y, e.X
	}
	return nil, nil
}

// speaksOf says whether an expression is about columns, and all of slots that
// are in a set.
func speaksOf(x plan.Expr, in func(int) bool) bool {
	some, all := false, true
	plan.Walk(x, func(x plan.Expr) {
		switch x := x.(type) {
		case *plan.Col:
			some = true
			all = all && in(x.Slot)
		case *plan.Ask, *plan.InSub, *plan.IsMissing:
			all = false
		}
	})
	return some && all
}

// joinScan says how a scan is joined to those that have their place: by its
// key, looked up for each row, or by equal values, else every pair.
func (s *scope) joinScan(i int, placed map[int]bool, conjuncts []*conjunct) {
	scan, slot := s.scans[i], s.table.Slots[i]
	if len(slot.Locators) == 0 && slot.Keys == nil && scan.schema.Key != "" && !(s.c.in.Naive && s.told(scan)) {
		if key := s.keyFrom(scan, placed, conjuncts); key != nil {
			slot.Key = key
			return
		}
	}
	if !s.told(scan) {
		slot.Key, slot.Within = s.placeFrom(scan, placed, conjuncts), true
		return
	}
	if s.c.in.Naive {
		return
	}
	for _, c := range conjuncts {
		if here, there := s.sides(c, i, placed); here != nil {
			slot.JoinHere = append(slot.JoinHere, here)
			slot.JoinThere = append(slot.JoinThere, there)
			c.bound = true
		}
	}
}

// renumber puts the scans' slots into the order in which they run. Links keep
// their places behind them.
func (s *scope) renumber(order []int, conjuncts []*conjunct) {
	if slices.IsSorted(order) {
		return
	}
	to := map[int]int{}
	slots, schemas, scans := slices.Clone(s.table.Slots), slices.Clone(s.schemas), slices.Clone(s.scans)
	for new, old := range order {
		to[old] = new
		slots[new], schemas[new], scans[new] = s.table.Slots[old], s.schemas[old], s.scans[old]
	}
	s.table.Slots, s.schemas, s.scans = slots, schemas, scans
	for i, scan := range s.scans {
		scan.slot = i
	}
	seen := map[plan.Expr]bool{}
	move := func(e plan.Expr) {
		plan.Walk(e, func(e plan.Expr) {
			if seen[e] {
				return
			}
			seen[e] = true
			switch e := e.(type) {
			case *plan.Col:
				e.Slot = moved(to, e.Slot)
			case *plan.Ask:
				e.Slot = moved(to, e.Slot)
			case *plan.IsMissing:
				e.Slot = moved(to, e.Slot)
			}
		})
	}
	for _, c := range conjuncts {
		move(c.expr)
	}
	for _, slot := range s.table.Slots {
		move(slot.Key)
		for i := range slot.JoinHere {
			move(slot.JoinHere[i])
			move(slot.JoinThere[i])
		}
	}
	links := map[link]int{}
	for l, slot := range s.links {
		links[link{moved(to, l.slot), l.column}] = slot
	}
	s.links = links
}

func moved(to map[int]int, slot int) int {
	if n, ok := to[slot]; ok {
		return n
	}
	return slot
}
