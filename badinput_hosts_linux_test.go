package quaestor_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// answerOf asks a tree, and gives the rows as text and the account. A question
// that takes a minute hangs.
func answerOf(t *testing.T, root, query string) ([]string, answer.Summary) {
	t.Helper()
	s, err := quaestor.LocalWith(quaestor.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	rows, err := s.Query(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for row, err := range rows.All() {
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		var cells []string
		for _, v := range row.Values() {
			cells = append(cells, v.String())
		}
		out = append(out, strings.Join(cells, " "))
	}
	if ctx.Err() != nil {
		t.Fatalf("%s: it hangs", query)
	}
	return out, rows.Summary()
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A pipe in the place of a file that is read for what it says: nobody waits
// for who never writes, and it is told that the file could not be read.
func TestPipeNamedPasswd(t *testing.T) {
	root := t.TempDir()
	put(t, root+"/etc/group", "root:x:0:\n")
	if err := syscall.Mkfifo(root+"/etc/passwd", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{`FIND user`, `FIND file /etc/* CONTAINS "root" RETURN path`, `FIND line /etc/passwd`} {
		rows, sum := answerOf(t, root, query)
		if sum.Outcome != answer.Partial || len(sum.Skipped) != 1 || sum.Skipped[0].First[0].Where != "/etc/passwd" {
			t.Errorf("%s: %v, %+v", query, rows, sum)
		}
	}
}

// A link to a device that never ends is followed to a device, which is none to
// be read.
func TestLinkToZero(t *testing.T) {
	root := t.TempDir()
	put(t, root+"/d/a", "x")
	if err := os.Symlink("/dev/zero", root+"/d/zero"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mknod(root+"/d/endless", syscall.S_IFCHR|0o644, 1<<8|5); err != nil {
		t.Skip("it takes root to make a device: ", err)
	}
	rows, _ := answerOf(t, root, `FIND file /d/* RETURN path, sha256`)
	if len(rows) != 3 || !strings.Contains(strings.Join(rows, "\n"), "2d711642") {
		t.Errorf("%q", rows)
	}
}

// Somebody writes to the end of a file while it is read: reading ends.
func TestFileThatGrows(t *testing.T) {
	root := t.TempDir()
	put(t, root+"/d/log", strings.Repeat("a line of a log\n", 1000))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		f, err := os.OpenFile(root+"/d/log", os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		for n := 0; n < 4000; n++ { // 256 MB, should reading never end
			select {
			case <-stop:
				return
			default:
			}
			_, _ = f.WriteString(strings.Repeat("a line of a log\n", 4096))
		}
	})
	rows, sum := answerOf(t, root, `FIND file /d/* CONTAINS "nowhere" RETURN path`)
	hashes, _ := answerOf(t, root, `FIND file /d/* RETURN path, sha256`)
	close(stop)
	wg.Wait()
	if len(rows) != 0 || len(hashes) != 1 {
		t.Errorf("%q %q, %+v", rows, hashes, sum)
	}
}

// The size of a file of a terabyte that holds nothing is told at once, and a
// search in it that is cancelled ends, and is not complete.
func TestSparseTerabyte(t *testing.T) {
	root := t.TempDir()
	put(t, root+"/d/disk.img", "")
	if err := os.Truncate(root+"/d/disk.img", 1<<40); err != nil {
		t.Skip("the disk of the test takes no such file: ", err)
	}
	rows, _ := answerOf(t, root, `FIND file /d/* WHERE size > 1GiB RETURN path, size`)
	if len(rows) != 1 {
		t.Errorf("%q", rows)
	}
	s, err := quaestor.LocalWith(quaestor.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Query(ctx, `FIND file /d/* CONTAINS "needle" RETURN path`)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	time.AfterFunc(200*time.Millisecond, cancel)
	for _, err := range r.All() {
		if err != nil {
			break
		}
	}
	if sum := r.Summary(); sum.Outcome == answer.Complete {
		t.Errorf("cancelled, it says %+v", sum)
	}
}

// Names that are no UTF-8, that hold line ends and escapes, and paths that are
// longer than the system takes at once: all are found.
func TestNamesOfAllKinds(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"\xff\xfe", "a\nb", "\x1b[31mred", strings.Repeat("n", 255)} {
		put(t, root+"/d/"+name, "x")
	}
	rows, sum := answerOf(t, root, `FIND file /d/* RETURN path`)
	if len(rows) != 4 || sum.Outcome != answer.Complete {
		t.Errorf("%q, %+v", rows, sum)
	}
	for _, r := range rows {
		if strings.ContainsAny(r, "\n\x1b") {
			t.Errorf("%q is not escaped", r)
		}
	}
	// 30 folders of 200 bytes: a path of 6,000, beyond PATH_MAX.
	at := root + "/long"
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		name := strings.Repeat("p", 200)
		if err := syscall.Mkdirat(int(dir.Fd()), name, 0o755); err != nil {
			t.Fatal(err)
		}
		fd, err := syscall.Openat(int(dir.Fd()), name, syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		dir.Close()
		dir = os.NewFile(uintptr(fd), name)
	}
	fd, err := syscall.Openat(int(dir.Fd()), "deepest", syscall.O_CREAT|syscall.O_WRONLY, 0o644)
	dir.Close()
	if err != nil {
		t.Fatal(err)
	}
	syscall.Close(fd)
	rows, sum = answerOf(t, root, `FIND file /long/** WHERE type = "file" RETURN name`)
	if len(rows) != 1 || sum.Outcome != answer.Complete {
		t.Errorf("%q, %+v: the deepest file is not found", rows, sum)
	}
}

// An expression that takes for ever elsewhere takes a moment.
func TestExpressionThatExplodesElsewhere(t *testing.T) {
	root := t.TempDir()
	put(t, root+"/d/a", strings.Repeat("a", 1<<20)+"!\n")
	rows, sum := answerOf(t, root, `FIND file /d/* MATCHES "(a+)+$" RETURN path`)
	if sum.Outcome != answer.Complete {
		t.Errorf("%q, %+v", rows, sum)
	}
}

// A file changes into a link, and back, while it is opened: what is read is
// the tree's, never what the link points to outside.
func TestFileReplacedByLink(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	put(t, outside+"/secret", "the secret of the host")
	put(t, root+"/d/file", "harmless")
	meanwhile(t, func() {
		_ = os.Symlink(outside+"/secret", root+"/d/.l")
		_ = os.Rename(root+"/d/.l", root+"/d/file")
		_ = os.WriteFile(root+"/d/.f", []byte("harmless"), 0o644)
		_ = os.Rename(root+"/d/.f", root+"/d/file")
	})
	for range 200 {
		if rows, _ := answerOf(t, root, `FIND file /d/* CONTAINS "secret" RETURN path`); len(rows) != 0 {
			t.Errorf("%q is read by way of a link", rows)
			break
		}
	}
}

// meanwhile does something again and again until the test has ended.
func meanwhile(t *testing.T, do func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				do()
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
	})
}

// entriesVariable is how many entries the folder of many has; without, 200,000.
// Ten million want 4 GB of a tmpfs, where a link costs a name alone: TMPDIR
// says where.
const entriesVariable = "QUAESTOR_TEST_ENTRIES"

// A folder of 200,000 entries costs memory for each entry of it, so little
// that ten million fit.
func TestFolderOfManyEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes 200,000 files")
	}
	entries := 200_000
	if text := os.Getenv(entriesVariable); text != "" {
		var err error
		if entries, err = strconv.Atoi(text); err != nil || entries < 1 {
			t.Fatalf("%s = %q is no number of entries", entriesVariable, text)
		}
	}
	const most = 200 // bytes of the heap an entry: ten million are 2 GB
	root := t.TempDir()
	put(t, root+"/d/f", "")
	for i := range entries - 1 {
		if err := os.Link(root+"/d/f", fmt.Sprintf("%s/d/f%06d", root, i)); err != nil {
			if i > 30_000 { // some systems of files have a bound of links
				put(t, fmt.Sprintf("%s/d/f%06d", root, i), "")
				continue
			}
			t.Fatal(err)
		}
	}
	s, err := quaestor.LocalWith(quaestor.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Query(t.Context(), fmt.Sprintf(`FIND file /d/* RETURN name LIMIT %d`, entries+1))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var before, m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, peak := 0, uint64(0)
	for _, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%20_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	each := (int64(peak) - int64(before.HeapAlloc)) / int64(entries)
	t.Logf("%d rows, %d bytes an entry", n, each)
	if n != entries || each > most || rows.Summary().Outcome != answer.Complete {
		t.Errorf("%d rows, %d bytes an entry, %+v", n, each, rows.Summary())
	}
}
