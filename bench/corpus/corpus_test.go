package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

// makeSmall makes a small corpus and returns its folder.
func makeSmall(t *testing.T, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	made, err := ensure(dir, stamp{version, seed, 0.005})
	if err != nil || !made {
		t.Fatalf("ensure: made %v, %v", made, err)
	}
	return dir
}

// digests maps each file of a folder to its sha256, mode and, in the tree, time.
func digests(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		sum := sha256.Sum256(b)
		s := hex.EncodeToString(sum[:])
		if strings.HasPrefix(rel, planted.Tree) {
			s += i.Mode().String() + i.ModTime().UTC().String()
		}
		out[rel] = s
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSameSeedSameBytes(t *testing.T) {
	a, b, c := digests(t, makeSmall(t, 7)), digests(t, makeSmall(t, 7)), digests(t, makeSmall(t, 8))
	if !maps.Equal(a, b) {
		t.Error("the same seed gave two corpora")
	}
	if maps.Equal(a, c) {
		t.Error("two seeds gave the same corpus")
	}
}

func TestReuse(t *testing.T) {
	dir := makeSmall(t, 7)
	if made, err := ensure(dir, stamp{version, 7, 0.005}); made || err != nil {
		t.Errorf("a complete corpus was made again: %v, %v", made, err)
	}
	if err := os.Remove(filepath.Join(dir, planted.StampFile)); err != nil {
		t.Fatal(err)
	}
	if made, err := ensure(dir, stamp{version, 7, 0.005}); !made || err != nil {
		t.Errorf("an incomplete corpus was reused: %v, %v", made, err)
	}
	if _, err := ensure(dir, stamp{version, 7, 2}); err == nil {
		t.Error("scale 2 was accepted")
	}
}

// TestTruth searches the small corpus with the standard library.
func TestTruth(t *testing.T) {
	dir := makeSmall(t, 7)
	want, err := planted.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, planted.IOCList))
	if err != nil {
		t.Fatal(err)
	}
	iocs := strings.Fields(string(raw))
	res := map[string]*regexp.Regexp{
		planted.SetLiteral:       regexp.MustCompile(regexp.QuoteMeta(planted.Literal)),
		planted.SetLiteralNocase: regexp.MustCompile("(?i)" + regexp.QuoteMeta(planted.Literal)),
		planted.SetRegex:         regexp.MustCompile(planted.Regex),
		planted.SetFreeRegex:     regexp.MustCompile(planted.FreeRegex),
	}
	got := map[string][]string{}
	tree := filepath.Join(dir, planted.Tree)
	err = filepath.WalkDir(tree, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(p, tree+string(filepath.Separator)))
		for set, re := range res {
			if re.Match(b) {
				got[set] = append(got[set], rel)
			}
		}
		if slices.ContainsFunc(iocs, func(s string) bool { return bytes.Contains(b, []byte(s)) }) {
			got[planted.SetIOC] = append(got[planted.SetIOC], rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []string{planted.SetLiteral, planted.SetLiteralNocase, planted.SetRegex, planted.SetFreeRegex, planted.SetIOC} {
		if a := planted.NewAnswer(got[set]); a.Count == 0 || a.Digest != want.Answers[set].Digest {
			t.Errorf("%s: found %v, planted %v", set, a.Items, want.Answers[set].Items)
		}
	}
}

func TestPlantAcrossEdges(t *testing.T) {
	f := &file{size: 3 << 20, needles: slices.Repeat([]needle{{kindLiteral, planted.Literal}}, 9)}
	b := make([]byte, f.size)
	plantAll(b, stream(1, 1), f)
	if n := bytes.Count(b, []byte(planted.Literal)); n != 9 {
		t.Fatalf("%d of 9 needles are whole", n)
	}
	across := 0
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(planted.Literal))
		if i < 0 {
			break
		}
		at += i
		if at/edges[0] != (at+len(planted.Literal)-1)/edges[0] {
			across++
		}
		at++
	}
	if across < 6 {
		t.Errorf("%d needles lie across an edge, want 6 or more", across)
	}
}

func TestLinesWith(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []int
	}{
		{"", nil}, {"x", []int{1}}, {"\nx", []int{2}}, {"xx\nx\n\nax", []int{1, 2, 4}}, {"a\nb\n", nil},
	} {
		if got := linesWith([]byte(c.in), "x"); !slices.Equal(got, c.want) {
			t.Errorf("%q: lines %v, want %v", c.in, got, c.want)
		}
	}
}

func TestIndicators(t *testing.T) {
	l := indicators(42)
	if len(l) != indicatorCount {
		t.Fatalf("%d indicators", len(l))
	}
	for _, s := range l {
		if len(s) < 11 || len(s) > 22 {
			t.Errorf("%q has %d bytes", s, len(s))
		}
	}
}
