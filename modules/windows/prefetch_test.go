package windows

import (
	"os"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestPrefetch(t *testing.T) {
	b, err := os.ReadFile("testdata/EVIL.EXE-1234ABCD.pf")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	put(t, root, "WINDOWS/prefetch/EVIL.EXE-1234ABCD.pf", b)
	put(t, root, "WINDOWS/prefetch/Cut.PF", b[:100])
	put(t, root, "WINDOWS/prefetch/Layout.ini", nil)
	put(t, root, "Users/Eve/Evil.exe", []byte("MZ"))
	columns := []string{"executable", "run_count", "last_run", "last_runs", "program", "hash", "volumes", "version", "path"}
	const row = `EVIL.EXE | 7 | 2026-11-20T10:00:00Z | [2026-11-20T10:00:00Z, 2026-11-20T09:00:00Z] | /Users/Eve/Evil.exe | 1234ABCD | [\VOLUME{01d2-1} 0000CAFE] | 30 | /WINDOWS/prefetch/EVIL.EXE-1234ABCD.pf`
	got, rec := moduletest.Rows(t, prefetchModule(), root, columns, nil)
	equal(t, got, rec, []string{row}, []string{"io_error /WINDOWS/prefetch/Cut.PF"})
	got, rec = moduletest.Rows(t, prefetchModule(), root, columns, []string{`c:\windows\Prefetch\e*`, "/WINDOWS/prefetch/Layout.ini"})
	equal(t, got, rec, []string{row}, nil)
	moduletest.Run(t, prefetchModule(), root)
}
