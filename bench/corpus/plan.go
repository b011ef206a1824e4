package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

// Shape of the full corpus.
const (
	smallFiles = 200_000
	bigFiles   = 200
	perDir     = 100 // small files in a directory: 2,000 directories
	perTop     = 50  // directories in one of the upper level
	smallMin   = 1 << 10
	smallRatio = 20 // 1 to 20 KiB, log-uniform
	bigMin     = 1 << 20
	bigRatio   = 50 // 1 to 50 MiB, log-uniform
)

// Streams of random numbers: one for each thing, so that a change of one
// leaves the others as they were. Files use the streams from streamFile on.
const (
	streamPlan = iota + 1
	streamText
	streamBinary
	streamIOC
	streamSha
	streamFile = 1 << 20
)

// kind is what a needle is an answer to.
type kind int

const (
	kindNone kind = iota // a decoy: answers nothing
	kindLiteral
	kindLiteralCase // found only NOCASE
	kindRegex
	kindFreeRegex
	kindIOC
	kindIOCCase // found only NOCASE
)

// counts says how many files of the full corpus carry a needle.
var counts = []struct {
	kind       kind
	small, big int
}{
	{kindLiteral, 188, 14},
	{kindLiteralCase, 112, 8},
	{kindRegex, 246, 14},
	{kindFreeRegex, 36, 8},
	{kindIOC, 400, 20},
	{kindIOCCase, 40, 4},
	{kindNone, 600, 24},
}

// file is one file to be made.
type file struct {
	path    string // relative to the tree, with slashes
	size    int
	binary  bool
	mode    os.FileMode
	mtime   time.Time
	needles []needle
}

// needle is text to be put somewhere into a file.
type needle struct {
	kind kind
	text string
}

// layout is the plan of a tree; small files first, then big ones.
type layout struct {
	seed  uint64
	files []file
	small int
}

func stream(seed, n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }

// plan decides on names, sizes, modes, times and needles, without contents.
func plan(s stamp, iocs []string) *layout {
	r := stream(s.Seed, streamPlan)
	l := &layout{seed: s.Seed, small: scaled(smallFiles, s.Scale)}
	big := scaled(bigFiles, s.Scale)
	l.files = make([]file, l.small+big)
	for i := range l.files {
		l.files[i] = newFile(r, i, l.small)
	}
	for _, c := range counts {
		for _, i := range pick(r, l.small, scaled(c.small, s.Scale)) {
			l.plant(r, i, c.kind, iocs)
		}
		for _, i := range pick(r, big, scaled(c.big, s.Scale)) {
			l.plant(r, l.small+i, c.kind, iocs)
		}
	}
	return l
}

func scaled(n int, scale float64) int { return max(1, int(math.Round(float64(n)*scale))) }

// pick chooses k different numbers below n.
func pick(r *rand.Rand, n, k int) []int { return r.Perm(n)[:min(n, k)] }

func (l *layout) plant(r *rand.Rand, i int, k kind, iocs []string) {
	f := &l.files[i]
	for range 1 + r.IntN(3) {
		f.needles = append(f.needles, needle{k, needleText(r, k, iocs)})
	}
}

func newFile(r *rand.Rand, i, small int) file {
	f := file{binary: r.IntN(10) < 3, mode: mode(r), mtime: mtime(r)}
	name := fileName(r, f.binary)
	if i >= small {
		f.size = logUniform(r, bigMin, bigRatio)
		f.path = path.Join("big", fmt.Sprintf("%03d%s", i-small, name))
		return f
	}
	f.size = logUniform(r, smallMin, smallRatio)
	d := i / perDir
	f.path = path.Join(fmt.Sprintf("d%02d", d/perTop), fmt.Sprintf("s%02d", d%perTop), name)
	// Names repeat within a directory unless the number makes them unique;
	// a leading dot stays in front.
	dir, base := path.Split(f.path)
	if base[0] == '.' {
		f.path = dir + fmt.Sprintf(".%05x", i) + base[1:]
	} else {
		f.path = dir + fmt.Sprintf("%05x", i) + base
	}
	return f
}

func logUniform(r *rand.Rand, low int, ratio float64) int {
	return int(float64(low) * math.Pow(ratio, r.Float64()))
}

var (
	binaryEnds = []string{".so", ".so", ".so", ".so", ".bin", ".dat", ".o", ".db", ".so.1", ""}
	textEnds   = []string{".log", ".log", ".txt", ".txt", ".txt", ".conf", ".conf", ".py", ".json", ".xml", ".md", ".h", ".sonnet", ""}
	stems      = []string{"lib", "app", "data", "report", "cache", "module", "session", "backup", "index", "worker"}
)

func fileName(r *rand.Rand, binary bool) string {
	ends := textEnds
	if binary {
		ends = binaryEnds
	}
	name := "-" + stems[r.IntN(len(stems))] + ends[r.IntN(len(ends))]
	if r.IntN(50) == 0 {
		return "." + name
	}
	return name
}

func mode(r *rand.Rand) os.FileMode {
	switch r.IntN(20) {
	case 0:
		return 0o755
	case 1:
		return []os.FileMode{0o700, 0o750, 0o645, 0o654}[r.IntN(4)]
	case 2, 3, 4:
		return 0o600
	default:
		return 0o644
	}
}

// mtime is in the two years before the date of the metadata job, or, for one
// file in twenty, in the three weeks after; never within an hour of it, where
// tools disagree on the edge.
func mtime(r *rand.Rand) time.Time {
	since, err := time.Parse(time.DateOnly, planted.Since)
	if err != nil {
		panic("corpus: planted.Since is no date")
	}
	if r.IntN(20) == 0 {
		return since.Add(time.Hour + time.Duration(r.Int64N(int64(20*24*time.Hour))))
	}
	return since.Add(-time.Hour - time.Duration(r.Int64N(int64(730*24*time.Hour))))
}

func (l *layout) makeDirs(tree string) error {
	seen := map[string]bool{}
	for i := range l.files {
		d := path.Dir(l.files[i].path)
		if seen[d] {
			continue
		}
		seen[d] = true
		if err := os.MkdirAll(filepath.Join(tree, filepath.FromSlash(d)), 0o755); err != nil {
			return fmt.Errorf("make directories: %w", err)
		}
	}
	return nil
}
