package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A process is a child as its agent sees it.
type process struct {
	kind   Kind
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *pipe
	frames chan frame    // what it says, but for beats; closed at its end
	ended  chan struct{} // closed when it has ended
	doors  []Door

	beat   atomic.Int64 // when it was heard last, by the clock of this process
	used   atomic.Int64 // nanoseconds of processors, as it says
	halt   halt
	words  words       // what it wrote to its standard error
	fault  error       // what it said that it may not; after ended
	status error       // how it ended; after ended
	mine   atomic.Bool // this process has ended it
}

type frame struct {
	kind byte
	body []byte
}

// spawn starts a child, in a group where that is not nil.
func spawn(command []string, group *Group) (*process, error) {
	p := &process{cmd: exec.Command(command[0], command[1:]...), frames: make(chan frame, 4), ended: make(chan struct{})}
	p.cmd.Env = environment(os.Environ(), runtime.GOOS)
	p.cmd.Stderr = &p.words
	p.cmd.SysProcAttr = attributes()
	group.place(p.cmd.SysProcAttr)
	p.cmd.Dir = string(os.PathSeparator)
	p.cmd.WaitDelay = time.Second
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.out = &pipe{w: p.in}
	p.halt.stop = p.pause
	p.beat.Store(time.Now().UnixNano())
	go p.hear(out)
	return p, nil
}

// environment is what a child needs of ours: where the system is, and no
// secret.
func environment(all []string, system string) []string {
	var env []string
	for _, v := range all {
		name, _, _ := strings.Cut(v, "=")
		switch upper := strings.ToUpper(name); {
		case system == "windows" && !strings.HasPrefix(upper, "QUAESTOR") && !strings.Contains(upper, "PROXY"):
		case upper == "TZ" || upper == "PATH" || upper == "GOCOVERDIR":
		default:
			continue
		}
		env = append(env, v)
	}
	return append(env, "GOTRACEBACK=single")
}

// hear takes what the child says until its end.
func (p *process) hear(out io.Reader) {
	r := bufio.NewReaderSize(out, 64<<10)
	for {
		kind, body, err := readFrame(r, maxToParent)
		if err != nil {
			if errors.Is(err, errFrame) {
				p.fault = err
				_ = p.cmd.Process.Kill() // it may have ended
			}
			break
		}
		p.beat.Store(time.Now().UnixNano())
		if kind == frameBeat {
			if n, k := binary.Varint(body); k > 0 {
				p.used.Store(n)
			}
			continue
		}
		p.frames <- frame{kind, body}
	}
	p.status = p.cmd.Wait()
	close(p.ended)
	close(p.frames)
}

// gone says whether the child has ended.
func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// kill ends the child, and waits until it has ended.
func (p *process) kill() {
	p.mine.Store(true)
	_ = p.cmd.Process.Kill() // it may have ended
	p.drain()
}

// end lets a child that does nothing end.
func (p *process) end() {
	p.mine.Store(true)
	_ = p.in.Close()
	select {
	case <-p.ended:
	case <-time.After(time.Second):
		_ = p.cmd.Process.Kill()
	}
	p.drain()
}

// drain takes what the child had still to say.
func (p *process) drain() {
	for range p.frames {
	}
	_ = p.in.Close()
}

// answer waits for a frame of a kind.
func (p *process) answer(ctx context.Context, want byte) ([]byte, error) {
	select {
	case f, ok := <-p.frames:
		switch {
		case !ok:
			return nil, p.died(nil)
		case f.kind == frameFailed && len(f.body) > 0:
			return nil, &answerError{string(f.body[1:]), f.body[0] == 1}
		case f.kind != want:
			p.kill()
			return nil, fmt.Errorf("%w: %q, not %q", errFrame, f.kind, want)
		}
		return f.body, nil
	case <-ctx.Done():
		p.kill()
		return nil, fmt.Errorf("sandbox: the process that looks does not answer: %w", context.Cause(ctx))
	}
}

// ask asks a child that does nothing.
func (p *process) ask(ctx context.Context, kind byte, body []byte, want byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if err := p.out.write(kind, body); err != nil {
		return nil, p.died(err)
	}
	return p.answer(ctx, want)
}

// died says how a child ended that was not to.
func (p *process) died(err error) error {
	p.kill()
	return fmt.Errorf("sandbox: the process that looks ended: %s", p.how(err))
}

// killed says whether it was ended by a signal that nothing withstands; after
// ended.
func (p *process) killed() bool {
	var e *exec.ExitError
	return p.fault == nil && errors.As(p.status, &e) && e.ProcessState.String() == "signal: killed"
}

// how says how it ended, and the first line of what it wrote.
func (p *process) how(err error) string {
	text := "it closed its pipe"
	if p.fault != nil {
		text = p.fault.Error()
	} else if p.status != nil {
		text = p.status.Error()
	} else if err != nil {
		text = err.Error()
	}
	if line := p.words.first(); line != "" {
		text += ": " + line
	}
	return text
}

// A halt counts the reasons for which a child is to do nothing.
type halt struct {
	mu   sync.Mutex
	why  map[string]bool
	stop func(halted bool)
	from time.Time     // since when it is halted
	time time.Duration // for which it was, before
}

// set adds or takes away a reason.
func (h *halt) set(why string, yes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := len(h.why) > 0
	if h.why == nil {
		h.why = map[string]bool{}
	}
	if yes {
		h.why[why] = true
	} else {
		delete(h.why, why)
	}
	switch now := len(h.why) > 0; {
	case now && !before:
		h.from = time.Now()
		h.stop(true)
	case before && !now:
		h.time += time.Since(h.from)
		h.stop(false)
	}
}

// clear takes all reasons away.
func (h *halt) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.why) > 0 {
		clear(h.why)
		h.time += time.Since(h.from)
		h.stop(false)
	}
}

// halted says whether the child is to do nothing, and since when it may work.
func (h *halt) halted() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.why) > 0
}

// words keeps the beginning of what a child writes to its standard error.
type words struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const maxWords = 8 << 10 // bytes: a panic with its first goroutine

// Write keeps what fits.
func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(b[:min(len(b), maxWords-w.buf.Len())])
	return len(b), nil
}

// first gives the first line.
func (w *words) first() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	line, _, _ := strings.Cut(w.buf.String(), "\n")
	return strings.ToValidUTF8(strings.TrimSpace(line[:min(len(line), 300)]), "?")
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}
