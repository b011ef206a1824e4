// Package spec runs behaviour scripts: text files that say what a query
// answers, readable by who knows no Go.
//
// [Run] is all that a test needs. A script is a txtar archive (file names in
// "-- name --" lines) that begins with a sentence about what it specifies:
//
//	-- host/etc/passwd --     a file of the host that is asked
//	-- tree --                what a file's text cannot say, a line for each path below the root:
//	                          usr/bin/su mode=4755 mtime=2026-11-01T00:00:00Z uid=0 gid=0
//	                          var/big size=10MB  bin link=usr/bin  a hard=b  run/p fifo  empty dir
//	                          etc/shadow unreadable  x hex=7f454c46  y base64=…  z repeat=ab\n*1000
//	                          srv/app.jar zip=app  (or tar, tgz: of the sections pack/app/…)
//	                          log.gz gzip=log      (or zstd, xz: of the section pack/log)
//	-- pack/app/lib/A.class -- what such archives are made from; a path pack/… in tree adds to it
//	-- module/process --      a pretended module: pid:int* parent:int->process name:text@ and rows.
//	                          * key, @ locator, ? not shown by default, ! content, ->module link,
//	                          list(int) for a list. "! permission /proc/12" is something left out,
//	                          "! fail REASON" a scan that ends badly
//	-- facts --               os=linux and so on: the row of the module host
//	-- list/bad.txt --        the list @bad.txt
//	-- settings --            set NAME=VALUE for a parameter, now=TIME, os=SYSTEM
//	-- query.qst --           the query
//	-- rows --                what must come back: a header, then rows; (none) for no row. The order of
//	                          rows counts where the query has ORDER BY. With several tables: rows NAME
//	-- summary --             complete, partial, refused or failed; files 3; permission 1 /etc/shadow.
//	                          All that was left out must be listed, of what was looked at only what matters
//	-- diagnostics --         the text of the errors, carets and all
//	-- warnings --            likewise
//	-- explain --             the plan
//
// Cells stand two blanks or a tab apart; null is null, a text with blanks at
// its ends is quoted. The scripts are for tests: nothing here guards against
// a script that means harm.
package spec

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/quaestor-engine/quaestor/internal/pretend"
	"github.com/quaestor-engine/quaestor/modules"
)

var update = flag.Bool("update", false, "rewrite what behaviour scripts expect")

// Run runs every *.txtar of a folder as a parallel subtest, with the modules
// that are given and those that the script pretends. The flag -update
// rewrites what is expected.
func Run(t *testing.T, dir string, mods ...modules.Module) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no script in %s (%v)", dir, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			s, err := parse(data)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			back := s.guard(t)
			problems, err := s.run(t.Context(), mods)
			back()
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if *update {
				s.rewrite(t, path, data)
				return
			}
			for _, p := range problems {
				t.Errorf("%s: %s", path, p)
			}
		})
	}
}

// guard gives a script the rights that it speaks of until back is called, and
// lets the others run side by side.
func (s *script) guard(t *testing.T) (back func()) {
	switch {
	case s.host.Needs("uid", "gid") && os.Geteuid() != 0:
		t.Skip("only root can give files away")
	case s.host.Needs("unreadable"):
		back, err := pretend.AsUser()
		if err != nil {
			t.Skip(err)
		}
		return back
	default:
		t.Parallel()
	}
	return func() {}
}

func (s *script) rewrite(t *testing.T, path string, old []byte) {
	for i, f := range s.archive.Files {
		if isExpectation(f.Name) {
			s.archive.Files[i].Data = []byte(s.expect[f.Name])
		}
	}
	if data := txtar.Format(s.archive); !bytes.Equal(data, old) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// run makes the host, asks the query and compares; it leaves in expect what
// came back.
func (s *script) run(ctx context.Context, mods []modules.Module) (problems []string, err error) {
	dir, err := os.MkdirTemp("", "quaestor-spec-*")
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "host")
	undo, err := s.prepare(dir, root)
	defer func() {
		undo()
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if err != nil {
		return nil, err
	}
	if mods, err = s.catalogue(mods); err != nil {
		return nil, err
	}
	got, err := s.ask(ctx, dir, root, mods, false)
	if err != nil {
		return nil, err
	}
	return append(s.compare(got), s.compareNaive(got, func() (map[string]string, error) {
		return s.ask(ctx, dir, root, mods, true)
	})...), nil
}

// compareNaive asks again without a planner that changes anything: the rows
// must be the same, unless the query leaves it open which ones they are.
func (s *script) compareNaive(got map[string]string, again func() (map[string]string, error)) []string {
	if !s.runs() || s.open || got["diagnostics"] != "" {
		return nil
	}
	naive, err := again()
	if err != nil {
		return []string{fmt.Sprintf("as it was written, the query gives %v", err)}
	}
	var problems []string
	for name, rows := range got {
		if strings.HasPrefix(name, "rows") && naive[name] != rows {
			problems = append(problems, fmt.Sprintf("%s differ without the planner: got\n%swith it\n%s", name, naive[name], rows))
		}
	}
	return problems
}

func (s *script) prepare(dir, root string) (undo func(), err error) {
	undo = func() {}
	if err := os.Mkdir(root, 0o755); err != nil {
		return undo, err
	}
	for name, data := range s.lists {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			return undo, err
		}
	}
	return s.host.Build(root)
}

// catalogue replaces modules by those that the script pretends.
func (s *script) catalogue(mods []modules.Module) ([]modules.Module, error) {
	pretended := slices.Clone(s.modules)
	if s.facts != nil {
		i := slices.IndexFunc(mods, func(m modules.Module) bool { return m.Schema().Name == "host" })
		if i < 0 {
			return nil, errors.New("facts without a module host")
		}
		m, err := pretend.Facts(mods[i].Schema(), s.facts)
		if err != nil {
			return nil, err
		}
		pretended = append(pretended, m)
	}
	all := slices.DeleteFunc(slices.Clone(mods), func(m modules.Module) bool {
		return slices.ContainsFunc(pretended, func(p *pretend.Module) bool { return p.Schema().Name == m.Schema().Name })
	})
	for _, p := range pretended {
		all = append(all, p)
	}
	return all, nil
}

// compare leaves in expect what came back, and says where it differs.
func (s *script) compare(got map[string]string) []string {
	var problems []string
	for name, want := range s.expect {
		have, ok := got[name]
		if !ok {
			problems = append(problems, fmt.Sprintf("there is no %s; what came back is\n%s", name, describe(got)))
			continue
		}
		s.expect[name] = have
		same := s.normal(name, want) == s.normal(name, have)
		if name == "summary" {
			same = pretend.SameSummary(want, have)
		}
		if !same {
			problems = append(problems, fmt.Sprintf("%s differ: got\n%swant\n%s", name, have, want))
		}
	}
	_, named := s.expect["rows"]
	for name, have := range got {
		_, ok := s.expect[name]
		named = named || strings.HasPrefix(name, "rows ") && ok
		if !ok && name == "diagnostics" {
			problems = append(problems, "the query is wrong:\n"+have)
		}
	}
	for name, have := range got {
		if _, ok := s.expect[name]; !ok && named && strings.HasPrefix(name, "rows ") {
			problems = append(problems, fmt.Sprintf("%s came back, too:\n%s", name, have))
		}
	}
	slices.Sort(problems)
	return problems
}

func describe(got map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(got)) {
		b.WriteString("-- " + name + " --\n" + got[name])
	}
	return b.String()
}
