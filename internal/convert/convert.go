// Package convert makes query files out of what other tools read: rules,
// packs, artifacts, feeds of indicators.
//
// A newcomer needs [Run], which takes a file and the formats that are known,
// and gives a [Result]: for each rule of the file what became of it, and the
// queries. [Result.Files] writes it down as a query file with its lists beside
// it; [Tally] counts over many. A [Format] is a package below this one that
// knows its own text and nothing of files, terminals or fleets.
//
// What cannot be carried over is named with its place and never dropped: a
// rule is [Whole] only where the query asks the same as its source, it parses
// and it passes the checker. The package must not be used to run anything.
package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/planner"
)

// Bounds of what is read.
const (
	// MaxInput is what one file of rules may hold, in bytes: feeds of a
	// hundred thousand indicators have about 50 MB as STIX.
	MaxInput = 256 << 20
	// maxNotes is how many notes a rule keeps; the rest is counted.
	maxNotes = 50
)

// ErrUnknownFormat says that no format recognises a file.
var ErrUnknownFormat = errors.New("this is of no format that can be converted")

// An Outcome says how much of a rule was carried over.
type Outcome uint8

// The outcomes. The zero one is Not, so that nothing counts as carried over
// unless somebody says so.
const (
	// Not: no query stands for the rule; the notes say why.
	Not Outcome = iota
	// Partly: the queries ask less, or more, than the rule; the notes say
	// what.
	Partly
	// Whole: the queries ask what the rule asks.
	Whole
)

// String gives whole, partly or not.
func (o Outcome) String() string { return [...]string{"not", "partly", "whole"}[o] }

// MarshalText implements encoding.TextMarshaler.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// An Input is one file, and what surrounds it.
type Input struct {
	// Name is the file's name as the user gave it, for messages.
	Name string
	// Data is what it holds.
	Data []byte
	// Read gives files beside it by their names in it, such as includes and
	// the queries of a pack. Nil: there are none.
	Read func(name string) ([]byte, error)
	// Catalogue is what can be asked about. Never nil.
	Catalogue planner.Catalogue
	// Now decides what has expired. Never zero.
	Now time.Time
}

// A Format is a kind of file that can be converted.
type Format struct {
	// Name is what --from calls it, such as sigma.
	Name string
	// Doc says in a sentence what it is.
	Doc string
	// Is says whether a file looks as if it were of the format. It is asked
	// of files of any kind, and must be quick.
	Is func(name string, data []byte) bool
	// Convert makes queries. Mistakes of a rule are its notes; an error, an
	// [*Error] where it has a place, says that the file as a whole cannot be
	// read.
	Convert func(ctx context.Context, in Input) (*Result, error)
}

// An Error says what is wrong with a file, and where.
type Error struct {
	File         string
	Line, Column int    // from 1; 0 where it has no place
	Message      string // lower case, no full stop
	Hint         string // what to do; may be empty
}

// Error gives file:line:column: message, and the hint on a line of its own.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
		if e.Column > 0 {
			fmt.Fprintf(&b, ":%d", e.Column)
		}
	}
	b.WriteString(": " + e.Message)
	if e.Hint != "" {
		b.WriteString("\nhint: " + e.Hint)
	}
	return b.String()
}

// A Result is what became of a file.
type Result struct {
	// Format is the name of the format that it was read as.
	Format string
	// Rules are what the file holds, in its order.
	Rules []Rule
	// Lists are the files that the queries name as @NAME.
	Lists []List
	// Notes are about the file, and no rule of it: duplicates that were
	// folded, indicators that were mended.
	Notes []Note
}

// A List is a file of values, one a line, that queries name as @Name.
type List struct {
	Name string
	Text []byte
}

// A Rule is one rule, query, artifact or group of indicators of a file.
type Rule struct {
	// Name and the rest of the header are what the source says of itself.
	Name, Description, Severity, Reference string
	Tags                                   []string
	// Line is where it begins in the file, from 1; 0 where that is unknown.
	Line int
	// Outcome is what the format says; Run lowers it where a query does not
	// pass the checker.
	Outcome Outcome
	// Comments stand before the queries, a line each, without dashes.
	Comments []string
	// Queries stand for the rule, each without header and semicolon.
	Queries []string
	// Notes say what was not carried over, or not as it stood.
	Notes []Note
	// MoreNotes counts notes over the bound.
	MoreNotes int
}

// A Note says something about a rule or a file, and where.
type Note struct {
	Line    int    `json:"line,omitempty"` // of the file, from 1; 0 for no place
	Message string `json:"message"`        // lower case, no full stop
}

// Note adds a note, if it was not added before.
func (r *Rule) Note(line int, format string, args ...any) {
	n := Note{line, fmt.Sprintf(format, args...)}
	if slices.Contains(r.Notes, n) {
		return
	}
	if len(r.Notes) >= maxNotes {
		r.MoreNotes++
		return
	}
	r.Notes = append(r.Notes, n)
}

// Lose adds a note about something that was left out: a rule that was whole
// is so only partly from then on.
func (r *Rule) Lose(line int, format string, args ...any) {
	r.Note(line, format, args...)
	r.Outcome = min(r.Outcome, Partly)
}

// Run converts a file: with the format of that name, or, where from is empty,
// with the first that recognises it. Queries that do not parse or do not pass
// the checker make their rule count as not carried over, with the reason.
func Run(ctx context.Context, formats []Format, from string, in Input) (*Result, error) {
	if len(in.Data) > MaxInput {
		return nil, &Error{File: in.Name, Message: fmt.Sprintf("it has over %d MiB", MaxInput>>20), Hint: "split it"}
	}
	f, err := pick(formats, from, in)
	if err != nil {
		return nil, err
	}
	if in.Read == nil {
		in.Read = func(name string) ([]byte, error) { return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist) }
	}
	r, err := f.Convert(ctx, in)
	if err != nil {
		return nil, err
	}
	r.Format = f.Name
	for i := range r.Rules {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		check(&r.Rules[i], r.Lists, in)
	}
	r.Lists = slices.DeleteFunc(r.Lists, func(l List) bool { return !r.names(l.Name) })
	return r, nil
}

// names says whether a query names a list.
func (r *Result) names(list string) bool {
	return slices.ContainsFunc(r.Rules, func(x Rule) bool {
		return slices.ContainsFunc(x.Queries, func(q string) bool { return strings.Contains(q, "@"+list) })
	})
}

// Names gives the names of formats, in their order.
func Names(formats []Format) []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.Name
	}
	return names
}

func pick(formats []Format, from string, in Input) (Format, error) {
	for _, f := range formats {
		if from == f.Name || from == "" && f.Is(in.Name, in.Data) {
			return f, nil
		}
	}
	known := "known are " + strings.Join(Names(formats), ", ")
	if from != "" {
		return Format{}, fmt.Errorf("there is no format %q\nhint: %s", from, known)
	}
	return Format{}, fmt.Errorf("%s: %w\nhint: --from FORMAT says what it is; %s", in.Name, ErrUnknownFormat, known)
}
