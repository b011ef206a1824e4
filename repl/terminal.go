package repl

import (
	"bytes"
	"context"
	"errors"
	"os"
	"time"

	"github.com/c-bata/go-prompt"
)

// Keys by which the terminal tells the editor what happened: they are bound
// to functions there. go-prompt has them for F23 and F24, and no terminal
// sends them.
var (
	endedKey   = []byte("\x1b[#;2~")
	resizedKey = []byte("\x1b[$;2~")
)

// patience is how long one look for a key takes: go-prompt cannot be told to
// stop while a read blocks.
const patience = 100 * time.Millisecond

// hold is how long keys wait behind one that may have ended the line.
const hold = 100 * time.Millisecond

// errNoKey says that nothing was typed. go-prompt asks again.
var errNoKey = errors.New("repl: no key")

// A terminal is where keys come from, for go-prompt. It sets the terminal up
// for the time in which a line is typed, and only then.
type terminal struct {
	ctx     context.Context
	tty     tty
	split   splitter
	keys    []key
	resized chan os.Signal
	failed  error     // why no key can come any more
	held    time.Time // keys typed ahead wait until then: the line may have ended
	pasted  bool      // the line end that was given last was a pasted one
}

// A tty is the system's half.
type tty interface {
	raw() error     // keys come one by one, and are not shown
	restore() error // as it was before raw
	size() (rows, columns int)
	read(wait time.Duration) ([]byte, error) // nothing after wait
}

// forever is when keys are given again that wait for a line to be asked for.
var forever = time.Unix(1<<40, 0)

// Setup is called when a line is to be typed.
func (t *terminal) Setup() error {
	t.held = time.Time{}
	if err := t.tty.raw(); err != nil {
		return err
	}
	_, err := os.Stdout.WriteString(pasteOn)
	return err
}

// TearDown is called when it was.
func (t *terminal) TearDown() error {
	_, err := os.Stdout.WriteString(pasteOff)
	return errors.Join(err, t.tty.restore())
}

// GetWinSize gives the size of the terminal.
func (t *terminal) GetWinSize() *prompt.WinSize {
	rows, columns := t.tty.size()
	return &prompt.WinSize{Row: uint16(rows), Col: uint16(columns)}
}

// Read gives one key. It waits a little where there is none.
func (t *terminal) Read() ([]byte, error) {
	if time.Now().Before(t.held) {
		time.Sleep(time.Millisecond)
		return nil, errNoKey
	}
	select {
	case <-t.resized:
		return t.give(key{bytes: resizedKey})
	case <-t.ctx.Done():
		return t.end(t.ctx.Err())
	default:
	}
	if len(t.keys) == 0 {
		data, err := t.tty.read(patience)
		if err != nil {
			return t.end(err)
		}
		t.keys = t.split.feed(data)
	}
	if len(t.keys) == 0 {
		return nil, errNoKey
	}
	k := t.keys[0]
	t.keys = t.keys[1:]
	if k.bytes[0] == 0x1b && prompt.GetKey(k.bytes) == prompt.NotDefined {
		return nil, errNoKey // it would be taken for text
	}
	return t.give(k)
}

// end gives the key that ends the line, once.
func (t *terminal) end(why error) ([]byte, error) {
	if t.failed != nil {
		time.Sleep(patience)
		return nil, errNoKey
	}
	t.failed = why
	return t.give(key{bytes: endedKey})
}

// give hands a key on, and holds the next ones where it may end the line: who
// reads them after that would lose them.
func (t *terminal) give(k key) ([]byte, error) {
	switch {
	case isLineEnd(k.bytes):
		t.held, t.pasted = forever, k.pasted
	case bytes.Equal(k.bytes, resizedKey), bytes.Equal(k.bytes, endedKey), len(k.bytes) == 1 && k.bytes[0] == 4:
		t.held = time.Now().Add(hold)
	}
	return k.bytes, nil
}
