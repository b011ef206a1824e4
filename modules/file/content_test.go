package file

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
)

func TestChunkEdges(t *testing.T) {
	files := map[string]string{"empty": ""}
	needle := "the-needle"
	want := map[string]bool{"empty": false}
	for _, size := range []int{1, len(needle), bufBytes - 1, bufBytes, bufBytes + 1, 2*bufBytes - 1, 2 * bufBytes, 2*bufBytes + 1, 3*bufBytes + 7} {
		for _, at := range []int{-1, 0, bufBytes - len(needle) - 1, bufBytes - len(needle), bufBytes - 5, bufBytes - 1, bufBytes, 2*bufBytes - 3, size - len(needle)} {
			b := bytes.Repeat([]byte{'x'}, size)
			if at > size-len(needle) || size < len(needle) && at >= 0 {
				continue
			}
			if at >= 0 {
				copy(b[at:], needle)
			}
			name := fmt.Sprintf("f-%d-%d", size, at)
			files[name], want[name] = string(b), bytes.Contains(b, []byte(needle))
		}
	}
	root := tree(t, files)
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask(root + "/*")
		q.Questions = []modules.Question{
			literal(needle),
			{Pattern: search.Pattern{Regexp: "the-ne+dle"}},
			{Pattern: search.Pattern{Literal: []byte(needle)}, Lines: modules.AnyLine},
			{Test: func(l []byte) bool { return bytes.Contains(l, []byte(needle)) }, Lines: modules.AnyLine},
			{Pattern: search.Pattern{Regexp: "^x*(the-needle)?x*$"}, Lines: modules.EveryLine},
		}
		got := collect(t, m, q, func(r modules.Row) string {
			var answers []bool
			for i := range q.Questions {
				v, err := r.(modules.Asker).Ask(context.Background(), i)
				if err != nil || v.IsNull() {
					t.Fatal(pathOf(r), i, err)
				}
				answers = append(answers, v.Bool())
			}
			return fmt.Sprint(get(r, "name").Text(), answers, hex.EncodeToString(get(r, "sha256").Hash()))
		})
		var expect []string
		for name, found := range want {
			sum := sha256.Sum256([]byte(files[name]))
			expect = append(expect, fmt.Sprint(name, []bool{found, found, found, found, true}, hex.EncodeToString(sum[:])))
		}
		same(t, got, expect)
	})
}

// linesOf cuts text into lines, and says which of them match.
func linesOf(text string, re *regexp.Regexp) (lines, matching []string) {
	if text == "" {
		return nil, nil
	}
	for l := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		l = strings.TrimSuffix(l, "\r")
		lines = append(lines, l)
		if re.MatchString(l) {
			matching = append(matching, l)
		}
	}
	return lines, matching
}

// TestLinesLikeTheStandardLibrary compares line questions with lines that are
// cut by bytes.Split.
func TestLinesLikeTheStandardLibrary(outer *testing.T) {
	root := outer.TempDir()
	path := filepath.Join(root, "f")
	re := regexp.MustCompile(`^a+(b|$)`)
	rapid.Check(outer, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "\n", "\r\n", "\r", "aab", strings.Repeat("a", bufBytes-2), strings.Repeat("b", bufBytes/2)}), 0, 12).Draw(t, "parts")
		text := strings.Join(parts, "")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		lines, expect := linesOf(text, re)
		if slices.ContainsFunc(lines, func(l string) bool { return len(l) > maxLine-2 }) {
			t.Skip("longer than a line may be")
		}
		every, some := len(expect) == len(lines), len(expect) > 0
		q := ask(path)
		p := search.Pattern{Regexp: re.String()}
		test := func(b []byte) bool { return re.Match(b) }
		q.Questions = []modules.Question{
			{Pattern: p, Lines: modules.AnyLine, Show: true}, {Pattern: p, Lines: modules.EveryLine},
			{Test: test, Lines: modules.AnyLine}, {Test: test, Lines: modules.EveryLine},
		}
		want := fmt.Sprint(some, every, some, every)
		collect(outer, systems["own"], q, func(r modules.Row) string {
			var got []any
			for i := range q.Questions {
				v, err := r.(modules.Asker).Ask(context.Background(), i)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, v.Bool())
			}
			if s := fmt.Sprint(got...); s != want {
				t.Fatalf("%d bytes, %d lines: %s, want %s", len(text), len(lines), s, want)
			}
			var shown []string
			err := r.(modules.Liner).Lines(context.Background(), func(l modules.Row) error {
				n := get(l, "line_number").Int()
				off := get(l, "line_offset").Int()
				if !strings.HasPrefix(text[off:], lines[n-1]) || off > 0 && text[off-1] != '\n' {
					t.Fatalf("line %d is not at %d", n, off)
				}
				shown = append(shown, lines[n-1])
				return nil
			})
			if err != nil || !slices.Equal(shown, expect) {
				t.Fatalf("%d lines shown, want %d: %v", len(shown), len(expect), err)
			}
			return ""
		})
	})
}

func TestLinesLikeGrep(t *testing.T) {
	files := map[string]string{}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		var b strings.Builder
		for b.Len() < rnd.IntN(900_000) {
			fmt.Fprintf(&b, "%0*d\n", rnd.IntN(300), rnd.IntN(100_000))
		}
		files[fmt.Sprint("f", i)] = b.String()
	}
	root := tree(t, files)
	out, err := exec.Command("grep", "-rnbF", "777", root).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for _, mode := range []modules.LineMode{modules.WholeContent, modules.AnyLine} {
		q := ask(root)
		question := literal("777")
		question.Show, question.Lines = true, mode
		q.Questions = []modules.Question{question}
		q.Workers = 1
		var got []string
		collect(t, systems["own"], q, func(r modules.Row) string {
			err := r.(modules.Liner).Lines(context.Background(), func(l modules.Row) error {
				got = append(got, fmt.Sprintf("%s:%d:%d:%s", pathOf(l), get(l, "line_number").Int(), get(l, "line_offset").Int(), get(l, "line").Text()))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return ""
		})
		slices.Sort(got)
		same(t, got, want)
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("y", maxLine+5)
	root := tree(t, map[string]string{
		"over":   "first\n" + long + "needle\nlast\n",
		"within": "first\n" + long[:maxLine-100] + "needle" + "\nlast",
	})
	q := ask(root + "/*")
	q.Questions = []modules.Question{
		{Test: func(l []byte) bool { return bytes.Contains(l, []byte("needle")) }, Lines: modules.AnyLine},
		{Test: func(l []byte) bool { return bytes.Contains(l, []byte("last")) }, Lines: modules.AnyLine, Show: true},
		{Test: func(l []byte) bool { return !bytes.Contains(l, []byte("first")) }, Lines: modules.EveryLine},
		literal("needle"),
	}
	got := collect(t, systems["own"], q, func(r modules.Row) string {
		s := get(r, "name").Text()
		for i := range q.Questions {
			v, _ := r.(modules.Asker).Ask(context.Background(), i)
			s += " " + map[bool]string{true: "null", false: fmt.Sprint(v.Bool())}[v.IsNull()]
		}
		r.(modules.Liner).Lines(context.Background(), func(l modules.Row) error {
			s += fmt.Sprint(" ", get(l, "line_number").Int(), get(l, "line").Text(), get(l, "line_offset").Int())
			return nil
		})
		return s
	})
	same(t, got, []string{
		fmt.Sprintf("over null true false true 3last%d", 6+len(long)+7),
		fmt.Sprintf("within true true false true 3last%d", 6+maxLine-100+7),
	})
	if q.ledger.kinds()[modules.SkipLimit] != 1 {
		t.Errorf("left out %v", q.ledger.skips)
	}
	q = ask(root + "/within")
	q.Questions = []modules.Question{{Pattern: literal("needle").Pattern, Show: true}}
	q.Settings.Context = 20
	collect(t, systems["own"], q, func(r modules.Row) string {
		r.(modules.Liner).Lines(context.Background(), func(l modules.Row) error {
			if s := get(l, "line").Text(); s != "…yyyyyyyyyyyyyyneedle" {
				t.Errorf("shown %q", s)
			}
			return nil
		})
		return ""
	})
}

func TestHashesLikeTheTools(t *testing.T) {
	root := tree(t, map[string]string{"small": "abc", "empty": ""})
	sparse := filepath.Join(root, "sparse")
	if err := os.WriteFile(sparse, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(sparse, 150<<20); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(sparse, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("end"), 150<<20-3)
	f.Close()
	for column, tool := range map[string]string{
		"md5": "md5sum", "sha1": "sha1sum", "sha224": "sha224sum", "sha256": "sha256sum", "sha384": "sha384sum", "sha512": "sha512sum",
	} {
		out, err := exec.Command(tool, filepath.Join(root, "small"), filepath.Join(root, "empty"), sparse).Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(strings.TrimSpace(string(out)), "\n")
		same(t, collect(t, systems["own"], ask(root+"/*"), func(r modules.Row) string {
			return hex.EncodeToString(get(r, column).Hash()) + "  " + pathOf(r)
		}), want)
	}
	for column, want := range map[string]string{
		"sha3_224": "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
		"sha3_256": "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
		"sha3_384": "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
		"sha3_512": "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
		"blake3":   "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
	} {
		same(t, collect(t, systems["own"], ask(root+"/small"), func(r modules.Row) string {
			return hex.EncodeToString(get(r, column).Hash())
		}), []string{want})
	}
}

func TestLimits(t *testing.T) {
	root := tree(t, map[string]string{"big": strings.Repeat("x", maxContent+1), "fits": strings.Repeat("x", maxContent), "small": "x"})
	got := collect(t, systems["own"], ask(root+"/*"), func(r modules.Row) string {
		return fmt.Sprint(get(r, "name").Text(), len(get(r, "content").RawText()))
	})
	same(t, got, []string{"big0", fmt.Sprint("fits", maxContent), "small1"})
	q := ask(root + "/*")
	q.Settings.MaxFileBytes = 10
	q.Questions = []modules.Question{literal("x")}
	same(t, collect(t, systems["own"], q, matching(0)), []string{root + "/small true"})
	if q.ledger.kinds()[modules.SkipLimit] != 2 {
		t.Errorf("left out %v", q.ledger.skips)
	}
}

func zipped(t *testing.T, files map[string]string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
	}
	z.Close()
	return b.String()
}

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.String()
}

func TestCompressedAndArchives(t *testing.T) {
	long := strings.Repeat("0123456789\n", 100_000)
	inner := zipped(t, map[string]string{"org/JndiLookup.class": "needle"})
	var tb bytes.Buffer
	tw := tar.NewWriter(&tb)
	big := long + "needle"
	tw.WriteHeader(&tar.Header{Name: "dir/big", Size: int64(len(big)), Mode: 0o640, Typeflag: tar.TypeReg})
	tw.Write([]byte(big))
	tw.Close()
	root := tree(t, map[string]string{
		"plain.gz": gzipped("a needle"), "long": gzipped(big), "broken.gz": gzipped(big)[:2000],
		"app.jar":  zipped(t, map[string]string{"lib/log4j.jar": inner, "readme": "nothing"}),
		"t.tar.gz": gzipped(tb.String()), "text": "needle",
	})
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask(root + "/*")
		q.Settings.Decompress = true
		q.Questions = []modules.Question{literal("needle")}
		got := collect(t, m, q, func(r modules.Row) string {
			return strings.ReplaceAll(matching(0)(r), root, "")
		})
		same(t, got, []string{"/app.jar false", "/long true", "/plain.gz true", "/t.tar.gz true", "/text true"})
		if q.ledger.kinds()[modules.SkipArchive] != 1 {
			t.Errorf("left out %v", q.ledger.skips)
		}
		q = ask(root + "/*")
		q.Settings.Archives = true
		q.Columns = []int{colSHA256}
		q.Questions = []modules.Question{literal("needle")}
		sum := sha256.Sum256([]byte(big))
		got = collect(t, m, q, func(r modules.Row) string {
			s := matching(0)(r)
			if strings.HasSuffix(s, "big true") && !bytes.Equal(get(r, "sha256").Hash(), sum[:]) {
				t.Error("a member's hash is wrong")
			}
			return strings.ReplaceAll(s, root, "")
		})
		same(t, got, []string{
			"/app.jar false", "/app.jar!/lib/log4j.jar false", "/app.jar!/lib/log4j.jar!/org/JndiLookup.class true",
			"/app.jar!/readme false", "/broken.gz false", "/long false", "/plain.gz false", "/t.tar.gz false",
			"/t.tar.gz!/dir/big true", "/text true",
		})
	})
}

func TestTexts(t *testing.T) {
	for head, want := range map[string]string{
		"": "application/x-empty", "\x7fELF\x02": "application/x-elf", "#!/usr/bin/env python3\n": "text/x-python",
		"#!/bin/sh\n": "text/x-shellscript", "MZ\x90": "application/vnd.microsoft.portable-executable", "hello\n": "text/plain",
		"\x1f\x8b\x08": "application/gzip", "%PDF-1.7": "application/pdf", "\xca\xfe\xba\xbe\x00\x00\x00\x34": "application/java-vm",
		"PK\x03\x04": "application/zip",
	} {
		if got := mimeOf([]byte(head)); got != want {
			t.Errorf("%q is %q, want %q", head, got, want)
		}
	}
	root := tree(t, map[string]string{"a.tar.gz": "abab", ".hidden": "", "dot.": "", "none": ""})
	got := collect(t, systems["own"], ask(root), func(r modules.Row) string {
		ext := get(r, "extension")
		return fmt.Sprint(get(r, "name").Text(), " ", ext.IsNull(), ext.Text(), " ", strings.TrimPrefix(get(r, "dir").Text(), filepath.Dir(root)))
	})
	base := filepath.Base(root)
	same(t, got, []string{base + " true ", "a.tar.gz falsegz /" + base, ".hidden true /" + base, "dot. true /" + base, "none true /" + base})
	q := ask(root + "/a.tar.gz")
	same(t, collect(t, systems["own"], q, func(r modules.Row) string { return fmt.Sprint(get(r, "entropy").Float()) }), []string{"1"})
}

// A hard link of a tar is a link, whose content stands with another member; and
// folders of archives have names like others.
func TestMembersWithoutContent(t *testing.T) {
	var tb bytes.Buffer
	tw := tar.NewWriter(&tb)
	tw.WriteHeader(&tar.Header{Name: "etc/", Mode: 0o755, Typeflag: tar.TypeDir})
	tw.WriteHeader(&tar.Header{Name: "etc/one", Size: 6, Mode: 0o644, Typeflag: tar.TypeReg})
	tw.Write([]byte("needle"))
	tw.WriteHeader(&tar.Header{Name: "etc/two", Linkname: "etc/one", Mode: 0o644, Typeflag: tar.TypeLink})
	tw.WriteHeader(&tar.Header{Name: "etc/three", Linkname: "one", Typeflag: tar.TypeSymlink})
	tw.Close()
	root := tree(t, map[string]string{"t.tar": tb.String(), "t.tgz": gzipped(tb.String()), "t.zip": zipped(t, map[string]string{"lib/": ""})})
	q := ask(root + "/*")
	q.Settings.Archives = true
	q.Questions = []modules.Question{literal("needle")}
	got := collect(t, systems["own"], q, func(r modules.Row) string {
		_, member, found := strings.Cut(pathOf(r), "!/")
		if !found {
			return ""
		}
		v, err := r.(modules.Asker).Ask(context.Background(), 0)
		if err != nil {
			t.Error(err)
		}
		return fmt.Sprintf("%s name %s in %s: %s %q %v %v", member, get(r, "name").Text(), strings.TrimPrefix(get(r, "dir").Text(), root+"/"),
			get(r, "type").Text(), get(r, "target").Text(), v.IsNull(), get(r, "sha256").IsNull())
	})
	want := []string{"lib/ name lib in t.zip!: directory \"\" true true"}
	for _, a := range []string{"t.tar", "t.tgz"} {
		want = append(want, "etc/ name etc in "+a+"!: directory \"\" true true", "etc/one name one in "+a+"!/etc: file \"\" false false",
			"etc/two name two in "+a+"!/etc: link \"etc/one\" true true", "etc/three name three in "+a+"!/etc: link \"one\" true true")
	}
	same(t, got, want)
	if len(q.ledger.skips) != 0 {
		t.Errorf("left out %v", q.ledger.skips)
	}
}
