package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/signing"
)

type policyEditCommand struct {
	File string `arg:"" default:"policy.toml" help:"The text (default: ${default}). Where it is not there, it is begun from the policy in force."`
}

// Run opens an editor and checks what came of it.
func (c *policyEditCommand) Run(a *app) error {
	if _, err := os.Stat(c.File); errors.Is(err, fs.ErrNotExist) {
		if err := a.beginNext(c.File); err != nil {
			return err
		}
	}
	before, err := readBounded(c.File, signing.MaxPolicy)
	if err != nil {
		return err
	}
	if err := a.edit(c.File); err != nil {
		return err
	}
	after, err := readBounded(c.File, signing.MaxPolicy)
	if err != nil {
		return err
	}
	if bytes.Equal(before, after) {
		fmt.Fprintln(a.Err, c.File+" is as it was")
	}
	return (&policyCheckCommand{File: c.File}).Run(a)
}

// beginNext writes the next version of the policy in force.
func (a *app) beginNext(name string) error {
	h, err := a.homeDir()
	if err != nil {
		return err
	}
	p, err := readPolicy(h.path(policyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s, and no policy is in force here\nhint: quaestor policy new %s begins one", name, name)
	}
	if err != nil {
		return err
	}
	text, err := nextVersion(p.policy)
	if err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}

var versionLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^(\s*version\s*=\s*)\d+`) })

// nextVersion gives a policy's text with the version raised by one.
func nextVersion(p *signing.Policy) ([]byte, error) {
	at := versionLine().FindSubmatchIndex(p.Text())
	if at == nil {
		return nil, errors.New("the policy's version stands on no line of its own; raise it by hand")
	}
	text := fmt.Appendf(bytes.Clone(p.Text()[:at[3]]), "%d", p.Version()+1)
	text = append(text, p.Text()[at[1]:]...)
	next, err := signing.ParsePolicy(text)
	if err != nil || next.Version() != p.Version()+1 {
		return nil, errors.Join(errors.New("the policy's version could not be raised; raise it by hand"), err)
	}
	return text, nil
}

// edit runs the user's editor on a file and waits for it.
func (a *app) edit(name string) error {
	editor := a.Getenv("VISUAL")
	if editor == "" {
		editor = a.Getenv("EDITOR")
	}
	if editor == "" {
		if editor = "vi"; runtime.GOOS == "windows" {
			editor = "notepad"
		}
	}
	// $EDITOR may hold flags, as in "code --wait"; it is no shell script.
	words := strings.Fields(editor)
	if len(words) == 0 {
		return errors.New("$EDITOR is blank")
	}
	cmd := exec.CommandContext(a.ctx, words[0], append(words[1:], name)...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = childEnv(), a.In, a.Out, a.Err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the editor %q: %w\nhint: set EDITOR, or change %s by other means and run quaestor policy check %s", editor, err, name, name)
	}
	return nil
}
