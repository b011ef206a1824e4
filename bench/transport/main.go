// Command transport measures the bare fan-out through package transport beside
// NATS over TLS: a plan of 2 KB to every client and a reply of 200 bytes back,
// by turns in one run. It also says what a connection holds that is idle.
//
//	go run ./bench/transport -n 5000
//
// Server and clients are processes of their own on this machine, with the same
// certificates, TLS 1.3 and mutual authentication both; nothing is signed, and
// nothing is stored. It measures Linux alone. A process needs one open file for
// each of its connections.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/fanout"
)

type settings struct {
	clients, processes int
	rounds, plans      int
	settle             time.Duration
	profile            string
}

func main() {
	if fanout.Child() {
		return
	}
	var s settings
	flag.IntVar(&s.clients, "n", 5000, "how many clients")
	flag.IntVar(&s.processes, "processes", 4, "how many processes they share")
	flag.IntVar(&s.rounds, "rounds", 9, "how many turns each has")
	flag.IntVar(&s.plans, "plans", 5, "how many plans a turn has")
	flag.DurationVar(&s.settle, "settle", 100*time.Second, "how long all rest before memory is measured; our connections give back their buffers after 75 s")
	flag.StringVar(&s.profile, "cpu", "", "where each server writes where its processor time went, for go tool pprof: with its number behind it, and its clients with .clients behind that")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx, &s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "transport:", err)
		os.Exit(1)
	}
}

// A side is one way, with what was measured of it.
type side struct {
	way           fanout.Way
	crowd         *fanout.Crowd
	turns         []fanout.Turn
	fresh, rested fanout.Memory // after connecting, and after all plans
	kept          fanout.Memory // the same after a collection
}

// compare measures all ways by turns, and prints a table.
func compare(ctx context.Context, s *settings, out io.Writer) (err error) {
	cast, err := fanout.NewCast(s.clients)
	if err != nil {
		return err
	}
	var sides []*side
	defer func() {
		for _, d := range sides {
			if stopped := d.crowd.Stop(); err == nil {
				err = stopped
			}
		}
	}()
	for _, w := range []fanout.Way{fanout.Ours, fanout.NATS, fanout.NATSApart} {
		crowd, err := fanout.Start(ctx, fanout.Options{Way: w, Processes: s.processes, Cast: cast})
		if err != nil {
			return fmt.Errorf("%s: %w", w, err)
		}
		sides = append(sides, &side{way: w, crowd: crowd})
	}
	if err := s.measure(sides); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s; %d cores; %s; %d clients in %d processes for each server; %d turns of %d plans each; load at the end %s\n\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), runtime.Version(), s.clients, s.processes, s.rounds, s.plans, load())
	printTable(out, sides[0], sides[1:], s.clients)
	return nil
}

// measure has each side take its turns.
func (s *settings) measure(sides []*side) (err error) {
	time.Sleep(s.settle)
	for i, d := range sides {
		if d.fresh, err = d.crowd.Memory(false); err != nil {
			return err
		}
		if s.profile != "" {
			if err := d.crowd.Profile(fmt.Sprintf("%s.%d", s.profile, i)); err != nil {
				return err
			}
		}
		if _, err := d.crowd.Turn(1); err != nil { // what grows with the first plan
			return fmt.Errorf("%s: %w", d.way, err)
		}
	}
	for r := range s.rounds {
		for i := range sides {
			d := sides[(i+r)%len(sides)]
			t, err := d.crowd.Turn(s.plans)
			if err != nil {
				return fmt.Errorf("%s: %w", d.way, err)
			}
			d.turns = append(d.turns, t)
		}
	}
	time.Sleep(s.settle)
	for _, d := range sides {
		if d.rested, err = d.crowd.Memory(false); err != nil {
			return err
		}
		if d.kept, err = d.crowd.Memory(true); err != nil {
			return err
		}
	}
	return nil
}

// load is how many want the processors, as the system says it.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
