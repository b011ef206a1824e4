package cases_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/cases"
)

// childDir tells the test binary that it is the process to be killed.
const childDir = "QUAESTOR_TEST_CASE_DIR"

// TestRecordForEver is what the killed process does. By itself it is nothing.
func TestRecordForEver(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("it is run by TestKilled")
	}
	c, err := cases.Open(dir, "x", cases.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Begin(context.Background(), cases.Question{Name: "q", Text: "FIND t", Tables: []quaestor.Table{table("t", "a text")}})
	if err != nil {
		t.Fatal(err)
	}
	row := texts(strings.Repeat("x", 10_000))
	for i := 0; ; i++ {
		if err := r.Row(0, row); err != nil {
			t.Fatal(err)
		}
		if i == 200 {
			_, _ = os.Stdout.WriteString("recording\n")
		}
	}
}

// A process that is killed while it records leaves a good case, which says
// that the answer was interrupted, and which others can go on with.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestRecordForEver$", "-test.v")
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "recording" {
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	c := openCase(t, dir, "x", cases.Options{})
	rows, skips := scan(t, c, "complete")
	if len(rows) < 100 || rows[0] != "false" || len(skips) != 1 || !strings.Contains(skips[0].Detail, "interrupted") {
		t.Errorf("%d rows, %+v", len(rows), skips)
	}
	if err := c.Note(t.Context(), "It was killed."); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Verify(t.Context(), nil); err != nil || !v.Good() {
		t.Errorf("%+v %v", v, err)
	}
	var b strings.Builder
	if err := c.Markdown(t.Context(), &b, cases.Report{Rows: 1}); err != nil || !strings.Contains(b.String(), "INTERRUPTED") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
