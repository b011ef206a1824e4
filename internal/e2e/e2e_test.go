// Package e2e tests the programs as they are: built, started as processes, and
// killed.
package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/abreast"
)

var update = flag.Bool("update", false, "write what the pages show anew")

// bin is where the programs are.
var bin string

// loopback has the ports that programs are told to listen on.
var loopback abreast.Ports

// patience is how long something may take to happen, and pagePatience a page
// with all its commands. Both are long, since nothing is learnt from a machine
// that is busy.
const (
	patience     = 90 * time.Second
	pagePatience = 5 * time.Minute
)

// Tests wait for processes here: more of them run at once than there are
// processors. Those that promise a time, or change what all processes see, run
// alone.
func TestMain(m *testing.M) {
	if err := abreast.AtLeast(3); err != nil {
		panic(err)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "quaestor-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "../../cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// freePort gives a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := loopback.Next()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

var shell = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")

// The quickstart is followed to the letter, but for the port, which may be in
// use, and for the programs, which are built already.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	followPage(t, "quickstart.md",
		`signed by 1 administrator`, `enrolled as agent [0-9a-f]{32}`, `online .*team=web`, `1 agent, 1 online`,
		`/etc/passwd `, `1 of 1 agent answered: 1 (matched|partial)`, `FROM fleet WHERE os = .?"linux.?" FIND file`, `accepted, (complete|partial): \d+ rows`, `signers  Ada Lovelace \([0-9A-F]{40}`,
	)
}

// followPage runs the blocks of a page, and looks for patterns in what they
// print.
func followPage(t *testing.T, name string, want ...string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the page is for a shell of Unix")
	}
	page, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"
	for _, m := range shell.FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(m[1], "go build") {
			script += m[1]
		}
	}
	for _, port := range []string{"7443", "7444", "7445", "7446", "7453", "7454", "7455"} {
		script = strings.ReplaceAll(script, port, freePort(t))
	}
	ctx, cancel := context.WithTimeout(t.Context(), pagePatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"HOME="+cmd.Dir, "XDG_CONFIG_HOME="+filepath.Join(cmd.Dir, "config"), "QUAESTOR_HOME=")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range want {
		if !regexp.MustCompile(want).Match(out.Bytes()) {
			t.Errorf("nothing says %q in\n%s", want, &out)
		}
	}
}
