// Package document reads JSON and YAML as trees whose every node knows its
// line, so that whoever converts rules can say where something stands.
//
// A newcomer needs [JSON] or [YAML], which give the documents of a file, and
// [Node.Get]. Trees are bounded in depth and in nodes; aliases of YAML are not
// unfolded. A key that stands twice in a map is refused, since readers differ
// about which of the two counts.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// Bounds of a file.
const (
	maxDepth = 100     // levels: rules have ten
	maxNodes = 8 << 20 // values: a feed of 100,000 indicators has two million
	maxYAML  = 16 << 20
)

// A Kind is what a node is.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Bool
	Number
	Text
	List
	Map
)

// String gives the name of the kind as a message says it.
func (k Kind) String() string {
	return [...]string{"nothing", "true or false", "a number", "a text", "a list", "a map"}[k]
}

// A Node is a value of a document. A nil Node is Null.
type Node struct {
	kind  Kind
	line  int
	text  string
	keys  []string
	items []*Node        // of a list, or of a map by its keys
	index map[string]int // of the keys, where there are many
}

// manyKeys is how many keys a map has before it gets an index.
const manyKeys = 16

// Kind says what the node is.
func (n *Node) Kind() Kind {
	if n == nil {
		return Null
	}
	return n.kind
}

// Line is where the node begins, from 1; 0 for a nil node.
func (n *Node) Line() int {
	if n == nil {
		return 0
	}
	return n.line
}

// Text gives a scalar as it is written, without quotes; "" for what is none.
func (n *Node) Text() string {
	if n == nil {
		return ""
	}
	return n.text
}

// Get gives the value of a key of a map, or nil.
func (n *Node) Get(key string) *Node {
	if n.Kind() != Map {
		return nil
	}
	if n.index != nil {
		if i, ok := n.index[key]; ok {
			return n.items[i]
		}
		return nil
	}
	for i, k := range n.keys {
		if k == key {
			return n.items[i]
		}
	}
	return nil
}

// Keys gives the keys of a map in their order.
func (n *Node) Keys() []string {
	if n == nil {
		return nil
	}
	return n.keys
}

// Items gives the members of a list, or the values of a map in the order of
// its keys; of a scalar, the scalar alone, since rules write a list of one as
// a scalar; of nothing, none.
func (n *Node) Items() []*Node {
	switch n.Kind() {
	case Null:
		return nil
	case List, Map:
		return n.items
	}
	return []*Node{n}
}

// Texts gives the texts of Items.
func (n *Node) Texts() []string {
	var out []string
	for _, x := range n.Items() {
		out = append(out, x.Text())
	}
	return out
}

// JSON reads a file of JSON: one document, or several behind each other.
func JSON(file string, data []byte) ([]*Node, error) { return readJSON(file, data, false) }

// JSONTwice reads JSON for formats in which a key may stand twice in a map:
// both are among its keys and items, and Get gives the first.
func JSONTwice(file string, data []byte) ([]*Node, error) { return readJSON(file, data, true) }

func readJSON(file string, data []byte, twice bool) ([]*Node, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, &convert.Error{File: file, Message: "it is not UTF-8", Hint: "iconv -t UTF-8 makes it so"}
	}
	r := &jsonReader{file: file, data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: 1, twice: twice}
	r.dec.UseNumber()
	var docs []*Node
	for {
		n, err := r.value(0)
		if errors.Is(err, io.EOF) && len(docs) > 0 {
			return docs, nil
		}
		if err != nil {
			return nil, r.place(err)
		}
		docs = append(docs, n)
	}
}

type jsonReader struct {
	file  string
	data  []byte
	dec   *json.Decoder
	nodes int
	twice bool  // a key may stand twice
	line  int   // of what was read up to
	at    int64 // the offset that line belongs to
}

// here moves the line to the decoder's place.
func (r *jsonReader) here() int {
	to := r.dec.InputOffset()
	r.line += bytes.Count(r.data[r.at:to], []byte{'\n'})
	r.at = to
	return r.line
}

func (r *jsonReader) place(err error) error {
	var placed *convert.Error
	if errors.As(err, &placed) {
		return err
	}
	var syntax *json.SyntaxError
	line := r.here()
	switch {
	case errors.As(err, &syntax):
		line = 1 + bytes.Count(r.data[:min(syntax.Offset, int64(len(r.data)))], []byte{'\n'})
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it ends in the middle")
	}
	return &convert.Error{File: r.file, Line: line, Message: "this is not JSON: " + strings.TrimPrefix(err.Error(), "json: ")}
}

func (r *jsonReader) value(depth int) (*Node, error) {
	tok, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &Node{line: r.here()}
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		return nil, &convert.Error{File: r.file, Line: n.line, Message: fmt.Sprintf("it has over %d values, or over %d levels", maxNodes, maxDepth)}
	}
	switch v := tok.(type) {
	case string:
		n.kind, n.text = Text, v
	case json.Number:
		n.kind, n.text = Number, v.String()
	case bool:
		n.kind, n.text = Bool, fmt.Sprint(v)
	case json.Delim:
		if v == '[' {
			n.kind = List
			err = r.list(n, depth)
		} else {
			n.kind = Map
			err = r.object(n, depth)
		}
	}
	return n, err
}

func (r *jsonReader) list(n *Node, depth int) error {
	for r.dec.More() {
		x, err := r.value(depth + 1)
		if err != nil {
			return inside(err)
		}
		n.items = append(n.items, x)
	}
	_, err := r.dec.Token()
	return inside(err)
}

func (r *jsonReader) object(n *Node, depth int) error {
	for r.dec.More() {
		key, err := r.dec.Token()
		if err != nil {
			return inside(err)
		}
		line := r.here()
		x, err := r.value(depth + 1)
		if err != nil {
			return inside(err)
		}
		if name := fmt.Sprint(key); r.twice && n.Get(name) != nil {
			n.keys, n.items = append(n.keys, name), append(n.items, x)
		} else if err := n.put(r.file, line, name, x); err != nil {
			return err
		}
	}
	_, err := r.dec.Token()
	return inside(err)
}

// inside makes an end of the file one in the middle.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (n *Node) put(file string, line int, key string, x *Node) error {
	if n.Get(key) != nil {
		return &convert.Error{File: file, Line: line, Message: fmt.Sprintf("%q stands twice in the same map", key)}
	}
	n.keys, n.items = append(n.keys, key), append(n.items, x)
	switch {
	case n.index != nil:
		n.index[key] = len(n.keys) - 1
	case len(n.keys) > manyKeys:
		n.index = make(map[string]int, 2*len(n.keys))
		for i, k := range n.keys {
			n.index[k] = i
		}
	}
	return nil
}

// YAML reads a file of YAML with all of its documents.
func YAML(file string, data []byte) ([]*Node, error) {
	if len(data) > maxYAML {
		return nil, &convert.Error{File: file, Message: fmt.Sprintf("it has over %d MiB of YAML", maxYAML>>20), Hint: "split it"}
	}
	if !utf8.Valid(data) {
		return nil, &convert.Error{File: file, Message: "it is not UTF-8", Hint: "iconv -t UTF-8 makes it so"}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	r := &yamlReader{file: file}
	var docs []*Node
	for {
		var root yaml.Node
		err := dec.Decode(&root)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, yamlError(file, err)
		}
		n, err := r.value(&root, 0)
		if err != nil {
			return nil, err
		}
		docs = append(docs, n)
	}
}

// yamlError takes the line out of a message of the library.
func yamlError(file string, err error) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &convert.Error{File: file, Message: "this is not YAML: " + msg}
	if _, scanErr := fmt.Sscanf(msg, "line %d:", &e.Line); scanErr == nil {
		_, rest, _ := strings.Cut(msg, ": ")
		e.Message = "this is not YAML: " + rest
	}
	return e
}

type yamlReader struct {
	file  string
	nodes int
}

func (r *yamlReader) value(y *yaml.Node, depth int) (*Node, error) {
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		return nil, &convert.Error{File: r.file, Line: y.Line, Message: fmt.Sprintf("it has over %d values, or over %d levels", maxNodes, maxDepth)}
	}
	n := &Node{line: y.Line}
	switch y.Kind {
	case yaml.DocumentNode:
		return r.value(y.Content[0], depth+1)
	case yaml.AliasNode:
		return nil, &convert.Error{File: r.file, Line: y.Line, Message: "an alias stands here", Hint: "write out what *" + y.Value + " means"}
	case yaml.SequenceNode:
		n.kind = List
		for _, c := range y.Content {
			x, err := r.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, x)
		}
	case yaml.MappingNode:
		n.kind = Map
		for i := 0; i+1 < len(y.Content); i += 2 {
			x, err := r.value(y.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			if err := n.put(r.file, y.Content[i].Line, y.Content[i].Value, x); err != nil {
				return nil, err
			}
		}
	default:
		n.kind, n.text = scalarKind(y.ShortTag()), y.Value
	}
	return n, nil
}

func scalarKind(tag string) Kind {
	switch tag {
	case "!!null":
		return Null
	case "!!bool":
		return Bool
	case "!!int", "!!float":
		return Number
	}
	return Text
}
