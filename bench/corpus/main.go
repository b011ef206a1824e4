// Command corpus makes the tree of files that the benchmarks search: from a
// seed, always the same bytes. 200,000 small files, 200 big ones, planted
// needles, lists of indicators and hashes, and the right answers (see package
// planted). It is reused when complete. Point -dir only at a folder of its own:
// an incomplete corpus there is removed first.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

// version changes when the same seed gives other bytes.
const version = 1

// stamp says which corpus a folder holds.
type stamp struct {
	Version int     `json:"version"`
	Seed    uint64  `json:"seed"`
	Scale   float64 `json:"scale"`
}

func main() {
	dir := flag.String("dir", planted.Dir(), "folder of the corpus")
	scale := flag.Float64("scale", 1, "share of the 200,200 files to make, 0.001 to 1")
	seed := flag.Uint64("seed", 42, "seed of the generator")
	flag.Parse()
	start := time.Now()
	made, err := ensure(*dir, stamp{version, *seed, *scale})
	if err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
	if !made {
		fmt.Println(*dir, "is complete, reused")
		return
	}
	fmt.Printf("%s made in %s\n", *dir, time.Since(start).Round(time.Millisecond))
}

// ensure makes the corpus unless dir holds just that one; it reports whether
// it had to.
func ensure(dir string, want stamp) (bool, error) {
	if want.Scale < 0.001 || want.Scale > 1 {
		return false, fmt.Errorf("scale %g is not between 0.001 and 1", want.Scale)
	}
	name := filepath.Join(dir, planted.StampFile)
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("read stamp: %w", err)
	}
	var have stamp
	if err == nil && json.Unmarshal(b, &have) == nil && have == want {
		return false, nil
	}
	if err := clear(dir); err != nil {
		return false, err
	}
	if err := generate(dir, want); err != nil {
		return false, err
	}
	if b, err = json.Marshal(want); err != nil {
		return false, fmt.Errorf("write stamp: %w", err)
	}
	return true, os.WriteFile(name, b, 0o644)
}

// clear removes what a corpus consists of, and nothing else; the stamp first,
// so that an interrupted removal is not taken for a corpus.
func clear(dir string) error {
	for _, n := range []string{planted.StampFile, planted.TruthFile, planted.IOCList,
		planted.ShaList, planted.ShaSizeList, planted.ShaHashdeep, planted.Tree} {
		if err := os.RemoveAll(filepath.Join(dir, n)); err != nil {
			return fmt.Errorf("remove old corpus: %w", err)
		}
	}
	return nil
}

// generate makes everything but the stamp.
func generate(dir string, s stamp) error {
	iocs := indicators(s.Seed)
	p := plan(s, iocs)
	if err := p.makeDirs(filepath.Join(dir, planted.Tree)); err != nil {
		return err
	}
	facts, err := writeTree(filepath.Join(dir, planted.Tree), p, newPools(s.Seed), runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	known, err := writeLists(dir, s.Seed, iocs, p, facts)
	if err != nil {
		return err
	}
	b, err := json.Marshal(truth(p, facts, known))
	if err != nil {
		return fmt.Errorf("encode truth: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, planted.TruthFile), b, 0o644)
}
