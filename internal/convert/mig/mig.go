// Package mig converts the actions of Mozilla's InvestiGator (JSON of
// syntaxversion 2, and what was before it) and documents of its scribe.
//
// [Format] is all that there is. An operation of an action becomes a rule, and
// so does a test of a scribe document. What MIG ignored without a word (an
// obsolete option, a glob as a path) is read as it was meant, and said.
//
// The options and what they did stand in docs/mig.md.
package mig

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// Format is the format of MIG.
func Format() convert.Format {
	return convert.Format{
		Name: "mig", Doc: "actions of Mozilla's InvestiGator, and documents of its scribe",
		Is: is, Convert: read,
	}
}

func is(_ string, data []byte) bool {
	head := bytes.TrimSpace(data)
	if len(head) == 0 || head[0] != '{' {
		return false
	}
	return bytes.Contains(data, []byte(`"operations"`)) && bytes.Contains(data, []byte(`"target"`)) ||
		bytes.Contains(data, []byte(`"objects"`)) && bytes.Contains(data, []byte(`"tests"`)) && bytes.Contains(data, []byte(`"object"`))
}

func read(_ context.Context, in convert.Input) (*convert.Result, error) {
	docs, err := document.JSON(in.Name, in.Data)
	if err != nil {
		return nil, err
	}
	r := &convert.Result{}
	for _, doc := range docs {
		switch {
		case doc.Get("operations").Kind() == document.List:
			(&action{in: in, doc: doc, result: r}).read()
		case doc.Get("objects").Kind() == document.List && doc.Get("tests").Kind() == document.List:
			readScribe(doc, r, "")
		default:
			return nil, &convert.Error{File: in.Name, Line: doc.Line(), Message: "this is no action: it has no operations", Hint: "an action has name, target and operations; a document of scribe objects and tests"}
		}
	}
	return r, nil
}

// An action is what MIG signed and sent: a target and operations.
type action struct {
	in     convert.Input
	doc    *document.Node
	result *convert.Result
	from   string // FROM fleet WHERE …
	lost   string // why the target cannot be said; "" where it can
	notes  []convert.Note
}

func (a *action) read() {
	a.target(a.doc.Get("target"))
	ops := a.doc.Get("operations").Items()
	for i, op := range ops {
		x := a.header(op, len(ops), i)
		params, err := parameters(op, a.in.Name)
		switch {
		case err != nil:
			x.Outcome = convert.Not
			x.Note(op.Line(), "%s", err)
		case a.lost != "":
			x.Outcome = convert.Not
			x.Note(a.doc.Get("target").Line(), "%s", a.lost)
		default:
			a.operation(&x, op.Get("module").Text(), params)
		}
		a.result.Rules = append(a.result.Rules, x)
	}
}

// header makes the rule of an operation, with what the action says of itself.
func (a *action) header(op *document.Node, of, i int) convert.Rule {
	desc, threat := a.doc.Get("description"), a.doc.Get("threat")
	x := convert.Rule{
		Name: a.doc.Get("name").Text(), Line: op.Line(), Outcome: convert.Whole,
		Severity: severity(threat.Get("level").Text()), Reference: desc.Get("url").Text(),
	}
	if of > 1 {
		x.Name += ": " + op.Get("module").Text()
		if i > 0 && a.doc.Get("operations").Items()[i-1].Get("module").Text() == op.Get("module").Text() {
			x.Name += fmt.Sprintf(" %d", i+1)
		}
	}
	for _, key := range [...]string{"family", "type", "ref"} {
		if tag := threat.Get(key).Text(); tag != "" && tag != "-" {
			x.Tags = append(x.Tags, tag)
		}
	}
	if by := desc.Get("author").Text(); by != "" {
		x.Comments = append(x.Comments, "by "+by)
	}
	for _, n := range a.notes {
		x.Lose(n.Line, "%s", n.Message)
	}
	return x
}

// severity gives our word for a level of MIG, whose words were free.
func severity(level string) string {
	switch strings.ToLower(level) {
	case "critical", "maximum":
		return "critical"
	case "alert":
		return "high"
	case "high", "medium", "low":
		return strings.ToLower(level)
	case "warning":
		return "medium"
	case "info", "-":
		return "info"
	}
	return ""
}

// maxParameters bounds what compressed parameters unfold to, in bytes: the
// largest that Mozilla shipped have 3 MB.
const maxParameters = 32 << 20

// parameters gives those of an operation, which may be base64 of gzip of JSON.
func parameters(op *document.Node, file string) (*document.Node, error) {
	p := op.Get("parameters")
	if op.Get("is_compressed").Text() != "true" {
		return p, nil
	}
	packed, err := base64.StdEncoding.DecodeString(p.Text())
	if err != nil {
		return nil, fmt.Errorf("its parameters are no base64: %w", err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("its parameters are no gzip: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(z, maxParameters+1))
	if err != nil {
		return nil, fmt.Errorf("its parameters are no gzip: %w", err)
	}
	if len(data) > maxParameters {
		return nil, fmt.Errorf("its parameters unfold to over %d MiB", maxParameters>>20)
	}
	docs, err := document.JSON(file+" (parameters)", data)
	if err != nil {
		return nil, err
	}
	return docs[0], nil
}

func (a *action) operation(x *convert.Rule, module string, p *document.Node) {
	o := &operation{Rule: x, from: a.from, result: a.result}
	switch module {
	case "file", "filechecker":
		o.file(p)
	case "netstat":
		o.netstat(p)
	case "connected":
		o.connected(p)
	case "memory":
		o.memory(p)
	case "pkg":
		o.pkg(p)
	case "sshkey":
		o.sshkey(p)
	case "ping":
		o.ping(p)
	case "timedrift":
		o.timedrift(p)
	case "yara":
		o.yara(p)
	case "scribe":
		x.Outcome = convert.Not
		x.Note(x.Line, "its document follows, a rule for each test")
		readScribe(p.Get("scribedoc"), a.result, a.from)
	case "agentdestroy", "upgrade":
		o.not("agents look and change nothing, so that no plan can end or remove one")
	case "fswatch", "audit", "dispatch":
		o.not("module " + module + " waits for what happens; WATCH file, and EVERY in a query, stand for most of what it was used for")
	default:
		o.not(fmt.Sprintf("MIG's module %q is not known", module))
	}
}

// An operation gathers the queries of one rule.
type operation struct {
	*convert.Rule
	from   string
	result *convert.Result
}

func (o *operation) not(why string) {
	o.Outcome = convert.Not
	o.Note(o.Line, "%s", why)
}

// ask adds a query: finds that are joined by OR, and settings.
func (o *operation) ask(finds []string, with ...string) {
	if len(finds) == 0 {
		return
	}
	q := o.from + "\n" + strings.Join(finds, "\nOR ")
	if len(with) > 0 {
		q += "\nWITH " + strings.Join(with, ", ")
	}
	o.Queries = append(o.Queries, strings.TrimSpace(q))
}

// unknown says which options MIG would have passed over, as it did with every
// key that it did not know.
func (o *operation) unknown(p *document.Node, known ...string) {
	for i, key := range p.Keys() {
		found := false
		for _, k := range known {
			found = found || k == key
		}
		if !found {
			o.Lose(p.Items()[i].Line(), "MIG knows no option %q here, and passed over it", key)
		}
	}
}

// all joins conditions by AND, anyOf by OR; each condition is whole in itself.
func all(conds []string) string { return strings.Join(conds, " AND ") }

func anyOf(conds []string) string {
	if len(conds) == 1 {
		return conds[0]
	}
	return "(" + strings.Join(conds, " OR ") + ")"
}

// where gives WHERE and the conditions, or nothing.
func where(conds []string) string {
	if len(conds) == 0 {
		return ""
	}
	return " WHERE " + all(conds)
}

// alias makes a name of a label, which MIG let be anything.
func alias(label string) string {
	clean := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '_'
	}, label)
	clean = strings.Trim(clean, "_")
	if clean == "" || clean[0] >= '0' && clean[0] <= '9' {
		clean = "s_" + clean
	}
	return clean
}
