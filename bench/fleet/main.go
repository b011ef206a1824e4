// Command fleet measures a fleet on this machine: a relay and many agents in
// processes of their own, over real TLS, with everything on. Signatures are
// verified by every agent, answers are sealed, stored, opened and verified.
//
//	go run ./bench/fleet -agents 1000 -processes 4
//
// It prints a table for docs/benchmarks.md. What is not real: agents share
// processes (their memory is therefore not that of one agent), their hosts are
// small trees of files, and all of them share two cores with relay and client.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/fanout"
	"github.com/quaestor-engine/quaestor/bench/internal/measured"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/simulate"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
)

type settings struct {
	role             string
	dir, addr, token string
	hosts            string
	agents, first    int
	processes        int
	rounds           int
	rows             int64
	settle           time.Duration
	heap, cpu        string
	revoke           bool
	restart          bool
	investigators    int
	out              string
	kept             measured.Round
	ask              string
	hostsDir         string // made in hosts
	obeyed           string
	bare             bool
	limit            fanout.Turn // where bare
}

func main() {
	if fanout.Child() {
		return
	}
	var s settings
	flag.StringVar(&s.role, "role", "", "what a child process is: relay or agents")
	flag.StringVar(&s.dir, "dir", "", "the folder of a child")
	flag.StringVar(&s.hosts, "hosts", "/dev/shm", "where the folders of agents and their hosts are made: their disks are not one disk, so a file system in memory is nearer to the truth")
	flag.StringVar(&s.addr, "addr", "", "where the relay is")
	flag.StringVar(&s.token, "token", "", "the token of agents")
	flag.IntVar(&s.agents, "agents", 1000, "how many agents")
	flag.IntVar(&s.first, "first", 0, "the number of a child's first agent")
	flag.IntVar(&s.processes, "processes", 4, "how many processes the agents share")
	flag.IntVar(&s.rounds, "rounds", 5, "how often each question is asked")
	flag.Int64Var(&s.rows, "rows", 1_000_000_000, "bytes of rows that one agent sends")
	flag.DurationVar(&s.settle, "settle", 15*time.Second, "how long the fleet rests before the relay's memory is measured; connections give back their buffers after 75 s")
	flag.StringVar(&s.heap, "heap", "", "where the relay then writes its heap, for go tool pprof")
	flag.StringVar(&s.cpu, "cpu", "", "where each process writes where its processor time went, for go tool pprof: with its role behind it, and its number")
	flag.BoolVar(&s.revoke, "revoke", false, "measure how soon an investigator is refused whom the next policy leaves out, and nothing else")
	flag.IntVar(&s.investigators, "investigators", 0, "measure so many investigators who ask at once, each a plan of his own, and nothing else")
	flag.StringVar(&s.out, "o", "", "ask FIND host alone, and add what was measured to this file, for bench/model")
	flag.StringVar(&s.ask, "ask", "FROM fleet FIND host", "what each of them asks")
	flag.BoolVar(&s.restart, "restart", false, "kill the relay in the middle of a plan, start it again, and measure until all agents are back, the plan is answered and the relay rests; no other question is asked")
	flag.BoolVar(&s.bare, "raw", false, "measure first what TLS and the multiplexer alone do with as many connections, ask FIND host alone, and say what part of that limit the fleet reaches")
	flag.StringVar(&s.obeyed, "obeyed", "", "the file that a child makes when its agents obey the second policy")
	flag.Parse()
	if s.heap != "" {
		runtime.MemProfileRate = 4 << 10 // what an agent holds is small
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer profile(&s)()
	var err error
	switch s.role {
	case "":
		err = measure(ctx, &s)
	case "relay":
		err = serveRelay(ctx, &s)
	case "agents":
		err = runAgents(ctx, &s)
	default:
		err = fmt.Errorf("no role %q", s.role)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// profile writes where this process spends its time, until what it gives is
// called.
func profile(s *settings) (stop func()) {
	if s.cpu == "" || s.role == "" {
		return func() {}
	}
	f, err := os.Create(fmt.Sprintf("%s.%s.%d", s.cpu, s.role, os.Getpid()))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close() // a profile that is cut cannot be read
	}
}

func serveRelay(ctx context.Context, s *settings) error {
	r, err := relay.Open(ctx, s.dir, relay.Options{})
	if err != nil {
		return err
	}
	go relay.Thrift(ctx)
	fmt.Println(r.Addr())
	if s.heap != "" {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGHUP)
		go func() {
			<-asked
			if err := writeHeap(s.heap); err != nil {
				fmt.Fprintln(os.Stderr, "fleet:", err)
			}
		}()
	}
	return r.Serve(ctx)
}

// writeHeap writes what this process holds, for go tool pprof.
func writeHeap(name string) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(os.Stderr, "relay: heap %.1f MB, stacks %.1f MB, %d goroutines\n", float64(m.HeapInuse)/1e6, float64(m.StackInuse)/1e6, runtime.NumGoroutine())
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}

// runAgents is some agents of the fleet, in this process.
func runAgents(ctx context.Context, s *settings) error {
	// What thousands of agents keep is gone through with each collection, which
	// on machines of their own none of them would have.
	debug.SetGCPercent(300)
	f, err := simulate.Start(ctx, simulate.Options{
		Dir: s.dir, Count: s.agents, First: s.first, Seed: 1, Relays: []string{s.addr}, Token: s.token,
		Modules: append(std.Modules(), rowsModule{bytes: s.rows}), Software: "1.0.0",
	})
	if err != nil {
		return err
	}
	go countConnected(ctx, f, s)
	fmt.Println("ready")
	if s.obeyed != "" {
		if err := awaitObeying(ctx, f, s); err != nil {
			return errors.Join(err, f.Stop())
		}
	}
	<-ctx.Done()
	return f.Stop()
}

// child starts this program again in a role, and gives it with the first line
// that it prints.
func child(ctx context.Context, args ...string) (*exec.Cmd, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	// Agents stand for other machines, which take no processor from relay and
	// investigator: here they come after them.
	cmd := exec.CommandContext(ctx, self, args...)
	if slices.Contains(args, "agents") {
		cmd = exec.CommandContext(ctx, "nice", append([]string{"-n", "10", self}, args...)...)
	}
	if slices.Contains(args, "relay") {
		cmd.Env = append(os.Environ(), "GODEBUG=adaptivestackstart=0") // as its unit has it
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	line := make([]byte, 256)
	n, err := out.Read(line)
	if err != nil {
		return nil, "", fmt.Errorf("%v ended: %w", args, err)
	}
	return cmd, strings.TrimSpace(string(line[:n])), nil
}

// A stage is a relay, with who asks it.
type stage struct {
	fleet  signing.ID
	home   *client.Home
	key    *signing.PrivateKey
	dir    string // of the relay
	heap   string
	cpu    string
	relay  *exec.Cmd
	agents []*exec.Cmd
	token  string
	addr   string
}

// crowd is how many connections the relay lets one address hold: all agents are
// behind one.
const crowd = 100_000

// startRelay starts the relay, for the first time or again.
func (s *stage) startRelay(ctx context.Context) (err error) {
	s.relay, s.addr, err = child(ctx, "-role", "relay", "-dir", s.dir, "-heap", s.heap, "-cpu", s.cpu)
	return err
}

// initRelay sets the relay up, on a port that is free now and stays its own.
func (s *stage) initRelay(policy []byte) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	if err := errors.Join(l.Close(), relay.Init(s.dir, relay.InitOptions{Listen: addr, Policy: policy})); err != nil {
		return err
	}
	name := filepath.Join(s.dir, "relay.toml")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	setting := regexp.MustCompile(`(?m)^connections_per_address = .*$`)
	return os.WriteFile(name, setting.ReplaceAll(text, fmt.Appendf(nil, "connections_per_address = %d", crowd)), 0o600)
}

func build(ctx context.Context, dir string, o *settings) (*stage, error) {
	key, err := signing.NewPrivateKey("Bench", "bench@example.org", time.Now().Add(-time.Minute))
	if err != nil {
		return nil, err
	}
	leaver, err := signing.NewPrivateKey("Leaver", "leaver@example.org", time.Now().Add(-time.Minute))
	if err != nil {
		return nil, err
	}
	fleet := signing.NewID()
	s := &stage{fleet: fleet, key: key, heap: o.heap, cpu: o.cpu, dir: filepath.Join(dir, "relay")}
	policy, err := s.policy(ctx, 1, signing.PrincipalSpec{Name: "Leaver", Key: leaver.Public(), Weight: 1})
	if err != nil {
		return nil, err
	}
	if err := s.initRelay(policy); err != nil {
		return nil, err
	}
	if err := s.startRelay(ctx); err != nil {
		return nil, err
	}
	pin, err := relay.Pin(s.dir)
	if err != nil {
		return nil, err
	}
	tok, err := signing.NewToken(signing.TokenSpec{Fleet: fleet, Uses: 100_000, NotBefore: time.Now().Add(-time.Minute), Expires: time.Now().Add(24 * time.Hour)})
	if err != nil {
		return nil, err
	}
	if err := tok.Envelope.Sign(ctx, key); err != nil {
		return nil, err
	}
	s.token = tok.String([]signing.Fingerprint{key.Fingerprint()}, pin)
	if s.home, err = client.OpenHome(filepath.Join(dir, "home")); err != nil {
		return nil, err
	}
	s.home.Config = client.Config{Relays: []string{s.addr}, Pin: pin, Administrators: []string{string(key.Fingerprint())}}
	return s, nil
}

// policy signs a version of the fleet's policy, with investigators beside the
// one who asks.
func (s *stage) policy(ctx context.Context, version int, others ...signing.PrincipalSpec) ([]byte, error) {
	text := signing.NewPolicyText(signing.PolicySpec{
		Fleet: s.fleet, Name: "bench",
		Administrators: []signing.PrincipalSpec{{Name: "Bench", Key: s.key.Public()}},
		Investigators:  append(others, signing.PrincipalSpec{Name: "Bench", Key: s.key.Public(), Weight: 1}),
	})
	for line, with := range map[string]string{
		`(?m)^rows = .*$`: "rows = 100_000_000", `(?m)^bytes = .*$`: `bytes = "100 GiB"`,
		`(?m)^version = 1$`: fmt.Sprintf("version = %d", version),
	} {
		text = regexp.MustCompile(line).ReplaceAllString(text, with)
	}
	e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
	if err := e.Sign(ctx, s.key); err != nil {
		return nil, err
	}
	return e.Encode(), nil
}

func median(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[len(ds)/2]
}

// resident gives the resident memory of a process in bytes.
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
