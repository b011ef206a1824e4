package watch

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quaestor-engine/quaestor/relay/meter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite the golden files")

// scrape reads a page of testdata, with some lines in the place of others.
func scrape(t *testing.T, change ...string) *meter.Scrape {
	t.Helper()
	return scrapeOf(t, "relay.prom", change...)
}

func scrapeOf(t *testing.T, name string, change ...string) *meter.Scrape {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for i := 0; i < len(change); i += 2 {
		if strings.Count(page, "\n"+change[i]) != 1 {
			t.Fatalf("%q is not one line of the page", change[i])
		}
		before, after, _ := strings.Cut(page, "\n"+change[i])
		page = before + "\n" + change[i+1] + after[strings.IndexByte(after, '\n'):]
	}
	s, err := meter.Parse([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start is when the relay of the page was started, and noon when it is read.
var noon = time.Unix(1_800_000_000, 0).Add(50*time.Hour + 90*time.Second)

// later are the lines of the page ten seconds on, of a relay that works.
var later = []string{
	"quaestor_relay_plans_total ", "quaestor_relay_plans_total 43",
	"quaestor_relay_answers_total ", "quaestor_relay_answers_total 91000",
	"quaestor_relay_chunks_total ", "quaestor_relay_chunks_total 102000",
	"quaestor_relay_chunk_bytes_total ", "quaestor_relay_chunk_bytes_total 2.9e+07",
	"quaestor_relay_received_bytes_total ", "quaestor_relay_received_bytes_total 6.1e+07",
	"process_cpu_seconds_total ", "process_cpu_seconds_total 715.2",
	`quaestor_relay_fanout_seconds_bucket{le="0.01"}`, `quaestor_relay_fanout_seconds_bucket{le="0.01"} 95000`,
	`quaestor_relay_fanout_seconds_bucket{le="0.1"}`, `quaestor_relay_fanout_seconds_bucket{le="0.1"} 95000`,
	`quaestor_relay_fanout_seconds_bucket{le="1"}`, `quaestor_relay_fanout_seconds_bucket{le="1"} 99900`,
	`quaestor_relay_fanout_seconds_bucket{le="+Inf"}`, `quaestor_relay_fanout_seconds_bucket{le="+Inf"} 100000`,
	`quaestor_relay_fanout_seconds_count `, `quaestor_relay_fanout_seconds_count 100000`,
}

// ill are lines of a relay with which everything is wrong.
var ill = []string{
	"quaestor_relay_cut_off ", "quaestor_relay_cut_off 1",
	"quaestor_relay_spine_up ", "quaestor_relay_spine_up 0",
	"quaestor_relay_alive_peers ", "quaestor_relay_alive_peers 1",
	"quaestor_relay_disk_free_bytes ", "quaestor_relay_disk_free_bytes 2e+09",
	`quaestor_relay_store_failures_total{what="chunk"}`, `quaestor_relay_store_failures_total{what="chunk"} 7`,
	`quaestor_relay_store_seconds_bucket{what="chunk",le="+Inf"}`, `quaestor_relay_store_seconds_bucket{what="chunk",le="+Inf"} 90100`,
	`quaestor_relay_store_seconds_count{what="chunk"}`, `quaestor_relay_store_seconds_count{what="chunk"} 90100`,
	`quaestor_relay_spine_lag_messages{stream="answers"}`, `quaestor_relay_spine_lag_messages{stream="answers"} 25000`,
	`quaestor_relay_spine_copies_behind{stream="answers"}`, `quaestor_relay_spine_copies_behind{stream="answers"} 1`,
	"quaestor_relay_slow_agents_total ", "quaestor_relay_slow_agents_total 5",
	"quaestor_relay_outbox_deepest_frames ", "quaestor_relay_outbox_deepest_frames 900",
	"quaestor_relay_log_waiting_seconds ", "quaestor_relay_log_waiting_seconds 300",
	"quaestor_relay_unlogged_plans ", "quaestor_relay_unlogged_plans 2",
	"process_open_fds ", "process_open_fds 60000",
	`quaestor_relay_refusals_total{reason="crowded"}`, `quaestor_relay_refusals_total{reason="crowded"} 812`,
}

// What top shows of a fixed page: of a relay at work, of one at rest, of one
// that is ill, of one that was started anew between two looks, and of one that
// does not say much.
func TestTable(t *testing.T) {
	plans := []Plan{
		{Plan: "0197f3c0-0000-7000-8000-000000000001", Age: 754, Left: 2846, Agents: 10000, Reached: 9800, Done: 9750, Waiting: 62, Bytes: 4_200_000},
		{Plan: "0197f3c0-0000-7000-8000-000000000002", Age: 3, Left: 86397, Agents: 12, Waiting: 12, Unlogged: true},
	}
	base := scrape(t)
	anew := scrape(t, "process_start_time_seconds ", "process_start_time_seconds 1.80018e+09", "quaestor_relay_answers_total ", "quaestor_relay_answers_total 20")
	mute, err := meter.Parse([]byte("# HELP quaestor_relay_info I.\n# TYPE quaestor_relay_info gauge\nquaestor_relay_info{name=\"\\u001b[31mred\"} 1\n"))
	if err == nil {
		t.Fatal("an escape that the format does not have")
	}
	mute, err = meter.Parse([]byte("# HELP quaestor_relay_info I.\n# TYPE quaestor_relay_info gauge\nquaestor_relay_info{name=\"\x1b[31mred\"} 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		before, now *meter.Scrape
		plans       []Plan
	}{
		{"busy", base, scrape(t, later...), plans},
		{"idle", base, base, nil},
		{"ill", base, scrape(t, ill...), plans[1:]},
		{"anew", base, anew, nil},
		{"mute", mute, mute, nil},
	} {
		v := Look(&Reading{At: noon.Add(-10 * time.Second), Scrape: c.before}, &Reading{At: noon, Scrape: c.now, Plans: c.plans})
		golden(t, c.name, v)
	}
}

// golden holds what is shown to what it was.
func golden(t *testing.T, name string, v Shown) {
	t.Helper()
	doc, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{name + ".txt": v.Table(), name + ".json": string(doc) + "\n"} {
		name = filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil || got != string(want) {
			t.Errorf("%s: %v\ngot\n%s\nwant\n%s", name, err, got, want)
		}
	}
}

// Each thing that can be wrong is said alone, and of a relay that is well
// nothing.
func TestWrong(t *testing.T) {
	base := scrape(t)
	look := func(change ...string) []string {
		v := Look(&Reading{At: noon.Add(-10 * time.Second), Scrape: base}, &Reading{At: noon, Scrape: scrape(t, change...)})
		return v.Wrong
	}
	if got := look(); len(got) != 0 {
		t.Errorf("of a relay that is well: %q", got)
	}
	for i := 0; i < len(ill); i += 2 {
		change := ill[i : i+2]
		if strings.HasPrefix(change[0], "quaestor_relay_store_seconds") {
			continue // its lines go together
		}
		want := 1
		if strings.HasPrefix(change[0], "quaestor_relay_disk_free") {
			want = 2 // and keep_bytes promises too much
		}
		if got := look(change...); len(got) != want {
			t.Errorf("%s: %q", change[1], got)
		}
	}
	if got := look(ill[10:14]...); len(got) != 1 || !strings.Contains(got[0], "100 ms") {
		t.Errorf("a slow disk: %q", got)
	}
}

// A source is one with a page that stands.
type source struct{ page string }

func (s source) Page(_ context.Context, p *meter.Page) { p.Gauge(s.page, "A number.", 1) }
func (source) Plans() []Plan                           { return nil }

// serve begins to serve a source, and gives where.
func serve(t *testing.T, s Source) string {
	t.Helper()
	l, err := Listen("127.0.0.1:0", s)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return l.Addr()
}

// A page in a browser whose name leads to loopback gets nothing, nor does who
// would change something.
func TestGuard(t *testing.T) {
	addr := serve(t, source{"quaestor_relay_info"})
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct {
		method, host string
		want         int
	}{
		{"GET", addr, 200}, {"GET", "localhost:" + port, 200}, {"GET", "[::1]:" + port, 200}, {"GET", "127.0.0.1", 200}, {"HEAD", addr, 200},
		{"GET", "evil.example:" + port, 403}, {"GET", "localhost.evil.example", 403}, {"GET", "192.0.2.1", 403}, {"POST", addr, 405}, {"DELETE", addr, 405},
	} {
		q, err := http.NewRequest(c.method, "http://"+addr+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Host = c.host
		answer, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if answer.StatusCode != c.want {
			t.Errorf("%s of %s: %s", c.method, c.host, answer.Status)
		}
	}
}

// A page in a browser cannot have the relay profile itself, and nobody can for
// long.
func TestGuardOfProfiles(t *testing.T) {
	addr := serve(t, source{"quaestor_relay_info"})
	for _, c := range []struct {
		path, header, value string
		want                int
	}{
		{"/metrics", "", "", 200}, {"/metrics", "Sec-Fetch-Site", "none", 200}, {"/metrics", "Sec-Fetch-Site", "same-origin", 200},
		{"/metrics", "Sec-Fetch-Site", "cross-site", 403}, {"/metrics", "Origin", "https://evil.example", 403},
		{"/debug/pprof/trace?seconds=9999", "", "", 400}, {"/debug/pprof/trace?seconds=x", "", "", 400},
	} {
		q, err := http.NewRequest("GET", "http://"+addr+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.header != "" {
			q.Header.Set(c.header, c.value)
		}
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != c.want {
			t.Errorf("%s with %s %q: %s", c.path, c.header, c.value, answer.Status)
		}
	}
}

// Where no relay answers, and where something else does, it is said.
func TestRead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	l.Close()
	if _, err := Read(t.Context(), gone); !errors.Is(err, ErrNobody) || !strings.Contains(err.Error(), "relay.toml") {
		t.Errorf("nobody: %v", err)
	}
	if _, err := Read(t.Context(), serve(t, source{"node_load1"})); err == nil || !strings.Contains(err.Error(), "no relay of Quaestor") {
		t.Errorf("another program: %v", err)
	}
	for _, is := range []string{"quaestor_relay_info", "quaestor_leaf_info"} {
		if r, err := Read(t.Context(), serve(t, source{is})); err != nil || len(r.Plans) != 0 {
			t.Errorf("%s: %+v, %v", is, r, err)
		}
	}
}

// Whatever an address answers, it is shown or refused, and steers no terminal.
func FuzzReading(f *testing.F) {
	page, err := os.ReadFile(filepath.Join("testdata", "relay.prom"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(page, []byte(`[{"plan":"x","age_seconds":1e300,"agents":3}]`))
	leaf, err := os.ReadFile(filepath.Join("testdata", "leaf.prom"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(leaf, []byte("[]"))
	f.Add([]byte("# HELP quaestor_relay_info I.\n# TYPE quaestor_relay_info gauge\nquaestor_relay_info{name=\"\x1b[1m\"} NaN\n"), []byte("null"))
	f.Fuzz(func(t *testing.T, page, plans []byte) {
		r, err := reading(page, plans)
		if err != nil {
			return
		}
		r.At = noon
		v := Compare(&Reading{At: noon.Add(-time.Second), Scrape: &meter.Scrape{}}, r)
		if _, err := json.Marshal(v); err != nil {
			t.Fatal(err)
		}
		if text := v.Table(); strings.ContainsAny(text, "\x1b\r\a") {
			t.Fatalf("%q", text)
		}
	})
}
