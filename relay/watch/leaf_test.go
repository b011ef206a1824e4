package watch

import (
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/relay/meter"
)

// illLeaf are lines of a leaf with which something is wrong, one at a time: a
// line of its page, what it is then, and so on.
var illLeaf = [][]string{
	{"quaestor_leaf_line_up ", "quaestor_leaf_line_up 0"},
	{"quaestor_leaf_damaged_answers_total ", "quaestor_leaf_damaged_answers_total 2"},
	{`quaestor_leaf_unkept_chunks_total{reason="disk"}`, `quaestor_leaf_unkept_chunks_total{reason="disk"} 30`},
	{"quaestor_leaf_waiting_bytes ", "quaestor_leaf_waiting_bytes 1.9e+10"},
	{"quaestor_leaf_disk_free_bytes ", "quaestor_leaf_disk_free_bytes 1.9e+10", "quaestor_leaf_disk_size_bytes ", "quaestor_leaf_disk_size_bytes 1e+11"},
	{"quaestor_leaf_paused_answers ", "quaestor_leaf_paused_answers 3"},
	{"quaestor_leaf_joined_agents ", "quaestor_leaf_joined_agents 1100"},
	{`quaestor_leaf_store_seconds_bucket{le="1"}`, `quaestor_leaf_store_seconds_bucket{le="1"} 40100`,
		`quaestor_leaf_store_seconds_bucket{le="+Inf"}`, `quaestor_leaf_store_seconds_bucket{le="+Inf"} 40100`,
		"quaestor_leaf_store_seconds_count ", "quaestor_leaf_store_seconds_count 40100"},
	{"quaestor_leaf_slow_agents_total ", "quaestor_leaf_slow_agents_total 4"},
	{"quaestor_leaf_outbox_deepest_frames ", "quaestor_leaf_outbox_deepest_frames 900"},
	{"process_open_fds ", "process_open_fds 60000"},
	{`quaestor_leaf_refusals_total{reason="line"}`, `quaestor_leaf_refusals_total{reason="line"} 900`},
	{"quaestor_leaf_certificate_left_seconds ", "quaestor_leaf_certificate_left_seconds 4e+06"},
}

// What top shows of a leaf: at work, without a line, and of one that says
// nothing but its name.
func TestLeafTable(t *testing.T) {
	base := scrapeOf(t, "leaf.prom")
	mute, err := meter.Parse([]byte("# HELP quaestor_leaf_info I.\n# TYPE quaestor_leaf_info gauge\nquaestor_leaf_info{name=\"\x1b[31mred\"} 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	busy := []string{
		"quaestor_leaf_chunks_total ", "quaestor_leaf_chunks_total 41000", "quaestor_leaf_passed_chunks_total ", "quaestor_leaf_passed_chunks_total 40900",
		"quaestor_leaf_line_sent_bytes_total ", "quaestor_leaf_line_sent_bytes_total 9.3e+07",
		`quaestor_leaf_store_seconds_bucket{le="0.1"}`, `quaestor_leaf_store_seconds_bucket{le="0.1"} 40999`,
		`quaestor_leaf_store_seconds_bucket{le="1"}`, `quaestor_leaf_store_seconds_bucket{le="1"} 41000`,
		`quaestor_leaf_store_seconds_bucket{le="+Inf"}`, `quaestor_leaf_store_seconds_bucket{le="+Inf"} 41000`,
		"quaestor_leaf_store_seconds_count ", "quaestor_leaf_store_seconds_count 41000",
	}
	var all []string
	for _, x := range illLeaf {
		all = append(all, x...)
	}
	for _, c := range []struct {
		name        string
		before, now *meter.Scrape
	}{
		{"leaf-busy", base, scrapeOf(t, "leaf.prom", busy...)},
		{"leaf-ill", base, scrapeOf(t, "leaf.prom", all...)},
		{"leaf-mute", mute, mute},
	} {
		golden(t, c.name, Compare(&Reading{At: noon.Add(-10 * time.Second), Scrape: c.before}, &Reading{At: noon, Scrape: c.now}))
	}
}

// Each thing that can be wrong is said alone, and of a leaf that is well
// nothing.
func TestLeafWrong(t *testing.T) {
	base := &Reading{At: noon.Add(-10 * time.Second), Scrape: scrapeOf(t, "leaf.prom")}
	look := func(change ...string) []string {
		return Compare(base, &Reading{At: noon, Scrape: scrapeOf(t, "leaf.prom", change...)}).Faults()
	}
	if got := look(); len(got) != 0 {
		t.Errorf("of a leaf that is well: %q", got)
	}
	for _, x := range illLeaf {
		if got := look(x...); len(got) != 1 {
			t.Errorf("%s: %q", x[1], got)
		}
	}
}
