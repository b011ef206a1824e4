package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// cost is the medians of one command.
type cost struct {
	name           string
	wall, cpu, rss float64 // seconds, seconds, bytes
}

// line is one row of the table: a goal and how far we are.
type line struct {
	job, measure, ours, peer, ratio, goal, reached, answers string
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// best is the cheapest of the costs whose name begins with against; the read
// floor is only meant where it is named.
func best(costs []cost, m metric, against string) (cost, bool) {
	var out cost
	found := false
	for _, c := range costs {
		skip := !strings.HasPrefix(c.name, against) || (c.name == floorName && against != floorName)
		if skip || (found && c.of(m) >= out.of(m)) {
			continue
		}
		out, found = c, true
	}
	return out, found
}

func (c cost) of(m metric) float64 {
	switch m {
	case cpu:
		return c.cpu
	case rss:
		return c.rss
	default:
		return c.wall
	}
}

// judge makes the line of one goal. us is nil where ours did not run.
func judge(j job, g goal, us *cost, peers []cost, answers string) line {
	l := line{job: j.name, answers: answers, ours: "–", peer: "–", ratio: "–", reached: "–"}
	value := math.NaN()
	switch g.metric {
	case rss:
		l.measure, l.goal = "peak memory", fmt.Sprintf("≤ %.0f MB", g.limit/1e6)
		if us != nil {
			value, l.ours = us.rss, fmt.Sprintf("%.1f MB", us.rss/1e6)
		}
	case millis:
		l.measure, l.goal = "wall", fmt.Sprintf("≤ %.0f ms", g.limit)
		if us != nil {
			value, l.ours = us.wall*1e3, fmt.Sprintf("%.1f ms", us.wall*1e3)
		}
	default:
		l.measure, l.goal = [...]string{wall: "wall", cpu: "cpu"}[g.metric], fmt.Sprintf("≤ %.2f", g.limit)
		p, ok := best(peers, g.metric, g.against)
		if ok {
			l.peer = fmt.Sprintf("%s %.3f s", p.name, p.of(g.metric))
		}
		if us != nil {
			l.ours = fmt.Sprintf("%.3f s", us.of(g.metric))
		}
		if ok && us != nil {
			value = us.of(g.metric) / p.of(g.metric)
			l.ratio = fmt.Sprintf("%.2f", value)
		}
	}
	if !math.IsNaN(value) {
		l.reached = map[bool]string{true: "yes", false: "**no**"}[value <= g.limit]
	}
	return l
}

func render(lines []line) string {
	var b strings.Builder
	b.WriteString("| job | measure | ours | best peer | ratio | goal | reached | answers |\n|---|---|---|---|---|---|---|---|\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n",
			l.job, l.measure, l.ours, l.peer, l.ratio, l.goal, l.reached, l.answers)
	}
	return b.String()
}
