package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/demo"
	"github.com/quaestor-engine/quaestor/internal/docs"
)

// The page about the library shows the programs of docs/examples/library, and
// what they say:
//
//	```go file=NAME   is the file
//	```text run=NAME  is what the program says
func TestLibraryPage(t *testing.T) {
	t.Parallel()
	const page, programs = "../../docs/library.md", "../../docs/examples/library/"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[int]string{}
	for i, b := range docs.Blocks(string(text)) {
		_, name, _ := strings.Cut(b.Info, "=")
		want := b.Text
		switch {
		case strings.HasPrefix(b.Info, "go file="):
			source, err := os.ReadFile(programs + name)
			if err != nil {
				t.Fatal(err)
			}
			want = string(source)
		case strings.HasPrefix(b.Info, "text run="):
			want = programSays(t, programs+name)
		}
		if want == b.Text {
			continue
		}
		if texts[i] = want; !*update {
			t.Errorf("library.md:%d shows another text than\n%s", b.Line, want)
		}
	}
	if *update && len(texts) > 0 {
		if err := os.WriteFile(page, []byte(docs.Replace(string(text), texts)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func programSays(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tree := t.TempDir()
	for name, content := range map[string]string{"hosts": "127.0.0.1 localhost\n", "ssh/sshd_config": "# local\nListenAddress 127.0.0.1\n", "motd": "hello\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{tree, "127.0.0.1"}
	home := t.TempDir()
	if filepath.Base(dir) == "fleet" {
		args = []string{asInvestigator(t, home)}
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "QUAESTOR_HOME="+home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// asInvestigator starts the demo's fleet, sets up a home for it, and gives the
// file of a key that may ask.
func asInvestigator(t *testing.T, home string) string {
	t.Helper()
	f, err := demo.Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Stop(); err != nil {
			t.Errorf("the fleet: %v", err)
		}
	})
	h, err := client.OpenHome(home)
	if err != nil {
		t.Fatal(err)
	}
	h.Config.Relays, h.Config.Pin = []string{f.Addr()}, f.Pin()
	h.Config.Administrators = []string{string(f.Key().Fingerprint())}
	if err := h.SaveConfig(); err != nil {
		t.Fatal(err)
	}
	text, err := f.Key().Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(home, "key.asc")
	if err := os.WriteFile(key, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return key
}
