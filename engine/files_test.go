package engine_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/file"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A thing is what a walk of our own finds under a root.
type thing struct {
	name    string
	size    int64
	regular bool
	content []byte
}

// A fileTest is a condition in the language and in Go.
type fileTest struct {
	text  string
	holds func(thing) value.Truth
}

// needles lie in contents, over the edge of a buffer too.
var contents = []string{
	"", "needle", "Needle", "nee dle", "a\nneedle\nb\n", "x\x00needle\x00", strings.Repeat("n", 100),
	strings.Repeat("y", 256<<10-3) + "needle" + strings.Repeat("z", 1000), strings.Repeat("ab\n", 100_000),
}

// grow makes a tree whose names are all different.
func grow(t *rapid.T, root string) {
	dirs := []string{root}
	for i := range rapid.IntRange(0, 12).Draw(t, "things") {
		dir := rapid.SampledFrom(dirs).Draw(t, "dir")
		path := filepath.Join(dir, fmt.Sprintf("%s%d%s", rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "name"), i,
			rapid.SampledFrom([]string{"", ".txt", ".so"}).Draw(t, "extension")))
		var err error
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			err = os.Mkdir(path, 0o700)
			dirs = append(dirs, path)
		} else {
			err = os.WriteFile(path, []byte(rapid.SampledFrom(contents).Draw(t, "content")), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func found(t *rapid.T, root string) (things []thing) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		at := thing{name: d.Name(), size: info.Size(), regular: d.Type().IsRegular()}
		if at.regular {
			at.content, err = os.ReadFile(path)
		}
		things = append(things, at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return things
}

func fileCondition(t *rapid.T, depth int) fileTest {
	kind := rapid.IntRange(0, 10).Draw(t, "test")
	if depth == 0 {
		kind %= 7
	}
	switch kind {
	case 0:
		p := rapid.SampledFrom([]string{"a%", "%.txt", "_b%"}).Draw(t, "like")
		return fileTest{fmt.Sprintf("name LIKE %q", p), func(f thing) value.Truth { return known(like(f.name, p)) }}
	case 1:
		n := rapid.SampledFrom([]int64{0, 5, 6, 7, 100, 256 << 10, 300_000}).Draw(t, "size")
		return fileTest{fmt.Sprintf("size > %dB", n), func(f thing) value.Truth { return known(f.size > n) }}
	case 2, 3:
		p := rapid.SampledFrom([]string{"needle", "b\nab", "\x00n", "z"}).Draw(t, "literal")
		nocase, text := rapid.Bool().Draw(t, "nocase"), fmt.Sprintf("CONTAINS %q", p)
		if nocase {
			text += " NOCASE"
		}
		return fileTest{text, func(f thing) value.Truth {
			in := bytes.Contains(f.content, []byte(p)) || nocase && bytes.Contains(bytes.ToLower(f.content), []byte(p))
			return value.TruthOf(in, f.regular)
		}}
	case 4:
		sum := sha256.Sum256([]byte(rapid.SampledFrom(contents).Draw(t, "hashed")))
		return fileTest{fmt.Sprintf(`sha256 = "%x"`, sum), func(f thing) value.Truth {
			return value.TruthOf(sha256.Sum256(f.content) == sum, f.regular)
		}}
	case 5:
		a, b := sha256.Sum256([]byte("needle")), sha256.Sum256([]byte(contents[7]))
		return fileTest{fmt.Sprintf(`(sha256, size) IN (("%x", 6B), ("%x", 6B))`, a, b), func(f thing) value.Truth {
			return value.TruthOf(sha256.Sum256(f.content) == a, f.regular).And(known(f.size == 6)).
				Or(value.TruthOf(sha256.Sum256(f.content) == b, f.regular).And(known(f.size == 6)))
		}}
	case 6:
		return fileTest{`ANY LINE MATCHES '^n.*e$'`, func(f thing) value.Truth {
			any := slices.ContainsFunc(bytes.Split(f.content, []byte("\n")), func(l []byte) bool {
				return bytes.HasPrefix(l, []byte("n")) && bytes.HasSuffix(l[1:], []byte("e"))
			})
			return value.TruthOf(any, f.regular)
		}}
	case 7:
		x := fileCondition(t, depth-1)
		return fileTest{"NOT (" + x.text + ")", func(f thing) value.Truth { return x.holds(f).Not() }}
	}
	x, y := fileCondition(t, depth-1), fileCondition(t, depth-1)
	if kind == 8 {
		return fileTest{"(" + x.text + " OR " + y.text + ")", func(f thing) value.Truth { return x.holds(f).Or(y.holds(f)) }}
	}
	return fileTest{"((" + x.text + ") AND (" + y.text + "))", func(f thing) value.Truth { return x.holds(f).And(y.holds(f)) }}
}

// TestFilesAgreeWithReadingThem: questions about a tree, asked together in one
// walk, are answered as if each were asked alone as it is written, and as if
// every file were read by hand.
func TestFilesAgreeWithReadingThem(t *testing.T) {
	cat, err := modules.NewCatalogue(file.New())
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, file.New())
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		root := filepath.Join(base, fmt.Sprint(n))
		if err := os.Mkdir(root, 0o700); err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(root)
		grow(rt, root)
		things := found(rt, root)
		var plans []*plan.Plan
		var want, alone []string
		for i := range rapid.IntRange(1, 3).Draw(rt, "queries") {
			where := fileCondition(rt, 2)
			query := fmt.Sprintf("FIND file %q WHERE %s RETURN name", filepath.ToSlash(root)+"/**", where.text)
			rt.Log(query)
			plans = append(plans, compiled(t, cat, query, false))
			rows, err := read(e.Start(t.Context(), compiled(t, cat, query, true)))
			if err != nil {
				rt.Fatal(err)
			}
			for _, r := range rows {
				alone = append(alone, fmt.Sprint(i, " ", r))
			}
			for _, f := range things {
				if where.holds(f) == value.True {
					want = append(want, fmt.Sprintf("%d %q", i, f.name))
				}
			}
		}
		var together []string
		for row, err := range e.Start(t.Context(), plans...).Rows() {
			if err != nil {
				rt.Fatal(err)
			}
			together = append(together, fmt.Sprint(row.Plan, " ", row.Values[0].Literal()))
		}
		slices.Sort(together)
		slices.Sort(alone)
		slices.Sort(want)
		if !slices.Equal(together, want) || !slices.Equal(alone, want) {
			rt.Fatalf("together %q\nalone    %q\nby hand  %q", together, alone, want)
		}
	})
}
