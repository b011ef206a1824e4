package faults

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// filler takes the last bytes of a disk.
const filler = "filler"

// strike does what a fault says, and undoes it when its time is over, or at
// once where ctx ends.
func (f *fleet) strike(ctx context.Context, w fault) {
	f.t.Log(w)
	p, dir, clock, lines := f.victim(w.victim)
	undo := func() {}
	switch w.kind {
	case kill:
		p.signal(syscall.SIGKILL)
		return
	case pause:
		p.signal(syscall.SIGSTOP)
		undo = func() { p.signal(syscall.SIGCONT) }
	case cut:
		each(lines, (*line).cut)
		undo = func() { each(lines, (*line).mend) }
	case stall:
		each(lines, (*line).stall)
		undo = func() { each(lines, (*line).mend) }
	case skew:
		f.set(clock, w.clock)
		undo = func() { f.set(clock, 0) }
	case starve:
		undo = f.starve(p.pid())
	case fill:
		undo = f.fill(dir)
	case corrupt:
		release := p.hold()
		f.corrupt(w, dir)
		undo = release
		w.length = 0
	}
	select {
	case <-time.After(w.length):
	case <-ctx.Done():
	}
	undo()
}

// victim gives what there is to strike of an agent, or of a relay: then the
// lines are those of all agents to it, and those to and from the other relays.
func (f *fleet) victim(v int) (p *process, dir, clock string, lines []*line) {
	if v >= 0 {
		e := f.agents[v]
		return e.process, e.dir, e.clock, e.lines
	}
	k := theRelay - v
	c := f.relays[k]
	lines = append(lines, c.peers...)
	for _, e := range f.agents {
		lines = append(lines, e.lines[k])
	}
	return c.process, c.dir, c.clock, lines
}

func each(lines []*line, do func(*line)) {
	for _, n := range lines {
		do(n)
	}
}

// set sets a clock.
func (f *fleet) set(clock string, off time.Duration) {
	// In one step: half of it would be another time.
	err := os.WriteFile(clock+".new", []byte(off.String()), 0o600)
	if err = errors.Join(err, os.Rename(clock+".new", clock)); err != nil {
		f.t.Error(err)
	}
}

// starve takes from a process what it may open beyond what it has open.
func (f *fleet) starve(pid int) (undo func()) {
	open, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	var was unix.Rlimit
	if err != nil || unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &was) != nil {
		return func() {} // it has ended
	}
	now := unix.Rlimit{Cur: uint64(len(open)), Max: was.Max}
	_ = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &now, nil)
	return func() { _ = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &was, nil) }
}

// fill takes all that is free of the disk of a folder.
func (f *fleet) fill(dir string) (undo func()) {
	name := filepath.Join(dir, filler)
	file, err := os.Create(name)
	if err != nil {
		return func() {}
	}
	var disk unix.Statfs_t
	if unix.Fstatfs(int(file.Fd()), &disk) == nil { // at once, where that can be done
		_ = unix.Fallocate(int(file.Fd()), 0, 0, int64(disk.Bavail)*disk.Bsize)
		_, _ = file.Seek(0, io.SeekEnd)
	}
	block := make([]byte, 64<<10)
	for size := len(block); size > 0; {
		if _, err := file.Write(block[:size]); err != nil {
			size /= 2
		}
	}
	file.Close()
	return func() {
		if err := os.Remove(name); err != nil {
			f.t.Error(err)
		}
	}
}

// corrupt changes a byte of a file that a process which is down has kept:
// answers and the journal of an agent, answers of the relay.
func (f *fleet) corrupt(w fault, dir string) {
	below := []string{"spool", "journal"}
	if w.victim < 0 {
		below = []string{"spine", "cluster"}
	}
	rng := rand.New(rand.NewPCG(uint64(w.at), uint64(w.length)))
	var files []string
	for _, b := range below {
		_ = filepath.WalkDir(filepath.Join(dir, b), func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && (w.victim >= 0 || isOfAnswers(name)) {
				if info, err := d.Info(); err == nil && info.Size() > 0 {
					files = append(files, name)
				}
			}
			return nil
		})
	}
	if len(files) == 0 {
		return
	}
	slices.Sort(files)
	name := files[rng.IntN(len(files))]
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		f.t.Error(err)
		return
	}
	at, b := rng.Int64N(info.Size()), make([]byte, 1)
	if _, err := file.ReadAt(b, at); err != nil {
		f.t.Error(err)
		return
	}
	b[0] ^= 1 << rng.IntN(8)
	if _, err := file.WriteAt(b, at); err != nil {
		f.t.Error(err)
		return
	}
	f.t.Logf("        byte %d of %s", at, name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.victim < 0 {
		f.broken = time.Now()
		return
	}
	f.agents[w.victim].hurt = time.Now()
}

// isOfAnswers says whether a file of the spine holds answers.
func isOfAnswers(name string) bool {
	ok, _ := filepath.Match("*.blk", filepath.Base(name))
	return ok && filepath.Base(filepath.Dir(filepath.Dir(name))) == "QUAESTOR_ANSWERS"
}

// heal undoes what might be left of any fault.
func (f *fleet) heal() {
	for v := -len(f.relays); v < len(f.agents); v++ {
		p, _, clock, lines := f.victim(v)
		p.signal(syscall.SIGCONT)
		f.set(clock, 0)
		each(lines, (*line).mend)
	}
}
