package querytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// maxShown is how many lines of a difference are shown; the rest is counted.
const maxShown = 40

// A rowDiff is how the rows that came back differ from those expected.
type rowDiff struct {
	steps          []step
	missing, extra int
	order          bool // the rows are right, and their order is not
	more           int  // lines that are not shown
}

// A step is one line of it.
type step struct {
	sign  byte // '-' missing, '+' came back, too, ' ' as it should be
	cells []string
	marks []bool // the cells in which it differs from the line above
}

// compareRows gives nil where the rows are those expected: as a bag, or in
// their order.
func compareRows(want, have [][]string, ordered bool) *rowDiff {
	missing, extra := without(want, have), without(have, want)
	d := &rowDiff{missing: len(missing), extra: len(extra)}
	switch {
	case len(missing)+len(extra) > 0:
		d.pair(missing, extra)
	case ordered && !slices.EqualFunc(want, have, slices.Equal):
		d.order = true
		for i := range want {
			if slices.Equal(want[i], have[i]) {
				d.steps = append(d.steps, step{sign: ' ', cells: want[i]})
				continue
			}
			d.steps = append(d.steps, step{sign: '-', cells: want[i]}, step{sign: '+', cells: have[i], marks: marks(want[i], have[i])})
		}
	default:
		return nil
	}
	if len(d.steps) > maxShown {
		d.more = len(d.steps) - maxShown
		d.steps = d.steps[:maxShown]
	}
	return d
}

// without gives the rows of a that b does not have, each as often as it is
// missing.
func without(a, b [][]string) [][]string {
	there := map[string]int{}
	for _, r := range b {
		there[keyOf(r)]++
	}
	var rest [][]string
	for _, r := range a {
		if k := keyOf(r); there[k] > 0 {
			there[k]--
			continue
		}
		rest = append(rest, r)
	}
	return rest
}

// keyOf is the same for rows that are. Cells hold no zero byte.
func keyOf(row []string) string { return strings.Join(row, "\x00") }

// maxPaired bounds the rows of which the nearest is looked for, since each is
// compared with each.
const maxPaired = 200

// pair puts below each missing row the extra one that is nearest to it.
func (d *rowDiff) pair(missing, extra [][]string) {
	taken := make([]bool, len(extra))
	for n, m := range missing {
		d.steps = append(d.steps, step{sign: '-', cells: m})
		best, at := 0, -1
		for i, e := range extra {
			if taken[i] || n >= maxPaired || i >= maxPaired {
				continue
			}
			if near := nearness(m, e); near > best {
				best, at = near, i
			}
		}
		if at >= 0 {
			taken[at] = true
			d.steps = append(d.steps, step{sign: '+', cells: extra[at], marks: marks(m, extra[at])})
		}
	}
	for i, e := range extra {
		if !taken[i] {
			d.steps = append(d.steps, step{sign: '+', cells: e})
		}
	}
}

// nearness is how much two rows have in common: whole cells first, then how
// the others begin and end. Rows that share nothing have 0.
func nearness(a, b []string) int {
	n := 0
	for i := range a {
		if a[i] == b[i] {
			n += 1000
			continue
		}
		n += min(common(a[i], b[i]), 900)
	}
	return n
}

// common counts the bytes that two texts begin and end with alike.
func common(a, b string) int {
	front := 0
	for front < min(len(a), len(b)) && a[front] == b[front] {
		front++
	}
	back := 0
	for back < min(len(a), len(b))-front && a[len(a)-1-back] == b[len(b)-1-back] {
		back++
	}
	return front + back
}

func marks(a, b []string) []bool {
	out := make([]bool, len(b))
	for i := range b {
		out[i] = a[i] != b[i]
	}
	return out
}

// sentence says what is wrong in short.
func (d *rowDiff) sentence(name string, several bool) string {
	what := "rows differ"
	switch {
	case d.order:
		what = "the rows are right, and their order is not"
	case d.extra == 0:
		what = count(d.missing, "row") + " missing"
	case d.missing == 0:
		what = count(d.extra, "row") + " too many"
	default:
		what += fmt.Sprintf(": %d missing, %d too many", d.missing, d.extra)
	}
	if several {
		what = name + ": " + what
	}
	return what
}

// lines writes it: the header, then a line for each row, and carets below the
// cells that differ.
func (d *rowDiff) lines(header []string) []string {
	widths := make([]int, len(header))
	for i, h := range header {
		widths[i] = runewidth.StringWidth(h)
	}
	for _, s := range d.steps {
		for i, c := range s.cells {
			widths[i] = max(widths[i], runewidth.StringWidth(c))
		}
	}
	out := []string{line("  ", header, widths)}
	for _, s := range d.steps {
		out = append(out, line(string(s.sign)+" ", s.cells, widths))
		if slices.Contains(s.marks, true) {
			carets := make([]string, len(s.cells))
			for i, c := range s.cells {
				if s.marks[i] {
					carets[i] = strings.Repeat("^", max(runewidth.StringWidth(c), 1))
				}
			}
			out = append(out, line("  ", carets, widths))
		}
	}
	if d.more > 0 {
		out = append(out, fmt.Sprintf("… and %d more", d.more))
	}
	return out
}

func line(front string, cells []string, widths []int) string {
	var b strings.Builder
	b.WriteString(front)
	for i, c := range cells {
		b.WriteString(c)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(widths[i]-runewidth.StringWidth(c), 0)+2))
		}
	}
	return strings.TrimRight(b.String(), " ")
}
