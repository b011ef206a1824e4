package quaestor_test

import (
	"testing"

	"github.com/quaestor-engine/quaestor/internal/spec"
	"github.com/quaestor-engine/quaestor/modules/file"
	"github.com/quaestor-engine/quaestor/modules/host"
)

// TestConformance runs the behaviour scripts that specify the language and the
// module file: see the package comment of internal/spec for their form.
func TestConformance(t *testing.T) {
	for _, suite := range []string{"language", "file"} {
		t.Run(suite, func(t *testing.T) { spec.Run(t, "testdata/"+suite, file.New(), host.New()) })
	}
}
