package pretend

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/value"
)

func TestCells(t *testing.T) {
	for _, cells := range [][]string{{"a", "b c", `"  d  "`}, {"x"}, {`"a\tb"`, `""`, "null"}, {`"`, "b"}} {
		line := strings.Join(cells, "  ")
		if got := SplitCells("  " + line); strings.Join(got, "|") != strings.Join(cells, "|") {
			t.Errorf("SplitCells(%q) = %q", line, got)
		}
	}
	for _, text := range []string{"", "null", " a", "a  b", "#a", `"q"`, "(none)", "plain text"} {
		cell := ShowCell(value.NewText(text))
		if got := SplitCells(cell); len(got) != 1 || got[0] != cell {
			t.Errorf("%q is shown as %q, which is %q", text, cell, got)
		}
		if v, err := ParseCell(cell, value.Text, value.Null, Now()); err != nil || v.Text() != text {
			t.Errorf("%q is shown as %q, which is %v (%v)", text, cell, v, err)
		}
	}
}

// A tree that means harm is refused, and what lies outside of it stays as it is.
func TestTreeIsNotLeft(t *testing.T) {
	for _, c := range []struct{ name, files, lines string }{
		{"a path that climbs", "../outside/x", ""},
		{"a path that climbs later", "a/../../outside/x", ""},
		{"an absolute path", "/OUT/x", ""},
		{"a line that climbs", "", "../outside/x hex=00"},
		{"a line that climbs later", "", "a/../../outside/x hex=00"},
		{"a file through a link", "", "a link=OUT\na/x hex=00"},
		{"a file through a link that climbs", "", "a link=../outside\na/x hex=00"},
		{"the file that a link names", "", "a link=OUT/file\na hex=00"},
		{"a length through a link", "", "a link=OUT/file\na size=1"},
		{"a mode through a link", "", "a link=OUT/file mode=777"},
		{"a mode through a folder", "", "a link=OUT\na/file mode=777"},
		{"a time through a folder", "", "a link=OUT\na/file mtime=2001-01-01"},
		{"a hard link to the outside", "", "a hard=../outside/file"},
		{"a hard link through a folder", "", "a link=OUT\nb hard=a/file"},
		{"a folder through a link", "", "a link=OUT\na/b dir"},
		{"a pipe through a link", "", "a link=OUT\na/p fifo"},
		{"a link through a link", "", "a link=OUT\na/l link=x"},
		{"what cannot be read through a link", "", "a link=OUT\na/file unreadable"},
		{"more than can be held", "", "a repeat=x*99999999999999999"},
		{"more than can be counted", "", "a repeat=xx*9223372036854775807"},
		{"longer than any disk", "", "a size=9000000TB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			out, root := filepath.Join(dir, "outside"), filepath.Join(dir, "root")
			put := func(err error) {
				if err != nil {
					t.Fatal(err)
				}
			}
			put(errors.Join(os.Mkdir(out, 0o755), os.Mkdir(root, 0o755), os.WriteFile(filepath.Join(out, "file"), []byte("old"), 0o640)))
			before := look(t, out)
			tree := NewTree()
			if c.files != "" {
				tree.Files[strings.ReplaceAll(c.files, "OUT", filepath.ToSlash(out))] = []byte("new")
			}
			err := tree.Parse(strings.ReplaceAll(c.lines, "OUT", filepath.ToSlash(out)))
			if err == nil {
				var undo func()
				undo, err = tree.Build(root)
				undo()
			}
			if err == nil {
				t.Error("it is not refused")
			}
			if after := look(t, out); after != before {
				t.Errorf("outside was\n%s and is\n%s", before, after)
			}
		})
	}
}

// look says what is in a folder.
func look(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
