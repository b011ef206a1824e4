package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

// Shape of the list of known hashes.
const (
	shaCount   = 10_000
	shaPresent = 25
)

// writeLists writes the list of indicators and the three spellings of the list
// of hashes, and returns which files (by number) the latter holds.
func writeLists(dir string, seed uint64, iocs []string, l *layout, facts []fact) (map[int]bool, error) {
	r := stream(seed, streamSha)
	known := map[int]bool{}
	type entry struct {
		sha  string
		size int
	}
	var list []entry
	for _, i := range pick(r, len(l.files), shaPresent) {
		known[i] = true
		list = append(list, entry{hex.EncodeToString(facts[i].sha[:]), l.files[i].size})
	}
	for len(list) < shaCount {
		list = append(list, entry{word(r, hexSet, 64), absentSize(r)})
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	var plain, sized, hashdeep bytes.Buffer
	hashdeep.WriteString("%%%% HASHDEEP-1.0\n%%%% size,sha256,filename\n## known files\n")
	for i, e := range list {
		fmt.Fprintln(&plain, e.sha)
		fmt.Fprintln(&sized, e.sha, e.size)
		fmt.Fprintf(&hashdeep, "%d,%s,known-%05d\n", e.size, e.sha, i)
	}
	for name, b := range map[string][]byte{
		planted.IOCList:     []byte(strings.Join(iocs, "\n") + "\n"),
		planted.ShaList:     plain.Bytes(),
		planted.ShaSizeList: sized.Bytes(),
		planted.ShaHashdeep: hashdeep.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return nil, fmt.Errorf("write list: %w", err)
		}
	}
	return known, nil
}

// absentSize is the size of a file that is on the list and not in the tree:
// 20 KiB to 20 MiB as programs have it, one in twenty as small as the tree's
// small files, so that a comparison of sizes alone does not decide.
func absentSize(r *rand.Rand) int {
	if r.IntN(20) == 0 {
		return logUniform(r, smallMin, smallRatio)
	}
	return logUniform(r, smallMin*smallRatio, 1024)
}

// truth says which files answer each job.
func truth(l *layout, facts []fact, known map[int]bool) planted.Truth {
	t := planted.Truth{Files: len(l.files), Answers: map[string]planted.Answer{}}
	sets := map[string][]string{}
	since, err := time.Parse(time.DateOnly, planted.Since)
	if err != nil {
		panic("corpus: planted.Since is no date")
	}
	for i := range l.files {
		f := &l.files[i]
		t.Bytes += int64(f.size)
		add := func(set string, cond bool) {
			if cond {
				sets[set] = append(sets[set], f.path)
			}
		}
		lit, re, ioc := f.has(kindLiteral), f.has(kindRegex), f.has(kindIOC)
		recent := f.mtime.After(since)
		add(planted.SetLiteral, lit)
		add(planted.SetLiteralNocase, lit || f.has(kindLiteralCase))
		add(planted.SetRegex, re)
		add(planted.SetFreeRegex, f.has(kindFreeRegex))
		add(planted.SetIOC, ioc)
		add(planted.SetIOCNocase, ioc || f.has(kindIOCCase))
		add(planted.SetName, strings.HasSuffix(f.path, ".so"))
		add(planted.SetMeta, f.size > planted.MinSize && recent && f.mode&0o111 != 0)
		add(planted.SetRecent, recent)
		add(planted.SetKnown, known[i])
		add(planted.SetTriage, lit || re || recent || known[i])
		sets[planted.SetSha] = append(sets[planted.SetSha], f.path+" "+hex.EncodeToString(facts[i].sha[:]))
		for _, n := range facts[i].lines {
			sets[planted.SetLines] = append(sets[planted.SetLines], fmt.Sprintf("%s:%d", f.path, n))
		}
	}
	for name, items := range sets {
		t.Answers[name] = planted.NewAnswer(items)
	}
	sha := t.Answers[planted.SetSha]
	sha.Items = nil // 20 MB that the digest stands for
	t.Answers[planted.SetSha] = sha
	return t
}

func (f *file) has(k kind) bool {
	for _, n := range f.needles {
		if n.kind == k {
			return true
		}
	}
	return false
}
