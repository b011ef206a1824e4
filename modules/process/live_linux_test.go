package process

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// held is how much a child of TestMemory has in memory beside its needles.
const held = 3 << 20

// TestMain lets the test program be the process whose memory is looked at.
func TestMain(m *testing.M) {
	if os.Getenv("PROCESS_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	// The needles are made at run time, so that they stand nowhere else.
	b := make([]byte, held)
	for i := range b {
		b[i] = byte(i*7) | 0x80
	}
	copy(b[1<<20-5:], needle("first"))  // over the edge of a chunk
	copy(b[2<<20+3:], needle("second")) // in the middle of one
	copy(b[held-len(needle("last")):], needle("last"))
	os.Stdout.WriteString("ready\n")
	io.Copy(io.Discard, os.Stdin)
	if b[0] == 1 {
		os.Exit(3) // so that b lives until here
	}
	os.Exit(0)
}

// needle makes a text that no program has in its image.
func needle(word string) []byte {
	return bytes.Join([][]byte{[]byte("quaestor"), []byte("needle"), []byte(word)}, []byte{'-', 0xff, '-'})
}

func child(t *testing.T) int64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "PROCESS_TEST_CHILD=1", "PROCESS_TEST_SECRET=a b")
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return int64(cmd.Process.Pid)
}

// remember asks the memory of a process and gives the matches as lines.
func remember(t *testing.T, pid int64, questions ...modules.Question) (lines []string, found map[int]int, rec *moduletest.Recorder) {
	t.Helper()
	m := newMemory()
	req, rec := moduletest.Request(t, m, "", []string{"process", "address", "context", "match"})
	req.Keys = []value.Value{value.NewInt(pid)}
	req.Questions = questions
	found = map[int]int{}
	err := m.Scan(t.Context(), req, func(r modules.Row) error {
		any := false
		for q := range questions {
			v, err := r.(modules.Asker).Ask(t.Context(), q)
			if err != nil {
				return err
			}
			if v.Bool() {
				found[q]++
				any = true
			}
		}
		if !any {
			return nil
		}
		return r.(modules.Liner).Lines(t.Context(), func(row modules.Row) error {
			line, err := moduletest.Line(t.Context(), row, req.Columns[2:])
			lines = append(lines, line)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, found, rec
}

func TestMemory(t *testing.T) {
	pid := child(t)
	ask := func(p search.Pattern) modules.Question { return modules.Question{Pattern: p, Show: true} }
	lines, found, rec := remember(t, pid,
		ask(search.Pattern{Literal: needle("first")}),
		ask(search.Pattern{Literal: needle("second")}),
		ask(search.Pattern{Regexp: "qu[a]estor-.-needle-.-last"}),
		ask(search.Pattern{Literal: append(needle("absent"), 'x')}),
	)
	if found[0] == 0 || found[1] == 0 || found[2] == 0 || found[3] != 0 {
		t.Errorf("found %v, %+v", found, rec.Skips())
	}
	for _, word := range []string{"first", "second", "last"} {
		if !slices.ContainsFunc(lines, func(l string) bool {
			return strings.Contains(l, "quaestor-.-needle-.-"+word)
		}) {
			t.Errorf("%s is not shown: %q", word, lines)
		}
	}
	if n := rec.Count("bytes"); n < held {
		t.Errorf("%d bytes were read", n)
	}
}

// The memory of the one who asks is left out, and a tree has none.
func TestOwnMemory(t *testing.T) {
	_, found, rec := remember(t, int64(os.Getpid()), modules.Question{Pattern: search.Pattern{Literal: []byte("quaestor")}})
	if len(found) != 0 || len(rec.Skips()) != 1 || rec.Skips()[0].Kind != modules.SkipSelf {
		t.Errorf("%v, %+v", found, rec.Skips())
	}
	if got, rec := moduletest.Rows(t, newMemory(), host(t), []string{"start"}, nil); len(got) != 0 || len(rec.Skips()) != 1 || rec.Skips()[0].Kind != modules.SkipUnsupported {
		t.Errorf("%q, %+v", got, rec.Skips())
	}
	req, _ := moduletest.Request(t, newMemory(), "", []string{"process"})
	req.Questions = []modules.Question{{Pattern: search.Pattern{Literal: []byte("x")}, Lines: modules.AnyLine}}
	if err := newMemory().Scan(t.Context(), req, func(modules.Row) error { return nil }); err == nil {
		t.Error("lines of memory were asked for")
	}
}

// The columns against what ps and the runtime say of a process that sleeps.
func TestAgainstTheSystem(t *testing.T) {
	pid := child(t)
	at := []string{strconv.FormatInt(pid, 10)}
	got, _ := moduletest.Rows(t, process(), "", []string{"parent", "name", "cmdline", "exe", "deleted", "uid"}, at)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := exe[strings.LastIndexByte(exe, '/')+1:]
	want := strings.Join([]string{strconv.Itoa(os.Getpid()), name[:min(len(name), 15)], os.Args[0], exe, "false", strconv.Itoa(os.Getuid())}, " | ")
	if !slices.Equal(got, []string{want}) {
		t.Errorf("%q, not %q", got, want)
	}
	if vars, _ := moduletest.Rows(t, environment(), "", []string{"name", "value"}, at); !slices.Contains(vars, "PROCESS_TEST_SECRET | a b") {
		t.Errorf("%q", vars)
	}
	if maps, _ := moduletest.Rows(t, mapping(), "", []string{"path"}, at); !slices.Contains(maps, exe) {
		t.Errorf("%q", maps)
	}
	if files, _ := moduletest.Rows(t, openFile(), "", []string{"fd", "type"}, at); !slices.Contains(files, "0 | pipe") {
		t.Errorf("%q", files)
	}
}

// The owner of a process's directory is the user whose rights it has.
func TestOwnerIsTheUser(t *testing.T) {
	req, _ := moduletest.Request(t, process(), "", []string{"euid", "user"})
	seen := 0
	err := process().Scan(t.Context(), req, func(r modules.Row) error {
		p := table.Item[proc](r)
		uid, err := p.euid()
		if err != nil {
			return err
		}
		v, err := r.Column(t.Context(), req.Columns[0])
		if after, _ := p.euid(); err == nil && !v.IsNull() && v.Int() != uid && after == uid {
			t.Errorf("process %d: %d and %d", p.pid, uid, v.Int())
		}
		seen++
		return nil
	})
	if err != nil || seen == 0 {
		t.Errorf("%d processes, %v", seen, err)
	}
}

func TestAgainstPs(t *testing.T) {
	ps, err := exec.LookPath("ps")
	if err != nil {
		t.Skip("LEFT OUT: ps is not installed")
	}
	list := func() map[string]bool {
		out, err := exec.CommandContext(t.Context(), ps, "-eo", "pid=,ppid=,tty=,nlwp=,comm=").Output()
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string]bool{}
		for line := range strings.Lines(string(out)) {
			f := strings.Fields(line)
			rows[strings.Join(append(f[:4:4], strings.Join(f[4:], " ")), " | ")] = true
		}
		return rows
	}
	// Those that are there before and after are those that must be found.
	before := list()
	got, _ := moduletest.Rows(t, process(), "", []string{"pid", "parent", "tty", "threads", "name"}, nil)
	ours := map[string]bool{}
	for _, line := range got {
		ours[strings.ReplaceAll(line, "null", "?")] = true
	}
	after := list()
	own := strconv.Itoa(os.Getpid()) + " "
	for _, row := range slices.Sorted(maps.Keys(before)) {
		if after[row] && !ours[row] && !strings.HasPrefix(row, own) && !strings.Contains(row, "/") {
			t.Errorf("ps has %s", row)
		}
	}
}

func BenchmarkList(b *testing.B) {
	for b.Loop() {
		moduletest.Rows(b, process(), "", []string{"pid", "parent", "user", "exe", "cmdline"}, nil)
	}
}

func BenchmarkMemory(b *testing.B) {
	m := newMemory()
	req, rec := moduletest.Request(b, m, "", []string{"process"})
	req.Locators = []string{strconv.Itoa(os.Getppid())}
	req.Questions = []modules.Question{{Pattern: search.Pattern{Literal: []byte("surely-not-in-there-\x01\x02")}}}
	for b.Loop() {
		err := m.Scan(b.Context(), req, func(r modules.Row) error {
			_, err := r.(modules.Asker).Ask(b.Context(), 0)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(rec.Count("bytes") / int64(b.N))
}
