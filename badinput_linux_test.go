package quaestor_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// A badInput is a file that was made to bring somebody down, a question that
// meets it, and what the answer says of it. The page docs/bad-input.md has the
// same sentence.
type badInput struct {
	name, query string
	make        func(t *testing.T, path string)
	kind        modules.SkipKind
	says        string
}

// holding makes a file of a text.
func holding(text string) func(*testing.T, string) {
	return func(t *testing.T, path string) { put(t, path, text) }
}

// sparse makes a file of a terabyte that begins with a text.
func sparse(head string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		put(t, path, head)
		if err := os.Truncate(path, 1<<40); err != nil {
			t.Skip("LEFT OUT: the disk of the test takes no such file: ", err)
		}
	}
}

var badInputs = []badInput{
	{"bomb.gz", `FIND file /d/bomb.gz CONTAINS "x" WITH decompress = on`, gzipBomb, modules.SkipLimit, "over budget: MaxRatio, 1000 bytes from each one"},
	{"quine.zip", `FIND file /d/quine.zip CONTAINS "nowhere" WITH archives = on`, zipQuine, modules.SkipLimit, "over budget: MaxDepth, 5 layers"},
	{"deep.json", "FIND json /d/deep.json", holding(strings.Repeat("[", 100_000)), modules.SkipLimit, "nested more than 200 levels deep"},
	{"deep.yaml", "FIND yaml /d/deep.yaml", holding(nestedYAML(1000)), modules.SkipLimit, "nested more than 200 levels deep"},
	{"deeper.yaml", "FIND yaml /d/deeper.yaml", holding(strings.Repeat("[", 100_000)), modules.SkipIO, "exceeded max depth"},
	{"deep.xml", "FIND xml /d/deep.xml", holding(strings.Repeat("<a>", 100_000)), modules.SkipLimit, "nested more than 200 levels deep"},
	{"deep.plist", "FIND plist /d/deep.plist", holding("<plist>" + strings.Repeat("<array>", 100_000)), modules.SkipLimit, "nested more than 200 levels deep"},
	{"old.plist", "FIND plist /d/old.plist", holding(strings.Repeat("(", 100_000)), modules.SkipLimit, "nested more than 200 levels deep"},
	{"laughs.yaml", "FIND yaml /d/laughs.yaml RETURN count()", holding(laughingYAML()), modules.SkipLimit, "more than 1048576 values, with those that anchors multiply"},
	{"self.yaml", "FIND yaml /d/self.yaml RETURN count()", holding("a: &a\n  b: *a\n"), modules.SkipLimit, "nested more than 200 levels deep"},
	{"laughs.xml", "FIND xml /d/laughs.xml", holding(`<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><l>&b;</l>`), modules.SkipIO, "invalid character entity &b;"},
	{"laughs.plist", "FIND plist /d/laughs.plist", holding(`<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><plist><string>&b;</string></plist>`), modules.SkipIO, "invalid character entity &b;"},
	{"giant.elf", "FIND elf /d/giant.elf", giantELF(65535, 0, 4096), modules.SkipIO, "malformed: it ends before what its headers name"},
	{"sections.elf", "FIND elf /d/sections.elf", giantELF(0, 1<<60, 0), modules.SkipIO, "too many sections"},
	{"giant.exe", "FIND pe /d/giant.exe", giantPE, modules.SkipIO, "malformed: fail to read string table"},
	{"giant.macho", "FIND macho /d/giant.macho", giantMachO, modules.SkipIO, "malformed: it ends before what its headers name"},
	{"loop.db", "FIND sqlite /d/loop.db", loopingSQLite, modules.SkipIO, "is in a tree twice"},
	{"sparse.json", "FIND json /d/sparse.json", sparse(`{"a":1}`), modules.SkipIO, `malformed: invalid character '\x00' looking for beginning of value`},
	{"spaces.json", "FIND json /d/spaces.json", holding(strings.Repeat(" ", 65<<20)), modules.SkipLimit, "larger than what is read of such a file"},
	{"sparse.elf", "FIND elf /d/sparse.elf", sparse("\x7fELF"), modules.SkipLimit, "larger than what is read of such a file"},
	{"long", "FIND line /d/long RETURN number", holding(strings.Repeat("x", 2<<20)), modules.SkipLimit, "larger than what is read of such a file"},
	{"loop", "FIND line /d/loop", linkLoop, modules.SkipLoop, "too many symbolic links"},
	{"round", "FIND file /d/round RETURN path", linkLoop, modules.SkipLoop, "too many levels of symbolic links"},
	{"pipe", "FIND line /d/pipe", pipe, modules.SkipSpecial, "not a regular file"},
}

// Each bad input ends in a moment, is named in the account with what was too
// much of it; the page says the same.
func TestBadInput(t *testing.T) {
	page, err := os.ReadFile("docs/bad-input.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range badInputs {
		t.Run(in.name, func(t *testing.T) {
			root := t.TempDir()
			put(t, root+"/d/harmless", "")
			in.make(t, filepath.Join(root, "d", in.name))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, sum := answerOf(t, root, in.query)
			runtime.ReadMemStats(&after)
			if sum.Outcome != answer.Partial || len(sum.Skipped) != 1 || len(sum.Skipped[0].First) == 0 {
				t.Fatalf("%+v", sum)
			}
			first := sum.Skipped[0].First[0]
			if sum.Skipped[0].Kind != in.kind || !strings.HasPrefix(first.Where, "/d/"+in.name) || !strings.Contains(first.Detail, in.says) {
				t.Errorf("%s of %s: %q, and not %s: %q", sum.Skipped[0].Kind, first.Where, first.Detail, in.kind, in.says)
			}
			if !bytes.Contains(page, []byte("`"+in.says+"`")) {
				t.Errorf("docs/bad-input.md does not say `%s`", in.says)
			}
			const most = 1 << 30 // bytes of the heap over time, of inputs that claim up to an exbibyte
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("it took %d bytes", took)
			}
		})
	}
}

func gzipBomb(t *testing.T, path string) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for zeros := make([]byte, 1<<20); b.Len() < 64<<10; {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, path, b.String())
}

// zipQuine writes the zip that holds itself, for ever, which the tests of Go's
// own package have as a dump.
func zipQuine(t *testing.T, path string) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skip("LEFT OUT: there is no Go here: ", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "src/archive/zip/reader_test.go"))
	dump := regexp.MustCompile("(?s)func rZipBytes.*?`(.*?)`").FindSubmatch(text)
	if err != nil || dump == nil {
		t.Skip("LEFT OUT: Go's tests have no quine: ", err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(regexp.MustCompile(`(?m)^[0-9a-f]{7}`).ReplaceAllString(string(dump[1]), "")), ""))
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, string(b))
}

func nestedYAML(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// laughingYAML has nine lists of nine of the list before.
func laughingYAML() string {
	var b strings.Builder
	b.WriteString("a: &a [ha,ha,ha,ha,ha,ha,ha,ha,ha]\n")
	for c := 'b'; c < 'k'; c++ {
		fmt.Fprintf(&b, "%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ","))
	}
	return b.String()
}

// giantELF claims so many sections, of that size, and has none.
func giantELF(sections uint16, size uint64, tail int) func(*testing.T, string) {
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	le := binary.LittleEndian
	b = le.AppendUint16(le.AppendUint16(b, 2), 62)
	b = le.AppendUint64(le.AppendUint64(le.AppendUint64(le.AppendUint32(b, 1), 0), 64), 64)
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, 0, 64, sections, 0} {
		b = le.AppendUint16(b, v)
	}
	if sections > 0 {
		return holding(string(append(b, bytes.Repeat([]byte{0xff}, tail)...)))
	}
	head := make([]byte, 64)
	le.PutUint64(head[32:], size) // of the first section, which tells how many there are
	return holding(string(append(b, head...)))
}

func giantPE(t *testing.T, path string) {
	b := append([]byte("MZ"), make([]byte, 58)...)
	le := binary.LittleEndian
	b = append(le.AppendUint32(b, 64), "PE\x00\x00"...)
	b = le.AppendUint16(le.AppendUint16(b, 0x8664), 0xffff)
	b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, 0), 0xffffffff), 0xffffffff)
	b = le.AppendUint16(le.AppendUint16(b, 0xffff), 2)
	put(t, path, string(append(le.AppendUint16(b, 0x20b), bytes.Repeat([]byte{0xff}, 2048)...)))
}

func giantMachO(t *testing.T, path string) {
	var b []byte
	for _, v := range []uint32{0xfeedfacf, 0x01000007, 3, 2, 0xffffffff, 0xffffffff, 0, 0} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	put(t, path, string(append(b, bytes.Repeat([]byte{0xff}, 512)...)))
}

// loopingSQLite writes a database whose only table has a page that leads to
// itself. Its first page is the schema, its second the table.
func loopingSQLite(t *testing.T, path string) {
	const page = 512
	b := make([]byte, 2*page)
	copy(b, "SQLite format 3\x00")
	be := binary.BigEndian
	be.PutUint16(b[16:], page)
	copy(b[18:], []byte{1, 1, 0, 64, 32, 32})
	be.PutUint32(b[24:], 1)
	be.PutUint32(b[28:], 2)
	be.PutUint32(b[44:], 4)
	be.PutUint32(b[56:], 1)
	be.PutUint32(b[92:], 1)
	const sql = "CREATE TABLE t(a)"
	record := append([]byte{6, 23, 15, 15, 1, 13 + 2*byte(len(sql))}, "table"+"t"+"t"+"\x02"+sql...)
	cell := append([]byte{byte(len(record)), 1}, record...)
	b[100] = 13 // a leaf with one cell, at the end of the page
	be.PutUint16(b[103:], 1)
	be.PutUint16(b[105:], uint16(page-len(cell)))
	be.PutUint16(b[108:], uint16(page-len(cell)))
	copy(b[page-len(cell):], cell)
	b[page] = 5 // an inner page without cells, whose right-most child is itself
	be.PutUint16(b[page+5:], page)
	be.PutUint32(b[page+8:], 2)
	put(t, path, string(b))
}

func linkLoop(t *testing.T, path string) {
	if err := os.Symlink(filepath.Base(path)+"2", path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Base(path), path+"2"); err != nil {
		t.Fatal(err)
	}
}

func pipe(t *testing.T, path string) {
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A file loses its end while it is read, as often as it can: what is read ends
// where the file does, no process dies of it, and what changed is told.
func TestFileThatShrinks(t *testing.T) {
	root := t.TempDir()
	whole := strings.Repeat("a line of a log\n", 1<<16)
	put(t, root+"/d/log", whole)
	meanwhile(t, func() {
		_ = os.Truncate(root+"/d/log", 5)
		_ = os.WriteFile(root+"/d/log", []byte(whole), 0o644)
	})
	for range 20 {
		for _, query := range []string{`FIND file /d/* CONTAINS "nowhere" RETURN path, sha256`, `FIND line /d/* WHERE text CONTAINS "nowhere"`, `FIND json /d/log`, `FIND elf /d/log`, `FIND sqlite /d/log`} {
			rows, sum := answerOf(t, root, query)
			if len(rows) != 0 || sum.Outcome == answer.Failed {
				t.Fatalf("%s: %q, %+v", query, rows, sum)
			}
			for _, s := range sum.Skipped {
				if !slices.Contains([]modules.SkipKind{modules.SkipChanged, modules.SkipVanished, modules.SkipIO}, s.Kind) {
					t.Errorf("%s: %+v", query, s)
				}
			}
		}
	}
}

// Patterns that take for ever where they are tried again and again take a
// moment: globs, LIKE, expressions, those of YARA.
func TestPatternsThatExplodeElsewhere(t *testing.T) {
	root := t.TempDir()
	name := strings.Repeat("a", 250)
	put(t, root+"/d/"+name, strings.Repeat("a", 1<<20)+"!\n")
	for _, where := range []string{
		`WHERE name GLOB "` + strings.Repeat("a*", 60) + `b"`, `WHERE name LIKE "` + strings.Repeat("a%", 60) + `b"`,
		`WHERE name MATCHES "^(a|aa|a?)+$b"`, `MATCHES "(a+)+b"`, `MATCHES "(a|a)*b"`, `MATCHES "(x+x+)+y"`,
		`WHERE name GLOB "` + strings.Repeat("{a,aa}", 8) + `b"`,
	} {
		rows, sum := answerOf(t, root, "FIND file /d/* "+where+" RETURN path")
		if len(rows) != 0 || sum.Outcome != answer.Complete {
			t.Errorf("%s: %q, %+v", where, rows, sum)
		}
	}
}

// Processes begin and end while they are asked about: who ended is told as
// vanished, who stays is found, and nothing of one is said of another.
func TestProcessesThatEnd(t *testing.T) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_ = exec.Command("true").Run()
			}
		})
	}
	stays := fmt.Sprint(os.Getppid()) // one's own is left out, and told
	vanished := int64(0)
	for range 10 {
		for _, query := range []string{
			"FIND process RETURN pid, name, exe, cmdline, user, cwd, threads, open_files", "FIND open_file RETURN process, fd, path", "FIND mapping RETURN process, start, path",
			"FIND environment RETURN process, name", "FIND thread RETURN process, tid, name", "FIND socket RETURN process, state",
		} {
			rows, sum := answerOf(t, "", query)
			if sum.Outcome == answer.Failed {
				t.Fatalf("%s: %+v", query, sum)
			}
			here := slices.ContainsFunc(rows, func(r string) bool { return strings.HasPrefix(r, stays+" ") })
			if !here && !strings.Contains(query, "socket") {
				t.Errorf("%s: who stays is not among %d rows", query, len(rows))
			}
			for _, s := range sum.Skipped {
				if !slices.Contains([]modules.SkipKind{modules.SkipSelf, modules.SkipVanished, modules.SkipPermission, modules.SkipUnsupported}, s.Kind) {
					t.Errorf("%s: %+v", query, s)
				}
				if s.Kind == modules.SkipVanished {
					vanished += s.Count
				}
			}
			for _, r := range rows {
				if strings.HasPrefix(query, "FIND process") && strings.Contains(r, "/true") && strings.Contains(r, stays) {
					t.Errorf("%s: mixed up: %s", query, r)
				}
			}
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d ended while they were looked at", vanished)
}
