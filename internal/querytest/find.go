package querytest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	testSuffix  = ".test.txtar"
	querySuffix = ".qst"
)

// Find pairs query files with their tests. A path is a query file, a test
// file, or a folder, of which everything below is taken (DIR/... means the
// same). Folders whose names begin with a dot are left out.
func Find(paths []string) ([]*Suite, error) {
	var names []string
	for _, p := range paths {
		dir, below := strings.CutSuffix(filepath.ToSlash(p), "/...")
		if below {
			p = dir
		}
		if p == "..." {
			p = "."
		}
		found, err := listed(p)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return pair(slices.Compact(names)), nil
}

// listed lists the query files and the test files that a path means.
func listed(p string) ([]string, error) {
	info, err := os.Stat(p)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if !isQuery(p) && !isTest(p) {
			return nil, fmt.Errorf("%s is neither a query file (*%s) nor a test file (*%s)", p, querySuffix, testSuffix)
		}
		return []string{filepath.Clean(p)}, nil
	}
	var names []string
	err = filepath.WalkDir(p, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != p && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !d.IsDir() && (isQuery(name) || isTest(name)):
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

func isQuery(name string) bool { return strings.HasSuffix(name, querySuffix) }
func isTest(name string) bool  { return strings.HasSuffix(name, testSuffix) }

// pair makes a suite of each query and its tests, where either was named.
func pair(names []string) []*Suite {
	var suites []*Suite
	for _, name := range names {
		s := &Suite{}
		stem, test := strings.CutSuffix(name, testSuffix)
		if !test {
			stem = strings.TrimSuffix(name, querySuffix)
		}
		if isFile(stem + querySuffix) {
			s.Query = stem + querySuffix
		}
		if isFile(stem + testSuffix) {
			s.Test = stem + testSuffix
		}
		if !slices.ContainsFunc(suites, func(o *Suite) bool { return o.Query == s.Query && o.Test == s.Test }) {
			suites = append(suites, s)
		}
	}
	return suites
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// readFile reads a file of at most limit bytes.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = errors.New("the file is larger than 16 MiB")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}
