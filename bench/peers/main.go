// Command peers asks Quaestor and the best tools of the trade the same
// questions, side by side on one corpus, and prints how far each goal is
// reached. The table of jobs is in jobs.go, the corpus is made by bench/corpus.
// Its numbers mean nothing on a machine that does other work.
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
	"regexp"
	"strings"
	"syscall"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

// options are the flags.
type options struct {
	vars
	rounds    int
	jobs      *regexp.Regexp
	only, raw string
	lock      bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == runnerArg {
		if err := runOne(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "peers:", err)
			os.Exit(1)
		}
		return
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var o options
	flag.StringVar(&o.ours, "quaestor", "", "path of the quaestor binary")
	flag.StringVar(&o.corpus, "corpus", planted.Dir(), "folder of the corpus")
	flag.StringVar(&o.floor, "floor", "", "path of bench/floor; built if empty")
	flag.StringVar(&o.only, "only", "", "run only \"ours\" or only \"peers\"")
	flag.StringVar(&o.raw, "raw", "bench/runs", "folder for the raw runs")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, of which the median counts")
	flag.BoolVar(&o.lock, "lock", true, "lock the corpus in memory by vmtouch")
	pattern := flag.String("jobs", "", "regular expression on the names of the jobs")
	outFile := flag.String("o", "", "file for the table instead of standard output")
	flag.Parse()
	re, err := regexp.Compile(*pattern)
	if err != nil {
		return fmt.Errorf("flag -jobs: %w", err)
	}
	o.jobs = re
	if err := o.check(); err != nil {
		return err
	}
	clean, err := o.buildFloor(ctx)
	if err != nil {
		return err
	}
	defer clean()
	text, err := compare(ctx, o)
	if err != nil {
		return err
	}
	if *outFile == "" {
		fmt.Print(text)
		return nil
	}
	return os.WriteFile(*outFile, []byte(text), 0o644)
}

func (o *options) check() error {
	switch {
	case o.only != "" && o.only != "ours" && o.only != "peers":
		return fmt.Errorf("flag -only: %q is neither ours nor peers", o.only)
	case o.rounds < 1:
		return fmt.Errorf("flag -rounds: %d is less than 1", o.rounds)
	case o.ours == "" && o.only != "peers":
		return errors.New("flag -quaestor is missing")
	case strings.ContainsRune(o.corpus, '\''):
		return errors.New("flag -corpus: the folder's name holds a quote")
	}
	abs, err := filepath.Abs(o.corpus)
	o.corpus = abs
	return err
}

// buildFloor builds bench/floor unless it was given.
func (o *options) buildFloor(ctx context.Context) (clean func(), err error) {
	if o.floor != "" || o.only == "ours" {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "quaestor-floor-")
	if err != nil {
		return nil, fmt.Errorf("build the floor: %w", err)
	}
	o.floor = filepath.Join(dir, "floor")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", o.floor, "github.com/quaestor-engine/quaestor/bench/floor").CombinedOutput()
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("build the floor (run inside the repository, or give -floor): %w: %s", err, out)
	}
	return func() { os.RemoveAll(dir) }, nil
}
