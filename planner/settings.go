package planner

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A Setting is one name that WITH may set: one row of the table that the
// checker, the help and the docs are made from.
type Setting struct {
	Name     string
	Type     value.Type
	Low      int64 // the least value, in the type's own unit (a second for durations)
	High     int64 // and the greatest
	Default  string
	Doc      string
	Words    []string // that a text may be; nil for other types
	set      func(l *plan.Limits, v value.Value)
	agents   bool // it can be kept by an agent alone
	reserved bool // part of the language, and not to be kept yet
}

// Settings lists what WITH may set, in alphabetical order.
func Settings() []Setting {
	var out []Setting
	for _, s := range settings {
		if !s.reserved {
			out = append(out, s)
		}
	}
	return out
}

var settings = []Setting{
	{Name: "archives", Type: value.Bool, Default: "off", Doc: "look into zip, jar, war, apk, docx and tar, each member a row", set: func(l *plan.Limits, v value.Value) { l.Archives = v.Bool() }},
	{Name: "bytes", Type: value.Size, Low: 1, High: 1 << 50, Default: "none", Doc: "stop when so much content was read", set: func(l *plan.Limits, v value.Value) { l.Bytes = v.Int() }},
	{Name: "context", Type: value.Int, Low: 16, High: 64 << 10, Default: "512", Doc: "bytes of a matching line that the column line shows", set: func(l *plan.Limits, v value.Value) { l.Context = v.Int() }},
	{Name: "cpu", Type: value.Int, Low: 1, High: 6400, Default: "none", Doc: "percent of one processor that an agent may use for it, over time; a % may stand behind it", agents: true, set: func(l *plan.Limits, v value.Value) { l.CPU = v.Int() }},
	{Name: "decompress", Type: value.Bool, Default: "off", Doc: "ask the content inside gzip, zstd, xz and bzip2 files", set: func(l *plan.Limits, v value.Value) { l.Decompress = v.Bool() }},
	{Name: "depth", Type: value.Int, Low: 0, High: 10_000, Default: "none", Doc: "levels below a locator's literal front; 0 is itself alone", set: func(l *plan.Limits, v value.Value) { l.Depth = v.Int() }},
	{Name: "errors", Type: value.Int, Low: 0, High: 10_000, Default: "5", Doc: "how many of the things that were left out are named, of each kind; all are counted", set: func(l *plan.Limits, v value.Value) { l.Errors = v.Int() }},
	{Name: "expires", reserved: true},
	{Name: "follow_links", Type: value.Bool, Default: "off", Doc: "follow symbolic links below a locator's literal front", set: func(l *plan.Limits, v value.Value) { l.FollowLinks = v.Bool() }},
	{Name: "io", Type: value.Text, Words: plan.IOWords(), Default: "idle", Doc: "when an agent gets the disk for it: when nobody else wants it, behind others, or as others do", agents: true, set: func(l *plan.Limits, v value.Value) { l.IO, _ = plan.ParseIO(v.Text()) }},
	{Name: "max_file", Type: value.Size, Low: 1, High: 1 << 50, Default: "none", Doc: "leave the content of larger files out, and count them", set: func(l *plan.Limits, v value.Value) { l.MaxFile = v.Int() }},
	{Name: "memory", Type: value.Size, Low: 1 << 20, High: 1 << 40, Default: "256MiB", Doc: "what joins, groups, ORDER BY and host-level logic may hold", set: func(l *plan.Limits, v value.Value) { l.Memory = v.Int() }},
	{Name: "one_filesystem", Type: value.Bool, Default: "off", Doc: "stay on the file system of the locator's front", set: func(l *plan.Limits, v value.Value) { l.OneFilesystem = v.Bool() }},
	{Name: "open_files", Type: value.Int, Low: 32, High: 1024, Default: "1024", Doc: "how many files an agent may have open for it at once", agents: true, set: func(l *plan.Limits, v value.Value) { l.OpenFiles = v.Int() }},
	{Name: "rows", Type: value.Int, Low: 1, High: 1 << 40, Default: "none", Doc: "stop at so many rows, and say that there may be more", set: func(l *plan.Limits, v value.Value) { l.Rows = v.Int() }},
	{Name: "sent", Type: value.Size, Low: 1, High: 1 << 50, Default: "what the policy allows", Doc: "stop when the rows of an agent's answer have so many bytes", agents: true, set: func(l *plan.Limits, v value.Value) { l.Sent = v.Int() }},
	{Name: "timeout", Type: value.Duration, Low: 1, High: 7 * 24 * 3600, Default: "none", Doc: "stop after so long, and keep what was found", set: func(l *plan.Limits, v value.Value) { l.Timeout = v.Duration() }},
	{Name: "workers", Type: value.Int, Low: 1, High: 256, Default: "one a processor", Doc: "how many files are looked at at once", set: func(l *plan.Limits, v value.Value) { l.Workers = v.Int() }},
}

// settings reads WITH into the plan's limits.
func (c *compiler) settings(q *lang.Query) {
	c.plan.Limits = plan.Limits{Depth: -1, Errors: 5}
	seen := map[string]bool{}
	for _, w := range q.With {
		row := settingByName(w.Name.Name)
		switch {
		case row == nil:
			c.report(unknownSetting(w.Name))
			continue
		case row.reserved:
			c.report(notYet(w.Name.Span(), "WITH "+row.Name))
			continue
		case seen[row.Name]:
			c.report(settingTwice(w.Name))
			continue
		}
		seen[row.Name] = true
		if row.agents && (c.plan.Source == "local" || c.plan.Source == "case") {
			c.report(needsAgent(w.Name))
			continue
		}
		v, ok := c.settingValue(row, w)
		if !ok {
			continue
		}
		if !row.allows(v) {
			c.report(settingOutOfRange(w, row))
			continue
		}
		row.set(&c.plan.Limits, v)
	}
}

func settingByName(name string) *Setting {
	for i := range settings {
		if settings[i].Name == name {
			return &settings[i]
		}
	}
	return nil
}

func (c *compiler) settingValue(row *Setting, w *lang.Setting) (value.Value, bool) {
	s := &scope{c: c}
	if n, ok := w.Value.(*lang.Name); ok && row.Type == value.Bool && len(n.Parts) == 1 {
		v, err := parseSwitch(n.Parts[0].Name)
		if err != nil {
			c.report(wrongLiteral(w.Value.Span(), row.Type, err))
		}
		return v, err == nil
	}
	if n, ok := w.Value.(*lang.Name); ok && row.Words != nil && len(n.Parts) == 1 {
		return value.NewText(n.Parts[0].Name), true
	}
	return s.constant(w.Value, row.Type)
}

func parseSwitch(word string) (value.Value, error) {
	switch word {
	case "on", "ON", "yes":
		return value.NewBool(true), nil
	case "off", "OFF", "no":
		return value.NewBool(false), nil
	}
	return value.Value{}, fmt.Errorf("%q is neither on nor off", word)
}

// allows says whether a setting may have a value of its type.
func (s *Setting) allows(v value.Value) bool {
	switch s.Type {
	case value.Bool:
		return true
	case value.Text:
		return slices.Contains(s.Words, v.Text())
	case value.Duration:
		n := int64(v.Duration() / time.Second)
		return n >= s.Low && n <= s.High
	}
	return v.Int() >= s.Low && v.Int() <= s.High
}

// Range says in words what a setting may be.
func (s *Setting) Range() string {
	show := func(n int64) string {
		switch s.Type {
		case value.Size:
			return value.FormatSize(n)
		case value.Duration:
			return value.FormatDuration(time.Duration(n) * time.Second)
		}
		return fmt.Sprint(n)
	}
	switch s.Type {
	case value.Bool:
		return "on or off"
	case value.Text:
		return strings.Join(s.Words, ", ")
	}
	return show(s.Low) + " to " + show(s.High)
}
