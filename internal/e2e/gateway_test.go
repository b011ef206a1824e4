package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

var shellOrPython = regexp.MustCompile("(?ms)^```(sh|python)\n(.*?)^```")

// The page about the gateway is followed to the letter, but for the port.
func TestGatewayPage(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the page is for a shell of Unix")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("LEFT OUT: there is no curl here")
	}
	_, noPython := exec.LookPath("python3")
	page, err := os.ReadFile("../../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"
	for _, m := range shellOrPython.FindAllStringSubmatch(string(page), -1) {
		switch {
		case m[1] == "sh":
			script += m[2]
		case noPython == nil:
			script += "python3 - <<'END'\n" + m[2] + "END\n"
		}
	}
	script = strings.ReplaceAll(script, "quaestor serve", "quaestor serve --listen 127.0.0.1:7480")
	script = strings.ReplaceAll(script, "7480", freePort(t))
	ctx, cancel := context.WithTimeout(t.Context(), pagePatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"HOME="+cmd.Dir, "XDG_CONFIG_HOME="+filepath.Join(cmd.Dir, "config"), "QUAESTOR_HOME=", "http_proxy=", "HTTP_PROXY=")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	want := []string{`"row":{"path":"/etc/passwd","mode":`, `"kind":"summary"`, `"outcome":"complete"`, `"code":"unknown-column"`, `"start":24,"end":28`}
	if noPython == nil {
		want = append(want, "found in /etc/passwd")
	}
	for _, w := range want {
		if !strings.Contains(out.String(), w) {
			t.Errorf("nothing says %q in\n%s", w, &out)
		}
	}
}
