package repl

import (
	"os"
	"time"

	"github.com/c-bata/go-prompt"
)

// A windowsTTY is a console of Windows, which go-prompt knows how to read.
type windowsTTY struct{ parser prompt.ConsoleParser }

func openTTY(*os.File) tty { return &windowsTTY{prompt.NewStandardInputParser()} }

func (t *windowsTTY) raw() error     { return t.parser.Setup() }
func (t *windowsTTY) restore() error { return t.parser.TearDown() }

func (t *windowsTTY) size() (rows, columns int) {
	s := t.parser.GetWinSize()
	return int(s.Row), int(s.Col)
}

func (t *windowsTTY) read(wait time.Duration) ([]byte, error) {
	data, err := t.parser.Read()
	if err != nil {
		time.Sleep(wait / 2)
		return nil, nil // it has no other way to say that there is no key
	}
	return data, nil
}

// resizes never tells: a console of Windows sends no signal.
func resizes() chan os.Signal { return make(chan os.Signal) }
