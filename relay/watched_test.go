package relay_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/relay/meter"
	"github.com/quaestor-engine/quaestor/relay/watch"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// watchedFleet is a fleet whose relay can be watched.
func watchedFleet(t testing.TB) *fleet {
	t.Helper()
	f := people(t)
	f.dir = t.TempDir()
	err := relay.Init(f.dir, relay.InitOptions{
		Name: "watched", Listen: "127.0.0.1:0", Hosts: []string{"127.0.0.1"}, Policy: f.sealedPolicy(f.policy, f.admin), Metrics: "127.0.0.1:0",
	})
	if err != nil {
		t.Fatal(err)
	}
	f.start()
	t.Cleanup(func() { f.hangUp(); f.halt() })
	return f
}

func (f *fleet) reading() *watch.Reading {
	f.t.Helper()
	return must(watch.Read(context.Background(), f.relay.WatchAddr()))(f.t)
}

// want holds numbers of a page to what they are to be, as soon as they are.
func (f *fleet) wantNumbers(want map[string]float64) {
	f.t.Helper()
	numbersAt(f.t, f.relay.WatchAddr(), want)
}

func numbersAt(t testing.TB, addr string, want map[string]float64) {
	t.Helper()
	var s *meter.Scrape
	off := func() (all []string) {
		s = must(watch.Read(context.Background(), addr))(t).Scrape
		for key, v := range want {
			name, label, _ := strings.Cut(key, "|")
			var labels []string
			if label != "" {
				labels = strings.Split(label, "=")
			}
			if got, ok := s.Value(name, labels...); !ok || got != v {
				all = append(all, key)
			}
		}
		return all
	}
	wrong := off()
	for end := time.Now().Add(long); len(wrong) > 0 && time.Now().Before(end); wrong = off() {
		time.Sleep(20 * time.Millisecond)
	}
	for _, key := range wrong {
		name, label, _ := strings.Cut(key, "|")
		t.Errorf("%s{%s} is not %v: %+v", name, label, want[key], s.Find(strings.TrimSuffix(name, "_count")))
	}
}

// What is counted is what happened: agents, plans, chunks, acknowledgements,
// whoever was refused, and all of it by many at once.
func TestCountsWhatHappened(t *testing.T) {
	t.Parallel()
	f := watchedFleet(t)
	const agents, plans, chunks = 12, 5, 4
	tok := f.token(agents)
	var all []*agent
	for range agents {
		all = append(all, f.newAgent("web", tok).enroll().up("linux"))
	}
	for _, a := range all {
		a.settle() // a stray chunk, and an acknowledgement that it is gone
	}
	i := f.login(f.alice)
	f.prove(f.stranger.Fingerprint(), f.stranger, nil)
	i.send(message.OpSubmit, message.TypeEnvelope, f.signed(f.plan(""), f.stranger)).wantFailure(message.FailDenied)
	f.newAgent("late", tok).ask(f.dial(nil), message.KindEnroll, nil)
	var asked []signing.ID
	for range plans {
		p := f.plan("")
		asked = append(asked, p.ID)
		i.submit(f.signed(p, f.alice))
	}
	var wg sync.WaitGroup
	for _, a := range all {
		wg.Go(func() {
			for range plans { // in whatever order they came
				id := planOf(t, a.want(message.TypePlan)).ID
				for n := range uint32(chunks) {
					a.say(message.TypeChunk, a.chunk(id, n, n == chunks-1, "12345678"))
				}
			}
			for done := map[signing.ID]bool{}; len(done) < plans; {
				if ack := read[message.Ack](t, a.want(message.TypeAck)); ack.Next == chunks {
					done[ack.Plan] = true
				}
			}
		})
	}
	wg.Wait()
	const total = agents * plans
	f.wantNumbers(map[string]float64{
		"quaestor_relay_connected_agents": agents, "quaestor_relay_known_agents": agents,
		"quaestor_relay_open_plans": plans, "quaestor_relay_kept_plans": plans, "quaestor_relay_pending_plans": 0, "quaestor_relay_plans_total": plans,
		"quaestor_relay_fanout_seconds_count": total,
		"quaestor_relay_chunks_total":         total * chunks, "quaestor_relay_chunk_bytes_total": total * chunks * 8, "quaestor_relay_answers_total": total,
		"quaestor_relay_acknowledgements_total":             total*chunks + agents,
		"quaestor_relay_kept_answer_bytes":                  total * chunks * 8,
		"quaestor_relay_store_seconds_count|what=chunk":     total * chunks,
		"quaestor_relay_refusals_total|reason=investigator": 1,
		"quaestor_relay_refusals_total|reason=plan":         1,
		"quaestor_relay_refusals_total|reason=enrolment":    1,
		"quaestor_relay_refusals_total|reason=agent":        0,
		"quaestor_relay_handshakes_total":                   2*agents + 3,
		"quaestor_relay_outbox_frames":                      0,
		"quaestor_relay_spine_lag_messages|stream=plans":    0,
		"quaestor_relay_spine_messages|stream=answers":      total * chunks,
		"quaestor_relay_store_failures_total|what=chunk":    0,
		"quaestor_relay_spine_up":                           1,
		"quaestor_relay_cut_off":                            0,
		"quaestor_relay_log_on":                             0,
	})
	// The same after a restart, but for what happened; and nothing is behind.
	f.hangUp()
	f.restart()
	f.wantNumbers(map[string]float64{
		"quaestor_relay_connected_agents": 0, "quaestor_relay_known_agents": agents, "quaestor_relay_open_plans": plans, "quaestor_relay_chunks_total": 0,
		"quaestor_relay_kept_answer_bytes": total * chunks * 8,
	})
}

// Who breaks a handshake, who comes with a certificate of others, and who takes
// nothing is counted.
func TestCountsWhoIsRefused(t *testing.T) {
	t.Parallel()
	f := watchedFleet(t)
	raw := must(net.Dial("tcp", f.addr))(t)
	defer raw.Close()
	must(raw.Write([]byte("GET / HTTP/1.1\r\n\r\n")))(t) // no TLS
	a := f.agent("web-1", "linux")
	a.settle()
	other := f.newAgent("web-2", f.token(1)).enroll()
	other.cert = a.cert
	other.hello(nil).wantFailure(message.FailDenied)
	f.relay.StuffOutbox(a.id.ID())
	a.wantEnd()
	f.wantNumbers(map[string]float64{
		"quaestor_relay_refusals_total|reason=handshake": 1, "quaestor_relay_refusals_total|reason=agent": 1, "quaestor_relay_slow_agents_total": 1,
		"quaestor_relay_connected_agents": 0,
	})
}

// The page of a relay with agents, plans and answers names none of them, has no
// label but those that are listed, and its own strict reader and promtool take
// it.
func TestPageTellsNobody(t *testing.T) {
	t.Parallel()
	f := watchedFleet(t)
	a := f.agent("a-host-of-its-own", "linux")
	a.settle()
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	a.say(message.TypeChunk, a.chunk(p.ID, 0, true, "x"))
	a.wantAck(a.line, p.ID, 1)
	pageTellsNobody(t, f.get("/metrics", http.StatusOK), "quaestor_relay_", map[string]string{
		"host": "a-host-of-its-own", "agent": a.id.ID().String(), "plan": p.ID.String(), "investigator": "alice",
		"key": string(f.alice.Fingerprint()), "query": "FIND host", "purpose": "a test", "folder": f.dir, "fleet": f.id.String(),
	})
}

// pageTellsNobody holds a page to what it may have.
func pageTellsNobody(t *testing.T, text, prefix string, secrets map[string]string) {
	t.Helper()
	for what, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("the page has the %s: %s", what, secret)
		}
	}
	labels := map[string]bool{"le": true, "what": true, "reason": true, "stream": true}
	for _, family := range must(meter.Parse([]byte(text)))(t).Families {
		if !strings.HasPrefix(family.Name, prefix) && !strings.HasPrefix(family.Name, "go_") && !strings.HasPrefix(family.Name, "process_") {
			t.Errorf("a family of a stranger: %s", family.Name)
		}
		if len(family.Samples) == 0 || len(family.Samples) > 100 {
			t.Errorf("family %s has %d samples", family.Name, len(family.Samples))
		}
		for _, s := range family.Samples {
			for _, l := range s.Labels {
				if !labels[l.Name] && family.Name != prefix+"info" && family.Name != "go_info" {
					t.Errorf("%s has a label %s", s.Name, l.Name)
				}
			}
		}
	}
	promtool(t, text, "check", "metrics")
}

// promtool runs the tool of Prometheus, where it is installed.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	name, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed (Debian package prometheus): its word is missing")
		return
	}
	c := exec.Command(name, args...)
	c.Stdin = strings.NewReader(input)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (f *fleet) get(path string, status int) string {
	f.t.Helper()
	return getFrom(f.t, f.relay.WatchAddr(), path, status)
}

func getFrom(t testing.TB, addr, path string, status int) string {
	t.Helper()
	answer := must(http.Get("http://" + addr + path))(t)
	defer answer.Body.Close()
	var b bytes.Buffer
	must(b.ReadFrom(answer.Body))(t)
	if answer.StatusCode != status {
		t.Errorf("%s: %s: %s", path, answer.Status, b.String())
	}
	http.DefaultClient.CloseIdleConnections()
	return b.String()
}

// Profiles and the slowest plans are on the same address; what is none is not.
func TestWatchPaths(t *testing.T) {
	t.Parallel()
	f := watchedFleet(t)
	if text := f.get("/debug/pprof/goroutine?debug=1", http.StatusOK); !strings.Contains(text, "relay.(*Relay)") {
		t.Errorf("%.300s", text)
	}
	f.get("/debug/pprof/heap", http.StatusOK)
	f.get("/debug/pprof/cmdline", http.StatusNotFound)
	f.get("/", http.StatusNotFound)
	if got := f.get("/plans", http.StatusOK); got != "[]\n" {
		t.Errorf("plans: %s", got)
	}
	a := f.agent("web-1", "linux")
	a.settle()
	p := f.plan("")
	f.login(f.alice).submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	eventually(t, "the plan is told of", func() bool {
		plans := f.reading().Plans
		return len(plans) == 1 && plans[0].Plan == p.ID.String() && plans[0].Reached == 1 && plans[0].Waiting == 1 && plans[0].Done == 0
	})
}

// A relay that cannot listen where it is to be watched does not start, and an
// address of others is refused with what to write.
func TestMetricsAddress(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if _, err := relay.MetricsAddress(f.dir); err == nil || !strings.Contains(err.Error(), `metrics = "127.0.0.1:7480"`) {
		t.Errorf("a relay that tells nobody: %v", err)
	}
	f.halt()
	name := filepath.Join(f.dir, "relay.toml")
	text := string(must(os.ReadFile(name))(t))
	for _, addr := range []string{":7480", "0.0.0.0:7480", "[::]:7480", "192.0.2.1:7480", "localhost:7480", "127.0.0.1", "[fe80::1%eth0]:7480"} {
		set := strings.Replace(text, `metrics = ""`, `metrics = "`+addr+`"`, 1)
		if err := os.WriteFile(name, []byte(set), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := relay.Open(t.Context(), f.dir, relay.Options{})
		if err == nil {
			r.Close()
		}
		if !errors.Is(err, watch.ErrAddress) || !strings.Contains(err.Error(), "127.0.0.1:7480") {
			t.Errorf("%s: %v", addr, err)
		}
		if err := relay.Init(t.TempDir(), relay.InitOptions{Policy: f.sealedPolicy(f.policy, f.admin), Metrics: addr}); !errors.Is(err, watch.ErrAddress) {
			t.Errorf("init with %s: %v", addr, err)
		}
	}
	taken := freeAddr(t)
	s := must(watch.Listen(taken, nil))(t)
	defer s.Close()
	if err := os.WriteFile(name, []byte(strings.Replace(text, `metrics = ""`, `metrics = "`+taken+`"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := relay.Open(t.Context(), f.dir, relay.Options{}); err == nil {
		r.Close()
		t.Error("it starts though nobody can watch it")
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.start() // the port of the relay itself was given back
}

// The example of alert rules speaks of numbers that a relay gives, and is what
// promtool takes, with its tests.
func TestAlertRules(t *testing.T) {
	const dir = "../docs/examples/alerts"
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(must(os.ReadFile(filepath.Join(dir, "relay.yaml")))(t), &rules); err != nil || len(rules.Groups) == 0 {
		t.Fatal(err, rules)
	}
	f := watchedFleet(t)
	at := freeAddr(t)
	newSiteAt(t, f, at)
	s, leaf := f.reading().Scrape, must(watch.Read(t.Context(), at))(t).Scrape
	names := regexp.MustCompile(`\b(quaestor_relay|quaestor_leaf|process|go)_[a-z0-9_]+`)
	// Of a log that witnesses sign there is more than of none.
	only := map[string]bool{"quaestor_relay_log_waiting_seconds": true}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
				t.Errorf("a rule without a name, a summary or a severity: %+v", r)
			}
			for _, name := range names.FindAllString(r.Expr, -1) {
				base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum")
				if s.Find(name) == nil && s.Find(base) == nil && leaf.Find(name) == nil && !only[name] {
					t.Errorf("%s: neither a relay nor a leaf says %s", r.Alert, name)
				}
			}
		}
	}
	promtool(t, "", "check", "rules", filepath.Join(dir, "relay.yaml"))
	promtool(t, "", "test", "rules", filepath.Join(dir, "relay_test.yaml"))
}
