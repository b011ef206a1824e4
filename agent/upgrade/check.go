package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// A Checkup is what a program says of itself and of an agent's folder, in JSON
// on its standard output, when it is called with the word selfcheck.
type Checkup struct {
	Release string `json:"release"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Problem string `json:"problem,omitempty"` // why it could not be this folder's agent
}

const (
	// checkWithin is how long a program may take to look at itself and its
	// folder, on a slow disk.
	checkWithin = time.Minute
	maxSaid     = 64 << 10 // bytes of what a program says
)

// Check runs a program that was fetched, once, to look at itself and at the
// agent's folder; it changes nothing there. The error wraps ErrCheck.
func (s *Store) Check(ctx context.Context, p Program, dir string) error {
	if !s.holds(p) {
		return fmt.Errorf("%w: it is not there as it was signed", ErrHash)
	}
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	out, errs := &tail{most: maxSaid}, &tail{most: maxSaid}
	err := start(func() *exec.Cmd {
		cmd := exec.CommandContext(ctx, s.Path(p.Release), "--dir", dir, "selfcheck")
		cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, errs, time.Second
		return cmd
	}, (*exec.Cmd).Run)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: it did not end within %s", ErrCheck, checkWithin)
	case err != nil:
		return fmt.Errorf("%w: it does not run here: %w%s", ErrCheck, err, errs.last())
	}
	c, err := parseCheckup(out.b)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrCheck, err)
	case c.Release != p.Release:
		return fmt.Errorf("%w: it says that it is %.80q, and was signed as %s", ErrCheck, c.Release, p.Release)
	case c.OS != runtime.GOOS || c.Arch != runtime.GOARCH:
		return fmt.Errorf("%w: it is for %.20s/%.20s", ErrCheck, c.OS, c.Arch)
	case c.Problem != "":
		return fmt.Errorf("%w: it cannot work with this folder: %s", ErrCheck, c.Problem)
	}
	return nil
}

// parseCheckup reads what a program says.
func parseCheckup(b []byte) (c Checkup, err error) {
	if err := json.Unmarshal(b, &c); err != nil {
		return Checkup{}, fmt.Errorf("it says what is no checkup: %w", err)
	}
	return c, nil
}

// start runs a command that was just written. Where another child of this
// process was begun while the file was open for writing, that has it for a
// moment, and the system does not run it.
func start(command func() *exec.Cmd, run func(*exec.Cmd) error) error {
	const times, pause = 50, 20 * time.Millisecond
	for i := 0; ; i++ {
		err := run(command())
		if i == times || err == nil || !strings.Contains(err.Error(), syscall.ETXTBSY.Error()) {
			return err
		}
		time.Sleep(pause)
	}
}

// A tail keeps the end of what is written to it.
type tail struct {
	b    []byte
	most int
}

// Write takes what a program says.
func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b...)
	if n := len(t.b) - t.most; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(b), nil
}

// last gives the last line, for the end of a sentence.
func (t *tail) last() string {
	b := bytes.TrimSpace(t.b)
	if len(b) == 0 {
		return ""
	}
	return ": " + cut(string(b[bytes.LastIndexByte(b, '\n')+1:]))
}
