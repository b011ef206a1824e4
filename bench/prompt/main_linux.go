// Command prompt measures what a person at the prompt waits for: from Enter to
// the first row of an answer, and from a key to what may follow it, in a
// terminal of its own.
//
//	go run ./bench/prompt QUAESTOR
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// rounds is how often each is measured.
const rounds = 50

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: prompt QUAESTOR")
		os.Exit(2)
	}
	if err := measure(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "prompt:", err)
		os.Exit(1)
	}
}

func measure(program string) error {
	home, err := os.MkdirTemp("", "quaestor-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	begun := time.Now()
	t, err := open(program, home)
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.until("quaestor> "); err != nil {
		return err
	}
	fmt.Printf("start to the prompt: %s\n", time.Since(begun).Round(time.Millisecond))
	var rows, keys []time.Duration
	for i := range rounds {
		base := 7_000_000 + 1000*i
		took, err := t.answer(fmt.Sprintf("FIND file /etc/hostname RETURN len(path) + %d AS n;", base), strconv.Itoa(base+len("/etc/hostname")))
		if err != nil {
			return err
		}
		rows = append(rows, took)
		took, err = t.key("FIND file /etc/** WHERE ", "m", "mtime")
		if err != nil {
			return err
		}
		keys = append(keys, took)
	}
	show("Enter to the first row", rows)
	show("a key to what may follow", keys)
	return nil
}

func show(what string, took []time.Duration) {
	slices.Sort(took)
	fmt.Printf("%s: median %.1f ms, 95%% %.1f ms, most %.1f ms\n", what, ms(took[len(took)/2]), ms(took[len(took)*95/100]), ms(took[len(took)-1]))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// A terminal is the other end of a program's.
type terminal struct {
	ptm *os.File
	cmd *exec.Cmd

	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // of capacity one: something was written
}

func open(program, home string) (*terminal, error) {
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	n, err := unix.IoctlGetInt(int(ptm.Fd()), unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(int(ptm.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		return nil, err
	}
	pts, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer pts.Close()
	if err := unix.IoctlSetWinsize(int(pts.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		return nil, err
	}
	t := &terminal{ptm: ptm, more: make(chan struct{}, 1)}
	t.cmd = exec.Command(program, "repl")
	t.cmd.Env = append(os.Environ(), "QUAESTOR_HOME="+home, "TERM=xterm-256color")
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = pts, pts, pts
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	go t.read()
	return t, nil
}

func (t *terminal) read() {
	b := make([]byte, 64<<10)
	for {
		n, err := t.ptm.Read(b)
		t.mu.Lock()
		t.text.Write(b[:n])
		t.mu.Unlock()
		select {
		case t.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (t *terminal) close() {
	_ = t.cmd.Process.Kill()
	_ = t.cmd.Wait()
	_ = t.ptm.Close()
}

// until waits until something was written, and forgets what stood before.
func (t *terminal) until(what string) error {
	give := time.After(10 * time.Second)
	for {
		t.mu.Lock()
		found := bytes.Contains(t.text.Bytes(), []byte(what))
		t.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-t.more:
		case <-give:
			return fmt.Errorf("nothing like %q in %q", what, t.text.String())
		}
	}
}

// rest waits until nothing is written any more, and forgets what was.
func (t *terminal) rest() {
	for quiet := false; !quiet; {
		select {
		case <-t.more:
		case <-time.After(60 * time.Millisecond):
			quiet = true
		}
	}
	t.mu.Lock()
	t.text.Reset()
	t.mu.Unlock()
}

// press sends keys and takes the time until something is written.
func (t *terminal) press(keys, until string) (time.Duration, error) {
	t.rest()
	begun := time.Now()
	if _, err := t.ptm.WriteString(keys); err != nil {
		return 0, err
	}
	err := t.until(until)
	return time.Since(begun), err
}

func (t *terminal) answer(query, row string) (time.Duration, error) {
	t.rest()
	if _, err := t.ptm.WriteString(query); err != nil {
		return 0, err
	}
	return t.press("\r", row)
}

// key types a text, takes the time of one key more, and drops the line.
func (t *terminal) key(text, key, until string) (time.Duration, error) {
	t.rest()
	if _, err := t.ptm.WriteString(text); err != nil {
		return 0, err
	}
	took, err := t.press(key, until)
	if err != nil {
		return 0, err
	}
	t.rest()
	_, err = t.ptm.WriteString("\x03")
	return took, err
}
