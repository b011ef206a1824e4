package packages

import (
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// open opens the files of a tree; "" is this machine.
func open(t testing.TB, root string) (*hostfs.FS, *moduletest.Recorder) {
	t.Helper()
	rec := &moduletest.Recorder{}
	files, err := hostfs.Open(modules.Host{Root: root}, rec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	return files, rec
}

func live(t testing.TB) (*hostfs.FS, *moduletest.Recorder) { return open(t, "") }
