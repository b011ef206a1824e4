package spec

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
)

// A script is one case, read but not yet run.
type script struct {
	archive  *txtar.Archive
	files    map[string][]byte // of the host, by path below its root
	pack     map[string][]byte // what archives of the tree are made from
	lists    map[string][]byte
	modules  []*module
	facts    map[string]string
	tree     []treeLine
	query    string
	settings settings
	expect   map[string]string // by section
	ordered  map[string]bool   // sections of rows whose order is part of the answer
	open     bool              // a LIMIT without an order leaves open which rows come
}

type settings struct {
	now    time.Time
	os     string
	params map[string]string
}

// expectations are the sections that say what must come back; rows may also
// be "rows NAME".
var expectations = []string{"rows", "summary", "diagnostics", "warnings", "explain"}

func isExpectation(name string) bool {
	for _, e := range expectations {
		if name == e {
			return true
		}
	}
	return strings.HasPrefix(name, "rows ")
}

// fixedNow is what the queries call now where a script does not say it.
var fixedNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// parse reads a script, or says what is wrong with it.
func parse(data []byte) (*script, error) {
	s := &script{
		archive: txtar.Parse(data),
		files:   map[string][]byte{}, pack: map[string][]byte{}, lists: map[string][]byte{},
		settings: settings{now: fixedNow, params: map[string]string{}},
		expect:   map[string]string{},
	}
	if strings.TrimSpace(string(s.archive.Comment)) == "" {
		return nil, errors.New("it does not begin with a sentence that says what is specified")
	}
	seen := map[string]bool{}
	for _, f := range s.archive.Files {
		if seen[f.Name] {
			return nil, fmt.Errorf("two sections %q", f.Name)
		}
		seen[f.Name] = true
		if err := s.section(f.Name, f.Data); err != nil {
			return nil, fmt.Errorf("section %q: %w", f.Name, err)
		}
	}
	switch {
	case s.query == "":
		return nil, errors.New("no section query.qst")
	case len(s.expect) == 0:
		return nil, fmt.Errorf("nothing is expected: add one of %s", strings.Join(expectations, ", "))
	}
	return s, nil
}

func (s *script) section(name string, data []byte) error {
	kind, rest, _ := strings.Cut(name, "/")
	if rest != "" && path.Clean(rest) != rest || strings.HasPrefix(rest, "..") {
		return fmt.Errorf("%q is no clean path", rest)
	}
	switch {
	case isExpectation(name):
		s.expect[name] = string(data)
	case name == "query.qst":
		s.query = string(data)
	case name == "tree":
		return s.parseTree(string(data))
	case name == "facts":
		return keyValues(string(data), func(k, v string) error {
			if s.facts == nil {
				s.facts = map[string]string{}
			}
			s.facts[k] = v
			return nil
		})
	case name == "settings":
		return keyValues(string(data), s.set)
	case rest == "":
		return errors.New("no such section")
	case kind == "host":
		s.files[rest] = data
	case kind == "pack":
		s.pack[rest] = data
	case kind == "list":
		s.lists[rest] = data
	case kind == "module":
		m, err := parseModule(rest, string(data))
		if err != nil {
			return err
		}
		s.modules = append(s.modules, m)
	default:
		return errors.New("no such section")
	}
	return nil
}

func (s *script) set(key, text string) error {
	switch {
	case key == "now":
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return fmt.Errorf("now: %w", err)
		}
		s.settings.now = t.UTC()
	case key == "os":
		s.settings.os = text
	case strings.HasPrefix(key, "set "):
		s.settings.params[strings.TrimSpace(key[4:])] = text
	default:
		return fmt.Errorf("no setting %q: there are now, os and set NAME", key)
	}
	return nil
}

// lines gives the lines of a section that are neither empty nor comments.
func lines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

func keyValues(text string, set func(k, v string) error) error {
	for _, l := range lines(text) {
		k, v, ok := strings.Cut(l, "=")
		if !ok {
			return fmt.Errorf("%q is not key=value", l)
		}
		if err := set(strings.TrimSpace(k), strings.TrimSpace(v)); err != nil {
			return err
		}
	}
	return nil
}
