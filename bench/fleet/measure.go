package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules/std"
)

// measure builds the fleet, asks it and prints what it took.
func measure(ctx context.Context, s *settings) error {
	dir, err := os.MkdirTemp("", "quaestor-fleet-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	hosts, err := os.MkdirTemp(s.hosts, "quaestor-hosts-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(hosts)
	s.hostsDir = hosts
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.bare {
		if s.limit, err = s.raw(ctx); err != nil {
			return err
		}
	}
	st, err := build(ctx, dir, s)
	if err != nil {
		return err
	}
	defer func() { _ = st.relay.Wait() }() // it was told to end
	defer cancel()
	session, err := st.dial(ctx, s)
	if err != nil {
		return err
	}
	defer session.Close()
	time.Sleep(time.Second)
	before := resident(st.relay.Process.Pid)
	start := time.Now()
	if err := startAgents(ctx, s, st, hosts); err != nil {
		return err
	}
	if err := waitOnline(ctx, session, s.agents); err != nil {
		return err
	}
	if s.revoke {
		return revoke(ctx, st, session, hosts, s)
	}
	enrolled := time.Since(start)
	time.Sleep(s.settle) // what enrolling allocated is given back
	after := resident(st.relay.Process.Pid)
	if s.heap != "" {
		_ = st.relay.Process.Signal(syscall.SIGHUP) // a relay that is gone fails below
	}

	fmt.Printf("%s; %d cores; %s; %d agents in %d processes, relay and client beside them\n\n| what | measured |\n|---|---|\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), runtime.Version(), s.agents, s.processes)
	fmt.Printf("| enrolled and connected, all %d | %.1f s |\n", s.agents, enrolled.Seconds())
	fmt.Printf("| relay, resident for each connected idle agent, after %v | %.1f KB (%.1f MB to %.1f MB) |\n", s.settle,
		float64(after-before)/1000/float64(s.agents), float64(before)/1e6, float64(after)/1e6)
	s.begin(before, after)
	return ask(ctx, st, session, s)
}

// ask asks the fleet what it was to be asked.
func ask(ctx context.Context, st *stage, session *client.Session, s *settings) error {
	switch {
	case s.restart:
		return restart(ctx, st, session, s)
	case s.investigators > 0:
		return investigators(ctx, st, session, s)
	case s.bare:
		if err := timed(ctx, st, session, `FROM fleet FIND host`, s); err != nil {
			return err
		}
		return s.against(ctx, session)
	case s.out != "":
		return s.keep(timed(ctx, st, session, `FROM fleet FIND host`, s))
	}
	for _, q := range []string{`FROM fleet FIND host`, `FROM fleet FIND file /etc/* CONTAINS "welcome" RETURN path, size`, `FROM fleet FIND file /etc/* STACK name`} {
		if err := timed(ctx, st, session, q, s); err != nil {
			return err
		}
	}
	return stream(ctx, session, s)
}

// dial is who asks.
func (s *stage) dial(ctx context.Context, o *settings) (*client.Session, error) {
	local, err := quaestor.LocalWith(quaestor.Options{Modules: append(std.Modules(), rowsModule{bytes: o.rows})})
	if err != nil {
		return nil, err
	}
	return client.Dial(ctx, "", client.WithHome(s.home), client.WithKey(s.key), client.WithLocal(local))
}

// startAgents starts the agents of the fleet, in processes that share them.
func startAgents(ctx context.Context, s *settings, st *stage, hosts string) error {
	each := (s.agents + s.processes - 1) / s.processes
	for first := 0; first < s.agents; first += each {
		n := min(each, s.agents-first)
		args := []string{"-role", "agents", "-dir", hosts, "-addr", st.addr, "-token", st.token,
			"-agents", fmt.Sprint(n), "-first", fmt.Sprint(first), "-rows", fmt.Sprint(s.rows), "-cpu", s.cpu}
		if s.revoke {
			args = append(args, "-obeyed", obeyedFile(hosts, first))
		}
		c, _, err := child(ctx, args...)
		if err != nil {
			return err
		}
		st.agents = append(st.agents, c)
	}
	return nil
}

func waitOnline(ctx context.Context, session *client.Session, n int) error {
	for {
		agents, err := session.Fleet(ctx)
		if err != nil {
			return err
		}
		online := 0
		for _, a := range agents {
			if a.Online && len(a.Facts) > 3 {
				online++
			}
		}
		if online == n {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// timed asks a question several times, and prints the medians.
func timed(ctx context.Context, st *stage, session *client.Session, query string, s *settings) error {
	var firsts, halves, alls []time.Duration
	relays, agents, own := cpuOf(st.relay.Process.Pid), st.cpuOfAgents(), cpuOf(os.Getpid())
	for range s.rounds {
		start := time.Now()
		c, err := session.Compile(lang.Source{Name: "bench", Text: query})
		if err != nil {
			return err
		}
		rows, err := session.Run(ctx, c, client.RunOptions{})
		if err != nil {
			return err
		}
		var first, half time.Duration
		n := 0
		for _, err := range rows.All() {
			if err != nil {
				return errors.Join(err, rows.Close())
			}
			if n++; n == 1 {
				first = time.Since(start)
			}
			if n == s.agents/2 {
				half = time.Since(start)
			}
		}
		all := time.Since(start)
		coverage, _ := rows.Coverage()
		if coverage.Answered() != s.agents {
			return errors.Join(fmt.Errorf("%d of %d agents answered: %v", coverage.Answered(), s.agents, coverage.Agents[:3]), rows.Close())
		}
		firsts, halves, alls = append(firsts, first), append(halves, half), append(alls, all)
		if err := rows.Close(); err != nil {
			return err
		}
	}
	fmt.Printf("| `%s`: first row; half; all | %.2f s; %.2f s; %.2f s |\n", query, median(firsts).Seconds(), median(halves).Seconds(), median(alls).Seconds())
	rounds := time.Duration(s.rounds)
	relays, agents, own = (cpuOf(st.relay.Process.Pid)-relays)/rounds, (st.cpuOfAgents()-agents)/rounds, (cpuOf(os.Getpid())-own)/rounds
	fmt.Printf("| processor time of a round, an agent: relay; agents; client | %s; %s; %s |\n", each(relays, s), each(agents, s), each(own, s))
	k := &s.kept
	k.Relay, k.Agent, k.Client, k.First, k.Half, k.All = ms(relays), ms(agents), ms(own), ms(median(firsts)), ms(median(halves)), ms(median(alls))
	return nil
}

// stream takes many rows from one agent.
func stream(ctx context.Context, session *client.Session, s *settings) error {
	out, err := os.CreateTemp("", "quaestor-rows-*")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	w := bufio.NewWriterSize(out, 1<<20)
	start := time.Now()
	rows, err := session.Query(ctx, `FROM host "sim-00000" FIND rows WITH rows = 50000000, timeout = 9m`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var n, bytes int64
	var line []byte
	for row, err := range rows.All() {
		if err != nil {
			return err
		}
		line = line[:0]
		for _, v := range row.Values()[2:] {
			line = append(append(line, v.RawText()...), '\t')
		}
		m, err := w.Write(append(line, '\n'))
		if err != nil {
			return err
		}
		n++
		bytes += int64(m)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	took := time.Since(start)
	coverage, _ := rows.Coverage()
	if coverage.Answered() != 1 {
		return fmt.Errorf("the agent with many rows: %+v", coverage)
	}
	fmt.Printf("| rows of one agent to disk: %d rows, %.2f GB | %.1f s, %.0f MB/s |\n", n, float64(bytes)/1e9, took.Seconds(), float64(bytes)/1e6/took.Seconds())
	fmt.Printf("| resident memory of the client at the end | %.1f MB |\n", float64(resident(os.Getpid()))/1e6)
	return nil
}
