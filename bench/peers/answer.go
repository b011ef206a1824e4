package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

// items turns an output into the items of an answer; paths become relative to
// tree. known is the list of hashes, for formKnown.
func items(out []byte, f form, tree string, known map[string]bool) ([]string, error) {
	var list []string
	for raw := range bytes.Lines(out) {
		line := strings.TrimSuffix(string(raw), "\n")
		if line == "" || f == formNone {
			continue
		}
		item, ok, err := lineItem(line, f, tree, known)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, item)
		}
	}
	return list, nil
}

func lineItem(line string, f form, tree string, known map[string]bool) (string, bool, error) {
	rel := func(p string) string { return strings.TrimPrefix(p, tree+"/") }
	switch f {
	case formRows:
		return rowItem(line, rel)
	case formHash, formKnown:
		hash, path, ok := strings.Cut(line, " ")
		if !ok || len(hash) != 64 {
			return "", false, fmt.Errorf("not a hash and a path: %.80q", line)
		}
		path = rel(strings.TrimLeft(path, " *"))
		if f == formKnown {
			return path, known[hash], nil
		}
		return path + " " + hash, true, nil
	case formLine:
		// No name in the corpus holds a colon; the text of a line may.
		path, rest, _ := strings.Cut(line, ":")
		number, _, ok := strings.Cut(rest, ":")
		if !ok {
			return "", false, fmt.Errorf("not path:number:text: %.80q", line)
		}
		return rel(path) + ":" + number, true, nil
	default:
		return rel(line), true, nil
	}
}

// rowItem is the item of a row: its path, and its line number or hash where
// it has one. A row without a path, such as a summary, is none.
func rowItem(line string, rel func(string) string) (string, bool, error) {
	var row struct {
		Path   string      `json:"path"`
		Number json.Number `json:"line_number"`
		Sha    string      `json:"sha256"`
	}
	if err := json.Unmarshal([]byte(line), &row); err != nil {
		return "", false, fmt.Errorf("not a row: %.80q: %w", line, err)
	}
	item := rel(row.Path)
	if row.Number != "" {
		item += ":" + row.Number.String()
	}
	if row.Sha != "" {
		item += " " + row.Sha
	}
	return item, row.Path != "", nil
}

// difference says in a sentence how got differs from want; empty if it does
// not. Either may have lost its items, then only counts are given.
func difference(got, want planted.Answer) string {
	if got.Digest == want.Digest {
		return ""
	}
	if len(want.Items) != want.Count || len(got.Items) != got.Count {
		return fmt.Sprintf("%d instead of %d, or others", got.Count, want.Count)
	}
	missing, extra := without(want.Items, got.Items), without(got.Items, want.Items)
	s := fmt.Sprintf("%d instead of %d", got.Count, want.Count)
	if len(missing) > 0 {
		s += fmt.Sprintf(", %d missing (%s)", len(missing), missing[0])
	}
	if len(extra) > 0 {
		s += fmt.Sprintf(", %d too many (%s)", len(extra), extra[0])
	}
	return s
}

// without gives the items of a that are not in b; both are sorted.
func without(a, b []string) []string {
	var out []string
	for _, s := range a {
		if _, found := slices.BinarySearch(b, s); !found {
			out = append(out, s)
		}
	}
	return out
}
