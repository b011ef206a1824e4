// Package repl is the prompt: a person types queries and commands, and reads
// what comes of them.
//
// [Run] does all of it, over a [Session] that answers. What a query means and
// how rows are shown is the session's business; the package knows no network,
// no key and no fleet, so that the prompt works on whatever can be asked.
//
// The line editor is go-prompt, behind the type editor. Three things of it are
// mended there: the terminal is raw only while a line is typed, so that Ctrl-C
// ends a running query; keys that arrive together are taken one by one; and a
// line end that was pasted never runs anything.
package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/value"
)

// A Session answers what is typed.
type Session interface {
	// Ask answers the queries of an entry, and shows the answer. The context
	// ends with Ctrl-C. An error that holds a *lang.Error of the entry is
	// shown under what was typed.
	Ask(ctx context.Context, entry string) error
	// Known is what completion offers beside the grammar, at any time.
	Known() complete.Context
}

// ErrQuit is given by a command that ends the prompt.
var ErrQuit = errors.New("repl: quit")

// A Command is a line that is no query.
type Command struct {
	Name string // with its backslash, if it has one: \x, help
	Args string // what may follow, for people: [MODULE]
	Doc  string // one sentence
	// Run does it. The context ends with Ctrl-C.
	Run func(ctx context.Context, p *Prompt, args string) error
	// Offers lists what args may be; nil for nothing.
	Offers func() []string
}

// Options say what a prompt is made of.
type Options struct {
	In       *os.File  // a terminal
	Err      io.Writer // where errors and messages go
	Session  Session
	Commands []Command
	History  *History // nil: nothing is kept
	Welcome  string   // said first
}

// A Prompt is a running one, as commands see it.
type Prompt struct {
	opts   Options
	editor *editor
	last   string // the entry that was asked last
	next   string // what the next entry begins with
}

// prefix stands before what is typed.
const prefix = "quaestor> "

// Run shows a prompt until the user leaves or ctx ends, which is no error.
// The terminal is left as it was found, whatever happens.
func Run(ctx context.Context, o Options) (err error) {
	p := &Prompt{opts: o}
	if p.editor, err = newEditor(ctx, o.In, prefix); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.editor.close()) }()
	p.editor.whole, p.editor.offers = p.whole, p.offers
	// A Ctrl-C that comes when nothing runs must not end the program.
	idle := make(chan os.Signal, 1)
	signal.Notify(idle, os.Interrupt)
	defer signal.Stop(idle)
	if o.Welcome != "" {
		fmt.Fprintln(o.Err, o.Welcome)
	}
	for {
		start := p.next
		p.next = ""
		entry, err := p.editor.entry(start, folded(o.History.Entries()))
		switch {
		case errors.Is(err, errLeft), ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if err := o.History.Add(entry); err != nil {
			fmt.Fprintf(o.Err, "quaestor: %v\n", err)
		}
		if err := p.do(ctx, entry); errors.Is(err, ErrQuit) {
			return nil
		}
	}
}

// folded shows entries in one line each, as they are edited. Comments end
// with their line, so they are left out. Within a line nothing changes: no
// text in quotes is longer than one, and its blanks are what is asked for.
func folded(entries []string) []string {
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e
		if strings.Contains(e, "\n") {
			out[i] = oneLine(lang.WithoutComments(e))
		}
	}
	return out
}

// oneLine puts a blank between lines that hold something.
func oneLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// do runs a command or asks queries, and shows what went wrong. The error is
// for who runs it, and was shown.
func (p *Prompt) do(ctx context.Context, entry string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	if c, args, ok := p.command(entry); ok {
		return p.show("", c.Run(ctx, p, args))
	}
	text := strings.TrimSpace(entry)
	switch {
	case text == "" || text == ";":
		return nil
	case strings.HasPrefix(text, `\`):
		name, _, _ := strings.Cut(text, " ")
		hint := `\? lists them`
		if near, ok := lang.Nearest(name, p.names()); ok {
			hint = lang.DidYouMean(near)
		}
		return p.show("", fmt.Errorf("there is no command %s\nhint: %s", name, hint))
	}
	p.last = text
	return p.show(entry, p.opts.Session.Ask(ctx, entry))
}

// Asked takes a text that a command asks for the query that was asked last.
func (p *Prompt) Asked(text string) { p.last = text }

// Last gives the query that was asked last.
func (p *Prompt) Last() string { return p.last }

// Edit puts a text into the next entry, to be changed there.
func (p *Prompt) Edit(text string) { p.next = strings.TrimRight(text, "\n") }

// Rename says what stands before what is typed; "" is the name of the program.
func (p *Prompt) Rename(name string) {
	if p.editor.prefix = prefix; name != "" {
		p.editor.prefix = name + "> "
	}
}

// History gives what was typed, oldest first.
func (p *Prompt) History() []string { return p.opts.History.Entries() }

// Commands lists the commands.
func (p *Prompt) Commands() []Command { return p.opts.Commands }

// show shows an error, under the entry where it is about it.
func (p *Prompt) show(entry string, err error) error {
	mistakes := lang.Mistakes(err)
	for _, wrong := range mistakes {
		if wrong.Source.Text != entry {
			fmt.Fprintln(p.opts.Err, wrong)
			continue
		}
		_, columns := p.editor.term.tty.size()
		fmt.Fprint(p.opts.Err, underlined(wrong, runewidth.StringWidth(p.editor.currentPrefix()), columns))
	}
	if err != nil && len(mistakes) == 0 && !errors.Is(err, ErrQuit) { // it may hold words of hosts and relays
		fmt.Fprintf(p.opts.Err, "quaestor: %s\n", value.EscapeLines(err.Error()))
	}
	return err
}

func (p *Prompt) names() []string {
	var names []string
	for _, c := range p.opts.Commands {
		names = append(names, c.Name)
	}
	return names
}

// command finds the command that an entry is.
func (p *Prompt) command(entry string) (c Command, args string, ok bool) {
	name, args, _ := strings.Cut(strings.TrimSpace(entry), " ")
	name = strings.TrimRight(name, ";")
	i := slices.IndexFunc(p.opts.Commands, func(c Command) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		return Command{}, "", false
	}
	return p.opts.Commands[i], strings.TrimSpace(strings.TrimRight(args, "; ")), true
}

// whole says whether an entry ends with the line that was just typed: a
// command, a query with its semicolon, or an empty line behind something.
func (p *Prompt) whole(entry, line string) bool {
	if _, _, ok := p.command(entry); ok || strings.HasPrefix(strings.TrimSpace(entry), `\`) {
		return true
	}
	return strings.TrimSpace(line) == "" || lang.EndsQuery(entry)
}
