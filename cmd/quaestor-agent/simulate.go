package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/internal/simulate"
	"github.com/quaestor-engine/quaestor/modules/std"
)

type simulateCommand struct {
	Count     int      `help:"How many agents." required:"" placeholder:"N"`
	First     int      `help:"The number of the first, where several processes share a fleet." placeholder:"N"`
	Relay     []string `help:"A relay, HOST or HOST:PORT; may be given again." required:"" placeholder:"HOST:PORT"`
	TokenFile string   `help:"The file that holds a token that lets so many in; - is standard input." required:"" placeholder:"FILE"`
	Seed      uint64   `help:"Of what the machines are made up from." default:"1"`
}

// memory is a file system in memory on most Linux systems.
const memory = "/dev/shm"

// Run is a fleet until the program is stopped. Without --dir its folders are
// in memory where the system has a place for that, and go with it.
func (c *simulateCommand) Run(s *system) (err error) {
	token, err := readToken(c.TokenFile)
	if err != nil {
		return err
	}
	dir := s.dir
	if !s.given {
		in := ""
		if info, err := os.Stat(memory); err == nil && info.IsDir() {
			in = memory
		}
		if dir, err = os.MkdirTemp(in, "quaestor-simulate-*"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	start := time.Now()
	f, err := simulate.Start(s.ctx, simulate.Options{
		Dir: filepath.Clean(dir), Count: c.Count, First: c.First, Seed: c.Seed, Relays: c.Relay, Token: string(token),
		Modules: std.Modules(), Software: version(),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d agents in %s after %s\n", c.Count, dir, time.Since(start).Round(100*time.Millisecond))
	c.watch(s, f)
	return f.Stop()
}

// watch says how many are connected, whenever that has changed.
func (c *simulateCommand) watch(s *system, f *simulate.Fleet) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for last := -1; ; {
		if n := f.Connected(); n != last {
			fmt.Fprintf(s.out, "%d of %d connected\n", n, c.Count)
			last = n
		}
		select {
		case <-look.C:
		case <-s.ctx.Done():
			return
		}
	}
}
