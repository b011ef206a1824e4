package records

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A node is a text or an attribute in a document of XML.
type node struct {
	path      string
	line      int64
	element   string
	attribute string
	value     string
}

func xmlModule() modules.Module {
	return table.New(modules.Schema{
		Name: "xml", Doc: "The texts and attributes of XML files: one row for each.",
		Locator: places(modules.LocatorRequired, "/etc/dbus-1/*.conf"),
	}, []table.Column[node]{
		table.Text("path", "The file.", func(n *node) string { return n.path }).To("file").Shown(),
		table.Int("line", "The line on which it ends.", func(n *node) int64 { return n.line }).Shown(),
		table.Text("element", "The elements that it is in, as /server/port, without their namespaces.", func(n *node) string { return n.element }).Shown(),
		table.Text("attribute", "The name of an attribute; null for a text.", func(n *node) string { return n.attribute }).Shown(),
		table.Text("value", "The text without the white space around it, or what the attribute is set to; null where that is nothing.", func(n *node) string { return n.value }).Sensitive(),
	}, func(s *table.Scan, yield func(*node) error) error {
		return s.Files(func(name string) error {
			r, c, err := open(s, name)
			if err != nil {
				s.Fail(name, err)
				return nil
			}
			defer c.Close()
			var stopped error
			err = nodes(&bounded{r: r, left: maxDocument}, func(n *node) error {
				n.path = name
				stopped = yield(n)
				return stopped
			})
			switch {
			case stopped != nil:
				return stopped
			case errors.Is(err, hostfs.ErrTooLarge):
				s.Fail(name, err)
			case err != nil:
				s.Fail(name, fmt.Errorf("%w: %w", hostfs.ErrMalformed, err))
			}
			return nil
		})
	}).By()
}

// nodes reads a document. Entities of its own are not known, so that none can
// unfold; what stands before a mistake is given.
func nodes(r io.Reader, yield func(*node) error) error {
	d := xml.NewDecoder(r)
	d.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("charset %q: %w", charset, errors.ErrUnsupported)
	}
	var names []string
	place := 0 // bytes of the names
	for {
		t, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		line, _ := d.InputPos()
		switch t := t.(type) {
		case xml.StartElement:
			names = append(names, t.Name.Local)
			if place += len(t.Name.Local) + 1; len(names) > maxNesting {
				return errNested
			} else if place > maxPointer {
				return errPointer
			}
			for _, a := range t.Attr {
				if err := yield(&node{line: int64(line), element: "/" + strings.Join(names, "/"), attribute: a.Name.Local, value: a.Value}); err != nil {
					return err
				}
			}
		case xml.EndElement:
			place -= len(t.Name.Local) + 1
			names = names[:len(names)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(t)); text != "" && len(names) > 0 {
				if err := yield(&node{line: int64(line), element: "/" + strings.Join(names, "/"), value: text}); err != nil {
					return err
				}
			}
		}
	}
}
