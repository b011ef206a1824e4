package records

import (
	"io"
	"strconv"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/records/plist"
	"github.com/quaestor-engine/quaestor/modules/table"
)

func plistModule() modules.Module {
	return table.New(modules.Schema{
		Name: "plist", Doc: "The values of property lists, in which macOS keeps its settings: one row for each leaf.",
		Locator: places(modules.LocatorRequired, "/Library/LaunchDaemons/*.plist"),
	}, leafColumns([]string{"text", "number", "bool", "null", "date", "data", "uid", "empty_object", "empty_list"}), leaves(plist.MaxFile, parsePlist)).By()
}

// parsePlist gives the leaves of a list, which is read whole: a binary one
// begins at its end. Data is in base64.
func parsePlist(r io.Reader, add func(leaf) error) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	v, err := plist.Decode(data)
	if err != nil {
		return err
	}
	b := branch{document: 1, add: add}
	return b.plist("", "", v)
}

func (b *branch) plist(pointer, key string, v *plist.Value) error {
	if len(pointer) > maxPointer {
		return errPointer
	}
	switch v.Kind {
	case plist.Dict, plist.List:
		for i := range v.Len() {
			name, item := v.At(i)
			at := pointer + "/" + strconv.Itoa(i)
			if v.Kind == plist.Dict {
				at = pointer + "/" + escapePointer(name)
			} else {
				name = key
			}
			if err := b.plist(at, name, item); err != nil {
				return err
			}
		}
		if v.Len() > 0 {
			return nil
		}
	}
	kind := map[plist.Kind]string{
		plist.Text: "text", plist.Int: "number", plist.Real: "number", plist.Bool: "bool", plist.Null: "null",
		plist.Date: "date", plist.Data: "data", plist.UID: "uid", plist.Dict: "empty_object", plist.List: "empty_list",
	}[v.Kind]
	return b.leaf(pointer, key, kind, v.String())
}
