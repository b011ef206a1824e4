// Command yara compares Quaestor with YARA: the same rules over the same
// folder, the answers and what they cost.
//
//	go run ./bench/yara -rules 500 DIR
//
// With -quaestor it is the whole command that answers, by a query.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/quaestor-engine/quaestor/modules/yara"
)

func main() {
	n := flag.Int("rules", 500, "how many rules to make")
	seed := flag.Uint64("seed", 1, "seed of the rules")
	rounds := flag.Int("rounds", 3, "rounds; the median counts")
	command := flag.String("quaestor", "", "the command that answers by a query; empty: the scanner alone")
	scan := flag.String("scan", "", "scan with the rules of this file and print what holds")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: yara [flags] DIR")
		os.Exit(2)
	}
	err := error(nil)
	if *scan != "" {
		err = scanAll(*scan, flag.Arg(0))
	} else {
		err = compare(*n, *seed, *rounds, *command, flag.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "yara:", err)
		os.Exit(1)
	}
}

// cost is what a process took.
type cost struct {
	cpu, wall time.Duration
	peak      int64 // KB
	lines     []string
}

func measure(name string, args ...string) (cost, error) {
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%s: %w", name, err)
	}
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	lines := slices.DeleteFunc(strings.Split(out.String(), "\n"), func(l string) bool { return l == "" })
	slices.Sort(lines)
	return cost{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), time.Since(start), u.Maxrss, lines}, nil
}

func compare(n int, seed uint64, rounds int, command, dir string) error {
	tmp, err := os.MkdirTemp("", "yara-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	rules := filepath.Join(tmp, "rules.yar")
	if err := os.WriteFile(rules, []byte(rulesOf(n, seed)), 0o644); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var ours, theirs []cost
	for range rounds {
		a, err := measure(self, "-scan", rules, dir)
		if command != "" {
			a, err = asked(command, rules, dir)
		}
		if err != nil {
			return err
		}
		b, err := measure("yara", "-r", "-w", "-p", "2", rules, dir)
		if err != nil {
			return err
		}
		ours, theirs = append(ours, a), append(theirs, b)
	}
	by := func(x, y cost) int { return int(x.cpu - y.cpu) }
	slices.SortFunc(ours, by)
	slices.SortFunc(theirs, by)
	a, b := ours[len(ours)/2], theirs[len(theirs)/2]
	same := "same answers"
	if !slices.Equal(a.lines, b.lines) {
		same = "DIFFERS"
		for _, l := range a.lines {
			if !slices.Contains(b.lines, l) {
				fmt.Fprintln(os.Stderr, "ours alone:", l)
			}
		}
		for _, l := range b.lines {
			if !slices.Contains(a.lines, l) {
				fmt.Fprintln(os.Stderr, "yara's alone:", l)
			}
		}
	}
	fmt.Printf("%d rules: ours cpu %.2fs wall %.2fs peak %d MB; yara cpu %.2fs wall %.2fs peak %d MB; ratio %.2f; %d lines, %s\n", n,
		a.cpu.Seconds(), a.wall.Seconds(), a.peak>>10, b.cpu.Seconds(), b.wall.Seconds(), b.peak>>10,
		a.cpu.Seconds()/b.cpu.Seconds(), len(a.lines), same)
	return nil
}

// asked measures the command, which answers the same by a query.
func asked(command, rules, dir string) (cost, error) {
	query := fmt.Sprintf("FIND file '%s/**' YARA @\"%s\" RETURN yara.rule, path", dir, rules)
	c, err := measure(command, "run", "--format", "csv", query)
	for i, l := range c.lines {
		c.lines[i] = strings.Replace(strings.TrimSuffix(l, "\r"), ",", " ", 1)
	}
	c.lines = slices.DeleteFunc(c.lines, func(l string) bool { return l == "yara.rule path" })
	slices.Sort(c.lines)
	return c, err
}

// scanAll prints rule and path of everything that holds below a folder.
func scanAll(rules, dir string) error {
	text, err := os.ReadFile(rules)
	if err != nil {
		return err
	}
	start := time.Now()
	r, err := yara.Compile(yara.Source{Name: rules, Text: string(text)}, yara.Options{})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "compiled in %s\n", time.Since(start).Round(time.Millisecond))
	paths := make(chan string, 1024)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			s, buf := r.NewScanner(yara.Limits{}), make([]byte, 256<<10)
			var out strings.Builder
			for path := range paths {
				if err := scanFile(s, buf, path, &out); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			}
			mu.Lock()
			fmt.Print(out.String())
			mu.Unlock()
		})
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths <- path
		}
		return err
	})
	close(paths)
	wg.Wait()
	return err
}

func scanFile(s *yara.Scanner, buf []byte, path string, out *strings.Builder) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.ReadFull(f, buf)
	var res *yara.Result
	ctx := context.Background()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		res, err = s.Whole(ctx, buf[:n])
	} else if err == nil {
		res, err = stream(ctx, s, f, buf)
	}
	if err != nil {
		return err
	}
	for _, m := range res.Matches {
		fmt.Fprintf(out, "%s %s\n", m.Rule.Name, path)
	}
	for _, u := range res.Undecided {
		fmt.Fprintf(out, "%s %s UNDECIDED %s\n", u.Rule.Name, path, u.Reason)
	}
	return nil
}

func stream(ctx context.Context, s *yara.Scanner, f *os.File, buf []byte) (*yara.Result, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s.Start(yara.Content{Size: st.Size(), At: f})
	off := int64(0)
	for n := len(buf); n > 0; {
		if s.Feed(ctx, off, buf[:n]) {
			break
		}
		off += int64(n)
		if n, err = f.Read(buf); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	return s.End(ctx)
}
