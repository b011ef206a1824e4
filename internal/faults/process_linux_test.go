package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
)

// The surroundings that make a process of the tests' program a relay, an agent
// or an investigator. The programs themselves know none of this: a clock that
// can be set by others has no place in them.
const (
	roleVar  = "QUAESTOR_FAULTS_ROLE"
	dirVar   = "QUAESTOR_FAULTS_DIR"
	rootVar  = "QUAESTOR_FAULTS_ROOT"
	clockVar = "QUAESTOR_FAULTS_CLOCK" // a file: how far the clock is off
	planVar  = "QUAESTOR_FAULTS_PLAN"
)

func TestMain(m *testing.M) {
	role := os.Getenv(roleVar)
	if role == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	level := slog.LevelInfo
	if role == "relay" {
		level = slog.LevelDebug // what its spine says, too
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	var err error
	switch role {
	case "relay":
		err = beRelay(ctx, log)
	case "agent":
		err = beAgent(ctx, log)
	case "investigator":
		err = beInvestigator(ctx)
	default:
		err = fmt.Errorf("no role %q", role)
	}
	if err != nil {
		log.Error("ended", "error", err)
		os.Exit(1)
	}
}

// clock gives a clock that goes by as much as its file says.
func clock(ctx context.Context) func() time.Time {
	var off atomic.Int64
	read := func() {
		text, err := os.ReadFile(os.Getenv(clockVar))
		if d, bad := time.ParseDuration(string(text)); err == nil && bad == nil {
			off.Store(int64(d))
		}
	}
	read()
	go func() {
		for ctx.Err() == nil {
			time.Sleep(200 * time.Millisecond)
			read()
		}
	}()
	return func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
}

func beRelay(ctx context.Context, log *slog.Logger) error {
	r, err := relay.Open(ctx, os.Getenv(dirVar), relay.Options{Logger: log, Now: clock(ctx)})
	if err != nil {
		return err
	}
	go relay.Thrift(ctx)
	return errors.Join(r.Serve(ctx), r.Close())
}

func beAgent(ctx context.Context, log *slog.Logger) error {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		return err
	}
	now := clock(ctx)
	a, err := agent.Open(agent.Options{
		Dir: os.Getenv(dirVar), Catalogue: cat, Now: now, Logger: log, Software: "faults",
		Host: modules.Host{Root: os.Getenv(rootVar), Now: now},
	})
	if err != nil {
		return err
	}
	return errors.Join(a.Run(ctx), a.Close())
}

// beInvestigator follows an investigation, with a home of his own, for as long
// as he lives.
func beInvestigator(ctx context.Context) error {
	dir := os.Getenv(dirVar)
	text, err := os.ReadFile(filepath.Join(dir, "key.asc"))
	if err != nil {
		return err
	}
	key, err := signing.ReadPrivateKey(text)
	if err != nil {
		return err
	}
	home, err := client.OpenHome(dir)
	if err != nil {
		return err
	}
	s, err := client.Dial(ctx, "", client.WithHome(home), client.WithKey(key))
	if err != nil {
		return err
	}
	defer s.Close()
	id, err := signing.ParseID(os.Getenv(planVar))
	if err != nil {
		return err
	}
	rows, err := s.Follow(ctx, id, client.FollowOptions{Wait: time.Hour})
	if err != nil {
		return err
	}
	defer rows.Close()
	for _, err := range rows.All() {
		if err != nil {
			return err
		}
	}
	return nil
}

// A process is one that is started again whenever it ends, as a system does
// with its services.
type process struct {
	env []string
	log *os.File

	may   sync.Mutex // held by who keeps it down, and while it starts
	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has
	lives int
}

func newProcess(t *testing.T, log string, env ...string) *process {
	t.Helper()
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &process{env: append(os.Environ(), env...), log: f}
}

// start starts a process of the tests' program, which dies with this one.
func start(env []string, log *os.File) (*exec.Cmd, error) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env, cmd.Stdout, cmd.Stderr = append(env, "GOTRACEBACK=single"), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, cmd.Start()
}

// serve keeps it running until ctx ends.
func (p *process) serve(ctx context.Context) {
	for ctx.Err() == nil {
		p.may.Lock()
		if ctx.Err() != nil {
			p.may.Unlock()
			return
		}
		cmd, err := start(p.env, p.log)
		ended := make(chan struct{})
		p.mu.Lock()
		if err == nil {
			p.cmd, p.ended = cmd, ended
			p.lives++
		}
		p.mu.Unlock()
		p.may.Unlock()
		if err == nil {
			stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
			_ = cmd.Wait()
			close(ended)
			stop()
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// signal sends a signal to it, if it runs.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(s)
	}
}

// pid gives its number; 0 where it has none.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// hold kills it and keeps it down until the function it gives is called.
func (p *process) hold() (release func()) {
	p.may.Lock()
	p.signal(syscall.SIGKILL)
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	if ended != nil {
		<-ended
	}
	return p.may.Unlock
}

// crashed gives the end of the log where a process panicked.
func (p *process) crashed() string {
	text, _ := os.ReadFile(p.log.Name())
	for _, sign := range []string{"panic: ", "fatal error: ", "DATA RACE"} {
		if at := strings.Index(string(text), sign); at >= 0 {
			return string(text[at:min(len(text), at+3000)])
		}
	}
	return ""
}
