package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

// A choice is what becomes of an investigation after Ctrl-C.
type choice byte

const (
	goOn      choice = 'g'
	leave     choice = 'l'
	cancelAll choice = 'c'
)

// sameKey is how far apart the two ways can be in which one Ctrl-C is heard
// of: as a signal, and as the end of the command's context.
const sameKey = 200 * time.Millisecond

// interrupts hears of Ctrl-C while a fleet answers. The end of the command's
// context counts as one, too: SIGTERM ends it.
type interrupts struct {
	keys  chan os.Signal
	ended <-chan struct{}
	// typed are the lines that somebody types, from the first question on:
	// two who read one terminal would take lines from each other.
	typed    <-chan string
	closeTTY func()
	stopping context.CancelFunc
}

func (a *app) interrupts() *interrupts {
	i := &interrupts{keys: make(chan os.Signal, 1), ended: a.ctx.Done()}
	signal.Notify(i.keys, os.Interrupt)
	return i
}

func (i *interrupts) stop() {
	signal.Stop(i.keys)
	if i.typed != nil {
		i.stopping()
		i.closeTTY()
	}
}

// listen begins to read what is typed.
func (i *interrupts) listen(a *app) error {
	if i.typed != nil {
		return nil
	}
	tty, closeTTY, err := a.terminal()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(a.ctx))
	i.typed, i.closeTTY, i.stopping = lines(ctx, tty), closeTTY, cancel
	return nil
}

// wait returns at the next Ctrl-C; false where done came first. Key says
// whether a key was pressed, so that somebody is there to be asked.
func (i *interrupts) wait(done <-chan struct{}) (key, interrupted bool) {
	select {
	case <-done:
		return false, false
	case <-i.keys:
		key = true
		if i.ended != nil {
			select { // the same key ends the context
			case <-i.ended:
				i.ended = nil
			case <-time.After(sameKey):
			}
		}
	case <-i.ended:
		i.ended = nil
		select {
		case <-i.keys:
			key = true
		case <-time.After(sameKey):
		}
	}
	return key, true
}

// ask asks on the terminal what is to become of what runs. Without one, and
// after another Ctrl-C, it is left running.
func (i *interrupts) ask(a *app, state string) choice {
	if widthOf(a.Err) == 0 || i.listen(a) != nil {
		return leave
	}
	fmt.Fprintf(a.Err, "\n%s\n", state)
	for {
		fmt.Fprint(a.Err, "cancel on the agents, leave it running, go on? [c/l/g] ")
		select {
		case line, ok := <-i.typed:
			if !ok {
				return leave
			}
			if c := choiceOf(line); c != 0 {
				return c
			}
		case <-i.keys:
			fmt.Fprintln(a.Err)
			return leave
		}
	}
}

// choiceOf reads an answer; 0 is none of the three.
func choiceOf(line string) choice {
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "c", "cancel":
		return cancelAll
	case "l", "leave":
		return leave
	case "g", "go on":
		return goOn
	}
	return 0
}

// lines gives the lines of a reader, and is closed at its end. A read from a
// terminal cannot be called back: the goroutine ends with the next line, or
// with the program.
func lines(ctx context.Context, r io.Reader) <-chan string {
	c := make(chan string)
	go func() {
		defer close(c)
		const longest = 1 << 20 // bytes of a line
		s := bufio.NewScanner(r)
		s.Buffer(nil, longest)
		for s.Scan() {
			select {
			case c <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}
