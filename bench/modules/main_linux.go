// Command modules measures what modules cost beside the specialist tools, on
// this machine: go run ./bench/modules -quaestor ./quaestor. It prints a table
// of medians of processor time, in user and kernel, of whole commands, and of
// the same question asked in this process, since an agent has started long ago.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor"
)

// sockets is how many the machine holds while they are listed.
const sockets = 1500

// A job is a question that two programs answer.
type job struct {
	name   string
	ours   []string // arguments of quaestor
	peer   string   // its name, for the table
	theirs [][]string
	goal   float64
	stdin  string // a file; "" for none
}

func main() {
	program := flag.String("quaestor", "quaestor", "the command that is measured")
	rounds := flag.Int("rounds", 9, "how often each is measured")
	flag.Parse()
	if err := run(*program, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "modules:", err)
		os.Exit(1)
	}
}

func run(program string, rounds int) error {
	scratch, err := os.MkdirTemp("", "quaestor-bench-modules")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	list, err := paths(scratch, 20_000)
	if err != nil {
		return err
	}
	held, err := hold(sockets / 2)
	if err != nil {
		return err
	}
	defer held()
	start, err := median(rounds, func() (time.Duration, error) { return cpu("", program, "run", "-q", "FIND host RETURN os") })
	if err != nil {
		return err
	}
	fmt.Printf("Start of the command: %s of processor time.\n\n", ms(start))
	session, err := quaestor.Local()
	if err != nil {
		return err
	}
	defer session.Close()
	fmt.Println("| job | ours, whole command | ours, started | peer | ratio, whole | ratio, started | goal |\n|---|---|---|---|---|---|---|")
	for _, j := range jobs(list) {
		ours, err := median(rounds, func() (time.Duration, error) {
			return cpu("", append([]string{program, "run", "-q", "--format", "csv"}, j.ours...)...)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		started, err := median(rounds, func() (time.Duration, error) { return ask(session, j.ours[0]) })
		if err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		theirs, err := median(rounds, func() (sum time.Duration, err error) {
			for _, command := range j.theirs {
				t, err := cpu(j.stdin, command...)
				if err != nil {
					return 0, err
				}
				sum += t
			}
			return sum, nil
		})
		if errors.Is(err, exec.ErrNotFound) {
			fmt.Printf("| %s | %s | %s | %s is not installed | | | |\n", j.name, ms(ours), ms(started), j.peer)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		ratio := func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()/theirs.Seconds()) }
		fmt.Printf("| %s | %s | %s | %s %s | %s | %s | ≤ %.1f |\n", j.name, ms(ours), ms(started), j.peer, ms(theirs), ratio(ours), ratio(started), j.goal)
	}
	return nil
}

func jobs(list string) []job {
	exes, _ := filepath.Glob("/proc/[0-9]*/exe")
	return []job{
		{name: "processes with exe, cmdline, user and parent", ours: []string{"FIND process RETURN pid, parent, user, name, exe, cmdline"},
			peer: "ps, readlink", theirs: [][]string{{"ps", "-eo", "pid,ppid,user,comm,args"}, append([]string{"readlink"}, exes...)}, goal: 0.5},
		{name: fmt.Sprintf("%d sockets with their processes", sockets), ours: []string{"FIND socket RETURN protocol, state, address, port, remote_address, remote_port, process"},
			peer: "ss -anp", theirs: [][]string{{"ss", "-anp"}}, goal: 0.5},
		{name: "packages of dpkg", ours: []string{"FIND package 'dpkg:*' RETURN name, version"},
			peer: "dpkg-query -W", theirs: [][]string{{"dpkg-query", "-W"}}, goal: 1.0},
		{name: "who brought 20,000 files", ours: []string{"FIND file WHERE path IN @" + list + " RETURN path, package"},
			peer: "dpkg -S", theirs: [][]string{{"xargs", "dpkg", "-S"}}, stdin: list, goal: 1.2},
	}
}

// cpu runs a command and gives the processor time that it took. What it
// prints is thrown away; that it found nothing of some is no failure.
func cpu(stdin string, command ...string) (time.Duration, error) {
	cmd := exec.Command(command[0], command[1:]...)
	if stdin != "" {
		text, err := os.ReadFile(stdin)
		if err != nil {
			return 0, err
		}
		cmd.Stdin = bytes.NewReader(text)
	}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// ask asks in this process and gives the processor time of all its threads,
// the collector's share with it. The rows are taken and thrown away.
func ask(session quaestor.Session, query string) (time.Duration, error) {
	before, err := used()
	if err != nil {
		return 0, err
	}
	rows, err := session.Query(context.Background(), query)
	if err != nil {
		return 0, err
	}
	for _, err := range rows.All() {
		if err != nil {
			return 0, err
		}
	}
	after, err := used()
	return after - before, err
}

// used is the processor time that this process has taken.
func used() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

func median(rounds int, measure func() (time.Duration, error)) (time.Duration, error) {
	all := make([]time.Duration, rounds)
	for i := range all {
		var err error
		if all[i], err = measure(); err != nil {
			return 0, err
		}
	}
	slices.Sort(all)
	return all[rounds/2], nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// paths writes a list of files of /usr.
func paths(dir string, n int) (string, error) {
	var list []string
	err := filepath.WalkDir("/usr", func(name string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.ContainsAny(name, " \t'\"\\") {
			list = append(list, name)
		}
		if len(list) == n {
			return filepath.SkipAll
		}
		return nil
	})
	name := filepath.Join(dir, "paths.txt")
	return name, errors.Join(err, os.WriteFile(name, []byte(strings.Join(list, "\n")+"\n"), 0o644))
}

// hold opens pairs of connected sockets and keeps them until it is let go.
func hold(pairs int) (letGo func(), err error) {
	limit := unix.Rlimit{Cur: 8 * sockets, Max: 8 * sockets}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	open := []net.Conn{}
	letGo = func() {
		l.Close()
		for _, c := range open {
			c.Close()
		}
	}
	for range pairs {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			letGo()
			return nil, err
		}
		a, err := l.Accept()
		open = append(open, c)
		if err != nil {
			letGo()
			return nil, err
		}
		open = append(open, a)
	}
	return letGo, nil
}
