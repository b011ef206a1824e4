package std

import (
	"slices"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
)

func TestModulesMakeACatalogue(t *testing.T) {
	c, err := modules.NewCatalogue(Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range Modules() {
		listed = append(listed, m.Schema().Name)
	}
	if !slices.Equal(listed, c.Names()) {
		t.Errorf("listed as %q, which is not the order %q", listed, c.Names())
	}
}
