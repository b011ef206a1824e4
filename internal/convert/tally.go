package convert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// A Tally counts what became of many rules, so that a team can decide whether
// to move.
type Tally struct {
	Files   int           `json:"files"`
	Passed  []string      `json:"passed,omitempty"` // files that are of no format that is known
	Unread  []Unread      `json:"unread,omitempty"` // files that could not be read as what they are
	Formats []FormatTally `json:"formats"`
	Reasons []Reason      `json:"reasons"` // why rules were not, or only partly, carried over; the most frequent first
}

// An Unread is a file that could not be read.
type Unread struct {
	File string `json:"file"`
	Why  string `json:"why"`
}

// A FormatTally counts the rules of one format.
type FormatTally struct {
	Format string `json:"format"`
	Files  int    `json:"files"`
	Rules  int    `json:"rules"`
	Whole  int    `json:"whole"`
	Partly int    `json:"partly"`
	Not    int    `json:"not"`
}

// A Reason is a note that rules share, and how many have it.
type Reason struct {
	Message string  `json:"message"`
	Rules   int     `json:"rules"`
	Outcome Outcome `json:"outcome"` // the worst of them
	Example string  `json:"example"` // the file and rule of the first
}

// A Counter makes a Tally of results as they come. The zero Counter is empty.
type Counter struct {
	files   int
	passed  []string
	unread  []Unread
	formats map[string]*FormatTally
	reasons map[string]*Reason
}

// Add counts the result of a file.
func (c *Counter) Add(file string, r *Result) {
	if c.formats == nil {
		c.formats, c.reasons = map[string]*FormatTally{}, map[string]*Reason{}
	}
	c.files++
	f := c.formats[r.Format]
	if f == nil {
		f = &FormatTally{Format: r.Format}
		c.formats[r.Format] = f
	}
	f.Files++
	for _, x := range r.Rules {
		f.Rules++
		switch x.Outcome {
		case Whole:
			f.Whole++
			continue
		case Partly:
			f.Partly++
		case Not:
			f.Not++
		}
		c.why(file, x)
	}
}

func (c *Counter) why(file string, x Rule) {
	seen := map[string]bool{}
	for _, n := range x.Notes {
		if seen[n.Message] {
			continue
		}
		seen[n.Message] = true
		why := c.reasons[n.Message]
		if why == nil {
			why = &Reason{Message: n.Message, Outcome: x.Outcome, Example: file + ": " + x.Name}
			c.reasons[n.Message] = why
		}
		why.Rules++
		why.Outcome = min(why.Outcome, x.Outcome)
	}
}

// Fail counts a file that could not be read.
func (c *Counter) Fail(file string, err error) {
	c.files++
	c.unread = append(c.unread, Unread{file, firstLine(err)})
}

// Pass counts a file that is of no format that is known.
func (c *Counter) Pass(file string) {
	c.files++
	c.passed = append(c.passed, file)
}

// Tally gives what was counted.
func (c *Counter) Tally() Tally {
	t := Tally{Files: c.files, Passed: c.passed, Unread: c.unread, Formats: []FormatTally{}, Reasons: []Reason{}}
	for _, name := range slices.Sorted(maps.Keys(c.formats)) {
		t.Formats = append(t.Formats, *c.formats[name])
	}
	for _, why := range c.reasons {
		t.Reasons = append(t.Reasons, *why)
	}
	slices.SortFunc(t.Reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Rules, a.Rules), cmp.Compare(a.Message, b.Message))
	})
	return t
}

// AllWhole says whether every file was read and every rule carried over
// whole. Files of no known format do not count.
func (t Tally) AllWhole() bool {
	for _, f := range t.Formats {
		if f.Whole < f.Rules {
			return false
		}
	}
	return len(t.Unread) == 0
}

// JSON writes the tally for programs.
func (t Tally) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(t)
}

// maxReasons is how many reasons a table shows; the rest is counted, and JSON
// has all.
const maxReasons = 25

// Table writes the tally for eyes. What comes from the files is quoted where
// it could write to a terminal.
func (t Tally) Table(w io.Writer) {
	fmt.Fprintf(w, "%-12s %6s %6s %6s %6s %6s  %s\n", "format", "files", "rules", "whole", "partly", "not", "whole of all")
	for _, f := range t.Formats {
		share := "-"
		if f.Rules > 0 {
			share = fmt.Sprintf("%.1f %%", 100*float64(f.Whole)/float64(f.Rules))
		}
		fmt.Fprintf(w, "%-12s %6d %6d %6d %6d %6d  %s\n", f.Format, f.Files, f.Rules, f.Whole, f.Partly, f.Not, share)
	}
	for i, why := range t.Reasons {
		if i == 0 {
			fmt.Fprintln(w, "\nwhy not whole:")
		}
		if i == maxReasons {
			fmt.Fprintf(w, "       and %d reasons more, which --format json has\n", len(t.Reasons)-i)
			break
		}
		fmt.Fprintf(w, "%6d %-6s %s (%s)\n", why.Rules, why.Outcome, visible(why.Message), visible(why.Example))
	}
	for i, u := range t.Unread {
		if i == 0 {
			fmt.Fprintln(w, "\ncould not be read:")
		}
		fmt.Fprintf(w, "  %s: %s\n", visible(u.File), visible(u.Why))
	}
	if n := len(t.Passed); n > 0 {
		fmt.Fprintf(w, "\n%d files are of no format that is known\n", n)
	}
}

// visible escapes what could move a cursor.
func visible(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}
