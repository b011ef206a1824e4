// Package manpage prints the manual page of a command out of the table that its
// --help is printed of.
//
// [Flag] is all that a command needs: a field of it makes --man, which prints
// the page as man -l reads it, and ends the program. [Write] is for who has the
// table already. Nothing is written here that a table could say.
package manpage

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"
)

// A Flag is the flag --man of a command line.
type Flag bool

// IgnoreDefault has kong ask nothing of the flag where it is not given.
func (Flag) IgnoreDefault() {}

// BeforeReset prints the page before anything else is asked for, as --help does.
func (Flag) BeforeReset(ctx *kong.Context) error {
	if err := Write(ctx.Stdout, ctx.Model); err != nil {
		return err
	}
	ctx.Exit(0)
	return nil
}

const (
	source   = "Quaestor"
	homepage = "https://github.com/quaestor-engine/quaestor"
)

// siblings are the commands that have pages.
func siblings() []string { return []string{"quaestor", "quaestor-agent", "quaestor-relay"} }

// Section is where the page of a command belongs: 1 is for everyone, 8 for who
// looks after machines.
func Section(command string) int {
	if command == "quaestor" {
		return 1
	}
	return 8
}

// Write writes the page of a command in the macros of man(7).
func Write(to io.Writer, app *kong.Application) error {
	w := &page{Writer: bufio.NewWriter(to)}
	section := Section(app.Name)
	w.line(".TH %s %d \"\" %s \"Manual of %s\"", strings.ToUpper(escape(app.Name)), section, source, source)
	w.line(".SH NAME")
	w.line("%s \\- %s", escape(app.Name), escape(inShort(app.Help)))
	w.line(".SH SYNOPSIS")
	w.line(".B %s", escape(app.Name))
	w.line(".I command")
	w.line("\\&...")
	w.line(".SH DESCRIPTION")
	w.text(app.Help)
	w.flags(app.Flags)
	w.line(".SH COMMANDS")
	for _, n := range app.Leaves(true) {
		w.command(n)
	}
	w.line(".SH SEE ALSO")
	for _, s := range siblings() {
		if s != app.Name {
			w.line(".BR %s (%d),", escape(s), Section(s))
		}
	}
	w.text(homepage)
	return w.Flush()
}

// A page is one in the making. Its writer keeps the first error for Flush.
type page struct{ *bufio.Writer }

// line writes a line of roff; what is put into it is escaped.
func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// text writes a paragraph's words.
func (p *page) text(s string) {
	if s != "" {
		p.line("%s", escape(s))
	}
}

// command writes what a command does, and what it can be told.
func (p *page) command(n *kong.Node) {
	p.line(".TP")
	p.line(".B %s", escape(n.Summary()))
	p.text(n.Help)
	p.line(".RS")
	for _, a := range n.Positional {
		p.option(a.Summary(), kong.DefaultHelpValueFormatter(a))
	}
	var flags []*kong.Flag
	for at := n; at.Parent != nil; at = at.Parent { // those of the application stand above
		flags = append(at.Flags, flags...)
	}
	p.flags(flags)
	p.line(".RE")
}

// flags writes those that are shown; a group of them has its title before it.
func (p *page) flags(list []*kong.Flag) {
	title := ""
	for _, f := range list {
		if f.Hidden || f.Name == "help" {
			continue
		}
		if f.Group != nil && f.Group.Title != title {
			title = f.Group.Title
			p.line(".PP")
			p.text(title + ":")
		}
		p.option(f.String(), kong.DefaultHelpValueFormatter(f.Value))
	}
}

func (p *page) option(name, help string) {
	p.line(".TP")
	p.line(".B %s", escape(name))
	p.line("%s", escape(help)+`\&`) // the macro wants a line, also where there is no help
}

// inShort is the first sentence, as a list of pages shows it.
func inShort(help string) string {
	s, _, _ := strings.Cut(help, ". ")
	s = strings.TrimSuffix(s, ".")
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// escape makes words of a text: no backslash of it is a command of roff, no
// line of it begins with one, a minus is one, and what is not of ASCII is named
// by its number, whatever the encoding of who reads it.
func escape(s string) string {
	var b strings.Builder
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		b.WriteString(`\&`)
	}
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '"':
			b.WriteString(`\(dq`)
		case r == '\n':
			b.WriteByte(' ')
		case r > unicode.MaxASCII:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
