package spec

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/quaestor-engine/quaestor/internal/pretend"
)

// A script is one case, read but not yet run.
type script struct {
	archive  *txtar.Archive
	host     *pretend.Tree
	lists    map[string][]byte
	modules  []*pretend.Module
	facts    map[string]string
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

// parse reads a script, or says what is wrong with it.
func parse(data []byte) (*script, error) {
	s := &script{
		archive: txtar.Parse(data),
		host:    pretend.NewTree(), lists: map[string][]byte{},
		settings: settings{now: pretend.Now(), params: map[string]string{}},
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
		return s.host.Parse(string(data))
	case name == "facts":
		return pretend.KeyValues(string(data), func(k, v string) error {
			if s.facts == nil {
				s.facts = map[string]string{}
			}
			s.facts[k] = v
			return nil
		})
	case name == "settings":
		return pretend.KeyValues(string(data), s.set)
	case rest == "":
		return errors.New("no such section")
	case kind == "host":
		s.host.Files[rest] = data
	case kind == "pack":
		s.host.Pack[rest] = data
	case kind == "list":
		s.lists[rest] = data
	case kind == "module":
		m, err := pretend.Parse(rest, string(data))
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
