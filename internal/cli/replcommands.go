package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/repl"
	"github.com/quaestor-engine/quaestor/value"
)

// commands lists what the prompt does beside asking.
func (s *asking) commands() []repl.Command {
	plain := func(do func(ctx context.Context, args string) error) func(context.Context, *repl.Prompt, string) error {
		return func(ctx context.Context, _ *repl.Prompt, args string) error { return plainly(do(ctx, args)) }
	}
	quit := func(context.Context, *repl.Prompt, string) error { return repl.ErrQuit }
	return []repl.Command{
		{Name: "help", Args: "[WORD]", Doc: "Explain the prompt, or a word: a keyword, a column, a function.", Run: s.help, Offers: func() []string { return complete.Words(s.cat) }},
		{Name: `\?`, Doc: "List these commands.", Run: s.listCommands},
		{Name: `\m`, Args: "[MODULE]", Doc: "List modules, or the columns of one.", Run: plain(s.modules), Offers: s.cat.Names},
		{Name: `\fleet`, Args: "[WHERE …]", Doc: "List the agents that a target means.", Run: plain(s.fleet)},
		{Name: `\investigations`, Doc: "List what was asked of the fleet.", Run: plain(s.investigations)},
		{Name: `\explain`, Args: "[ANALYZE] [QUERY]", Doc: "Draw the plan of a query, or of the last one.", Run: s.explain},
		{Name: `\x`, Doc: "Show one column a line, or rows in a table again.", Run: plain(s.record)},
		{Name: `\f`, Args: "[FORMAT]", Doc: "Show answers in another form.", Run: plain(s.setFormat), Offers: render.Formats},
		{Name: `\o`, Args: "[FILE]", Doc: "Write the next answers to a file, or to the screen again.", Run: plain(s.setOutput)},
		{Name: `\set`, Args: "[NAME=VALUE]", Doc: "Give a parameter of queries its value, or list them.", Run: plain(s.set)},
		{Name: `\unset`, Args: "NAME", Doc: "Forget a parameter.", Run: plain(s.unset), Offers: func() []string { return slices.Sorted(maps.Keys(s.params)) }},
		{Name: `\secret`, Args: "NAME", Doc: "Ask for the value of a parameter without showing or keeping it.", Run: plain(s.secret)},
		{Name: `\case`, Args: "[open|close|note|show|list]", Doc: "Keep what is asked and answered in a case, and add notes to it.", Run: s.inCase, Offers: func() []string { return caseWords }},
		{Name: `\key`, Args: "[KEY]", Doc: "Show who signs, or let another key sign.", Run: plain(s.key)},
		{Name: `\edit`, Doc: "Change the last query in $EDITOR.", Run: s.edit},
		{Name: `\i`, Args: "FILE", Doc: "Ask the queries of a file.", Run: s.include},
		{Name: `\history`, Args: "[TEXT]", Doc: "List what was typed, and has TEXT in it.", Run: s.history},
		{Name: `\q`, Doc: "Leave. Ctrl-D does it, too.", Run: quit},
		{Name: "quit", Doc: "Leave.", Run: quit},
		{Name: "exit", Doc: "Leave.", Run: quit},
	}
}

// promptHelp is what help alone says.
const promptHelp = `Ask:    FIND file /etc/* CONTAINS "root";
        FROM fleet WHERE os = linux FIND file /etc/ssh/* RETURN path, sha256;
A query may have several lines. It ends with ; or with an empty line.

Tab     goes through what may follow, Shift-Tab backwards.
Up      what was typed before. Ctrl-R looks for what holds the text in the line.
Ctrl-C  ends a query that runs, and drops what is being typed.
Ctrl-D  leaves, on an empty line.

@last.path is the column path of the last answer, as a list; hits("last") and
misses("last") are the hosts of the last investigation. A blank in front keeps
an entry out of the history.

help WORD explains a word; \? lists the commands.
`

func (s *asking) help(_ context.Context, _ *repl.Prompt, word string) error {
	out := s.app.Out
	if word == "" {
		_, err := fmt.Fprint(out, promptHelp)
		return err
	}
	entries := complete.About(word, s.cat)
	if len(entries) == 0 {
		hint := "help alone explains the prompt"
		if near, ok := lang.Nearest(strings.ToUpper(word), complete.Words(s.cat)); ok {
			hint = lang.DidYouMean(near)
		}
		return fmt.Errorf("nothing is known of %q\nhint: %s", word, hint)
	}
	for i, e := range entries {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s (%s)\n", e.Name, e.Head)
		fmt.Fprintf(out, "  %s\n", strings.ReplaceAll(e.Doc, "\n", "\n  "))
		if e.Example != "" {
			fmt.Fprintf(out, "    %s\n", e.Example)
		}
	}
	return nil
}

func (s *asking) listCommands(_ context.Context, p *repl.Prompt, _ string) error {
	width := 0
	for _, c := range p.Commands() {
		width = max(width, len([]rune(c.Name+" "+c.Args)))
	}
	for _, c := range p.Commands() {
		front := strings.TrimSpace(c.Name + " " + c.Args)
		if _, err := fmt.Fprintf(s.app.Out, "%s%s  %s\n", front, strings.Repeat(" ", width-len([]rune(front))), c.Doc); err != nil {
			return err
		}
	}
	return nil
}

func (s *asking) modules(ctx context.Context, name string) error {
	return (&modulesShowCommand{Name: name}).Run(s.app.within(ctx))
}

func (s *asking) fleet(ctx context.Context, where string) error {
	c := &fleetListCommand{Format: "table"}
	c.signerFlags = s.cmd.signerFlags
	if where != "" {
		c.Where = []string{where}
	}
	err := c.Run(s.app.within(ctx))
	if err == nil {
		s.refresh()
	}
	return err
}

func (s *asking) investigations(ctx context.Context, _ string) error {
	return (&investigationsListCommand{Format: "table", signerFlags: s.cmd.signerFlags}).Run(s.app.within(ctx))
}

func (s *asking) explain(ctx context.Context, p *repl.Prompt, text string) error {
	front, rest, _ := strings.Cut(text, " ")
	analyze := strings.EqualFold(front, "analyze")
	if analyze {
		text = strings.TrimSpace(rest)
	}
	if text = cmp.Or(text, p.Last()); text == "" {
		return errors.New("no query was asked yet\nhint: \\explain FIND …")
	}
	a := s.app.within(ctx)
	local, err := s.local(text)
	if err != nil {
		return err
	}
	defer local.Close()
	compiled, err := a.compiled(local, []lang.Source{{Name: "query", Text: text}}, false)
	if err != nil {
		return plainly(err)
	}
	return plainly((&explainCommand{Analyze: analyze, Colour: "auto"}).draw(a, local, compiled))
}

func (s *asking) record(context.Context, string) error {
	if s.format == "record" {
		s.format = "table"
	} else {
		s.format = "record"
	}
	return s.say("answers are shown as %s", s.format)
}

func (s *asking) setFormat(_ context.Context, format string) error {
	if format == "" {
		return s.say("answers are shown as %s; there are %s", s.format, strings.Join(render.Formats(), ", "))
	}
	if !slices.Contains(render.Formats(), format) {
		return fmt.Errorf("no format %q: there are %s", format, strings.Join(render.Formats(), ", "))
	}
	s.format = format
	return s.say("answers are shown as %s", format)
}

func (s *asking) setOutput(_ context.Context, file string) error {
	if s.output, s.filled = fromHome(file), false; file == "" {
		return s.say("answers go to the screen")
	}
	return s.say("answers go to %s", s.output)
}

func (s *asking) set(_ context.Context, args string) error {
	name, text, given := strings.Cut(args, "=")
	name = strings.TrimPrefix(strings.TrimSpace(name), "$")
	switch {
	case args == "":
		for _, name := range slices.Sorted(maps.Keys(s.params)) {
			shown := value.EscapeText(s.params[name])
			if s.secrets[name] {
				shown = "(secret)"
			}
			if err := s.print("%s=%s", name, shown); err != nil {
				return err
			}
		}
		return nil
	case !given || name == "":
		return errors.New(`it is no parameter` + "\n" + `hint: \set since=7d gives $since its value in queries that declare PARAM since`)
	}
	delete(s.secrets, name)
	s.params[name] = strings.TrimSpace(text)
	return nil
}

func (s *asking) unset(_ context.Context, name string) error {
	if _, ok := s.params[name]; !ok {
		return fmt.Errorf("no parameter %q is set", name)
	}
	delete(s.params, name)
	delete(s.secrets, name)
	return nil
}

func (s *asking) secret(_ context.Context, name string) error {
	if name == "" {
		return errors.New(`which parameter?` + "\n" + `hint: \secret NAME`)
	}
	text, err := s.app.secret("value of " + name + ": ")
	if err != nil {
		return err
	}
	if s.secrets == nil {
		s.secrets = map[string]bool{}
	}
	s.params[name], s.secrets[name] = string(text), true
	return nil
}

// key shows who signs. With another key the next question connects anew.
func (s *asking) key(_ context.Context, ref string) error {
	if ref != "" {
		if err := s.app.keeper.close(); err != nil {
			return err
		}
		s.app.keeper = &keeper{}
		s.cmd.Signer = ref
	}
	k, err := s.app.publicKey(cmp.Or(s.cmd.Signer, ref))
	if err != nil {
		return err
	}
	return s.say("%s signs", nameOfKey(k))
}

func (s *asking) edit(ctx context.Context, p *repl.Prompt, _ string) error {
	f, err := os.CreateTemp("", "query-*.qst")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(p.Last() + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.app.within(ctx).edit(f.Name()); err != nil {
		return err
	}
	text, err := readFile(f.Name())
	if err != nil {
		return err
	}
	p.Edit(text)
	return nil
}

func (s *asking) include(ctx context.Context, p *repl.Prompt, file string) error {
	if file == "" {
		return errors.New(`which file?` + "\n" + `hint: \i hunt.qst`)
	}
	file = fromHome(file)
	text, err := readFile(file)
	if err != nil {
		return err
	}
	p.Asked(text)
	return s.ask(ctx, lang.Source{Name: file, Text: text})
}

// fromHome spells out the ~ that shells know for the home of whoever types.
func fromHome(file string) string {
	rest, ok := strings.CutPrefix(file, "~/")
	home, err := os.UserHomeDir()
	if !ok || err != nil {
		return file
	}
	return filepath.Join(home, rest)
}

func (s *asking) history(_ context.Context, p *repl.Prompt, text string) error {
	for _, e := range p.History() {
		if strings.Contains(strings.ToLower(e), strings.ToLower(text)) {
			if err := s.print("%s", value.EscapeText(strings.ReplaceAll(e, "\n", " "))); err != nil {
				return err
			}
		}
	}
	return nil
}

// say writes a message, print writes what was asked for.
func (s *asking) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.app.Err, format+"\n", args...)
	return err
}

func (s *asking) print(format string, args ...any) error {
	_, err := fmt.Fprintf(s.app.Out, format+"\n", args...)
	return err
}
