package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
)

// spinArgument makes this program one that takes all the processor it gets.
const spinArgument = "spin-for-bench"

func main() {
	switch cat, err := modules.NewCatalogue(list()...); {
	case err != nil:
		fail(err)
	case sandbox.IsChild(os.Args):
		os.Exit(sandbox.Serve(cat, os.Stdin, os.Stdout))
	case len(os.Args) == 2 && os.Args[1] == spinArgument:
		for {
		}
	default:
		if err := run(cat); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func list() []modules.Module { return append(std.Modules(), spinner{}) }

// A stage is where it is measured.
type stage struct {
	policy   *signing.Policy
	local    sandbox.Local
	children *sandbox.Children
}

func run(cat *modules.Catalogue) (err error) {
	dir := flag.String("dir", "", "search below it; without, below a corpus that is made")
	rounds := flag.Int("rounds", 9, "of each kind")
	files := flag.Int("files", 20_000, "in the corpus")
	share := flag.Int64("cpu", 10, "percent of a processor")
	flag.Parse()
	temp, err := os.MkdirTemp("", "quaestor-bench-sandbox-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if *dir == "" {
		*dir = filepath.Join(temp, "corpus")
		if err := corpus(*dir, *files); err != nil {
			return err
		}
	}
	s, err := newStage(cat, temp)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.children.Close()) }()
	if err := s.overhead(*dir, *rounds); err != nil {
		return err
	}
	return s.shares(*share)
}

func newStage(cat *modules.Catalogue, temp string) (*stage, error) {
	key, err := signing.NewPrivateKey("a", "a@example.com", time.Now().Add(-time.Hour))
	if err != nil {
		return nil, err
	}
	who := []signing.PrincipalSpec{{Name: "a", Key: key.Public()}}
	policy, err := signing.ParsePolicy([]byte(signing.NewPolicyText(signing.PolicySpec{Fleet: signing.NewID(), Name: "bench", Administrators: who, Investigators: who})))
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(temp, "agent")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	host := func() modules.Host { return modules.Host{Now: time.Now} }
	return &stage{
		policy: policy, local: sandbox.Local{Catalogue: cat, Host: host},
		children: sandbox.NewChildren([]string{program, sandbox.ChildArgument}, folder, cat, slog.New(slog.DiscardHandler)),
	}, nil
}

// corpus makes files of 1 to 32 KB, and one of 8 MB for each thousand.
func corpus(dir string, files int) error {
	r := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 8<<20)
	for i := range text {
		text[i] = "etaoin shrdlu\n"[r.IntN(14)]
	}
	for n := range files + files/1000 {
		size := 1000 + r.IntN(31_000)
		if n >= files {
			size = len(text)
		}
		sub := filepath.Join(dir, fmt.Sprint(n%200))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		from := r.IntN(len(text) - size + 1)
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprint(n)), text[from:from+size], 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) job(query string, cpu int64) (sandbox.Job, error) {
	local, err := quaestor.LocalWith(quaestor.Options{Modules: list()})
	if err != nil {
		return sandbox.Job{}, err
	}
	c, err := local.Compile(lang.Source{Name: "bench", Text: query})
	if err != nil {
		return sandbox.Job{}, err
	}
	p := c.Queries[0].Plan
	return sandbox.Job{Plan: p, Policy: s.policy, Facts: plan.Facts{}, Turn: &sandbox.Turn{}, Limits: sandbox.Limits{CPU: cpu}}, nil
}

// used is the processor time of this process and of its children that ended.
func used() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			fail(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// overhead compares a search here and in a child.
func (s *stage) overhead(dir string, rounds int) error {
	job, err := s.job(fmt.Sprintf("FIND file %q CONTAINS 'no such text'", filepath.Join(dir, "**")), 0)
	if err != nil {
		return err
	}
	var here, there, nothing []time.Duration
	once := func(r sandbox.Runner, job sandbox.Job, into *[]time.Duration) error {
		before := used()
		run := r.Start(context.Background(), job)
		for _, err := range run.Rows() {
			if err != nil {
				return err
			}
		}
		if sum := run.Summary(); sum.Outcome != answer.Complete {
			return fmt.Errorf("%s: %s", sum.Outcome, sum.Reason)
		}
		*into = append(*into, used()-before)
		return nil
	}
	small, err := s.job("FIND file /etc/passwd", 0)
	if err != nil {
		return err
	}
	var warm []time.Duration
	if err := once(s.local, job, &warm); err != nil {
		return err
	}
	for range rounds {
		err := errors.Join(once(s.local, job, &here), once(s.children, job, &there), once(s.children, small, &nothing))
		if err != nil {
			return err
		}
	}
	a, b, c := median(here), median(there), median(nothing)
	fmt.Printf("search, processor time, medians of %d: here %s, in a child %s, %+.1f %%; a child for one file %s\n",
		rounds, a.Round(100*time.Microsecond), b.Round(100*time.Microsecond), 100*(float64(b)/float64(a)-1), c.Round(100*time.Microsecond))
	return nil
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// shares has a child spin within its share, on an idle and on a busy machine.
func (s *stage) shares(percent int64) error {
	for _, beside := range []int{0, 2} {
		var others []*exec.Cmd
		for range beside {
			cmd := exec.Command(os.Args[0], spinArgument)
			if err := cmd.Start(); err != nil {
				return err
			}
			others = append(others, cmd)
		}
		got, err := s.spin(percent)
		for _, cmd := range others {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		}
		if err != nil {
			return err
		}
		fmt.Printf("share: %d %% asked for, %.2f %% used over %s, beside %d others\n", percent, got, spinTime, beside)
	}
	return nil
}
