// Package planted names what is hidden in the benchmark corpus, and where the
// answers are kept. Load reads the truth that the generator wrote; Digest tells
// whether two answers are the same. It knows nothing of how a corpus is made or
// searched, and is of no use outside bench.
package planted

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// What is planted.
const (
	Literal   = "xK9beacon-7f3a9c.evil-c2.example"
	Regex     = `session=[0-9a-f]{8}-[0-9]{4};uid=0`
	FreeRegex = `[A-Z]{3}[0-9]{5}x[a-f]{4}` // no literal to look for first
	Line      = "session=00"
	MinSize   = 10240        // bytes; the metadata job asks for larger files
	Since     = "2026-11-01" // UTC; the metadata job asks for younger files
)

// Names of the entries of a corpus folder.
const (
	Tree        = "tree"            // what is searched
	IOCList     = "ioc1000.txt"     // 1,000 indicators, one a line
	ShaList     = "sha10k.txt"      // 10,000 sha256 in hex, one a line
	ShaSizeList = "sha10ksize.txt"  // the same, "sha256 size"
	ShaHashdeep = "sha10k.hashdeep" // the same, as hashdeep reads it
	TruthFile   = "truth.json"      // the answers, see Truth
	StampFile   = "stamp.json"      // written last: the corpus is complete
	envDir      = "QUAESTOR_BENCH"  // overrides the folder
	defaultName = "quaestor-bench"  // inside the folder for temporary files
)

// Names of the answers in a Truth.
const (
	SetLiteral       = "literal"
	SetLiteralNocase = "literal_nocase"
	SetRegex         = "regex"
	SetFreeRegex     = "regex_free"
	SetLines         = "lines" // "path:number", numbers from 1
	SetIOC           = "ioc"
	SetIOCNocase     = "ioc_nocase"
	SetName          = "name_so"
	SetMeta          = "meta"   // size, mtime and mode
	SetRecent        = "recent" // mtime alone
	SetSha           = "sha256" // "path hash" of every file
	SetKnown         = "known"  // sha256 is in the list
	SetTriage        = "triage" // literal, regex, known or recent
)

// Answer is a set of strings: relative slash-separated paths, or what the
// name of the set says.
type Answer struct {
	Count  int      `json:"count"`
	Digest string   `json:"digest"`
	Items  []string `json:"items,omitempty"` // sorted; left out where large
}

// Truth is what was planted: the right answer of every job.
type Truth struct {
	Files   int               `json:"files"`
	Bytes   int64             `json:"bytes"`
	Answers map[string]Answer `json:"answers"`
}

// NewAnswer sorts items, drops repetitions and takes the digest.
func NewAnswer(items []string) Answer {
	slices.Sort(items)
	items = slices.Compact(items)
	return Answer{Count: len(items), Digest: Digest(items), Items: items}
}

// Digest is the hex sha256 of the items, each ended by a newline.
func Digest(sorted []string) string {
	h := sha256.New()
	for _, s := range sorted {
		h.Write([]byte(s))
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Dir is the default corpus folder: $QUAESTOR_BENCH, or quaestor-bench in the
// folder for temporary files.
func Dir() string {
	if d := os.Getenv(envDir); d != "" {
		return d
	}
	return filepath.Join(os.TempDir(), defaultName)
}

// Load reads the truth of the corpus in dir; without a stamp, the corpus is
// incomplete and an error is returned.
func Load(dir string) (*Truth, error) {
	if _, err := os.Stat(filepath.Join(dir, StampFile)); err != nil {
		return nil, fmt.Errorf("corpus incomplete, run bench/corpus: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(dir, TruthFile))
	if err != nil {
		return nil, fmt.Errorf("read the planted truth: %w", err)
	}
	t := new(Truth)
	if err := json.Unmarshal(b, t); err != nil {
		return nil, fmt.Errorf("read the planted truth in %s: %w", dir, err)
	}
	return t, nil
}
