// Package yara reads rules in the language of YARA and asks them of contents:
// files, members of archives, the memory of processes.
//
// [Compile] takes the text of rules and gives [Rules], which goroutines
// share, or an [*Error] with all that is wrong and where. Each goroutine takes
// a [Scanner] from them, which it uses for one content after the other:
// [Scanner.Whole] for one that is in memory, or [Scanner.Start],
// [Scanner.Feed] and [Scanner.End] for one that comes in blocks, with the
// same answers. A [Result] says which rules hold, where their strings stand,
// and, apart from that, which rules could not be decided and why.
//
// What a rule imports is a [Module], handed in by [Options]; the package
// links none. The modules of ours stand in folders below this one.
//
// Rules mean what they mean to YARA: strings are bytes, expressions know no
// Unicode, a value that is not there is undefined and makes a condition
// false. Of the bounds of this package, those on the text of rules refuse
// rules when they are compiled; those on a scan make a rule undecided, never
// silently false.
//
// The package reads no files and must not be asked to: who calls it resolves
// includes and hands in blocks.
package yara

import (
	"strings"
)

// A Source is the text of rules, with the name that messages give it.
type Source struct{ Name, Text string }

// Options say what a text of rules may refer to.
type Options struct {
	// Include gives the text that `include "name"` means; nil refuses every
	// include. It is called once for each, when the rules are compiled.
	Include func(name string) ([]byte, error)
	// Externals are the variables that rules name without defining them, as
	// an int64, a float64, a bool or a string.
	Externals map[string]any
	// Modules are what rules may import.
	Modules []*Module
}

// Rules are compiled rules. They are read-only, and any number of goroutines
// may use them.
type Rules struct {
	text  string
	rules []*Rule
	prog  *program
}

// Compile reads rules. The error is an [*Error]. What this package does not
// know is refused there by its name and place.
func Compile(src Source, o Options) (*Rules, error) {
	return compile(src, o)
}

// Text is the rules as one text in which every include stands resolved: to
// compile it again, with the same externals and modules and without Include,
// gives the same rules.
func (r *Rules) Text() string { return r.text }

// Rules lists the rules in the order of the text, private ones included.
func (r *Rules) Rules() []*Rule { return r.rules }

// A Rule is what is known of a rule beside its strings and its condition.
type Rule struct {
	Name    string
	Tags    []string // in the order of the text
	Meta    []Meta   // in the order of the text; a name may stand twice
	Private bool     // others may name it, but it is never shown
	Global  bool     // where it does not hold, no rule does
	Source  string   // the name of the text that it stands in
	Line    int      // where its name stands, from 1

	index   int
	gate    int
	strings []*str
	cond    expr
}

// HasTag says whether a rule has a tag.
func (r *Rule) HasTag(tag string) bool {
	for _, t := range r.Tags {
		if t == tag {
			return true
		}
	}
	return false
}

// A Meta is one line of a rule's meta section: an Integer, a String or a Bool.
type Meta struct {
	Name  string
	Value Value
}

// MetaText gives the first meta value of that name as text, or "".
func (r *Rule) MetaText(name string) string {
	for _, m := range r.Meta {
		if strings.EqualFold(m.Name, name) {
			return m.Value.String()
		}
	}
	return ""
}
