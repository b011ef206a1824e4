package docs

import (
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/formats"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

// convert makes the query file of a block, as quaestor convert does. Lists
// that it names follow it, as comments.
func (p *trial) convert(t *testing.T) {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	b := p.blocks[p.i]
	r, err := convert.Run(t.Context(), formats.All(), "", convert.Input{
		Name: b.Value("convert"), Data: []byte(b.Text), Catalogue: cat, Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Read: func(name string) ([]byte, error) {
			for _, other := range p.blocks {
				if other.Value("file") == name {
					return []byte(other.Text), nil
				}
			}
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	text := r.Query(b.Value("convert"))
	for _, l := range r.Lists {
		text += "\n-- " + l.Name + " holds\n" + string(l.Text)
	}
	p.compare(t, 1, text, false)
}
