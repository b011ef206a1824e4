package repl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/internal/hostile"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

// known is a session that answers nothing.
type known struct{ context complete.Context }

func (k known) Ask(context.Context, string) error { return nil }
func (k known) Known() complete.Context           { return k.context }

func prompted(t *testing.T) *Prompt {
	t.Helper()
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	return &Prompt{opts: Options{
		Session: known{complete.Context{Catalogue: cat, OS: "linux", Facts: map[string][]string{"tags.team": {"web site"}}}},
		Commands: []Command{
			{Name: `\q`, Doc: "Leave."}, {Name: `\f`, Args: "[FORMAT]", Offers: func() []string { return []string{"table", "jsonl"} }}, {Name: "help"},
		},
	}}
}

func TestWhole(t *testing.T) {
	p := prompted(t)
	for _, c := range []struct {
		lines string
		want  bool
	}{
		{"FIND host", false}, {"FIND host;", true}, {"FIND host ;  ", true}, {"FIND host; -- why", true},
		{"FIND host\nRETURN os", false}, {"FIND host\n", true}, {"", true}, {"  ", true},
		{`FIND host WHERE os = "a;`, false}, {"FIND host -- a;", false}, {`\q`, true}, {`\nothing`, true}, {"help FIND", true}, {"helpless", false},
	} {
		last := c.lines[strings.LastIndexByte(c.lines, '\n')+1:]
		if got := p.whole(c.lines, last); got != c.want {
			t.Errorf("%q: %v", c.lines, got)
		}
	}
}

// Each suggestion replaces what go-prompt takes for the word before the
// cursor, and leads to the candidate.
func TestSuggestions(t *testing.T) {
	p := prompted(t)
	for _, c := range []struct{ before, line, want string }{
		{"", "", ""},
		{"", "FIND fi", "file"},
		{"", "FIND file /etc WHERE mti", "mtime"},
		{"", "FIND file f, host h WHERE f.si", "f.size"},
		{"", "FIND file /etc ORDER ", "BY|WHERE"},
		{"", "FIND file /etc ORDER b", "BY"},
		{"", `FROM fleet WHERE tags.team = "web s`, `site"`},
		{"", "FROM fleet WHERE tags.t", "tags.team"},
		{"FROM fleet WHERE os = linux\n", "FI", "FIND"},
		{"FIND file /etc ORDER\n", "B", "BY"},
		{"", `\`, `\f|\q`},
		{"", `\f j`, "jsonl"},
		{"", `\q `, ""},
	} {
		var got []string
		for _, s := range p.offers(c.before, c.line, len(c.line)) {
			got = append(got, s.Text)
		}
		if want := strings.Split(c.want, "|"); c.want == "" && len(got) > 0 || len(got) < len(want) && c.want != "" || c.want != "" && strings.Join(got[:len(want)], "|") != strings.Join(want, "|") {
			t.Errorf("%q %q: %q", c.before, c.line, got)
		}
	}
}

func TestUnderlined(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"FIND file /x WHERE mtime > > 2;", ""},
		{"FIND;", "         ^^^^ FIND needs a module behind it: write FIND file /etc/*, FIND process or another module\n"},
		{`FIND file /ä WHERE name = "日本" AND FIND;`, ""},
	} {
		_, err := lang.Parse(lang.Source{Name: "query", Text: c.text})
		e, ok := err.(*lang.Error)
		if !ok {
			t.Fatalf("%s: %v", c.text, err)
		}
		for _, columns := range []int{20, 80, 200} {
			for _, line := range strings.Split(strings.TrimRight(underlined(e, 9, columns), "\n"), "\n") {
				if strings.Contains(line, "^") && columns == 200 && !strings.Contains(line, " | ") {
					at := len([]rune(line[:strings.IndexByte(line, '^')])) - 9
					if at < 0 {
						t.Errorf("%s: %q", c.text, line)
					}
				}
			}
		}
		if got := underlined(e, 9, 200); c.want != "" && got != c.want {
			t.Errorf("%s\ngot  %q\nwant %q", c.text, got, c.want)
		}
	}
}

// On a narrow screen no caret stands below a line that the screen breaks.
func TestUnderlinedOnANarrowScreen(t *testing.T) {
	_, err := lang.Parse(lang.Source{Name: "query", Text: "FIND file /etc/** WHERE size > > 2 RETURN path;"})
	var e *lang.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	want := "query:1:30: " + e.Diagnostics[0].Message + "\n  " + e.Diagnostics[0].Hint + "\n"
	if got := underlined(e, 2, 40); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := underlined(e, 2, 60); !strings.Contains(got, "^") {
		t.Errorf("there was room for carets: %q", got)
	}
}

// What a fleet says of itself is offered as text, and an error with words of
// its relay is shown as text.
func TestNothingHostileIsPrompted(t *testing.T) {
	p := prompted(t)
	c := p.opts.Session.(known).context
	for _, v := range hostile.Values() {
		c.Hosts, c.Cases = []string{v}, []string{v}
		c.Facts = map[string][]string{"os": {v}, "tags.team": {v}, "tags." + v: {v}}
		p.opts.Session = known{c}
		for _, line := range []string{"FROM host ", `FROM host("`, `FROM host('`, "FROM fleet WHERE ", "FROM fleet WHERE tags.", "FROM fleet WHERE os = ", `FROM fleet WHERE tags.team = '`, "FROM case("} {
			for _, s := range p.offers("", line, len(line)) {
				for _, said := range []string{s.Text, s.Description} {
					if err := hostile.Terminal(said); err != nil || strings.Contains(said, "\n") {
						t.Errorf("%s, %.40q: %q: %v", line, v, said, err)
					}
				}
			}
		}
		var b strings.Builder
		p.opts.Err = &b
		_ = p.show("", fmt.Errorf("the relay says: %w", errors.New(v)))
		if err := errors.Join(hostile.Terminal(b.String()), hostile.Commands(strings.ReplaceAll(b.String(), "\n", " "))); err != nil {
			t.Errorf("%.40q: %v", v, err)
		}
	}
}
