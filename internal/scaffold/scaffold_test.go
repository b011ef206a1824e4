package scaffold

import (
	"errors"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository is the root of this one.
const repository = "../.."

// goes runs the go command in a folder, without a network.
func goes(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// What is written compiles, passes its own tests and answers, as it is.
func TestItWorks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "of mine")
	names, err := Write(Options{Name: "login_shell", Dir: dir, Path: "example.org/team/shells", Source: repository})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"README.md", "cmd/ask/main.go", "go.mod", "module.go", "module_test.go"}; !slices.Equal(names, want) {
		t.Errorf("%q were written", names)
	}
	goes(t, dir, "get", "-t", "./...")
	goes(t, dir, "vet", "./...")
	if out := goes(t, dir, "test", "./..."); !strings.Contains(out, "ok  \texample.org/team/shells") {
		t.Errorf("the tests say\n%s", out)
	}
	tree := t.TempDir()
	if err := os.Mkdir(filepath.Join(tree, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "etc/shells"), []byte("/bin/sh\nwhat\n/bin/zsh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := goes(t, dir, "run", "./cmd/ask", "-root", tree, "FIND login_shell WHERE path.size IS NULL AND line > 1")
	if want := "/bin/zsh | 3\npartial\nnot looked at: /etc/shells:2 (malformed)\n"; out != want {
		t.Errorf("the answer is\n%s", out)
	}
}

// Whatever a module is called, the Go is right and formatted.
func TestNames(t *testing.T) {
	for name, pkg := range map[string]string{"x": "x", "login_shell": "loginshell", "type": "typemodule", "main": "mainmodule", "a_test": "atest", "x_linux": "xlinux", "fmt": "fmt"} {
		dir := t.TempDir()
		names, err := Write(Options{Name: name, Dir: dir, Version: "v1.2.3"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, f := range names {
			text, err := os.ReadFile(filepath.Join(dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(f, ".go") {
				continue
			}
			if good, err := format.Source(text); err != nil || string(good) != string(text) {
				t.Errorf("%s: %s is not formatted: %v", name, f, err)
			}
			if !strings.Contains(f, "/") && !strings.Contains(string(text), "package "+pkg+"\n") {
				t.Errorf("%s: %s is not of package %s", name, f, pkg)
			}
		}
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if want := "module example.com/quaestor-" + name + "\n"; err != nil || !strings.HasPrefix(string(mod), want) || !strings.Contains(string(mod), "quaestor v1.2.3\n") {
			t.Errorf("%s: %v\n%s", name, err, mod)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want error
	}{
		"no name":               {Options{}, ErrName},
		"capitals":              {Options{Name: "Shell"}, ErrName},
		"a path":                {Options{Name: "../x"}, ErrName},
		"a digit":               {Options{Name: "1x"}, ErrName},
		"one of ours":           {Options{Name: "file", Taken: []string{"file"}}, ErrName},
		"a word":                {Options{Name: "where"}, ErrName},
		"another word":          {Options{Name: "not"}, ErrName},
		"a path that is none":   {Options{Name: "x", Path: "/x"}, ErrPath},
		"a path with a blank":   {Options{Name: "x", Path: "example.com/a b"}, ErrPath},
		"a path that goes up":   {Options{Name: "x", Path: "example.com/../x"}, ErrPath},
		"a line in the path":    {Options{Name: "x", Path: "example.com/x\n"}, ErrPath},
		"no source of ours":     {Options{Name: "x", Source: "."}, os.ErrNotExist},
		"a source not there":    {Options{Name: "x", Source: "/nowhere"}, os.ErrNotExist},
		"a path that ends in /": {Options{Name: "x", Path: "example.com/"}, ErrPath},
	} {
		c.o.Dir = filepath.Join(t.TempDir(), "new")
		if _, err := Write(c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(c.o.Dir); err == nil {
			t.Errorf("%s: something was written", name)
		}
	}
}

// One file that is there is enough: nothing is written, and it stays.
func TestNothingIsWrittenOver(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "module_test.go")
	if err := os.WriteFile(mine, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(Options{Name: "x", Dir: dir}); !errors.Is(err, ErrThere) {
		t.Errorf("%v", err)
	}
	list, err := os.ReadDir(dir)
	text, _ := os.ReadFile(mine)
	if len(list) != 1 || string(text) != "mine" {
		t.Errorf("%v, %q, %v", list, text, err)
	}
}

func TestGoVersion(t *testing.T) {
	for built, want := range map[string]string{"go1.26.8": "1.26.8", "go1.27": "1.27", "go1.27rc1": "1.26", "go1.26.8 X:something": "1.26.8", "devel go1.27-abc": "1.26"} {
		if got := goVersion(built); got != want {
			t.Errorf("%s: %s", built, got)
		}
	}
}
