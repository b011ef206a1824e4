package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/docs"
)

// exampleModule is a Go module of its own.
const exampleModule = "../../docs/examples/module"

// offline is the environment of a go command that reaches nobody.
func offline() []string {
	return append(os.Environ(), "GOPROXY=off", "GOSUMDB=off", "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0",
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// inExample runs the go command in the example.
func inExample(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = exampleModule, offline()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v\n%s\nwhere its go.mod is stale: go test ./internal/e2e -run TestModule -update", args, err, out)
	}
}

// The module of a third party builds with public packages alone, and passes
// its own tests. Its go.mod follows ours.
func TestModuleExample(t *testing.T) {
	t.Parallel()
	if *update {
		inExample(t, "get", "-t", "./...")
	}
	inExample(t, "vet", "./...")
	inExample(t, "test", "./...")
}

// pageRun is a page about modules that is followed to the letter, but for the
// place of the clone:
//
//	```sh              is run, in the folder where the block before it ended
//	```sh says         likewise; the next block is what it says
//	```sh says in=example  is run in the folder of the example
//	```go part=NAME    is a part of the example's file
type pageRun struct {
	t      *testing.T
	dir    string // where blocks are run
	blocks []docs.Block
	texts  map[int]string
}

func TestModulePage(t *testing.T) {
	t.Parallel()
	needBash(t)
	const page = "../../docs/writing-a-module.md"
	p := &pageRun{t: t, dir: t.TempDir(), blocks: docs.Blocks(read(t, page)), texts: map[int]string{}}
	for i, b := range p.blocks {
		switch name, isPart := strings.CutPrefix(b.Info, "go part="); {
		case isPart:
			if !strings.Contains(read(t, filepath.Join(exampleModule, name)), b.Text) {
				t.Errorf("writing-a-module.md:%d is no part of %s", b.Line, name)
			}
		case b.Info == "sh":
			p.run(b, &p.dir)
		case b.Info == "sh says":
			p.says(i, p.run(b, &p.dir))
		case b.Info == "sh says in=example":
			dir := exampleModule
			p.says(i, p.run(b, &dir))
		}
	}
	if *update && len(p.texts) > 0 {
		if err := os.WriteFile(page, []byte(docs.Replace(read(t, page), p.texts)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a block, and gives what it says. The folder becomes the one where
// it ends.
func (p *pageRun) run(b docs.Block, dir *string) string {
	p.t.Helper()
	clone, err := filepath.Abs("../..")
	if err != nil {
		p.t.Fatal(err)
	}
	end := filepath.Join(p.t.TempDir(), "end")
	script := strings.ReplaceAll(b.Text, "--replace quaestor", "--replace '"+clone+"'") + "\npwd > '" + end + "'\n"
	cmd := exec.CommandContext(p.t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = *dir, offline()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("writing-a-module.md:%d: %v\n%s%s", b.Line, err, &out, &errs)
	}
	*dir = strings.TrimSpace(read(p.t, end))
	return out.String()
}

// says holds what a block said to the block behind it.
func (p *pageRun) says(i int, got string) {
	p.t.Helper()
	want := p.blocks[i+1]
	if want.Info != "text" || got == want.Text {
		if want.Info != "text" {
			p.t.Fatalf("writing-a-module.md:%d must be a block of text", want.Line)
		}
		return
	}
	if p.texts[i+1] = got; !*update {
		p.t.Errorf("writing-a-module.md:%d shows another text than\n%s", want.Line, got)
	}
}

// An agent that was built with a module of a third party answers what
// quaestor-agent refuses, and who asks is told of both.
func TestModuleInFleet(t *testing.T) {
	t.Parallel()
	inExample(t, "build", "-o", bin+string(filepath.Separator), "./cmd/...")
	tree, err := filepath.Abs(filepath.Join(exampleModule, "testdata", "host"))
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t)
	s.start("quaestor-relay", "serve", "relay")
	s.until("the relay", s.relayIsUp)
	token := s.do("quaestor", "token", "new", "--uses", "2")
	if err := os.WriteFile(filepath.Join(s.dir, "token"), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	enroll := s.command("agent", "-dir", "mine", "enroll", "127.0.0.1:"+s.port)
	enroll.Stdin = strings.NewReader(token)
	if out, err := enroll.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "enrolled as agent ") {
		t.Fatalf("%v\n%s", err, out)
	}
	s.do("quaestor-agent", "--dir", "theirs", "enroll", "--relay", "127.0.0.1:"+s.port, "--token-file", "token")
	s.start("agent", "-dir", "mine", "-root", tree, "run")
	s.start("quaestor-agent", "--dir", "theirs", "run")
	s.until("both agents", func() bool {
		return strings.Count(s.do("quaestor", "fleet", "--format", "jsonl"), `"online"`) == 2
	})
	keys, err := filepath.Glob(filepath.Join(s.dir, "home", "keys", "*.asc"))
	if err != nil || len(keys) != 1 {
		t.Fatalf("%q, %v", keys, err)
	}
	got := s.do("ask", "-key", keys[0], `FROM fleet FIND tmpfile /etc/cron.d/* RETURN path, mode`)
	for _, want := range []string{`(?m)^(.* \| )?/etc/cron.d/.update \| 0644$`, `(?m)^1 of 2 agents answered$`} {
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("nothing says %q in\n%s", want, got)
		}
	}
}
