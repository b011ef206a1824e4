package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/signing"
)

// An asker is one of many investigators, with a key and a home of his own.
type asker struct {
	session    *client.Session
	first, all time.Duration
	rows       int
	answered   int
	asked      int
}

// investigators lets many ask at once, each a plan of his own, and prints how
// long each waited, and whether all waited alike.
func investigators(ctx context.Context, st *stage, session *client.Session, s *settings) error {
	askers, err := enlist(ctx, st, session, s.investigators)
	if err != nil {
		return err
	}
	defer func() {
		for _, a := range askers {
			_ = a.session.Close() // what it could say, its rows said
		}
	}()
	relay, start := cpuOf(st.relay.Process.Pid), time.Now()
	errs := make([]error, len(askers))
	var asking sync.WaitGroup
	for i, a := range askers {
		asking.Go(func() { errs[i] = a.ask(ctx, s.ask) })
	}
	asking.Wait()
	took := time.Since(start)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return report(askers, took, cpuOf(st.relay.Process.Pid)-relay, s)
}

// enlist publishes a policy with so many investigators more, and connects them
// all. Each has seen the fleet before he asks, as who works with it has.
func enlist(ctx context.Context, st *stage, session *client.Session, n int) ([]*asker, error) {
	keys, specs := make([]*signing.PrivateKey, n), make([]signing.PrincipalSpec, n)
	for i := range keys {
		name := fmt.Sprintf("Asker %d", i)
		key, err := signing.NewPrivateKey(name, fmt.Sprintf("asker-%d@example.org", i), time.Now().Add(-time.Minute))
		if err != nil {
			return nil, err
		}
		keys[i], specs[i] = key, signing.PrincipalSpec{Name: name, Key: key.Public(), Weight: 1}
	}
	policy, err := st.policy(ctx, 2, specs...)
	if err != nil {
		return nil, err
	}
	if _, err := session.Publish(ctx, policy); err != nil {
		return nil, err
	}
	askers := make([]*asker, n)
	for i, key := range keys {
		home, err := client.OpenHome(filepath.Join(st.home.Dir, "askers", fmt.Sprint(i)))
		if err != nil {
			return nil, err
		}
		home.Config = st.home.Config
		askers[i] = &asker{}
		if askers[i].session, err = client.Dial(ctx, "", client.WithHome(home), client.WithKey(key)); err != nil {
			return nil, fmt.Errorf("investigator %d: %w", i, err)
		}
		if _, err := askers[i].session.Fleet(ctx); err != nil {
			return nil, fmt.Errorf("investigator %d: %w", i, err)
		}
	}
	return askers, nil
}

// ask asks a question, and notes when rows came.
func (a *asker) ask(ctx context.Context, query string) error {
	start := time.Now()
	c, err := a.session.Compile(lang.Source{Name: "bench", Text: query})
	if err != nil {
		return err
	}
	rows, err := a.session.Run(ctx, c, client.RunOptions{})
	if err != nil {
		return err
	}
	defer rows.Close()
	for _, err := range rows.All() {
		if err != nil {
			return err
		}
		if a.rows++; a.rows == 1 {
			a.first = time.Since(start)
		}
	}
	a.all = time.Since(start)
	coverage, _ := rows.Coverage()
	a.answered, a.asked = coverage.Answered(), coverage.Targeted()
	for _, agent := range coverage.Agents {
		switch agent.State {
		case quaestor.Matched, quaestor.Empty, quaestor.Partial:
		default:
			return fmt.Errorf("agent %s is %s: %s; %d of %d answered", agent.Host, agent.State, agent.Reason, a.answered, a.asked)
		}
	}
	return nil
}

// report prints what the askers saw. An answer that is not whole is an error.
func report(askers []*asker, took, relay time.Duration, s *settings) error {
	var firsts, alls []time.Duration
	answers := 0
	for i, a := range askers {
		if a.answered != a.asked || a.asked == 0 {
			return fmt.Errorf("investigator %d: %d of %d agents answered", i, a.answered, a.asked)
		}
		answers += a.answered
		firsts, alls = append(firsts, a.first), append(alls, a.all)
	}
	fmt.Printf("| %d investigators at once, each `%s` | all answered: %d answers in %.1f s, %.0f a second |\n", len(askers), s.ask, answers, took.Seconds(), float64(answers)/took.Seconds())
	fmt.Printf("| … first row: median; p99 | %.2f s; %.2f s |\n", quantile(firsts, 0.5).Seconds(), quantile(firsts, 0.99).Seconds())
	fmt.Printf("| … all: fastest; median; p99; slowest | %.2f s; %.2f s; %.2f s; %.2f s |\n", quantile(alls, 0).Seconds(), quantile(alls, 0.5).Seconds(), quantile(alls, 0.99).Seconds(), quantile(alls, 1).Seconds())
	fmt.Printf("| … fairness of the times (Jain; 1: all waited alike) | %.3f |\n", jain(alls))
	fmt.Printf("| … relay, processor time an answer | %.2f ms |\n", float64(relay.Microseconds())/1000/float64(answers))
	return nil
}

// quantile gives the value below which a part of the others lie.
func quantile(ds []time.Duration, part float64) time.Duration {
	ds = slices.Clone(ds)
	slices.Sort(ds)
	return ds[min(len(ds)-1, int(part*float64(len(ds))))]
}

// jain is Jain's index of fairness: 1 where all are equal, 1/n where one has it
// all.
func jain(ds []time.Duration) float64 {
	var sum, squares float64
	for _, d := range ds {
		sum += d.Seconds()
		squares += d.Seconds() * d.Seconds()
	}
	return sum * sum / (float64(len(ds)) * squares)
}
