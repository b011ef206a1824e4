package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/simulate"
	"github.com/quaestor-engine/quaestor/lang"
)

// countStep is how often children say how many of their agents are connected.
const countStep = 50 * time.Millisecond

// restart kills the relay in the middle of a plan and starts it again over what
// it has kept. It prints when the relay listened again, when half and all of
// the agents were back, and whether the plan was answered whole.
func restart(ctx context.Context, st *stage, session *client.Session, s *settings) error {
	answered, err := askMeanwhile(ctx, session, s)
	if err != nil {
		return err
	}
	if err := st.relay.Process.Kill(); err != nil {
		return err
	}
	_ = st.relay.Wait() // it was killed
	for connected(s) > 0 && ctx.Err() == nil {
		time.Sleep(countStep)
	}
	agents, start := st.cpuOfAgents(), time.Now()
	if err := st.startRelay(ctx); err != nil {
		return err
	}
	up := time.Since(start)
	var half time.Duration
	for n := 0; n < s.agents; n = connected(s) {
		if half == 0 && n >= s.agents/2 {
			half = time.Since(start)
		}
		select {
		case <-time.After(countStep):
		case <-ctx.Done():
			return fmt.Errorf("%d of %d agents are back: %w", n, s.agents, ctx.Err())
		}
	}
	all := time.Since(start)
	fmt.Printf("| relay killed and started: listens; half of the agents back; all | %.1f s; %.1f s; %.1f s |\n", up.Seconds(), half.Seconds(), all.Seconds())
	fmt.Printf("| processor time of that, an agent: relay; agents | %s; %s |\n", each(cpuOf(st.relay.Process.Pid), s), each(st.cpuOfAgents()-agents, s))
	n, err := answered()
	if err != nil {
		return err
	}
	fmt.Printf("| the plan that it was killed over | %d rows, of all agents, %.1f s after the start |\n", n, time.Since(start).Seconds())
	time.Sleep(s.settle)
	now := resident(st.relay.Process.Pid)
	fmt.Printf("| relay, resident after %v | %.1f MB, %.1f KB an agent in all |\n", s.settle, float64(now)/1e6, float64(now)/1000/float64(s.agents))
	if s.heap != "" {
		_ = st.relay.Process.Signal(syscall.SIGHUP)
		time.Sleep(5 * time.Second)
	}
	return nil
}

// meanwhile is how long agents that are offline are waited for.
const meanwhile = 5 * time.Minute

// askMeanwhile asks all agents something, and returns when a tenth of them has
// answered. What it gives waits for the rest, and gives how many rows there are
// if all answered.
func askMeanwhile(ctx context.Context, session *client.Session, s *settings) (answered func() (int, error), err error) {
	c, err := session.Compile(lang.Source{Name: "bench", Text: "FROM fleet FIND host RETURN hostname"})
	if err != nil {
		return nil, err
	}
	rows, err := session.Run(ctx, c, client.RunOptions{Follow: client.FollowOptions{Wait: meanwhile}})
	if err != nil {
		return nil, err
	}
	some, done := make(chan struct{}), make(chan struct{}) // closed below
	n := 0
	var failed error
	go func() {
		defer close(done)
		for _, err := range rows.All() {
			failed = errors.Join(failed, err)
			if n++; n == max(s.agents/10, 1) {
				close(some)
			}
		}
	}()
	select {
	case <-some:
	case <-done:
	}
	return func() (int, error) {
		<-done
		coverage, _ := rows.Coverage()
		if err := errors.Join(failed, rows.Close()); err != nil {
			return n, err
		}
		if coverage.Answered() != s.agents {
			return n, fmt.Errorf("the plan meanwhile: %d rows, %d of %d agents answered", n, coverage.Answered(), s.agents)
		}
		return n, nil
	}, nil
}

// countConnected has a child say how many of its agents are connected.
func countConnected(ctx context.Context, f *simulate.Fleet, s *settings) {
	for last := -1; ctx.Err() == nil; time.Sleep(countStep) {
		if n := f.Connected(); n != last {
			last = n
			_ = os.WriteFile(countFile(s.dir, s.first), []byte(strconv.Itoa(n)+"\n"), 0o600) // said again when it changes
		}
	}
}

func countFile(dir string, first int) string {
	return filepath.Join(dir, fmt.Sprintf("connected-%d", first))
}

// connected is how many agents of all children are connected.
func connected(s *settings) (n int) {
	files, _ := filepath.Glob(filepath.Join(s.hostsDir, "connected-*"))
	for _, name := range files {
		text, _ := os.ReadFile(name)
		m, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		n += m
	}
	return n
}

// cpuOf is how long a process has been on a processor, in user and kernel.
func cpuOf(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var ticks int64 // of 10 ms, fields 14 and 15 of all
	for _, f := range fields[11:13] {
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func (s *stage) cpuOfAgents() (d time.Duration) {
	for _, c := range s.agents {
		d += cpuOf(c.Process.Pid)
	}
	return d
}

// each is a share of every agent.
func each(d time.Duration, s *settings) string {
	return fmt.Sprintf("%.2f ms", d.Seconds()*1000/float64(s.agents))
}
