// Package asking puts rules of YARA to the contents of rows, for modules whose
// rows can be asked about content.
//
// A newcomer needs [Columns], which a schema has behind its other columns of
// lines, [Compile], and the [Scanner] that each goroutine takes from a [Set].
// A rule that nobody can decide makes the answer null and is reported; where
// another rule holds the answer is true all the same. The package reads
// nothing: who asks hands contents in.
package asking

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/library"
	"github.com/quaestor-engine/quaestor/value"
)

// The columns, in the order of Columns.
const (
	Rule = iota
	Tags
	Meta
	Strings
)

// Columns are what a row says of the rule that holds of its content.
func Columns() []modules.Column {
	column := func(name string, t value.Type, doc string) modules.Column {
		c := modules.Column{Name: "yara." + name, Type: t, Line: true, Cost: modules.Scan, Doc: doc}
		if t == value.List {
			c.Elem = value.Text
		}
		return c
	}
	list := []modules.Column{
		Rule: column("rule", value.Text, "a rule that holds of the content; RETURN gives a row for each"),
		Tags: column("tags", value.List, "the tags of that rule"),
		Meta: column("meta", value.List, "what that rule says of itself, as name=value"),
		Strings: column("strings", value.List,
			"where its strings stand, as offset:$name: bytes; a hundred places of each, and of each place as much as the setting context says"),
	}
	list[Strings].Content = true
	return list
}

// A Set is the questions of a request that are rules, compiled. Goroutines
// share it.
type Set struct {
	rules  []*yara.Rules // by question; nil where it is no such question
	show   []bool
	limits yara.Limits
}

// Compile reads the rules among questions; a Set that is nil has none. first
// is the index of the first of Columns in the module's schema.
func Compile(req *modules.Request, first int) (*Set, error) {
	s := &Set{limits: limits(req, first)}
	some := false
	for _, q := range req.Questions {
		var rules *yara.Rules
		if q.Rules != nil {
			var err error
			if rules, err = Read(q.Rules, nil, req.Host.Now); err != nil {
				return nil, fmt.Errorf("rules %s: %w", q.Rules.Name, err)
			}
			some = true
		}
		s.rules, s.show = append(s.rules, rules), append(s.show, q.Show)
	}
	if !some {
		return nil, nil
	}
	return s, nil
}

// Read compiles rules, with the modules of ours to import. include gives the
// texts that they include; nil for none.
func Read(r *modules.Rules, include func(string) ([]byte, error), now func() time.Time) (*yara.Rules, error) {
	return yara.Compile(yara.Source{Name: r.Name, Text: r.Text}, yara.Options{
		Include: include, Externals: r.Externals, Modules: library.Modules(now),
	})
}

// limits takes from places no more than is asked for.
func limits(req *modules.Request, first int) yara.Limits {
	for _, c := range req.Columns {
		if c == first+Strings {
			return yara.Limits{Data: req.Settings.Context}
		}
	}
	return yara.Limits{Shown: 1, Data: -1}
}

// A Scanner asks the rules of one content after the other. It belongs to one
// goroutine.
type Scanner struct {
	set     *Set
	asks    []*yara.Scanner
	results []*yara.Result // of this content; nil where it was not asked
	open    []bool         // blocks are wanted
	match   *yara.Match    // the one that the columns speak of
}

// NewScanner returns a scanner; nil for a nil set.
func (s *Set) NewScanner() *Scanner {
	if s == nil {
		return nil
	}
	n := len(s.rules)
	c := &Scanner{set: s, asks: make([]*yara.Scanner, n), results: make([]*yara.Result, n), open: make([]bool, n)}
	for q, r := range s.rules {
		if r != nil {
			c.asks[q] = r.NewScanner(s.limits)
		}
	}
	return c
}

// Asks says whether a question is one of rules. A nil scanner asks none.
func (c *Scanner) Asks(q int) bool { return c != nil && c.asks[q] != nil }

// Forget makes the scanner ready for another content.
func (c *Scanner) Forget() {
	if c == nil {
		return
	}
	clear(c.results)
	clear(c.open)
	c.match = nil
}

// Whole puts a question to a content that is in memory.
func (c *Scanner) Whole(ctx context.Context, q int, b []byte) error {
	result, err := c.asks[q].Whole(ctx, b)
	c.results[q] = result
	return err
}

// Start begins to put a question to a content that comes in blocks.
func (c *Scanner) Start(q int, content yara.Content) {
	c.asks[q].Start(content)
	c.open[q] = true
}

// Feed gives a block to the questions that were begun, and says whether one
// wants more.
func (c *Scanner) Feed(ctx context.Context, off int64, b []byte) (more bool) {
	for q, open := range c.open {
		if open && c.asks[q].Feed(ctx, off, b) {
			c.open[q] = false
		}
		more = more || c.open[q]
	}
	return more
}

// End ends a content that came in blocks. whole says that all of it has come;
// of a question that wanted more, nothing is known then.
func (c *Scanner) End(ctx context.Context, q int, whole bool) error {
	if c.open[q] && !whole {
		c.open[q] = false
		return nil
	}
	c.open[q] = false
	result, err := c.asks[q].End(ctx)
	c.results[q] = result
	return err
}

// Answer says whether a rule holds; null where none does for sure, and one
// may.
func (c *Scanner) Answer(q int) value.Value {
	switch r := c.results[q]; {
	case r == nil:
		return value.Value{}
	case len(r.Matches) > 0:
		return value.NewBool(true)
	case len(r.Undecided) > 0:
		return value.Value{}
	}
	return value.NewBool(false)
}

// Doubt says which rules of a question nobody could decide, in one sentence;
// "" for none.
func (c *Scanner) Doubt(q int) string {
	r := c.results[q]
	if r == nil || len(r.Undecided) == 0 {
		return ""
	}
	first := fmt.Sprintf("rule %s: %s", r.Undecided[0].Rule.Name, r.Undecided[0].Reason)
	if n := len(r.Undecided) - 1; n > 0 {
		return fmt.Sprintf("%s, and %d more rules", first, n)
	}
	return first
}

// Cut names a rule that holds and whose places are more than are shown, where
// places are asked for; "" for none.
func (c *Scanner) Cut(q int) string {
	if r := c.results[q]; r != nil && c.set.limits.Data >= 0 {
		for _, m := range r.Matches {
			if m.More {
				return fmt.Sprintf("rule %s: a string stands in more places than are listed", m.Rule.Name)
			}
		}
	}
	return ""
}

// Shown calls yield for each rule that holds, of the questions that are to be
// shown; while it runs, Column speaks of that rule.
func (c *Scanner) Shown(yield func() error) error {
	defer func() { c.match = nil }()
	for q, ask := range c.asks {
		if ask == nil || !c.set.show[q] {
			continue
		}
		if c.results[q] == nil {
			continue // it could not be read, which was reported
		}
		for i := range c.results[q].Matches {
			c.match = &c.results[q].Matches[i]
			if err := yield(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Column gives the i-th of Columns; null while no rule is shown.
func (c *Scanner) Column(i int) (value.Value, error) {
	if c == nil || c.match == nil {
		return value.Value{}, nil
	}
	rule := c.match.Rule
	switch i {
	case Rule:
		return value.NewText(rule.Name), nil
	case Tags:
		return texts(rule.Tags), nil
	case Meta:
		list := make([]string, len(rule.Meta))
		for k, m := range rule.Meta {
			list[k] = m.Name + "=" + m.Value.String()
		}
		return texts(list), nil
	case Strings:
		list := make([]string, len(c.match.Strings))
		for k, p := range c.match.Strings {
			list[k] = fmt.Sprintf("0x%x:%s: %s", p.Offset, p.Name, printable(p.Data))
		}
		return texts(list), nil
	}
	return value.Value{}, errors.New("asking: no such column")
}

func texts(list []string) value.Value {
	out := make([]value.Value, len(list))
	for i, s := range list {
		out[i] = value.NewText(s)
	}
	return value.NewList(out)
}

// printable writes bytes as YARA's own command does.
func printable(b []byte) string {
	var out strings.Builder
	for _, c := range b {
		if c < ' ' || c > '~' {
			fmt.Fprintf(&out, `\x%02X`, c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}
