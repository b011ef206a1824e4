package yara

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// theirs asks Debian's yara of every file of a folder: rule, then the places
// of its strings, as lines.
func theirs(t *testing.T, rules, dir string) map[string][]string {
	t.Helper()
	cmd := exec.Command("yara", "-r", "-s", "-L", "-w", "-p", "1", rules, dir)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() < 0 {
		return nil // it has bugs of its own, and ends by an assertion
	}
	if err != nil {
		text, _ := os.ReadFile(rules)
		t.Fatalf("yara: %v\n%s\n%s", err, errs.String(), text)
	}
	found := map[string][]string{}
	file, rule := "", ""
	for line := range strings.SplitSeq(strings.TrimRight(string(out), "\n"), "\n") {
		if line == "" {
			continue
		}
		if off, rest, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(off, "0x") {
			n, _ := strconv.ParseInt(off[2:], 16, 64)
			parts := strings.SplitN(rest, ":", 3)
			found[file] = append(found[file], fmt.Sprintf("%s %s %d+%s", rule, parts[1], n, parts[0]))
			continue
		}
		name, path, _ := strings.Cut(line, " ")
		rule, file = name, filepath.Base(path)
		found[file] = append(found[file], rule)
	}
	for _, lines := range found {
		slices.Sort(lines)
	}
	return found
}

// theirMost is the longest place that yara tells the length of.
const theirMost = 512

// ours gives the same of one content.
func ours(r *Result) []string {
	var lines []string
	for _, m := range r.Matches {
		lines = append(lines, m.Rule.Name)
		for _, p := range m.Strings {
			lines = append(lines, fmt.Sprintf("%s %s %d+%d", m.Rule.Name, p.Name, p.Offset, min(p.Length, theirMost)))
		}
	}
	for _, u := range r.Undecided {
		lines = append(lines, u.Rule.Name+" UNDECIDED "+u.Reason)
	}
	slices.Sort(lines)
	return lines
}

// manyLimits lets everything be listed.
var manyLimits = Limits{Shown: 1 << 20, Matches: 1 << 20, Steps: 1 << 40}

// inBlocks scans a content in blocks of random lengths.
func inBlocks(s *Scanner, rnd *rand.Rand, b []byte) *Result {
	ctx := context.Background()
	c := Content{Size: int64(len(b)), At: bytes.NewReader(b)}
	if rnd.IntN(2) == 0 {
		c.Size = -1
	}
	s.Start(c)
	for off := 0; off < len(b); {
		n := min(len(b)-off, 1+rnd.IntN(1<<rnd.IntN(16)))
		if s.Feed(ctx, int64(off), bytes.Clone(b[off:off+n])) {
			break
		}
		off += n
	}
	r, _ := s.End(ctx)
	return r
}

// differ tells of the first lines that are in one list alone.
func differ(got, want []string) string {
	var out []string
	alone := func(list, other []string, whose string) {
		known := map[string]bool{}
		for _, l := range other {
			known[l] = true
		}
		for _, l := range list {
			if !known[l] {
				out = append(out, whose+l)
			}
		}
	}
	alone(got, want, "ours alone:   ")
	alone(want, got, "theirs alone: ")
	return strings.Join(out[:min(len(out), 12)], "\n")
}

func needYara(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("yara"); err != nil {
		t.Skip("yara is not installed: nobody to compare with")
	}
}

// compareWithYara compares rules over contents, whole and in blocks.
func compareWithYara(t *testing.T, rnd *rand.Rand, rules string, files map[string][]byte) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "rules.yar")
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(path, []byte(rules))
	for name, b := range files {
		write(filepath.Join(data, name), b)
	}
	want := theirs(t, path, data)
	if want == nil {
		t.Logf("yara broke down: %s", strings.ReplaceAll(path, "\n", " "))
		return
	}
	compiled, err := Compile(Source{Name: "rules.yar", Text: rules}, Options{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	s := compiled.NewScanner(manyLimits)
	for name, b := range files {
		r, _ := s.Whole(context.Background(), b)
		got := ours(r)
		if d := differ(got, want[name]); d != "" {
			t.Errorf("%s:\n%s\n%s", keep(t, b), d, rulesOf(d, rules))
			return
		}
		if blocks := ours(inBlocks(s, rnd, b)); differ(blocks, got) != "" {
			t.Errorf("%s in blocks:\n%s\n%s", keep(t, b), differ(blocks, got), rulesOf(differ(blocks, got), rules))
			return
		}
	}
}

// keep leaves a content where a person can look at it.
func keep(t *testing.T, b []byte) string {
	name := filepath.Join(os.TempDir(), "yara-differs.bin")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// rulesOf gives the text of the rules that a difference names.
func rulesOf(diff, rules string) string {
	var out []string
	for _, r := range strings.SplitAfter(rules, "\n}\n") {
		_, name, _ := strings.Cut(r, "rule ")
		name, _, _ = strings.Cut(name, " ")
		if name != "" && strings.Contains(diff+"\n", ": "+name+"\n") || strings.Contains(diff+"\n", ":   "+name+"\n") || strings.Contains(diff, " "+name+" ") {
			out = append(out, r)
		}
	}
	return strings.Join(out, "\n")
}

func TestAgainstYara(t *testing.T) {
	needYara(t)
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	seed := uint64(1)
	if s := os.Getenv("QUAESTOR_YARA_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
		rounds = 100
	}
	for i := range rounds {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		g := &ruleGen{rnd: rnd}
		rules := g.file(40)
		files := map[string][]byte{"empty": nil}
		for k := range 12 {
			files[fmt.Sprintf("f%d", k)] = g.content()
		}
		files["big"] = g.bigContent()
		compareWithYara(t, rnd, rules, files)
		if t.Failed() {
			t.Fatalf("round %d of seed %d", i, seed)
		}
	}
}

// The table of conditions holds for yara, too, as far as Debian's knows them.
func TestConditionsAgainstYara(t *testing.T) {
	needYara(t)
	dir := t.TempDir()
	var b strings.Builder
	var want []string
	for i, c := range conditions {
		later := strings.Contains(c.text, "{ ~") || strings.Contains(c.text, " ~0") || strings.Contains(c.text, "them at") ||
			strings.Contains(c.text, "for any s in (") || strings.Contains(c.text, "for none") || strings.Contains(c.text, "$_unused")
		if later {
			continue
		}
		name := fmt.Sprintf("c%d", i)
		b.WriteString(strings.Replace(condition(c.text), "rule x", "rule "+name, 1) + "\n")
		if c.want {
			want = append(want, name)
		}
	}
	rules, data := filepath.Join(dir, "r.yar"), filepath.Join(dir, "sample")
	for name, text := range map[string]string{rules: b.String(), data: sample} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, line := range theirs(t, rules, data)["sample"] {
		if !strings.Contains(line, " ") {
			got = append(got, line)
		}
	}
	if d := differ(want, got); d != "" {
		t.Errorf("%s\n%s", d, b.String())
	}
}

// The entry point is where yara finds it.
func TestEntryPointAgainstYara(t *testing.T) {
	needYara(t)
	files, _ := filepath.Glob("*/testdata/*")
	for _, name := range append(files, "/usr/bin/yara", "/usr/bin/env", "/lib/x86_64-linux-gnu/libz.so.1", "/lib/x86_64-linux-gnu/libc.so.6") {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		off, ok, _ := entryPoint(&Data{whole: b, size: int64(len(b))})
		text := "rule x { condition: not defined entrypoint }"
		if ok {
			text = fmt.Sprintf("rule x { condition: entrypoint == %d }", off)
		}
		rules := filepath.Join(t.TempDir(), "r.yar")
		if err := os.WriteFile(rules, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := theirs(t, rules, name); len(got[filepath.Base(name)]) != 1 {
			t.Errorf("%s: %s is not so for yara", name, text)
		}
	}
}
