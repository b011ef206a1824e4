// Command answers measures the investigator alone: how long it takes to open,
// verify and merge the answers of a large fleet, what that costs of processors
// and of memory.
//
//	go run ./bench/answers -agents 100000
//
// Answers are real: each agent has a key of its own, a membership, signed facts,
// and an answer that was sealed to the plan's reply key and signed. They are made
// once, in -dir, and sent by a relay in a process of its own that reads them from
// files, as fast as they are taken. The client is that of every command: it gets
// them over TLS by the reader that investigations are followed with. What is not
// measured is who makes answers, and who carries them.
//
// Each question is asked in a process that has seen no agent before, and again
// in one that has: the second is what a day's work is like.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The questions: of one row an agent, of groups over the fleet, of many rows.
var questions = []struct{ name, text string }{
	{"host", `FROM fleet FIND host`},
	{"stack", `FROM fleet FIND package STACK name, version`},
	{"rows", `FROM fleet FIND process RETURN pid, name, exe, user, started`},
	{"order", `FROM fleet FIND process RETURN pid, name, exe ORDER BY name, pid LIMIT 1000`},
}

// rowsEach is how many rows, or groups, an agent sends where it is not one.
const rowsEach = 20

type settings struct {
	role, dir, question string
	addr, pin           string
	agents              int
	profile             string
	cold                bool
}

func main() {
	var s settings
	flag.StringVar(&s.role, "role", "", "what a child process is: relay or client")
	flag.StringVar(&s.dir, "dir", filepath.Join(os.TempDir(), "quaestor-answers"), "where the answers are kept, to be used again")
	flag.IntVar(&s.agents, "agents", 100_000, "how many agents answer")
	flag.StringVar(&s.question, "question", "", "ask this one alone: host, stack, rows or order")
	flag.StringVar(&s.addr, "addr", "", "where the relay of a child is")
	flag.StringVar(&s.pin, "pin", "", "its pin")
	flag.StringVar(&s.profile, "profile", "", "where the client writes its processor profile, for go tool pprof")
	flag.BoolVar(&s.cold, "cold", false, "of a client: it has seen no agent before")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch s.role {
	case "":
		err = measure(ctx, &s)
	case "relay":
		err = serve(ctx, &s)
	case "client":
		err = ask(ctx, &s)
	default:
		err = fmt.Errorf("no role %q", s.role)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "answers:", err)
		os.Exit(1)
	}
}

// measure makes what is not there yet, and asks every question twice.
func measure(ctx context.Context, s *settings) error {
	s.dir = filepath.Join(s.dir, fmt.Sprint(s.agents))
	if err := prepare(ctx, s); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	relay := exec.CommandContext(ctx, self, "-role", "relay", "-dir", s.dir)
	relay.Stderr = os.Stderr
	out, err := relay.StdoutPipe()
	if err != nil {
		return err
	}
	if err := relay.Start(); err != nil {
		return err
	}
	defer relay.Wait()         // it was told to end
	defer relay.Process.Kill() // which fails where it has ended
	var addr, pin string
	if _, err := fmt.Fscan(out, &addr, &pin); err != nil {
		return fmt.Errorf("the relay does not start: %w", err)
	}
	fmt.Printf("%s; %s\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), machine())
	fmt.Println("| question | agents | seen before | first row | all | cpu an answer | rows | peak memory |\n|---|---|---|---|---|---|---|---|")
	for _, q := range questions {
		if s.question != "" && s.question != q.name {
			continue
		}
		for _, cold := range []bool{true, false} {
			args := []string{"-role", "client", "-dir", s.dir, "-question", q.name, "-addr", addr, "-pin", pin, "-agents", fmt.Sprint(s.agents)}
			if cold {
				args = append(args, "-cold")
			}
			if s.profile != "" {
				args = append(args, "-profile", fmt.Sprintf("%s.%s.%v", strings.TrimSuffix(s.profile, ".pprof"), q.name, cold))
			}
			client := exec.CommandContext(ctx, self, args...)
			client.Stdout, client.Stderr = os.Stdout, os.Stderr
			if err := client.Run(); err != nil {
				return fmt.Errorf("question %s: %w", q.name, err)
			}
		}
	}
	return nil
}
