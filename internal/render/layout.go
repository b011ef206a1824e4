package render

import (
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"github.com/quaestor-engine/quaestor/value"
)

const (
	gap      = 2 // blanks between columns
	minWidth = 8 // columns that a shortened cell keeps at least
)

// widthOf is how many columns of a terminal a text takes. Characters of
// ambiguous width are narrow, as terminals outside East Asia have them,
// whatever the locale says: the same answer looks the same everywhere.
func widthOf(s string) int {
	if isASCII(s) {
		return len(s)
	}
	c := runewidth.Condition{StrictEmojiNeutral: true}
	return c.StringWidth(s)
}

func widthOfRune(r rune) int {
	if r < utf8.RuneSelf {
		return 1
	}
	c := runewidth.Condition{StrictEmojiNeutral: true}
	return c.RuneWidth(r)
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isNumber(t value.Type) bool {
	switch t {
	case value.Int, value.Float, value.Size, value.Duration:
		return true
	}
	return false
}

// canShorten says whether the middle or the end of a cell may be left out
// without making another value of it.
func canShorten(t value.Type) bool {
	switch t {
	case value.Text, value.Bytes, value.Hash, value.List, value.Null:
		return true
	}
	return false
}

// fit takes from the widest columns that may be shortened until a row fits
// into total, and says whether it does.
func fit(widths []int, columns []Column, total int) bool {
	sum := gap * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	for sum > total {
		widest, next := -1, minWidth
		for i, w := range widths {
			if w <= minWidth || !canShorten(columns[i].Type) {
				continue
			}
			switch {
			case widest < 0 || w > widths[widest]:
				if widest >= 0 {
					next = max(next, widths[widest])
				}
				widest = i
			case w < widths[widest]:
				next = max(next, w)
			}
		}
		if widest < 0 {
			return false
		}
		cut := max(1, min(sum-total, widths[widest]-next))
		widths[widest] -= cut
		sum -= cut
	}
	return true
}

// shorten leaves out the middle of a path and the end of anything else, so
// that width columns are enough.
func shorten(s string, width int) string {
	if widthOf(s) <= width {
		return s
	}
	if width < 2 {
		return "…"
	}
	if !strings.ContainsAny(s, `/\`) {
		return cutFront(s, width-1) + "…"
	}
	tail := (width - 1) * 2 / 3
	return cutFront(s, width-1-tail) + "…" + cutBack(s, tail)
}

// cutFront gives the front of s that fits into width columns.
func cutFront(s string, width int) string {
	for i, r := range s {
		w := widthOfRune(r)
		if w > width {
			return s[:i]
		}
		width -= w
	}
	return s
}

// cutBack gives the back of s that fits into width columns. It does not begin
// with a mark that would join what is before it.
func cutBack(s string, width int) string {
	i := len(s)
	for i > 0 {
		r, n := utf8.DecodeLastRuneInString(s[:i])
		w := widthOfRune(r)
		if w > width {
			break
		}
		width -= w
		i -= n
	}
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if widthOfRune(r) > 0 {
			break
		}
		i += n
	}
	return s[i:]
}
