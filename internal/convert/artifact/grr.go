package artifact

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// GRR is the format of the parameters of GRR's file finder: its FileFinderArgs
// as JSON, with keys of either form (actionType, action_type). In the form of
// Protocol Buffers (actionType) expressions and literals are base64, as its
// JSON has bytes; in the other they are text.
func GRR() convert.Format {
	return convert.Format{
		Name: "grr", Doc: "the parameters of GRR's file finder, as JSON",
		Is: isGRR, Convert: readGRR,
	}
}

func isGRR(_ string, data []byte) bool {
	head := bytes.TrimSpace(data)
	return len(head) > 0 && head[0] == '{' && bytes.Contains(data, []byte(`"paths"`)) &&
		(bytes.Contains(data, []byte(`"action_type"`)) || bytes.Contains(data, []byte(`"actionType"`)) ||
			bytes.Contains(data, []byte(`"condition_type"`)) || bytes.Contains(data, []byte(`"conditionType"`)) || bytes.Contains(data, []byte(`"pathtype"`)))
}

func readGRR(_ context.Context, in convert.Input) (*convert.Result, error) {
	docs, err := document.JSON(in.Name, in.Data)
	if err != nil {
		return nil, err
	}
	r := &convert.Result{}
	for i, d := range docs {
		if d.Get("args").Kind() == document.Map { // a flow, with its arguments inside
			d = d.Get("args")
		}
		if d.Get("paths") == nil {
			return nil, &convert.Error{File: in.Name, Line: d.Line(), Message: "these are no parameters of a file finder: there are no paths"}
		}
		f := &finder{builder: builder{Rule: &convert.Rule{Name: "file finder", Line: d.Line(), Outcome: convert.Whole}, from: "FROM fleet", line: d.Line()}}
		if len(docs) > 1 {
			f.Name = fmt.Sprintf("file finder %d", i+1)
		}
		f.read(d)
		r.Rules = append(r.Rules, *f.Rule)
	}
	return r, nil
}

// A finder makes the query of one file finder.
type finder struct {
	builder
	bytes64 bool // expressions and literals are base64
}

// either gives the value of a key in either form.
func either(n *document.Node, snake string) *document.Node {
	if v := n.Get(snake); v != nil {
		return v
	}
	parts := strings.Split(snake, "_")
	for i, p := range parts[1:] {
		if p != "" {
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return n.Get(strings.Join(parts, ""))
}

func (f *finder) read(d *document.Node) {
	if t := d.Get("pathtype").Text(); t != "" && t != "OS" {
		f.Lose(d.Get("pathtype").Line(), "files are read through the system, and not by %s", t)
	}
	cond := `type IN ("file", "link")`
	if either(d, "process_non_regular_files").Text() == "true" {
		cond = ""
	}
	f.files(d.Get("paths"), cond)
	for _, c := range d.Get("conditions").Items() {
		f.bytes64 = c.Get("conditionType") != nil
		f.condition(either(c, "condition_type").Text(), c)
	}
	switch action := either(d.Get("action"), "action_type"); action.Text() {
	case "", "STAT", "0":
		f.returns = "path, type, size, mode, owner, group, mtime, atime, ctime"
	case "HASH", "1":
		f.returns = "path, type, size, mtime, md5, sha1, sha256"
	case "DOWNLOAD", "2":
		f.returns = "path, type, size, mtime, sha256"
		f.Lose(action.Line(), "files are not brought home: their hashes are; RETURN content brings up to 1 MiB of each, where the policy allows it")
	default:
		f.Lose(action.Line(), "action %q is not known", action.Text())
	}
	with := f.settings(d)
	f.done()
	for i := range f.Queries {
		f.Queries[i] += with
	}
}

func (f *finder) settings(d *document.Node) string {
	var with []string
	if either(d, "follow_links").Text() == "true" {
		with = append(with, "follow_links = on")
	}
	switch x := d.Get("xdev"); x.Text() {
	case "NEVER":
		with = append(with, "one_filesystem = on")
	case "", "LOCAL", "ALWAYS":
	default:
		f.Lose(x.Line(), "xdev %q is not known", x.Text())
	}
	if len(with) == 0 {
		return ""
	}
	return "\nWITH " + strings.Join(with, ", ")
}

// condition adds one condition; all of them have to hold.
func (f *finder) condition(kind string, c *document.Node) {
	switch kind {
	case "MODIFICATION_TIME":
		f.times("mtime", "last_modified_time", either(c, "modification_time"))
	case "ACCESS_TIME":
		f.times("atime", "last_access_time", either(c, "access_time"))
	case "INODE_CHANGE_TIME":
		f.times("ctime", "last_inode_change_time", either(c, "inode_change_time"))
	case "SIZE":
		size := c.Get("size")
		f.bound("size >= ", either(size, "min_file_size"), "B")
		f.bound("size <= ", either(size, "max_file_size"), "B")
	case "CONTENTS_REGEX_MATCH":
		f.regex(either(c, "contents_regex_match"))
	case "CONTENTS_LITERAL_MATCH":
		m := either(c, "contents_literal_match")
		if lit, ok := f.bytes(m.Get("literal")); ok {
			f.part(m)
			f.more = append(f.more, "CONTAINS "+quoteBytes(lit))
		}
	default:
		f.Lose(c.Line(), "conditions of type %q are not carried over, and files that fail it are found, too", kind)
	}
}

// times adds bounds of a time, which are microseconds since 1970.
func (f *finder) times(column, key string, c *document.Node) {
	for _, b := range [...]struct{ word, op string }{{"min_", " >= "}, {"max_", " <= "}} {
		n := either(c, b.word+key)
		if n == nil {
			continue
		}
		micro, err := strconv.ParseInt(n.Text(), 10, 64)
		if err != nil {
			f.Lose(n.Line(), "%q is no time in microseconds", n.Text())
			continue
		}
		f.more = append(f.more, column+b.op+time.UnixMicro(micro).UTC().Format(time.RFC3339Nano))
	}
}

func (f *finder) bound(cond string, n *document.Node, unit string) {
	if n == nil {
		return
	}
	v, err := strconv.ParseUint(n.Text(), 10, 64)
	switch {
	case err != nil:
		f.Lose(n.Line(), "%q is no number of bytes", n.Text())
	case v < 1<<62: // GRR writes the largest number where there is no bound
		f.more = append(f.more, cond+strconv.FormatUint(v, 10)+unit)
	}
}

// bytes gives a value of bytes.
func (f *finder) bytes(n *document.Node) ([]byte, bool) {
	if !f.bytes64 {
		return []byte(n.Text()), n.Text() != ""
	}
	b, err := base64.StdEncoding.DecodeString(n.Text())
	if err != nil || len(b) == 0 {
		f.Lose(n.Line(), "%q is no base64, as bytes are in this form of JSON", n.Text())
		return nil, false
	}
	return b, true
}

// part says where GRR looked at a part of the content alone.
func (f *finder) part(m *document.Node) {
	for _, key := range [...]string{"start_offset", "length"} {
		if n := either(m, key); n != nil && n.Text() != "0" && len(n.Text()) < 19 {
			f.Lose(n.Line(), "%s is not carried over: all of the content is searched", key)
		}
	}
}

// regex adds an expression. GRR's is of Python, without regard to case, and
// its dot takes the end of a line.
func (f *finder) regex(m *document.Node) {
	raw, ok := f.bytes(m.Get("regex"))
	if !ok {
		return
	}
	re := string(raw)
	if _, err := regexp.Compile(re); err != nil {
		f.Lose(m.Line(), "the expression is not carried over, and files that it would leave out are found, too: %s", err)
		return
	}
	if crossesLines(re) {
		f.Lose(m.Line(), "matches that go over the end of a line are not found: %s", re)
	}
	f.part(m)
	f.more = append(f.more, "MATCHES "+convert.Quote(re)+" NOCASE")
}

// crossesLines says whether an expression can match the end of a line, where
// the dot does.
func crossesLines(re string) bool {
	tree, err := syntax.Parse(re, syntax.Perl|syntax.DotNL)
	if err != nil {
		return true
	}
	var look func(*syntax.Regexp) bool
	look = func(x *syntax.Regexp) bool {
		switch x.Op {
		case syntax.OpAnyChar:
			return true
		case syntax.OpLiteral:
			return strings.ContainsRune(string(x.Rune), '\n')
		case syntax.OpCharClass:
			for i := 0; i+1 < len(x.Rune); i += 2 {
				if x.Rune[i] <= '\n' && '\n' <= x.Rune[i+1] {
					return true
				}
			}
		}
		for _, sub := range x.Sub {
			if look(sub) {
				return true
			}
		}
		return false
	}
	return look(tree.Simplify())
}

// quoteBytes writes bytes as text where they are, else in hexadecimal.
func quoteBytes(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return fmt.Sprintf(`x"%x"`, b)
		}
	}
	return convert.Quote(string(b))
}
