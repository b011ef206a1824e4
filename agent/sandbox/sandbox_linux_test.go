package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/file"
	"github.com/quaestor-engine/quaestor/modules/host"
	"github.com/quaestor-engine/quaestor/modules/probe"
	processes "github.com/quaestor-engine/quaestor/modules/process"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// command is what starts the program of this test as a child: itself, or a
// build of it without cgo, which has no threads that Go does not know.
var command []string

func TestMain(m *testing.M) {
	if IsChild(os.Args) {
		os.Exit(Serve(catalogue(), os.Stdin, os.Stdout))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "quaestor-sandbox-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "child")
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	command = []string{program, ChildArgument}
	return m.Run()
}

// A misfit is a module that does what no module may.
type misfit struct {
	name string
	do   func(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error
}

func (m misfit) Schema() *modules.Schema {
	use := modules.LocatorOptional
	if m.name == "sends_back" {
		use = modules.LocatorRequired
	}
	return &modules.Schema{
		Name: m.name, Doc: "A test.", Processes: m.name == "hostile_process", Sends: m.name == "hostile_sender" || strings.HasPrefix(m.name, "sends_"),
		Columns: []modules.Column{{Name: "text", Type: value.Text, Default: true, Doc: "What it says."}},
		Locator: modules.Locator{Use: use, Column: "text", Doc: "Anything.", Example: "x"},
	}
}

func (m misfit) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	return m.do(ctx, req, yield)
}

type said string

func (s said) Column(context.Context, int) (value.Value, error) { return value.NewText(string(s)), nil }

// hostile tries every door, from within a scan. Its locator is the agent's
// folder.
func hostile(_ context.Context, req *modules.Request, yield func(modules.Row) error) error {
	for _, d := range (Trial{Agent: os.Getppid(), Dir: req.Locators[0]}).run() {
		if err := yield(said(fmt.Sprintf("%t %s: %s", d.Shut, d.Name, d.How))); err != nil {
			return err
		}
	}
	return nil
}

func catalogue() *modules.Catalogue {
	cat, err := modules.NewCatalogue(list()...)
	if err != nil {
		panic(err)
	}
	return cat
}

func list() []modules.Module {
	return append([]modules.Module{
		misfit{"freeze", frozen}, misfit{"hostile", hostile}, misfit{"hostile_process", hostile}, misfit{"hostile_sender", hostile},
		misfit{"rows", func(ctx context.Context, _ *modules.Request, yield func(modules.Row) error) error {
			for i := range 5 {
				if err := yield(said(fmt.Sprint(i))); err != nil {
					return err
				}
			}
			return ctx.Err()
		}},
		misfit{"hang", func(_ context.Context, _ *modules.Request, yield func(modules.Row) error) error {
			if err := yield(said("before")); err != nil {
				return err
			}
			select {}
		}},
		misfit{"crash", func(_ context.Context, _ *modules.Request, yield func(modules.Row) error) error {
			if err := yield(said("before")); err != nil {
				return err
			}
			time.Sleep(200 * time.Millisecond) // the row is told
			go func() { panic("a fault on a goroutine of its own") }()
			select {}
		}},
		misfit{"crash_at_once", func(context.Context, *modules.Request, func(modules.Row) error) error {
			_ = syscall.Kill(0, 0)
			go func() { panic("at once") }()
			select {}
		}},
		misfit{"bomb", func(_ context.Context, _ *modules.Request, yield func(modules.Row) error) error {
			if err := yield(said("before")); err != nil {
				return err
			}
			time.Sleep(200 * time.Millisecond)
			var all [][]byte
			for {
				b := make([]byte, 16<<20)
				for i := 0; i < len(b); i += 4096 {
					b[i] = 1
				}
				all = append(all, b)
			}
		}},
		misfit{"hoard", func(_ context.Context, req *modules.Request, yield func(modules.Row) error) error {
			var all []*os.File
			defer func() {
				for _, f := range all {
					f.Close()
				}
			}()
			for {
				f, err := os.Open("/etc/passwd")
				if err != nil {
					return errors.Join(err, yield(said(fmt.Sprint(len(all)))))
				}
				all = append(all, f)
			}
		}},
		file.New(), host.New(),
	}, slices.Concat(senders(), users(), processes.Modules(), probe.Modules())...)
}

// A stage is children with the folder of an agent.
type stage struct {
	*Children
	t      *testing.T
	dir    string
	policy *signing.Policy
}

func newStage(t *testing.T) *stage {
	dir := filepath.Join(t.TempDir(), "agent")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "identity.pem"), []byte("the key"), 0o600)); err != nil {
		t.Fatal(err)
	}
	key, err := signing.NewPrivateKey("a", "a@example.com", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	who := []signing.PrincipalSpec{{Name: "a", Key: key.Public()}}
	policy, err := signing.ParsePolicy([]byte(signing.NewPolicyText(signing.PolicySpec{Fleet: signing.NewID(), Name: "test", Administrators: who, Investigators: who})))
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{NewChildren(command, dir, catalogue(), slog.New(slog.DiscardHandler)), t, dir, policy}
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *stage) plan(query string) *plan.Plan {
	local, err := quaestor.LocalWith(quaestor.Options{Modules: list()})
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := local.Compile(lang.Source{Name: "test", Text: query})
	if err != nil {
		s.t.Fatal(err)
	}
	return c.Queries[0].Plan
}

// ask runs a query in a child, and calls during with each row.
func (s *stage) ask(query string, l Limits, during func(row string)) ([]string, answer.Summary) {
	s.t.Helper()
	run := s.Start(s.t.Context(), Job{
		Plan: s.plan(query), Policy: s.policy, Facts: plan.Facts{}, Own: OwnFilesOf(s.dir, ""), Turn: &Turn{}, Limits: l,
	})
	var rows []string
	for row, err := range run.Rows() {
		if err != nil {
			break
		}
		rows = append(rows, row.Values[0].Text())
		if during != nil {
			during(rows[len(rows)-1])
		}
	}
	return rows, run.Summary()
}

// A module that turns on its host finds each door shut, with the rights that
// root leaves to a child.
func TestDoors(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct {
		module string
		open   []string // what this kind of child is for, or is known not to be kept from
	}{
		{"hostile", []string{"read users and their passwords"}},
		{"hostile_process", []string{"read users and their passwords", "read the agent's memory", "read the agent's key", "read a disk past its files"}},
		{"hostile_sender", []string{"reach other hosts"}},
	} {
		rows, sum := s.ask(fmt.Sprintf("FIND %s %q", c.module, s.dir), Limits{}, nil)
		if len(rows) < 15 {
			t.Fatalf("%s: %q, %+v", c.module, rows, sum)
		}
		for _, row := range rows {
			shut := strings.HasPrefix(row, "true ")
			name, _, _ := strings.Cut(row[strings.IndexByte(row, ' ')+1:], ":")
			if shut == slices.Contains(c.open, name) {
				t.Errorf("%s: %s", c.module, row)
			}
		}
	}
}

// What the doors say of themselves holds for a child of each kind.
func TestDoorsAreTold(t *testing.T) {
	s := newStage(t)
	for _, kind := range []Kind{Files, Processes, Sends} {
		doors, err := s.Try(t.Context(), kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range doors[:5] {
			if !d.Shut && !(kind == Processes && d.Name == "files by Landlock") {
				t.Errorf("%s: %+v", kind, d)
			}
		}
	}
}

func TestRowsAndAccount(t *testing.T) {
	s := newStage(t)
	rows, sum := s.ask("FIND rows", Limits{}, nil)
	if got := strings.Join(rows, ""); got != "01234" || sum.Outcome != answer.Complete || sum.Matched != 5 {
		t.Errorf("%q, %+v", got, sum)
	}
	facts, err := s.Facts(t.Context())
	if err != nil || facts["os"].Text() != "linux" {
		t.Errorf("%v, %v", facts, err)
	}
}

// Files are read, also those of others, and the agent's folder is not.
func TestFilesAreRead(t *testing.T) {
	s := newStage(t)
	name := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(name, []byte("needle"), 0o000); err != nil {
		t.Fatal(err)
	}
	rows, sum := s.ask(fmt.Sprintf("FIND file %q WHERE CONTAINS 'needle'", name), Limits{}, nil)
	if len(rows) != 1 || sum.Outcome != answer.Complete {
		t.Errorf("%q, %+v", rows, sum)
	}
	rows, sum = s.ask(fmt.Sprintf("FIND file %q", filepath.Join(s.dir, "**")), Limits{}, nil)
	if len(rows) != 0 || len(sum.Skipped) == 0 || sum.Skipped[0].Kind != modules.SkipSelf {
		t.Errorf("%q, %+v", rows, sum)
	}
	rows, sum = s.ask(fmt.Sprintf("FIND process WHERE pid = %d RETURN name", os.Getpid()), Limits{}, nil)
	if len(rows) != 0 {
		t.Errorf("the agent is found: %q, %+v", rows, sum)
	}
}

// A child that is killed in the middle keeps what it told, and the next scan
// has another.
func TestKilledChild(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct {
		query, reason string
		rows          int
		outcome       answer.Outcome
		limits        Limits
		limit         string
	}{
		{"FIND crash", "a fault on a goroutine of its own", 1, answer.Failed, Limits{}, ""},
		{"FIND crash_at_once", NoThird, 0, answer.Failed, Limits{}, ""},
		{"FIND bomb", "more memory", 1, answer.Partial, Limits{Memory: 300 << 20}, "memory"},
	} {
		rows, sum := s.ask(c.query, c.limits, nil)
		if len(rows) != c.rows || sum.Outcome != c.outcome || !strings.Contains(sum.Reason, c.reason) || strings.Join(sum.Limits, "") != c.limit {
			t.Errorf("%s: %q, %+v", c.query, rows, sum)
		}
		if rows, sum := s.ask("FIND rows", Limits{}, nil); len(rows) != 5 || sum.Outcome != answer.Complete {
			t.Errorf("after %s: %q, %+v", c.query, rows, sum)
		}
	}
	// From outside, while it hangs.
	rows, sum := s.ask("FIND hang", Limits{}, func(string) { killChildren(t) })
	if len(rows) != 1 || sum.Outcome != answer.Failed || !strings.Contains(sum.Reason, "killed") {
		t.Errorf("%q, %+v", rows, sum)
	}
}

// killChildren kills what this process has started.
func killChildren(t *testing.T) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", syscall.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	list, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range list {
		more, _ := os.ReadFile(name)
		b = append(append(b, ' '), more...)
	}
	for _, f := range strings.Fields(string(b)) {
		var pid int
		fmt.Sscan(f, &pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// A scan that does not end when its time is over ends with its process.
func TestHang(t *testing.T) {
	s := newStage(t)
	s.grace = 50 * time.Millisecond
	rows, sum := s.ask("FIND hang WITH timeout = 1s", Limits{Timeout: time.Second}, nil)
	if len(rows) != 1 || sum.Outcome != answer.Partial || !strings.Contains(sum.Reason, "was killed") || !slices.Contains(sum.Limits, "timeout") {
		t.Errorf("%q, %+v", rows, sum)
	}
	ctx, cancel := context.WithCancel(t.Context())
	run := s.Start(ctx, Job{Plan: s.plan("FIND hang"), Policy: s.policy, Facts: plan.Facts{}, Turn: &Turn{}})
	for range run.Rows() {
		cancel()
	}
	if sum := run.Summary(); sum.Outcome != answer.Partial || !strings.Contains(sum.Reason, "told to") {
		t.Errorf("%+v", sum)
	}
	cancel()
}

// Who opens more files than a child may is told so, and the scan fails alone.
func TestOpenFiles(t *testing.T) {
	s := newStage(t)
	rows, sum := s.ask("FIND hoard", Limits{}, nil)
	if n, err := strconv.Atoi(rows[0]); len(rows) != 1 || err != nil || n >= openFiles || sum.Outcome != answer.Failed || !strings.Contains(sum.Reason, "too many open files") {
		t.Errorf("%q, %+v", rows, sum)
	}
}

// A plan that has yielded its turn does nothing, and goes on where it was.
func TestTurn(t *testing.T) {
	s := newStage(t)
	turn := &Turn{}
	run := s.Start(t.Context(), Job{Plan: s.plan("FIND rows"), Policy: s.policy, Facts: plan.Facts{}, Turn: turn})
	turn.Shut()
	go func() {
		time.Sleep(50 * time.Millisecond)
		turn.Open()
	}()
	n := 0
	for _, err := range run.Rows() {
		if err == nil {
			n++
		}
	}
	if sum := run.Summary(); n != 5 || sum.Outcome != answer.Complete {
		t.Errorf("%d rows, %+v", n, sum)
	}
}
