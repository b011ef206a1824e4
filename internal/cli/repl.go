package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/repl"
	"github.com/quaestor-engine/quaestor/value"
)

type replCommand struct {
	signFlags `embed:""`
	Set       map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Give a parameter its value. Repeatable."`
	Root      string            `placeholder:"DIR" help:"Ask a tree that stands for this machine, such as a mounted image."`
	NoHistory bool              `help:"Keep nothing of what is typed."`
}

// isPrompt says whether a person is at both ends.
func isPrompt(std IO) bool {
	in, ok := std.In.(*os.File)
	return ok && term.IsTerminal(int(in.Fd())) && widthOf(std.Out) > 0
}

// welcome is what the prompt says first.
const welcome = `A query ends with ; or an empty line. Tab completes, help explains, \? lists commands, \q leaves.`

// Run shows the prompt.
func (c *replCommand) Run(a *app) (err error) {
	in, ok := a.In.(*os.File)
	if !isPrompt(a.IO) || !ok {
		return errors.New("the prompt needs a terminal\nhint: quaestor run takes queries as arguments, from files and from standard input")
	}
	// Ctrl-C ends what runs, and not the prompt: of the signals that end the
	// command only the others do.
	ctx, stop := signal.NotifyContext(context.WithoutCancel(a.ctx), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	b := a.within(ctx)
	b.keeper = &keeper{}
	defer func() { err = errors.Join(err, b.keeper.close()) }()
	s := &asking{app: b, cmd: c, format: "table", params: map[string]string{}}
	for name, text := range c.Set {
		s.params[name] = text
	}
	if s.cat, err = modules.NewCatalogue(std.Modules()...); err != nil {
		return err
	}
	o := repl.Options{In: in, Err: a.Err, Session: s, Commands: s.commands(), Welcome: welcome}
	if !c.NoHistory {
		h, err := a.homeDir()
		if err != nil {
			return err
		}
		if o.History, err = repl.OpenHistory(h.path("history.jsonl")); err != nil {
			return err
		}
		o.History.Secret = s.holdsSecret
	}
	defer s.refreshing.Wait()
	s.refreshEarly()
	return repl.Run(ctx, o)
}

// asking is what the prompt works on: this machine, and the fleet where one
// is set up.
type asking struct {
	app *app
	cmd *replCommand
	cat *modules.Catalogue

	format  string
	output  string // a file; "" is the screen
	filled  bool   // an answer is in it
	params  map[string]string
	secrets map[string]bool // which of them are kept nowhere
	last    lastAnswer
	lastID  string // of the investigation that was asked last
	inside  string // the case that all is kept in; "": none is open

	refreshing sync.WaitGroup
	mu         sync.Mutex // guards what follows
	hosts      []string
	facts      map[string][]string
	answers    []string
}

// Ask implements repl.Session.
func (s *asking) Ask(ctx context.Context, entry string) error {
	return s.ask(ctx, lang.Source{Name: "query", Text: entry})
}

// ask answers the queries of a source. Lists are looked for beside it.
func (s *asking) ask(ctx context.Context, src lang.Source) error {
	a := s.app.within(ctx)
	run := &runCommand{Root: s.cmd.Root, Case: s.inside}
	run.signFlags, run.Format, run.Output, run.Colour = s.cmd.signFlags, s.format, s.output, "auto"
	need, err := run.check(a)
	if err != nil {
		return err
	}
	if run.adds = s.filled; run.adds {
		if _, several := between[s.format]; !several {
			return fmt.Errorf("%s holds an answer already, and a file holds one as %s\nhint: \\o ANOTHER, or \\f jsonl", value.EscapeText(s.output), s.format)
		}
	}
	src.Text = s.withLastID(src.Text)
	local, err := s.local(src.Text)
	if err != nil {
		return err
	}
	defer local.Close()
	compiled, err := a.compiled(local, []lang.Source{src}, false)
	if err != nil {
		return plainly(err)
	}
	if s.last.used && !s.last.whole {
		fmt.Fprintln(a.Err, "warning: the last answer left something out, and so does this list")
	}
	explains := !slices.ContainsFunc(compiled.Queries, func(q quaestor.Query) bool { return !q.Explain })
	if explains && s.format == "table" && s.output == "" && s.inside == "" {
		return plainly((&explainCommand{Colour: "auto"}).draw(a, local, compiled))
	}
	s.last.used = false
	var kept lastAnswer
	run.keep = &kept
	run.submitted = func(id string) { s.lastID = id }
	err = plainly(run.ask(a, local, compiled, need))
	if kept.tables != nil {
		s.last, s.filled = kept, s.output != ""
	}
	if asksOthers(compiled) && a.keeper.connected() {
		s.refresh()
	}
	return err
}

// plainly is an error without the exit code that a command would end with.
func plainly(err error) error {
	var e *exit
	if errors.As(err, &e) {
		return e.err
	}
	return err
}

// local makes a session that knows the last answer, and those of the
// parameters that an entry declares: of others it would complain.
func (s *asking) local(entry string) (*quaestor.LocalSession, error) {
	params := map[string]string{}
	if f, err := lang.Parse(lang.Source{Name: "query", Text: entry}); err == nil {
		for _, q := range f.Queries {
			for _, p := range q.Params {
				if text, ok := s.params[p.Name.Name]; ok {
					params[p.Name.Name] = text
				}
			}
		}
	}
	return quaestor.LocalWith(quaestor.Options{Root: s.cmd.Root, Params: params, List: s.last.list, Case: s.app.caseModule})
}

// withLastID puts the last investigation's ID where hits and misses say last:
// what is signed must say which one is meant.
func (s *asking) withLastID(entry string) string {
	f, err := lang.Parse(lang.Source{Name: "query", Text: entry})
	if err != nil || s.lastID == "" {
		return entry
	}
	for i := len(f.Queries) - 1; i >= 0; i-- {
		from := f.Queries[i].From
		if from == nil || from.Source.Name != "hits" && from.Source.Name != "misses" {
			continue
		}
		lit, ok := from.Args[0].(*lang.Literal)
		if ok && strings.EqualFold(lit.Value.Text(), lastName) {
			at := lit.Span()
			entry = entry[:at.Start] + `"` + s.lastID + `"` + entry[at.End:]
		}
	}
	return entry
}

// Known implements repl.Session.
func (s *asking) Known() complete.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir, _ := filepath.Abs(".") // without one, lists are not offered
	c := complete.Context{Catalogue: s.cat, OS: runtime.GOOS, Dir: dir, Root: s.cmd.Root,
		Hosts: s.hosts, Facts: s.facts, Answers: s.answers, Lists: s.last.names(), Cases: s.caseNames()}
	if s.lastID != "" {
		c.Answers = append([]string{lastName}, c.Answers...)
	}
	return c
}

// holdsSecret says whether an entry holds the value of a secret parameter.
func (s *asking) holdsSecret(entry string) bool {
	for name := range s.secrets {
		if v := s.params[name]; v != "" && strings.Contains(entry, v) {
			return true
		}
	}
	return false
}

// refreshEarly asks the fleet who is there, where that needs no passphrase.
func (s *asking) refreshEarly() {
	home, err := s.app.home()
	if err != nil || len(home.Config.Relays) == 0 {
		return
	}
	ref, err := s.cmd.ref(s.app)
	if err != nil || strings.HasPrefix(ref, gpgPrefix) {
		return
	}
	h, err := s.app.homeDir()
	if err != nil {
		return
	}
	_, fp, err := h.find(ref, keysDir)
	if err != nil {
		return
	}
	if k, err := h.private(fp); err == nil && !k.Locked() {
		s.refresh()
	}
}

// refresh learns the fleet's hosts, facts and investigations, on the side:
// without them completion offers less, and a query says what is wrong.
func (s *asking) refresh() {
	s.refreshing.Go(func() {
		ctx, cancel := context.WithTimeout(s.app.ctx, refreshTimeout)
		defer cancel()
		l, err := s.app.within(ctx).dial(s.cmd.signerFlags)
		if err != nil {
			return
		}
		defer l.Close()
		all, err := l.Fleet(ctx)
		if err != nil {
			return
		}
		list, err := l.Investigations(ctx)
		if err != nil {
			return
		}
		s.know(all, list)
	})
}

// refreshTimeout is how long the fleet may take to say who is there.
const refreshTimeout = 10 * time.Second

// mostFactValues is how many values of one fact are offered.
const mostFactValues = 100

// know keeps what completion offers of a fleet.
func (s *asking) know(all []client.FleetAgent, list []client.Investigation) {
	hosts, facts := map[string]bool{}, map[string]map[string]bool{}
	for _, g := range all {
		if g.Problem != nil {
			continue
		}
		hosts[g.Host] = true
		for name, v := range g.Facts {
			if v.Type() != value.Text || len(facts[name]) >= mostFactValues {
				continue
			}
			if facts[name] == nil {
				facts[name] = map[string]bool{}
			}
			facts[name][v.Text()] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts, s.facts, s.answers = slices.Sorted(maps.Keys(hosts)), map[string][]string{}, nil
	for name, values := range facts {
		s.facts[name] = slices.Sorted(maps.Keys(values))
	}
	for _, inv := range list {
		s.answers = append(s.answers, inv.Plan.String())
	}
}
