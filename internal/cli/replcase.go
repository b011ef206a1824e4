package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/cases"
	"github.com/quaestor-engine/quaestor/repl"
)

// caseWords are what \case does, each with what it says of itself.
var caseWords = []string{"open", "close", "note", "show", "list"}

// inCase opens and closes the case that the prompt records.
func (s *asking) inCase(ctx context.Context, p *repl.Prompt, args string) error {
	a := s.app.within(ctx)
	word, rest, _ := strings.Cut(args, " ")
	rest = strings.TrimSpace(rest)
	if word == "" && s.inside != "" {
		return s.say(`what is asked and answered is kept in the case %s; \case close ends that`, s.inside)
	}
	switch name := cmp.Or(rest, s.inside); word {
	case "open":
		return plainly(s.openCase(a, p, rest))
	case "close":
		if s.inside == "" {
			return errors.New("no case is open")
		}
		was := s.inside
		s.inside = ""
		p.Rename("")
		return s.say("the case %s is closed; quaestor case export %s makes a report of it", was, was)
	case "note":
		if s.inside == "" {
			return errors.New("no case is open to keep the note\n" + `hint: \case open NAME`)
		}
		return plainly((&caseNoteCommand{oneCase: oneCase{s.inside}, Text: []string{rest}, signerFlags: s.cmd.signerFlags}).Run(a))
	case "show":
		if name == "" {
			return errors.New("which case?\n" + `hint: \case show NAME, and \case list lists them`)
		}
		return plainly((&caseShowCommand{oneCase: oneCase{name}, Rows: shownRows}).Run(a))
	case "list", "":
		return plainly((&caseListCommand{Format: "table"}).Run(a))
	}
	return fmt.Errorf("\\case does not %q\nhint: \\case %s", word, strings.Join(caseWords, ", "))
}

// shownRows is how many rows of each answer \case show shows.
const shownRows = 10

// openCase records in a case from now on, and makes it where it is not there.
func (s *asking) openCase(a *app, p *repl.Prompt, name string) error {
	if name == "" {
		return errors.New("which case?\n" + `hint: \case open shop-2026 makes it, or goes on with it`)
	}
	if err := cases.CheckName(name); err != nil {
		return err
	}
	k, err := s.cmd.caseSigner(a)
	if err != nil {
		return err
	}
	c, err := a.openCase(name, k)
	if err != nil {
		return err
	}
	if err := c.Close(); err != nil {
		return err
	}
	s.inside = name
	p.Rename(name)
	return s.say("what is asked and answered is kept in the case %s, \\case note adds a note", name)
}

// caseNames lists the cases, as far as they can be known.
func (s *asking) caseNames() []string {
	dir, err := s.app.caseDir()
	if err != nil {
		return nil
	}
	names, err := cases.Names(dir)
	if err != nil {
		return nil // completion offers less
	}
	return names
}
