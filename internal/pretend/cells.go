package pretend

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/value"
)

var cellGap = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\t+| {2,}`) })

// SplitCells splits a line at tabs and at two or more blanks. A cell in
// quotes may hold any.
func SplitCells(l string) []string {
	var cells []string
	for l = strings.TrimSpace(l); l != ""; {
		if q, err := strconv.QuotedPrefix(l); err == nil && l[0] == '"' {
			rest := l[len(q):]
			if rest == "" || rest[0] == '\t' || strings.HasPrefix(rest, "  ") {
				cells, l = append(cells, q), strings.TrimLeft(rest, " \t")
				continue
			}
		}
		at := cellGap().FindStringIndex(l)
		if at == nil {
			return append(cells, l)
		}
		cells, l = append(cells, l[:at[0]]), l[at[1]:]
	}
	return cells
}

// ParseCell reads a value of a type, elem being that of a list's members.
// Times may count from now.
func ParseCell(cell string, t, elem value.Type, now time.Time) (value.Value, error) {
	if cell == "null" {
		return value.Value{}, nil
	}
	if t == value.List {
		return parseList(cell, elem, now)
	}
	text := cell
	if len(cell) > 1 && cell[0] == '"' {
		q, err := strconv.Unquote(cell)
		if err != nil {
			return value.Value{}, fmt.Errorf("%s: %w", cell, err)
		}
		text = q
	}
	switch t {
	case value.Text:
		return value.NewText(text), nil
	case value.Size:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return value.NewSize(n), nil
		}
	case value.Version:
		// scheme:version, or a version whose scheme is not known
		if name, rest, ok := strings.Cut(text, ":"); ok {
			if s, known := value.ParseScheme(name); known {
				return value.NewVersion(rest, s), nil
			}
		}
	}
	v, err := value.Convert(value.NewText(text), t, now)
	if err != nil {
		return value.Value{}, fmt.Errorf("%s: %w", cell, err)
	}
	return v, nil
}

func parseList(cell string, elem value.Type, now time.Time) (value.Value, error) {
	inner, ok := strings.CutPrefix(cell, "[")
	if inner, ok2 := strings.CutSuffix(inner, "]"); ok && ok2 {
		var vs []value.Value
		for part := range strings.SplitSeq(inner, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			v, err := ParseCell(part, elem, value.Text, now)
			if err != nil {
				return value.Value{}, err
			}
			vs = append(vs, v)
		}
		return value.NewList(vs), nil
	}
	return value.Value{}, fmt.Errorf("%s is not [a, b, …]", cell)
}

// ShowCell writes a value so that SplitCells gives it back as one cell, and
// so that null, no text and the text null differ.
func ShowCell(v value.Value) string {
	if v.IsNull() {
		return "null"
	}
	s := v.String()
	if s == "" || strings.TrimSpace(s) != s || strings.Contains(s, "  ") || misread().MatchString(s) {
		return strconv.Quote(s)
	}
	return s
}

// misread matches what is no text where it begins a cell: null, comments, what
// is left out, and the lines that begin sections.
var misread = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(null|\(none\))$|^(["#]|! |-- |--$)`) })

// Align writes cells in columns, two blanks apart.
func Align(rows [][]string) string {
	var widths []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		for i, c := range r {
			b.WriteString(c)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+2))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
