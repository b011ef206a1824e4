package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

var drillBlock = regexp.MustCompile("(?ms)^```sh ([a-z]+)\n(.*?)^```")

// drills are those of the page, with what must be said in each.
var drills = map[string]struct {
	needs string   // a program
	says  []string // in this order
}{
	"investigator": {"", []string{
		`- investigator "Bob"`, `signed by 2 administrators`, `version 2 of the policy of "example" is in force`,
		`0 agents, 0 online`, `Bob may ask, with weight 1, in version 3`, `version 3 of the policy of "example" is in force`,
	}},
	"administrator": {"", []string{
		`Dora is left out`, `- administrator "Dora"`, `version 2 of .* is in force`, `Dora is an administrator, and 2 of 3 must sign`, `version 3 of .* is in force`,
	}},
	"lost": {"", []string{
		`the key of Dora is [0-9A-F]{40}, and was [0-9A-F]{40}`, `~ administrator "Dora": retired `, `\+ administrator "Dora"`, `version 2 of .* is in force`,
	}},
	"expired": {"gpg", []string{
		`the key of Dora is `, `version 2 of .* is in force`, `is a later copy, which expires at 20`, `~ administrator "Dora": key expires 20.*, was 20`,
		`signed by 1 of the 2 that are needed`, `version 3 of .* is in force`,
	}},
	"agent": {"", []string{
		`retires 1 agent, which remove their keys`, `version 2 of .* is in force`, `retired +at 20.*: it has removed its keys`,
		`from now on nothing is answered: agent [0-9a-f]{32} is revoked`,
	}},
	"relay": {"", []string{`token [0-9a-f]{32}: lets 10 agents in`, `enrolled as agent`, `1 of 1 agent answered`}},
	"moved": {"", []string{`version 1 of the policy`, `1 of 1 agent answered`}},
	"upgrade": {"", []string{
		`release 9.1.0 for `, `asks for the signatures of 2 administrators and 1 count`, `signed by 2 administrators or more`, `the relay has release 9.1.0`,
		`roll-out-9.1.0-1.env: stage 1 of release 9.1.0: FROM fleet`, `the others do quaestor release sign`, `1 agent connected, 0 not`,
		`9.1.0 +1 +FROM fleet +1 +1 rolled-back`, `it ended before a relay had heard it: exit status 3`, `1 agent, 1 online`,
		`the relay has release 9.1.0 no more`, `~ upgrade never, was signed`, `version 3 of .* is in force`,
	}},
}

// Each drill of the runbook is followed to the letter, but for the ports, which
// may be in use.
func TestRunbook(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the page is for a shell of Unix")
	}
	page, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, m := range drillBlock.FindAllStringSubmatch(string(page), -1) {
		blocks[m[1]] += m[2]
	}
	if len(blocks) != len(drills)+1 {
		t.Errorf("the page has %d kinds of blocks, and %d drills are known", len(blocks), len(drills))
	}
	for name, d := range drills {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(d.needs); d.needs != "" && err != nil {
				t.Skip("there is no " + d.needs)
			}
			if blocks[name] == "" {
				t.Fatal("the page does not have it")
			}
			programs := ""
			if name == "upgrade" {
				bad := (&stage{t: t, dir: t.TempDir()}).program(brokenFolder, "9.1.0", "how=dies")
				programs = fmt.Sprintf("mkdir dist\ncp %s dist/quaestor-agent\n", bad)
			}
			out := follow(t, programs+blocks["setup"]+"echo '== the drill'\n"+blocks[name])
			_, rest, _ := strings.Cut(out, "== the drill\n")
			for _, want := range d.says {
				at := regexp.MustCompile(want).FindStringIndex(rest)
				if at == nil {
					t.Fatalf("nothing says %q, or not in this order, in\n%s", want, out)
				}
				rest = rest[at[1]:]
			}
		})
	}
}

// follow runs a page's commands in a shell, and gives what was shown.
func follow(t *testing.T, commands string) string {
	t.Helper()
	commands = strings.ReplaceAll(commands, "7443", freePort(t))
	commands = strings.ReplaceAll(commands, "7444", freePort(t))
	ctx, cancel := context.WithTimeout(t.Context(), pagePatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"+commands)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"HOME="+cmd.Dir, "XDG_CONFIG_HOME="+filepath.Join(cmd.Dir, "config"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return out.String()
}
