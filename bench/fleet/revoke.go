package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/simulate"
)

// obeyStep is how often it is asked how far agents are.
const obeyStep = 2 * time.Millisecond

// revoke publishes a policy without one of the investigators, and prints when
// the last agent judged by it: from then on all refuse him.
func revoke(ctx context.Context, st *stage, session *client.Session, hosts string, s *settings) error {
	policy, err := st.policy(ctx, 2)
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := session.Publish(ctx, policy); err != nil {
		return err
	}
	published := time.Since(start)
	each := (s.agents + s.processes - 1) / s.processes
	for first := 0; first < s.agents; first += each {
		for {
			_, err := os.Stat(obeyedFile(hosts, first))
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			time.Sleep(obeyStep)
		}
	}
	last := time.Since(start)
	fmt.Printf("%s; %d cores; %s\n%d agents: the policy published in %d ms, obeyed by the last agent after %d ms\n",
		start.UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), runtime.Version(), s.agents, published.Milliseconds(), last.Milliseconds())
	return nil
}

// obeyedFile names what a child makes when its agents obey.
func obeyedFile(dir string, first int) string {
	return filepath.Join(dir, fmt.Sprintf("obeyed-%d", first))
}

// awaitObeying makes the file when all agents of this child judge by the second
// policy.
func awaitObeying(ctx context.Context, f *simulate.Fleet, s *settings) error {
	for f.Obeying(2) < s.agents {
		select {
		case <-time.After(obeyStep):
		case <-ctx.Done():
			return nil
		}
	}
	return os.WriteFile(s.obeyed, nil, 0o600)
}
