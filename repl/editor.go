package repl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/c-bata/go-prompt"
	"github.com/mattn/go-runewidth"
)

// errLeft says that the user wants to leave.
var errLeft = errors.New("repl: left")

// mostSuggestions is how many lines of completions are shown at once, where
// the terminal has room.
const mostSuggestions = 8

// An editor reads entries of one or more lines, by go-prompt. It is all that
// knows of that package beside the terminal.
type editor struct {
	prompt  *prompt.Prompt
	term    *terminal
	prefix  string   // before the first line
	pending []string // lines of the entry that were ended
	// offers completes a line that stands behind others.
	offers func(before, line string, cursor int) []prompt.Suggest
	// whole says whether an entry is at its end with a line that was typed.
	whole func(entry string, lastLine string) bool

	search search
	// stop ends the line that is being typed; go-prompt keeps its text, left,
	// and goes on with it when it is asked for the next one.
	stop bool
	left string
}

// newEditor makes an editor on a terminal. Only one can be at work at a time.
func newEditor(ctx context.Context, in *os.File, prefix string) (e *editor, err error) {
	defer func() {
		// Without a terminal of its own the process is of no use to go-prompt.
		if r := recover(); r != nil {
			err = fmt.Errorf("the prompt needs a terminal: %v", r)
		}
	}()
	e = &editor{prefix: prefix, term: &terminal{ctx: ctx, tty: openTTY(in), resized: resizes(),
		split: splitter{unmarked: !marksPastes(os.Getenv("TERM"))}}}
	e.prompt = prompt.New(func(string) {}, e.suggest,
		prompt.OptionParser(e.term),
		prompt.OptionWriter(quietWriter{prompt.NewStdoutWriter()}),
		prompt.OptionLivePrefix(func() (string, bool) { return e.currentPrefix(), true }),
		prompt.OptionSetExitCheckerOnInput(func(string, bool) bool { return e.stop }),
		prompt.OptionAddKeyBind(e.keys()...),
		prompt.OptionPrefixTextColor(prompt.DefaultColor),
		prompt.OptionSuggestionBGColor(prompt.DarkGray), prompt.OptionSuggestionTextColor(prompt.White),
		prompt.OptionDescriptionBGColor(prompt.DarkGray), prompt.OptionDescriptionTextColor(prompt.LightGray),
		prompt.OptionSelectedSuggestionBGColor(prompt.LightGray), prompt.OptionSelectedSuggestionTextColor(prompt.Black),
		prompt.OptionSelectedDescriptionBGColor(prompt.LightGray), prompt.OptionSelectedDescriptionTextColor(prompt.Black),
		prompt.OptionPreviewSuggestionTextColor(prompt.DefaultColor),
		prompt.OptionScrollbarThumbColor(prompt.LightGray), prompt.OptionScrollbarBGColor(prompt.DarkGray),
	)
	return e, nil
}

// quietWriter leaves the terminal's title alone.
type quietWriter struct{ prompt.ConsoleWriter }

// ClearTitle does nothing.
func (quietWriter) ClearTitle() {}

// narrow is the width below which the prefix is but a sign.
const narrow = 40

func (e *editor) currentPrefix() string {
	_, columns := e.term.tty.size()
	switch {
	case columns < narrow && len(e.pending) > 0:
		return "· "
	case columns < narrow:
		return "> "
	case len(e.pending) > 0:
		return strings.Repeat(" ", max(0, runewidth.StringWidth(e.prefix)-2)) + "· "
	}
	return e.prefix
}

// keys binds what go-prompt has no answer to.
func (e *editor) keys() []prompt.KeyBind {
	return []prompt.KeyBind{
		{Key: prompt.F24, Fn: e.give},
		{Key: prompt.F23, Fn: e.give},
		{Key: prompt.ControlC, Fn: func(*prompt.Buffer) { e.pending = nil }},
		{Key: prompt.ControlR, Fn: func(b *prompt.Buffer) { e.search.older(b) }},
	}
}

// give ends the line, which is not finished.
func (e *editor) give(b *prompt.Buffer) { e.stop, e.left = true, b.Text() }

// entry reads one entry, without the line end of its last line. The first
// lines and what its last line begins with can be given. The error is
// errLeft, or about the terminal.
func (e *editor) entry(start string, history []string) (string, error) {
	e.search = search{entries: history}
	lines := strings.Split(start, "\n")
	e.pending, start = lines[:len(lines)-1], lines[len(lines)-1]
	for i, l := range e.pending {
		shown := e.pending
		e.pending = e.pending[:i]
		fmt.Println(e.currentPrefix() + l)
		e.pending = shown
	}
	for {
		line, err := e.line(start, history)
		if err != nil {
			return "", err
		}
		start = ""
		entry := strings.Join(append(e.pending, line), "\n")
		if !e.term.pasted && e.whole(entry, line) {
			return entry, nil
		}
		e.pending = append(e.pending, line)
	}
}

// line reads one line, over changes of the terminal's size.
func (e *editor) line(start string, history []string) (string, error) {
	rows, _ := e.term.tty.size()
	for _, option := range []prompt.Option{
		prompt.OptionHistory(history),
		prompt.OptionMaxSuggestion(uint16(max(1, min(mostSuggestions, rows/3)))),
		prompt.OptionInitialBufferText(start),
	} {
		if err := option(e.prompt); err != nil {
			return "", err
		}
	}
	for {
		e.stop = false
		line := e.prompt.Input()
		switch {
		case !e.stop && e.term.held.Equal(forever):
			return line, nil // it was ended
		case !e.stop:
			return "", errLeft // by Ctrl-D
		case e.term.failed != nil:
			return "", e.term.failed
		}
		e.erase()
	}
}

// erase takes away what go-prompt left of a line that begins anew.
func (e *editor) erase() {
	_, columns := e.term.tty.size()
	width := runewidth.StringWidth(e.currentPrefix()) + runewidth.StringWidth(e.left)
	fmt.Printf("\x1b[%dA\r\x1b[J", width/columns+1)
}

// close leaves the terminal as it was.
func (e *editor) close() error { return e.term.tty.restore() }

// suggest lists completions for the line that is being typed.
func (e *editor) suggest(d prompt.Document) []prompt.Suggest {
	before := ""
	if len(e.pending) > 0 {
		before = strings.Join(e.pending, "\n") + "\n"
	}
	return e.offers(before, d.Text, len(d.TextBeforeCursor()))
}

// A search goes through the entries that hold what was typed.
type search struct {
	entries []string // oldest first
	pattern string
	at      int // the entry that is shown
	shown   string
}

// older puts the next older entry into the line.
func (s *search) older(b *prompt.Buffer) {
	if text := b.Text(); text != s.shown || s.shown == "" {
		s.pattern, s.at = text, len(s.entries)
	}
	for i := s.at - 1; i >= 0; i-- {
		if strings.Contains(strings.ToLower(s.entries[i]), strings.ToLower(s.pattern)) {
			s.at, s.shown = i, s.entries[i]
			b.CursorRight(len([]rune(b.Text())))
			b.DeleteBeforeCursor(len([]rune(b.Text())))
			b.InsertText(s.shown, false, true)
			return
		}
	}
	fmt.Print("\a") // there is no older one
}
