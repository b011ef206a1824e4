package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/quaestor-engine/quaestor/bench/internal/fanout"
)

// A measure is one row of the table. Where goal is not 0 it is what ours may be
// of NATS.
type measure struct {
	name  string
	goal  float64
	unit  string
	value func(*side) float64
}

// Measures in the order of the table. Of turns the median counts.
func measures(clients int) []measure {
	turn := func(of func(fanout.Turn) float64) func(*side) float64 {
		return func(d *side) float64 {
			var all []float64
			for _, t := range d.turns {
				all = append(all, of(t))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
	}
	each := float64(clients)
	return []measure{
		{"a plan to all, until the last reply", 0.85, "ms", turn(func(t fanout.Turn) float64 { return t.Took.Seconds() * 1e3 })},
		{"processor time of the relay, a client and plan", 0.85, "µs", turn(func(t fanout.Turn) float64 { return t.Server.Seconds() * 1e6 / each })},
		{"processor time of the clients, a client and plan", 0, "µs", turn(func(t fanout.Turn) float64 { return t.Clients.Seconds() * 1e6 / each })},
		{"resident, an idle connection, before the first plan", 0, "KB", func(d *side) float64 { return float64(d.fresh.Resident) / 1e3 }},
		{"resident, an idle connection, after all plans", 1.15, "KB", func(d *side) float64 { return float64(d.rested.Resident) / 1e3 }},
		{"the same after a collection", 1.15, "KB", func(d *side) float64 { return float64(d.kept.Resident) / 1e3 }},
		{"of it heap", 0, "KB", func(d *side) float64 { return float64(d.kept.Heap) / 1e3 }},
		{"of it stacks", 0, "KB", func(d *side) float64 { return float64(d.kept.Stacks) / 1e3 }},
	}
}

// printTable prints ours beside each peer, as Markdown.
func printTable(w io.Writer, ours *side, peers []*side, clients int) {
	fmt.Fprintln(w, "| measure | ours | peer | ratio | goal | reached |\n|---|---|---|---|---|---|")
	for _, m := range measures(clients) {
		for _, p := range peers {
			have, other := m.value(ours), m.value(p)
			goal, reached := "–", "–"
			if m.goal > 0 {
				goal, reached = fmt.Sprintf("≤ %.2f", m.goal), "yes"
				if have > m.goal*other {
					reached = "**no**"
				}
			}
			fmt.Fprintf(w, "| %s | %.1f %s | %s %.1f %s | %.2f | %s | %s |\n", m.name, have, m.unit, p.way, other, m.unit, have/other, goal, reached)
		}
	}
}
