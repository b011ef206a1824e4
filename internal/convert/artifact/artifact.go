// Package artifact converts what says where evidence lies: the artifacts of
// ForensicArtifacts (YAML), and the parameters of GRR's file finder.
//
// [Format] and [GRR] are all that there is. An artifact becomes a rule, and a
// group of artifacts one that asks for all of them. The variables of a
// knowledge base (%%users.homedir%%) become joins over module user; those of
// Windows (%%environ_systemroot%%) the folders that they are on nearly every
// machine, and the rule says so.
package artifact

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// Format is the format of ForensicArtifacts.
func Format() convert.Format {
	return convert.Format{
		Name: "artifacts", Doc: "artifacts of ForensicArtifacts, in YAML",
		Is: is, Convert: read,
	}
}

func is(name string, data []byte) bool {
	yaml := strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || name == "stdin"
	return yaml && bytes.Contains(data, []byte("\nsources:")) && bytes.Contains(data, []byte("name:")) && bytes.Contains(data, []byte("type:"))
}

func read(_ context.Context, in convert.Input) (*convert.Result, error) {
	docs, err := document.YAML(in.Name, in.Data)
	if err != nil {
		return nil, err
	}
	c := &collection{byName: map[string]*document.Node{}}
	for _, d := range docs {
		if d.Kind() == document.Null {
			continue
		}
		name := d.Get("name").Text()
		if name == "" || d.Get("sources") == nil {
			return nil, &convert.Error{File: in.Name, Line: d.Line(), Message: "this is no artifact: it has no name or no sources"}
		}
		c.byName[name] = d
	}
	r := &convert.Result{}
	for _, d := range docs {
		if d.Kind() != document.Null {
			r.Rules = append(r.Rules, c.rule(d))
		}
	}
	return r, nil
}

// A collection is the artifacts of a file, which name one another.
type collection struct {
	byName map[string]*document.Node
}

func (c *collection) rule(d *document.Node) convert.Rule {
	x := convert.Rule{
		Name: d.Get("name").Text(), Description: d.Get("doc").Text(), Line: d.Line(), Outcome: convert.Whole,
		Tags: d.Get("labels").Texts(),
	}
	if urls := d.Get("urls").Texts(); len(urls) > 0 {
		x.Reference = urls[0]
		for _, more := range urls[1:] {
			x.Comments = append(x.Comments, "see "+more)
		}
	}
	c.sources(&x, d, nil)
	return x
}

// sources adds the queries of an artifact's sources. Outer are the groups that
// they are in, so that a group that names itself ends.
func (c *collection) sources(x *convert.Rule, d *document.Node, outer []string) {
	name := d.Get("name").Text()
	for _, s := range d.Get("sources").Items() {
		from := target(d.Get("supported_os"), s.Get("supported_os"))
		b := &builder{Rule: x, from: from, line: s.Line()}
		attrs := s.Get("attributes")
		// named gives what a source is about: one that names nothing is told.
		named := func(attribute string) *document.Node {
			n := attrs.Get(attribute)
			if len(n.Items()) == 0 {
				x.Lose(s.Line(), "a source of type %q names no %s", s.Get("type").Text(), attribute)
			}
			return n
		}
		switch kind := s.Get("type").Text(); kind {
		case "FILE":
			b.files(named("paths"), `type IN ("file", "link")`)
		case "PATH", "DIRECTORY":
			b.files(named("paths"), "")
		case "REGISTRY_KEY":
			b.keys(named("keys"))
		case "REGISTRY_VALUE":
			b.values(named("key_value_pairs"))
		case "ARTIFACT_GROUP", "ARTIFACT", "ARTIFACT_FILES":
			c.group(x, named("names"), append(outer, name))
		case "COMMAND":
			x.Lose(s.Line(), "agents start no program: %s", strings.TrimSpace(attrs.Get("cmd").Text()+" "+strings.Join(attrs.Get("args").Texts(), " ")))
		case "WMI":
			x.Lose(s.Line(), "WMI is not asked: %s", attrs.Get("query").Text())
		default:
			x.Lose(s.Line(), "sources of type %q are not known", kind)
		}
		b.done()
	}
	if len(d.Get("sources").Items()) == 0 {
		x.Lose(d.Line(), "artifact %q has no sources", name)
	}
	if len(outer) == 0 && len(x.Queries) == 0 {
		x.Outcome = convert.Not
	}
}

// group adds what the members of a group ask for.
func (c *collection) group(x *convert.Rule, names *document.Node, outer []string) {
	for _, n := range names.Items() {
		member := c.byName[n.Text()]
		switch {
		case slices.Contains(outer, n.Text()):
			x.Lose(n.Line(), "%q is a group that names itself", n.Text())
		case member == nil:
			x.Lose(n.Line(), "artifact %q is not in this file", n.Text())
		default:
			c.sources(x, member, outer)
		}
	}
}

// target gives FROM fleet of the systems that an artifact, or one of its
// sources, is for.
func target(artifact, source *document.Node) string {
	systems := source.Texts()
	if len(systems) == 0 {
		systems = artifact.Texts()
	}
	var names []string
	for _, s := range systems {
		switch strings.ToLower(s) {
		case "linux", "darwin", "windows":
			names = append(names, convert.Quote(strings.ToLower(s)))
		case "esxi", "android", "ios":
			names = append(names, convert.Quote(strings.ToLower(s))) // no agent is of these
		}
	}
	switch len(names) {
	case 0:
		return "FROM fleet"
	case 1:
		return "FROM fleet WHERE os = " + names[0]
	}
	return "FROM fleet WHERE os IN (" + strings.Join(names, ", ") + ")"
}
