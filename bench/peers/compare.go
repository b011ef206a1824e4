package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

// session is one comparison under way.
type session struct {
	options
	tree  string
	truth *planted.Truth
	known map[string]bool
	recs  *json.Encoder
	out   bytes.Buffer
	notes []string
}

// record is one line of the raw runs.
type record struct {
	Date    time.Time `json:"date"`
	Job     string    `json:"job"`
	Command string    `json:"command"`
	Argv    []string  `json:"argv"`
	Round   int       `json:"round"`
	Place   int       `json:"place"` // in the order of the round, from 0
	usage
	Count  int    `json:"items"`
	Digest string `json:"digest"`
}

// compare runs the jobs and returns the report.
func compare(ctx context.Context, o options) (string, error) {
	truth, err := planted.Load(o.corpus)
	if err != nil {
		return "", err
	}
	s := &session{options: o, tree: filepath.Join(o.corpus, planted.Tree), truth: truth, known: map[string]bool{}}
	for _, h := range strings.Fields(fileText(filepath.Join(o.corpus, planted.ShaList))) {
		s.known[h] = true
	}
	if err := os.MkdirAll(o.raw, 0o755); err != nil {
		return "", fmt.Errorf("folder for the raw runs: %w", err)
	}
	f, err := os.Create(filepath.Join(o.raw, time.Now().UTC().Format("2006-01-02T150405")+".jsonl"))
	if err != nil {
		return "", fmt.Errorf("file for the raw runs: %w", err)
	}
	defer f.Close()
	s.recs = json.NewEncoder(f)
	if o.lock {
		stop, err := lockTree(ctx, s.tree)
		if err != nil {
			return "", err
		}
		defer stop()
	}
	var lines []line
	for _, j := range jobs() {
		if !o.jobs.MatchString(j.name) {
			continue
		}
		got, err := s.job(ctx, j)
		if err != nil {
			return "", err
		}
		lines = append(lines, got...)
	}
	text := fmt.Sprintf("Medians of %d rounds, %d files, %d bytes.\n%s\n%s", o.rounds, truth.Files, truth.Bytes, machine(o.vars), render(lines))
	if len(s.notes) > 0 {
		text += "\n- " + strings.Join(s.notes, "\n- ") + "\n"
	}
	return text, nil
}

// job runs one job in all its rounds and judges its goals.
func (s *session) job(ctx context.Context, j job) ([]line, error) {
	var cmds []command
	if s.only != "peers" {
		cmds = append(cmds, ours(j.query))
	}
	if s.only != "ours" {
		cmds = append(cmds, j.peers...)
	}
	all := make([][]usage, len(cmds))
	answers := "same"
	for round := range s.rounds {
		for place := range cmds {
			i := (place + round) % len(cmds)
			u, wrong, err := s.command(ctx, j, cmds[i], record{Round: round, Place: place})
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", j.name, cmds[i].name, err)
			}
			all[i] = append(all[i], u)
			if wrong != "" {
				answers = "**DIFFERS**"
				s.notes = append(s.notes, fmt.Sprintf("%s, round %d: %s gives %s", j.name, round, cmds[i].name, wrong))
			}
		}
	}
	if j.truth == "" {
		answers = "–"
	} else {
		answers += fmt.Sprintf(" (%d)", s.truth.Answers[j.truth].Count)
	}
	var us *cost
	var peers []cost
	for i, c := range cmds {
		m := medians(c.name, all[i])
		fmt.Fprintf(os.Stderr, "%-32s %-32s wall %7.3f s  cpu %7.3f s  rss %6.1f MB\n", j.name, m.name, m.wall, m.cpu, m.rss/1e6)
		if c.name == oursName {
			us = &m
		} else {
			peers = append(peers, m)
		}
	}
	var lines []line
	for _, g := range j.goals {
		lines = append(lines, judge(j, g, us, peers, answers))
	}
	return lines, nil
}

func medians(name string, us []usage) cost {
	var w, c, r []float64
	for _, u := range us {
		w, c, r = append(w, u.Wall), append(c, u.cpu()), append(r, float64(u.RSS))
	}
	return cost{name: name, wall: median(w), cpu: median(c), rss: median(r)}
}

// command runs the steps of c once, adds up their costs and says how the
// answer differs from the truth.
func (s *session) command(ctx context.Context, j job, c command, rec record) (usage, string, error) {
	var sum usage
	var list []string
	for _, st := range c.steps {
		rec.Argv = append(rec.Argv, s.expand(st.argv)...)
		s.out.Reset()
		u, err := measure(ctx, s.expand(st.argv), &s.out)
		if err != nil {
			return sum, "", err
		}
		sum.Wall, sum.User, sum.Sys = sum.Wall+u.Wall, sum.User+u.User, sum.Sys+u.Sys
		sum.RSS, sum.Exit = max(sum.RSS, u.RSS), max(sum.Exit, u.Exit)
		if j.truth == "" {
			continue
		}
		part, err := items(s.out.Bytes(), st.form, s.tree, s.known)
		if err != nil {
			return sum, "", err
		}
		list = append(list, part...)
	}
	a := planted.NewAnswer(list)
	rec.Date, rec.Job, rec.Command, rec.usage = time.Now().UTC(), j.name, c.name, sum
	rec.Count, rec.Digest = a.Count, a.Digest
	if err := s.recs.Encode(rec); err != nil {
		return sum, "", fmt.Errorf("write raw runs: %w", err)
	}
	if c.name == oursName && sum.Exit != 0 {
		return sum, "", fmt.Errorf("exit code %d: %v", sum.Exit, rec.Argv)
	}
	if j.truth == "" || c.steps[0].form == formNone {
		return sum, "", nil
	}
	return sum, difference(a, s.truth.Answers[j.truth]), nil
}
