package faults

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
)

const (
	fewFiles = 40   // of most machines: their answers are one chunk
	allFiles = 4000 // of some: theirs are many
	// smallDisk is what an agent's folder may hold where its disk can be
	// filled, in bytes, and largeDisk the relay's: 300 agents' answers to 200
	// plans take 1.4 GB of it, with what is sent again.
	smallDisk = 8 << 20
	largeDisk = 2 << 30
)

// An endpoint is a machine with an agent.
type endpoint struct {
	name  string
	files int
	root  string
	dir   string
	clock string
	small bool    // its disk can be filled
	lines []*line // to each relay
	*process
	// hurt says that something it kept was damaged: it may say that it cannot
	// answer what it was asked before that.
	hurt time.Time
}

// path and sum are what the k-th file of a machine is called and holds.
func (e *endpoint) path(k int) string {
	return fmt.Sprintf("/data/%03d/%s-%05d", k/200, e.name, k)
}

func (e *endpoint) content(k int) string { return fmt.Sprintf("%s %d\n", e.name, k) }

func (e *endpoint) sum(k int) string {
	s := sha256.Sum256([]byte(e.content(k)))
	return hex.EncodeToString(s[:])
}

func (e *endpoint) plant() error {
	files := map[string]string{"/etc/hostname": e.name + "\n"}
	for k := range e.files {
		files[e.path(k)] = e.content(k)
	}
	for name, text := range files {
		at := e.root + name
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// A carrier is a relay.
type carrier struct {
	name  string
	dir   string
	addr  string
	clock string
	peers []*line // to and from the other relays
	*process
}

// A fleet is relays, agents and who asks.
type fleet struct {
	t       *testing.T
	dir     string
	key     *signing.PrivateKey
	policy  *signing.Policy
	pin     string
	relays  []*carrier
	agents  []*endpoint
	session *client.Session
	mounted bool
	broken  time.Time // when a byte that a relay kept was changed; zero: never

	stop context.CancelFunc
	wg   sync.WaitGroup
	mu   sync.Mutex // of broken, and of hurt of agents
}

func newFleet(t *testing.T, relays, agents, disks int) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir()}
	f.setUp(relays)
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	t.Cleanup(func() { stop(); f.wg.Wait() })
	for _, c := range f.relays {
		c.process = newProcess(t, f.path(c.name+".log"), roleVar+"=relay", dirVar+"="+c.dir, clockVar+"="+c.clock)
		f.wg.Go(func() { c.serve(ctx) })
	}
	f.dial()
	token := f.token(agents)
	for i := range agents {
		e := &endpoint{name: fmt.Sprintf("host-%03d", i), files: fewFiles, small: i < disks}
		var addrs []string
		for _, c := range f.relays {
			n := newLine(t, c.addr)
			e.lines, addrs = append(e.lines, n), append(addrs, n.addr())
		}
		if i%8 == 0 {
			e.files = allFiles
		}
		e.root, e.dir, e.clock = f.path("roots", e.name), f.path("agents", e.name), f.path(e.name+".clock")
		if err := e.plant(); err != nil {
			t.Fatal(err)
		}
		if e.small {
			f.mount(e.dir, smallDisk)
		}
		_, err := agent.Enroll(t.Context(), agent.EnrollOptions{Dir: e.dir, Relays: addrs, Token: token, Hostname: e.name})
		if err != nil {
			t.Fatal(err)
		}
		e.process = newProcess(t, f.path(e.name+".log"), roleVar+"=agent", dirVar+"="+e.dir, rootVar+"="+e.root, clockVar+"="+e.clock)
		f.agents = append(f.agents, e)
		f.wg.Go(func() { e.serve(ctx) })
	}
	return f
}

func (f *fleet) path(parts ...string) string {
	return filepath.Join(append([]string{f.dir}, parts...)...)
}

// setUp makes a key, a policy and the folders of relays.
func (f *fleet) setUp(relays int) {
	f.t.Helper()
	var err error
	if f.key, err = signing.NewPrivateKey("Ada", "ada@example.org", time.Now().Add(-2*time.Hour)); err != nil {
		f.t.Fatal(err)
	}
	text := signing.NewPolicyText(signing.PolicySpec{
		Fleet: signing.NewID(), Name: "faults",
		Administrators: []signing.PrincipalSpec{{Name: "Ada", Key: f.key.Public()}},
		Investigators:  []signing.PrincipalSpec{{Name: "Ada", Key: f.key.Public(), Weight: 1}},
	})
	if f.policy, err = signing.ParsePolicy([]byte(text)); err != nil {
		f.t.Fatal(err)
	}
	e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
	if err := e.Sign(f.t.Context(), f.key); err != nil {
		f.t.Fatal(err)
	}
	for k := range relays {
		name := fmt.Sprint("relay-", k)
		f.relays = append(f.relays, &carrier{name: name, dir: f.path(name), addr: f.free(), clock: f.path(name + ".clock")})
	}
	joined := make([]string, relays)
	for k := range joined {
		joined[k] = f.free()
	}
	for k, c := range f.relays {
		f.mount(c.dir, largeDisk)
		o := relay.InitOptions{Name: c.name, Listen: c.addr, Hosts: []string{"127.0.0.1"}, Policy: e.Encode()}
		if relays > 1 {
			// What they tell each other of further ways leads nowhere: every one
			// is to go over a line that can be cut.
			o.Cluster = relay.Cluster{Name: "faults", Listen: joined[k], Advertise: "127.0.0.1:9", Routes: f.peers(k, joined)}
		}
		if k > 0 {
			o.Policy, o.Like = nil, f.relays[0].dir
		}
		if err := relay.Init(c.dir, o); err != nil {
			f.t.Fatal(err)
		}
	}
	if f.pin, err = relay.Pin(f.relays[0].dir); err != nil {
		f.t.Fatal(err)
	}
}

// free gives an address that nobody listens on.
func (f *fleet) free() string {
	f.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// peers makes lines from a relay to the others, and gives their addresses.
func (f *fleet) peers(from int, joined []string) (routes []string) {
	for to, addr := range joined {
		if to == from {
			continue
		}
		n := newLine(f.t, addr)
		f.relays[from].peers, f.relays[to].peers = append(f.relays[from].peers, n), append(f.relays[to].peers, n)
		routes = append(routes, n.addr())
	}
	return routes
}

// addrs gives where the relays are.
func (f *fleet) addrs() (out []string) {
	for _, c := range f.relays {
		out = append(out, c.addr)
	}
	return out
}

// mount makes a folder that is a small disk of its own, where that is allowed.
func (f *fleet) mount(dir string, size int) {
	f.t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size))
	if f.mounted = err == nil; f.mounted {
		f.t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	}
}

func (f *fleet) token(uses int) string {
	f.t.Helper()
	tok, err := signing.NewToken(signing.TokenSpec{
		Fleet: f.policy.Fleet(), Uses: uses, NotBefore: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := tok.Envelope.Sign(f.t.Context(), f.key); err != nil {
		f.t.Fatal(err)
	}
	return tok.String([]signing.Fingerprint{f.key.Fingerprint()}, f.pin)
}

// dial connects who asks, as soon as the relay is there, and leaves a home and
// a key for investigators of their own.
func (f *fleet) dial() {
	f.t.Helper()
	home, err := client.OpenHome(f.path("home"))
	if err != nil {
		f.t.Fatal(err)
	}
	home.Config = client.Config{Relays: f.addrs(), Pin: f.pin, Administrators: []string{string(f.key.Fingerprint())}}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if f.session, err = client.Dial(f.t.Context(), "", client.WithHome(home), client.WithKey(f.key)); err == nil {
			break
		}
		if time.Now().After(end) {
			f.t.Fatal(err)
		}
	}
	f.t.Cleanup(func() { f.session.Close() })
	armored, err := f.key.Armor(nil)
	if err == nil {
		err = os.WriteFile(f.path("home", "key.asc"), armored, 0o600)
	}
	if err == nil {
		err = home.SaveConfig()
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// online counts the agents that are connected and have told their facts.
func (f *fleet) online(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	all, err := f.session.Fleet(ctx)
	n := 0
	for _, a := range all {
		if a.Online && len(a.Facts) > 3 {
			n++
		}
	}
	return n, err
}

// wait waits until all agents are connected.
func (f *fleet) wait(within time.Duration) {
	f.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(250 * time.Millisecond) {
		n, err := f.online(f.t.Context())
		if n == len(f.agents) {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("after %s %d of %d agents are connected: %v", within, n, len(f.agents), err)
		}
	}
}
