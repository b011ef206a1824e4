package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"quaestor": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
		os.Exit(Main(ctx, os.Args[1:], IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}))
	}, "substitute": substitute})
}

// substitute REGEXP NEW FILE stands for a user's editor: blanks cannot be in
// its arguments, so that it can be $EDITOR.
func substitute() {
	text, err := os.ReadFile(os.Args[3])
	if err == nil {
		text = regexp.MustCompile("(?m)"+os.Args[1]).ReplaceAll(text, []byte(strings.ReplaceAll(os.Args[2], "${n}", "\n")))
		err = os.WriteFile(os.Args[3], text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: commandsOfScripts(), Setup: setup})
}

func setup(e *testscript.Env) error {
	e.Setenv("NO_COLOR", "")
	e.Setenv("QUAESTOR_HOME", filepath.Join(e.WorkDir, "home"))
	e.Setenv("VISUAL", "")
	return nil
}

func commandsOfScripts() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		// exits CODE ARG…: the command ends with that code. stdin FILE as the
		// last words feeds a file to it.
		"exits": exits,
		// keep NAME [REGEXP]: the last line of stdout becomes a variable, or
		// what the first group of the regexp finds in stdout and stderr.
		"keep": keep,
		// within DURATION ARG…: the command succeeds at last, and stdout has
		// what a regexp says: within 10s REGEXP ARG….
		"within": within,
		// damage CASE OLD NEW: somebody changes the file of a case by hand.
		"damage": damage,
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARG…")
	}
	err := ts.Exec("quaestor", args[1:]...)
	code := "0"
	var e interface{ ExitCode() int }
	if errors.As(err, &e) {
		code = fmt.Sprint(e.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, not %s", code, args[0])
	}
}

func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: damage CASE OLD NEW, both of one length")
	}
	name := filepath.Join(ts.Getenv("QUAESTOR_HOME"), "cases", args[0]+".case")
	text := ts.ReadFile(name)
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", name, args[1])
	}
	ts.Check(os.WriteFile(name, []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}

func within(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: within DURATION REGEXP ARG…")
	}
	patience, err := time.ParseDuration(args[0])
	ts.Check(err)
	want := regexp.MustCompile("(?m)" + args[1])
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec("quaestor", args[2:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")+ts.ReadFile("stderr")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("nothing like %s within %s: %v", args[1], patience, err)
		}
	}
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: keep NAME [REGEXP]")
	}
	out := strings.TrimSpace(ts.ReadFile("stdout"))
	lines := strings.Split(out, "\n")
	found := lines[len(lines)-1]
	if len(args) == 2 {
		m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(out + "\n" + ts.ReadFile("stderr"))
		if m == nil {
			ts.Fatalf("nothing is like %s", args[1])
		}
		found = m[1]
	}
	ts.Setenv(args[0], found)
}

// run runs a command in this process.
func run(ctx context.Context, out io.Writer, args ...string) (code int, stderr string) {
	var e bytes.Buffer
	code = Main(ctx, args, IO{In: strings.NewReader(""), Out: out, Err: &e, Getenv: func(string) string { return "" }})
	return code, e.String()
}

type badWriter struct{ err error }

func (w badWriter) Write([]byte) (int, error) { return 0, w.err }

// Whoever reads may go; that is no failure, and nothing is said about it.
func TestClosedPipeIsQuiet(t *testing.T) {
	for _, format := range []string{"table", "jsonl", "json", "csv"} {
		code, stderr := run(t.Context(), badWriter{syscall.EPIPE}, "run", "FIND host", "--format", format)
		if code != ExitDone || stderr != "" {
			t.Errorf("%s: exit %d, %q", format, code, stderr)
		}
	}
}

func TestFullDiskIsAFailure(t *testing.T) {
	code, stderr := run(t.Context(), badWriter{syscall.ENOSPC}, "run", "FIND host")
	if code != ExitFailed || !strings.Contains(stderr, "no space") {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		code, stderr := run(t.Context(), io.Discard, "run", "FIND host", "-o", "/dev/full")
		if code != ExitFailed || !strings.Contains(stderr, "no space") {
			t.Errorf("-o /dev/full: exit %d, %q", code, stderr)
		}
	}
}

// What was found before Ctrl-C is shown, with an account that says so.
func TestInterrupted(t *testing.T) {
	root := t.TempDir()
	for i := range 3000 {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("f%04d", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out firstWrite
	out.do = cancel
	code, stderr := run(ctx, &out, "run", "FIND file / RETURN path", "--root", root, "--format", "jsonl", "--workers", "1")
	if code != ExitInterrupted || !strings.Contains(stderr, "the answer is partial") || !strings.Contains(stderr, "cancelled") {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if out.n == 0 {
		t.Error("no row was shown")
	}
}

// firstWrite does something when it is first written to.
type firstWrite struct {
	do func()
	n  int
}

func (w *firstWrite) Write(p []byte) (int, error) {
	if w.n == 0 {
		w.do()
	}
	w.n += len(p)
	return len(p), nil
}
