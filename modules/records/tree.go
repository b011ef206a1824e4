package records

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A leaf is a value in a document that is a tree.
type leaf struct {
	path     string
	document int64
	pointer  string // as RFC 6901 writes it
	key      string
	kind     string
	value    string
}

// leafColumns are the columns of documents that are trees; others stand before
// those of a leaf.
func leafColumns(kinds []string, others ...table.Column[leaf]) []table.Column[leaf] {
	columns := append([]table.Column[leaf]{
		table.Text("path", "The file.", func(l *leaf) string { return l.path }).To("file").Shown(),
	}, others...)
	return append(columns,
		table.Text("pointer", "Where in the document, as a JSON pointer: /spec/ports/0/name; null for a document that is one value.", func(l *leaf) string { return l.pointer }).Shown(),
		table.Text("key", "The last name of the pointer that is no number.", func(l *leaf) string { return l.key }).Shown(),
		table.Text("type", "What kind of value it is.", func(l *leaf) string { return l.kind }).Shown().OneOf(kinds...),
		table.Text("value", "The value as text; null where it is null or nothing.", func(l *leaf) string { return l.value }).Sensitive(),
	)
}

// leafKinds are the kinds of values in JSON and YAML.
func leafKinds() []string {
	return []string{"text", "number", "bool", "null", "empty_object", "empty_list"}
}

func documentColumn() table.Column[leaf] {
	return table.Int("document", "The number of the document in the file, from 1: a file may hold several, one a line or behind ---.", func(l *leaf) int64 { return l.document }).Shown()
}

func jsonModule() modules.Module {
	return table.New(modules.Schema{
		Name: "json", Doc: "The values of JSON files, and of files with a document a line: one row for each leaf.",
		Locator: places(modules.LocatorRequired, "/etc/docker/daemon.json"),
	}, leafColumns(leafKinds(), documentColumn()), leaves(maxDocument, parseJSON)).By()
}

func yamlModule() modules.Module {
	return table.New(modules.Schema{
		Name: "yaml", Doc: "The values of YAML files: one row for each leaf.",
		Locator: places(modules.LocatorRequired, "/etc/kubernetes/manifests/*.yaml"),
	}, leafColumns(leafKinds(), documentColumn()), leaves(maxYAML, parseYAML)).By()
}

// leaves makes the lister of a format. What stands before the place where a
// document is malformed is given, and the place is named.
func leaves(limit int64, parse func(r io.Reader, add func(leaf) error) error) table.Lister[leaf] {
	return func(s *table.Scan, yield func(*leaf) error) error {
		return s.Files(func(name string) error {
			r, c, err := open(s, name)
			if err != nil {
				s.Fail(name, err)
				return nil
			}
			defer c.Close()
			var stopped error
			err = parse(&bounded{r: r, left: limit}, func(l leaf) error {
				if len(l.pointer) > maxPointer {
					return errPointer
				}
				l.path = name
				stopped = yield(&l)
				return stopped
			})
			switch {
			case stopped != nil:
				return stopped
			case errors.Is(err, hostfs.ErrTooLarge), errors.Is(err, hostfs.ErrMalformed), errors.Is(err, errors.ErrUnsupported):
				s.Fail(name, err)
			case err != nil:
				s.Fail(name, fmt.Errorf("%w: %w", hostfs.ErrMalformed, err))
			}
			return nil
		})
	}
}

// parseJSON reads documents one after the other, and holds no more of one
// than the value that it is at.
func parseJSON(r io.Reader, add func(leaf) error) error {
	d := json.NewDecoder(r)
	d.UseNumber()
	for n := int64(1); ; n++ {
		b := branch{document: n, add: add}
		if err := b.json(d, "", "", 0); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// A branch gives the leaves of a document.
type branch struct {
	document int64
	add      func(leaf) error
}

func (b *branch) leaf(pointer, key, kind, value string) error {
	return b.add(leaf{document: b.document, pointer: pointer, key: key, kind: kind, value: value})
}

// What a document has too much of.
var (
	errNested  = fmt.Errorf("nested more than %d levels deep: %w", maxNesting, hostfs.ErrTooLarge)
	errPointer = fmt.Errorf("a pointer of more than %d bytes: %w", maxPointer, hostfs.ErrTooLarge)
	errLeaves  = fmt.Errorf("more than %d values, with those that anchors multiply: %w", maxLeaves, hostfs.ErrTooLarge)
)

// reached says whether a place in a document is too far inside.
func reached(pointer string, depth int) error {
	switch {
	case depth > maxNesting:
		return errNested
	case len(pointer) > maxPointer:
		return errPointer
	}
	return nil
}

// json reads the next value. The error is io.EOF where there is none.
func (b *branch) json(d *json.Decoder, pointer, key string, depth int) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if err := reached(pointer, depth); err != nil {
		return err
	}
	switch v := t.(type) {
	case json.Delim:
		err := b.members(d, v, pointer, key, depth)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	case string:
		return b.leaf(pointer, key, "text", v)
	case json.Number:
		return b.leaf(pointer, key, "number", v.String())
	case bool:
		return b.leaf(pointer, key, "bool", strconv.FormatBool(v))
	}
	return b.leaf(pointer, key, "null", "")
}

// members reads what is in an object or a list, and its end.
func (b *branch) members(d *json.Decoder, open json.Delim, pointer, key string, depth int) error {
	n := 0
	for ; d.More(); n++ {
		at, name := pointer+"/"+strconv.Itoa(n), key
		if open == '{' {
			t, err := d.Token()
			if err != nil {
				return err
			}
			name, _ = t.(string)
			at = pointer + "/" + escapePointer(name)
		}
		if err := b.json(d, at, name, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	switch {
	case n > 0:
		return nil
	case open == '{':
		return b.leaf(pointer, key, "empty_object", "")
	}
	return b.leaf(pointer, key, "empty_list", "")
}

// escapePointer writes a name as a part of a JSON pointer.
func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// parseYAML reads documents one after the other. Anchors are followed; a tree
// that grows without bound by them ends at the bound of leaves.
func parseYAML(r io.Reader, add func(leaf) error) error {
	leaves := 0
	d := yaml.NewDecoder(r)
	for n := int64(1); ; n++ {
		var doc yaml.Node
		if err := d.Decode(&doc); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		b := branch{document: n, add: func(l leaf) error {
			if leaves++; leaves > maxLeaves {
				return errLeaves
			}
			return add(l)
		}}
		if err := b.node("", "", &doc, 0); err != nil {
			return err
		}
	}
}

func (b *branch) node(pointer, key string, n *yaml.Node, depth int) error {
	if err := reached(pointer, depth); err != nil {
		return err
	}
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			if err := b.node(pointer, key, c, depth+1); err != nil {
				return err
			}
		}
		return nil
	case yaml.AliasNode:
		return b.node(pointer, key, n.Alias, depth+1)
	case yaml.MappingNode:
		if len(n.Content) == 0 {
			return b.leaf(pointer, key, "empty_object", "")
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if err := b.node(pointer+"/"+escapePointer(name), name, n.Content[i+1], depth+1); err != nil {
				return err
			}
		}
		return nil
	case yaml.SequenceNode:
		if len(n.Content) == 0 {
			return b.leaf(pointer, key, "empty_list", "")
		}
		for i, c := range n.Content {
			if err := b.node(pointer+"/"+strconv.Itoa(i), key, c, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	switch n.ShortTag() {
	case "!!null":
		return b.leaf(pointer, key, "null", "")
	case "!!bool":
		return b.leaf(pointer, key, "bool", n.Value)
	case "!!int", "!!float":
		return b.leaf(pointer, key, "number", n.Value)
	}
	return b.leaf(pointer, key, "text", n.Value)
}
