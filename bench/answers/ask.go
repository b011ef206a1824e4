package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/signing"
)

func machine() string {
	return fmt.Sprintf("%d cores; %s", runtime.NumCPU(), runtime.Version())
}

// ask is one client: it takes the answers to one question, and prints a line of
// the table.
func ask(ctx context.Context, s *settings) error {
	q, err := readQuestion(s.dir, s.question)
	if err != nil {
		return err
	}
	home, err := openHome(s)
	if err != nil {
		return err
	}
	session, err := client.Dial(ctx, s.addr, client.WithHome(home), client.WithKey(q.key))
	if err != nil {
		return err
	}
	defer session.Close()
	if s.profile != "" {
		f, err := os.Create(s.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	before, start := spent(), time.Now()
	rows, err := session.Follow(ctx, q.plan, client.FollowOptions{Stored: true})
	if err != nil {
		return err
	}
	defer rows.Close()
	n, first := 0, time.Duration(0)
	for _, err := range rows.All() {
		if err != nil {
			return err
		}
		if n++; n == 1 {
			first = time.Since(start)
		}
	}
	all := time.Since(start)
	cost := spent() - before
	coverage, _ := rows.Coverage()
	if err := check(coverage, s.agents); err != nil {
		return err
	}
	seen := "yes"
	if s.cold {
		seen = "no"
	}
	fmt.Printf("| %s | %d | %s | %.2f s | %.2f s | %.3f ms | %d | %.0f MB |\n", s.question, s.agents, seen,
		first.Seconds(), all.Seconds(), cost.Seconds()*1000/float64(s.agents), n, float64(peak())/1e6)
	return nil
}

// check sees that nobody is missing.
func check(c quaestor.Coverage, agents int) error {
	if c.Answered() != agents || c.Count(quaestor.Matched) != agents || len(c.Doubts) > 0 {
		return fmt.Errorf("%d of %d agents answered, %d with rows; doubts: %q", c.Answered(), agents, c.Count(quaestor.Matched), c.Doubts)
	}
	return nil
}

// openHome gives the home of who asks, with what it has seen of the fleet, or
// without.
func openHome(s *settings) (*client.Home, error) {
	dir := filepath.Join(s.dir, "home")
	if s.cold {
		if err := forget(dir); err != nil {
			return nil, err
		}
	}
	home, err := client.OpenHome(dir)
	if err != nil {
		return nil, err
	}
	home.Config.Pin = s.pin
	return home, nil
}

// forget removes what a home knows of agents; what else it keeps stays.
func forget(dir string) error {
	names, err := fs.Glob(os.DirFS(dir), "roster*")
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// A question is what is needed to ask it again.
type question struct {
	key  *signing.PrivateKey
	plan signing.ID
}

func readQuestion(dir, name string) (*question, error) {
	key, err := readKey(dir)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, name+".envelope"))
	if err != nil {
		return nil, err
	}
	e, err := signing.ParseEnvelope(b)
	if err != nil {
		return nil, err
	}
	p, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		return nil, err
	}
	return &question{key: key, plan: p.ID}, nil
}
