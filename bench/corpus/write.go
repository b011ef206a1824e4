package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

// fact is what is known of a file once it is made.
type fact struct {
	sha   [sha256.Size]byte
	lines []int // numbers, from 1, of the lines with planted.Line
}

// writeTree makes every file with the given number of workers. Each file has
// its own stream of random numbers: the bytes do not depend on who was first.
func writeTree(tree string, l *layout, p *pools, workers int) ([]fact, error) {
	facts := make([]fact, len(l.files))
	errs := make([]error, workers)
	var next atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var b []byte
			for {
				i := int(next.Add(1)) - 1
				if i >= len(l.files) {
					return
				}
				f := &l.files[i]
				r := stream(l.seed, streamFile+uint64(i))
				b = p.fill(b, r, f)
				plantAll(b, r, f)
				facts[i] = fact{sha: sha256.Sum256(b), lines: linesWith(b, planted.Line)}
				if errs[w] = writeFile(tree, f, b); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return facts, nil
}

func writeFile(tree string, f *file, b []byte) error {
	name := filepath.Join(tree, filepath.FromSlash(f.path))
	if err := os.WriteFile(name, b, f.mode); err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	if err := os.Chmod(name, f.mode); err != nil { // the umask took bits away
		return fmt.Errorf("make file: %w", err)
	}
	if err := os.Chtimes(name, f.mtime, f.mtime); err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	return nil
}

// linesWith gives the numbers of the lines that hold s.
func linesWith(b []byte, s string) []int {
	var out []int
	line := 1
	for {
		i := bytes.Index(b, []byte(s))
		if i < 0 {
			return out
		}
		line += bytes.Count(b[:i], []byte{'\n'})
		out = append(out, line)
		end := bytes.IndexByte(b[i:], '\n')
		if end < 0 {
			return out
		}
		b = b[i+end+1:]
		line++
	}
}
