package main

import (
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/fanout"
)

func TestMain(m *testing.M) {
	if fanout.Child() {
		return
	}
	os.Exit(m.Run())
}

// A small crowd of each kind has all its replies, and every figure is one.
func TestCompare(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux is measured")
	}
	s := settings{clients: 20, processes: 2, rounds: 2, plans: 2}
	var out strings.Builder
	if err := compare(t.Context(), &s, &out); err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| .+ \| \d+\.\d (ms|µs|KB) \| NATS.* \d+\.\d (ms|µs|KB) \| \d+\.\d\d \| (–|≤ \d\.\d\d) \| (–|yes|\*\*no\*\*) \|$`)
	if n := len(row.FindAllString(out.String(), -1)); n != 2*len(measures(s.clients)) {
		t.Errorf("%d rows, want one for each measure and peer:\n%s", n, out.String())
	}
}

// What is missed stands in the table as missed.
func TestTable(t *testing.T) {
	made := func(took, cpu time.Duration, resident int64) *side {
		turns := []fanout.Turn{{Took: time.Hour, Server: time.Hour, Clients: cpu}, {Took: took, Server: cpu, Clients: cpu}, {Clients: cpu}}
		m := fanout.Memory{Resident: resident, Heap: resident, Stacks: resident}
		return &side{way: fanout.NATS, turns: turns, fresh: m, rested: m, kept: m}
	}
	var out strings.Builder
	printTable(&out, made(84*time.Millisecond, 9*time.Millisecond, 116_000), []*side{made(100*time.Millisecond, 10*time.Millisecond, 100_000)}, 100)
	for _, want := range []string{
		"| a plan to all, until the last reply | 84.0 ms | NATS 100.0 ms | 0.84 | ≤ 0.85 | yes |",
		"| processor time of the relay, a client and plan | 90.0 µs | NATS 100.0 µs | 0.90 | ≤ 0.85 | **no** |",
		"| resident, an idle connection, after all plans | 116.0 KB | NATS 100.0 KB | 1.16 | ≤ 1.15 | **no** |",
		"| of it heap | 116.0 KB | NATS 100.0 KB | 1.16 | – | – |",
	} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("no row\n%s\nin\n%s", want, out.String())
		}
	}
}
