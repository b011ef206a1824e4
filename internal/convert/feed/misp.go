package feed

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

func isMISP(_ string, data []byte) bool {
	head := bytes.TrimSpace(data)
	return len(head) > 0 && (head[0] == '{' || head[0] == '[') && bytes.Contains(data, []byte(`"Attribute"`))
}

// readMISP reads events: one, a list of them, or an answer of MISP's API.
func readMISP(ctx context.Context, in convert.Input) (*convert.Result, error) {
	docs, err := document.JSON(in.Name, in.Data)
	if err != nil {
		return nil, err
	}
	c := newCollector(in)
	for _, d := range docs {
		events := []*document.Node{d}
		if r := d.Get("response"); r != nil {
			d = r
		}
		if d.Kind() == document.List {
			events = d.Items()
		}
		for _, e := range events {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			c.event(e)
		}
	}
	return c.done(), nil
}

func (c *collector) event(e *document.Node) {
	if inner := e.Get("Event"); inner != nil {
		e = inner
	}
	c.attributes(e.Get("Attribute"))
	for _, o := range e.Get("Object").Items() {
		c.attributes(o.Get("Attribute"))
	}
}

// attributes takes those that are for detection. Rules of other languages that
// stand in an event are for their own converters.
func (c *collector) attributes(list *document.Node) {
	for _, a := range list.Items() {
		x := indicator{
			value: a.Get("value").Text(), line: a.Line(),
			context: a.Get("to_ids").Text() == "false" || a.Get("to_ids").Text() == "0" || a.Get("deleted").Text() == "true" || a.Get("deleted").Text() == "1",
		}
		switch kind := a.Get("type").Text(); kind {
		case "yara", "sigma", "snort", "suricata", "bro", "zeek", "stix2-pattern":
			c.rules(kind, x)
		case "text", "comment", "other", "datetime", "link", "counter", "float", "boolean", "hex", "size-in-bytes", "mime-type", "vulnerability", "threat-actor", "campaign-name", "port":
			c.context++ // they describe what stands beside them
		default:
			c.typed(kind, x)
		}
	}
}

// rules takes a rule that stands in an event.
func (c *collector) rules(kind string, x indicator) {
	switch {
	case x.context:
		c.context++
		return
	case kind == "yara":
		c.yara("rules of line "+strconv.Itoa(x.line), x.value, convert.Rule{Line: x.line})
		return
	case kind != "stix2-pattern":
		c.cannot("rules of "+kind+", which are for its own converter", x.line)
		return
	}
	e, lost, err := parsePattern(x.value, x.line)
	if err != nil {
		c.cannot("patterns that cannot be read: "+err.Error(), x.line)
		return
	}
	header := convert.Rule{Line: x.line}
	for _, why := range lost {
		header.Note(x.line, "%s", why)
	}
	c.take(e, "pattern of line "+strconv.Itoa(x.line), header)
}

// yara adds rules of YARA that stand in a feed: a file of their own, asked of
// every file.
func (c *collector) yara(name, text string, r convert.Rule) {
	c.rulesets++
	list := fmt.Sprintf("%s-%d.yar", c.base, c.rulesets)
	c.result.Lists = append(c.result.Lists, convert.List{Name: list, Text: []byte(text)})
	r.Name, r.Outcome = name, convert.Whole
	r.Queries = everywhere("WHERE type = \"file\" AND YARA @" + list + " RETURN path, size, mtime, yara.rule")
	c.result.Rules = append(c.result.Rules, r)
}

func isYETI(_ string, data []byte) bool {
	head := bytes.TrimSpace(data[:min(len(data), 64<<10)])
	return len(head) > 0 && (head[0] == '[' || head[0] == '{') && bytes.Contains(head, []byte(`"value"`)) &&
		(bytes.Contains(head, []byte(`"observable`)) || bytes.Contains(head, []byte(`"tags"`)) || bytes.Contains(head, []byte(`"type"`)))
}

// readYETI reads observables: a list, an answer with them inside, or one a
// line. A tag that is no longer fresh, or whose time is over, ends nothing as
// long as another one is.
func readYETI(_ context.Context, in convert.Input) (*convert.Result, error) {
	docs, err := document.JSON(in.Name, in.Data)
	if err != nil {
		return nil, err
	}
	c := newCollector(in)
	for _, d := range docs {
		for _, key := range [...]string{"observables", "data", "results"} {
			if inner := d.Get(key); inner.Kind() == document.List {
				d = inner
			}
		}
		list := []*document.Node{d}
		if d.Kind() == document.List {
			list = d.Items()
		}
		for _, o := range list {
			if o.Get("value") == nil {
				return nil, &convert.Error{File: in.Name, Line: o.Line(), Message: "this is no observable: it has no value"}
			}
			kind := strings.ToLower(o.Get("type").Text())
			c.typed(strings.TrimPrefix(kind, "observable."), indicator{value: o.Get("value").Text(), line: o.Line(), expires: freshUntil(o.Get("tags"))})
		}
	}
	return c.done(), nil
}

// freshUntil gives the time at which the last tag of an observable expires;
// zero for never, or where none says so.
func freshUntil(tags *document.Node) time.Time {
	var last time.Time
	for _, t := range tags.Items() {
		until := t.Get("expires")
		if until == nil {
			return time.Time{}
		}
		at := moment(until.Text())
		if at.IsZero() {
			return time.Time{}
		}
		if at.After(last) {
			last = at
		}
	}
	return last
}
