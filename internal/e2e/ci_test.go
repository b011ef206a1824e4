package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/docs"
)

// The page shows the files of docs/ci.
func TestCIPage(t *testing.T) {
	const page = "../../docs/ci.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[int]string{}
	for i, b := range docs.Blocks(string(text)) {
		_, name, ok := strings.Cut(b.Info, " file=")
		if !ok {
			continue
		}
		file, err := os.ReadFile("../../docs/ci/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if string(file) == b.Text {
			continue
		}
		if texts[i] = string(file); !*update {
			t.Errorf("ci.md:%d is not docs/ci/%s", b.Line, name)
		}
	}
	if *update && len(texts) > 0 {
		if err := os.WriteFile(page, []byte(docs.Replace(string(text), texts)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A pipeline is a repository with queries, and what its jobs see.
type pipeline struct {
	t    *testing.T
	dir  string
	home string
	env  []string
}

const (
	goodHunt = "-- name: no shells of root in tmp\nFROM fleet FIND file /tmp/** WHERE suid RETURN path\n"
	goodTest = "-- case: one is found --\n-- tree --\ntmp/sh mode=4755\n-- rows --\npath\n/tmp/sh\n"
	hitHunt  = "-- name: hosts file\n-- severity: low\nFROM fleet FIND file /etc/hostname RETURN path\n"
)

func newPipeline(t *testing.T, files map[string]string) *pipeline {
	t.Helper()
	p := &pipeline{t: t, dir: t.TempDir(), home: t.TempDir()}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(p.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "QUAESTOR_HOME="+p.home, "NO_COLOR=1", "LC_ALL=C.UTF-8")
	return p
}

// sh runs a script, and gives its exit code and all that it says.
func (p *pipeline) sh(script string, env ...string) (code int, said string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = p.dir, append(p.env, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

func (p *pipeline) holds(file, what string) {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, file))
	if err != nil || !strings.Contains(string(text), what) {
		p.t.Errorf("%s does not hold %q: %v\n%.2000s", file, what, err, text)
	}
}

// An action is what action.yml says, as far as it is used.
type action struct {
	Inputs map[string]struct{ Default string }
	Runs   struct {
		Using string
		Steps []struct {
			Name, If, Shell, Run string
			Env                  map[string]string
		}
	}
}

var inputOf = regexp.MustCompile(`\$\{\{ inputs\.([a-z-]+) \}\}`)

// act does the steps of the action like a hosted CI, but for the first, which
// installs what is here. It gives the exit code of the step that failed.
func (p *pipeline) act(with map[string]string) (code int, said string) {
	p.t.Helper()
	text, err := os.ReadFile("../../docs/ci/action.yml")
	if err != nil {
		p.t.Fatal(err)
	}
	var a action
	if err := yaml.Unmarshal(text, &a); err != nil {
		p.t.Fatal(err)
	}
	if a.Runs.Using != "composite" || len(a.Runs.Steps) != 4 || a.Runs.Steps[0].Name != "install" {
		p.t.Fatalf("the action is another one: %+v", a)
	}
	input := func(name string) string {
		in, ok := a.Inputs[name]
		if !ok {
			p.t.Fatalf("a step wants the input %s, which is not declared", name)
		}
		if v, ok := with[name]; ok {
			return v
		}
		return in.Default
	}
	for _, step := range a.Runs.Steps[1:] {
		if name, ok := strings.CutPrefix(strings.TrimSuffix(step.If, " != ''"), "inputs."); ok && input(name) == "" {
			continue
		}
		var env []string
		for name, v := range step.Env {
			env = append(env, name+"="+inputOf.ReplaceAllStringFunc(v, func(m string) string { return input(inputOf.FindStringSubmatch(m)[1]) }))
		}
		code, out := p.sh(step.Run, env...)
		if said += out; code != 0 {
			return code, said
		}
	}
	return 0, said
}

func TestAction(t *testing.T) {
	t.Parallel()
	needBash(t)
	p := newPipeline(t, map[string]string{"hunts/shells.qst": goodHunt, "hunts/shells.test.txtar": goodTest})
	if code, said := p.act(nil); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	p.holds("quaestor-tests.xml", `name="one is found"`)

	fleet := t.TempDir()
	key := asInvestigator(t, fleet)
	h, err := client.OpenHome(fleet)
	if err != nil {
		t.Fatal(err)
	}
	with := map[string]string{"relay": h.Config.Relays[0], "pin": h.Config.Pin, "administrator": h.Config.Administrators[0], "key": read(t, key)}
	if code, said := p.act(with); code != 0 || !strings.Contains(said, "5 of 5 agents answered") {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	p.holds("quaestor.sarif", `"version":"2.1.0"`)

	if err := os.WriteFile(filepath.Join(p.dir, "hunts/hostname.qst"), []byte(hitHunt), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, said := p.act(with); code == 0 {
		t.Fatalf("a hit passes\n%s", said)
	}
	p.holds("quaestor.sarif", `"ruleId":"hosts file"`)

	if err := os.WriteFile(filepath.Join(p.dir, "hunts/wrong.qst"), []byte("FROM fleet FIND file /x WHERE sized = 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, said := p.act(with); code == 0 || !strings.Contains(said, "::error file=hunts/wrong.qst,line=1,") {
		t.Fatalf("exit code %d\n%s", code, said)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// needBash leaves a test out where there is no shell for it.
func needBash(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil || runtime.GOOS == "windows" {
		t.Skip("LEFT OUT: there is no bash here")
	}
}

func TestMakefile(t *testing.T) {
	t.Parallel()
	needBash(t)
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("LEFT OUT: there is no make here")
	}
	p := newPipeline(t, map[string]string{"hunts/shells.qst": goodHunt, "hunts/shells.test.txtar": goodTest, "Makefile": read(t, "../../docs/ci/Makefile")})
	if code, said := p.sh("make check test"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	key := "QUAESTOR_KEY=" + read(t, asInvestigator(t, p.home))
	if code, said := p.sh("make ask", key); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	p.holds("quaestor.xml", `tests="2" failures="0"`)
	if err := os.WriteFile(filepath.Join(p.dir, "hunts/hostname.qst"), []byte(hitHunt), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, said := p.sh("make ask", key); code == 0 {
		t.Fatalf("a hit passes\n%s", said)
	}
	if code, said := p.sh("make test", key); code == 0 {
		t.Fatalf("a query without a test passes\n%s", said)
	}
	if code, said := p.sh("make new", key); code != 0 || !strings.Contains(said, `"host":"web-1"`) {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	if code, said := p.sh("make new", key); code != 0 || strings.Contains(said, `"host":"web-1"`) {
		t.Fatalf("exit code %d, or what is known is new\n%s", code, said)
	}
}
