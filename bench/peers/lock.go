package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	maxMaps  = 60_000 // files for one vmtouch; the kernel allows 65,530 maps
	lockWait = 3 * time.Minute
)

// lockTree keeps the tree in the page cache until the returned function is
// called: the kernel of some machines drops pages that rest for a minute. It
// returns once everything is locked.
func lockTree(ctx context.Context, tree string) (stop func(), err error) {
	groups, bytes, err := split(tree, maxMaps)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	var cmds []*exec.Cmd
	stop = func() {
		for _, c := range cmds {
			// Each was started here; an error means that it has gone.
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}
	for _, g := range groups {
		c := exec.Command("vmtouch", append([]string{"-lq", "-m", "1G"}, g...)...)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			stop()
			return nil, fmt.Errorf("lock the corpus: %w", err)
		}
		cmds = append(cmds, c)
	}
	for locked(cmds) < bytes {
		select {
		case <-ctx.Done():
			stop()
			return nil, errors.New("corpus not locked: memory or its limit (ulimit -l) too small? -lock=false goes without")
		case <-time.After(100 * time.Millisecond):
		}
	}
	return stop, nil
}

// split puts the entries of tree into groups of at most limit files each, and
// adds up the bytes of all files.
func split(tree string, limit int) (groups [][]string, bytes int64, err error) {
	entries, err := os.ReadDir(tree)
	if err != nil {
		return nil, 0, fmt.Errorf("list the corpus: %w", err)
	}
	room := 0
	for _, e := range entries {
		dir, files := filepath.Join(tree, e.Name()), 0
		err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			i, err := d.Info()
			if err == nil {
				files++
				bytes += i.Size()
			}
			return err
		})
		if err != nil {
			return nil, 0, fmt.Errorf("list the corpus: %w", err)
		}
		if files > room {
			groups, room = append(groups, nil), limit
		}
		groups[max(0, len(groups)-1)] = append(groups[max(0, len(groups)-1)], dir)
		room -= files
	}
	return groups, bytes, nil
}

// locked adds up the locked memory of the processes, in bytes.
func locked(cmds []*exec.Cmd) int64 {
	var sum int64
	for _, c := range cmds {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), "VmLck:")
		var kb int64
		if _, err := fmt.Sscan(rest, &kb); err == nil {
			sum += kb << 10
		}
	}
	return sum
}
