package querytest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/pretend"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/planner"
	"github.com/quaestor-engine/quaestor/value"
)

// onlyHost is what the host is called where no section names one.
const onlyHost = "host"

// A world is all that a case pretends.
type world struct {
	suite  *Suite
	test   *testCase
	real   *modules.Catalogue
	now    time.Time
	query  string // the name of the query; "" where there is one
	params map[string]string
	shared map[string]bool // the parameters that are set for all cases, whose queries may not all have them
	lists  map[string]string
	hosts  []*host
	schema map[string]*modules.Schema // of the modules of which there are tables
}

// A host is one pretended machine.
type host struct {
	name   string
	tree   *pretend.Tree
	facts  map[string]value.Value     // that the module host has
	more   map[string]value.Value     // that only agents have
	given  map[string]string          // as text, with the host's part in earlier investigations
	tables map[string]*pretend.Module // by the module that they pretend

	root string             // the folder that stands for it
	mods []modules.Module   // what can be asked there
	cat  *modules.Catalogue // the same
}

// newWorld reads the sections of a case.
func newWorld(s *Suite, c *testCase, mods []modules.Module) (*world, error) {
	real, err := modules.NewCatalogue(mods...)
	if err != nil {
		return nil, err
	}
	w := &world{suite: s, test: c, real: real, now: pretend.Now(), params: map[string]string{}, shared: map[string]bool{}, lists: map[string]string{}, schema: map[string]*modules.Schema{}}
	for _, s := range c.set {
		if s.host != "" {
			w.host(s.host)
		}
	}
	if len(w.hosts) == 0 {
		w.host(onlyHost)
	}
	if len(w.hosts) > maxHosts {
		return nil, &lineError{c.line, fmt.Errorf("%d hosts, and %d can be pretended", len(w.hosts), maxHosts)}
	}
	for _, s := range c.set { // what the others are read with
		if s.name == "now" {
			if w.now, err = parseNow(s.text); err != nil {
				return nil, s.wrap(err)
			}
		}
	}
	for _, h := range w.hosts {
		h.tree.Now = w.now
	}
	for _, s := range c.set {
		if err := w.section(s); err != nil {
			return nil, s.wrap(err)
		}
	}
	for _, h := range w.hosts {
		for name, schema := range w.schema {
			if h.tables[name] == nil {
				h.tables[name] = pretend.New(schema)
			}
		}
		if h.tables["file"] != nil && len(h.tree.Files) > 0 {
			return nil, &lineError{c.line, fmt.Errorf("%s has files, and a table of them, too", h.name)}
		}
	}
	return w, nil
}

// host gives the host of a name, made where it is missing.
func (w *world) host(name string) *host {
	if i := slices.IndexFunc(w.hosts, func(h *host) bool { return h.name == name }); i >= 0 {
		return w.hosts[i]
	}
	h := &host{name: name, tree: pretend.NewTree(), facts: map[string]value.Value{}, more: map[string]value.Value{},
		given: map[string]string{}, tables: map[string]*pretend.Module{}}
	h.tree.Unowned = true
	w.hosts = append(w.hosts, h)
	return h
}

func parseNow(text string) (time.Time, error) {
	ls := pretend.Lines(text)
	if len(ls) != 1 {
		return time.Time{}, errors.New("it is one line, such as 2026-11-23T12:00:00Z")
	}
	return value.ParseTime(ls[0])
}

// section takes one section, for its host or for all.
func (w *world) section(s *section) error {
	kind, rest, deeper := strings.Cut(s.name, "/")
	switch {
	case s.name == "now":
		return nil
	case s.name == "query":
		w.query = strings.TrimSpace(s.text)
		return nil
	case s.name == "set":
		return pretend.KeyValues(s.text, func(k, v string) error {
			w.params[k] = v
			w.shared[k] = s.line < w.test.line
			return nil
		})
	case deeper && kind == "list":
		w.lists[rest] = content(s.text)
		return nil
	}
	if !deeper && !slices.Contains(plainSections(), s.name) {
		if err := w.declare(s); err != nil {
			return err
		}
	}
	data := []byte(content(s.text)) // shared by the hosts, which only read it
	for _, h := range w.hosts {
		if s.host != "" && s.host != h.name {
			continue
		}
		if err := w.put(h, s, data); err != nil {
			return err
		}
	}
	return nil
}

// content gives the text of a file: blank lines at the end of a section set it
// off from the next one, and are none of it.
func content(text string) string {
	kept := strings.TrimRight(text, "\n")
	if kept == "" {
		return ""
	}
	return kept + "\n"
}

// declare finds the schema of the module of which the section is a table.
func (w *world) declare(s *section) error {
	if w.schema[s.name] != nil {
		return nil
	}
	if schema, ok := w.real.Schema(s.name); ok {
		w.schema[s.name] = schema
		return nil
	}
	if !pretend.Declares(s.text) {
		names := append(sectionNames(), w.real.Names()...)
		if near, ok := lang.Nearest(s.name, names); ok {
			return fmt.Errorf("there is no section and no module of this name: did you mean %s?", near)
		}
		return errors.New("there is no module of this name; to pretend one, give the types of its columns: pid:int name:text")
	}
	m, err := pretend.Parse(s.name, pretend.Lines(s.text)[0])
	if err != nil {
		return err
	}
	w.schema[s.name] = m.Schema()
	return nil
}

// put gives a host what a section says.
func (w *world) put(h *host, s *section, data []byte) error {
	switch kind, rest, _ := strings.Cut(s.name, "/"); kind {
	case "host":
		h.tree.Files[rest] = data
		return nil
	case "pack":
		h.tree.Pack[rest] = data
		return nil
	case "tree":
		more := pretend.NewTree()
		if err := more.Parse(s.text); err != nil {
			return err
		}
		h.tree = h.tree.With(more)
		return nil
	case "facts":
		return pretend.KeyValues(s.text, func(k, v string) error { return w.fact(h, k, v) })
	}
	if h.tables[s.name] == nil {
		h.tables[s.name] = pretend.New(w.schema[s.name])
	}
	err := h.tables[s.name].Add(s.text, w.now)
	var unknown *pretend.UnknownColumn
	if errors.As(err, &unknown) {
		if near, ok := lang.Nearest(unknown.Column, unknown.There); ok {
			return fmt.Errorf("%w: did you mean %s?", err, near)
		}
	}
	return err
}

// fact takes one line of facts.
func (w *world) fact(h *host, name, text string) error {
	h.given[name] = text
	column := modules.Column{Type: value.Text}
	to := h.more
	switch known := planner.Facts(w.real); {
	case strings.HasPrefix(name, "tags."), strings.HasPrefix(name, "cloud."):
	case slices.Contains([]string{"agent", "hits", "misses"}, name):
		return nil
	default:
		i := slices.IndexFunc(known, func(c modules.Column) bool { return c.Name == name })
		if i < 0 {
			var names []string
			for _, c := range known {
				names = append(names, c.Name)
			}
			if near, ok := lang.Nearest(name, names); ok {
				return fmt.Errorf("hosts have no fact %q: did you mean %s?", name, near)
			}
			return fmt.Errorf("hosts have no fact %q: there are %s, tags.KEY, cloud.KEY, agent, hits and misses", name, strings.Join(names, ", "))
		}
		column = known[i]
		if schema, ok := w.real.Schema("host"); ok {
			if _, own := schema.Column(name); own {
				to = h.facts
			}
		}
	}
	v, err := pretend.ParseCell(text, column.Type, column.Elem, w.now)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	to[name] = v
	return nil
}

// os is the system that the query is checked for.
func (w *world) os() string {
	if text := w.hosts[0].given["os"]; text != "" {
		return text
	}
	return "linux"
}

// maxMade bounds the content of all hosts of a case, in bytes.
const maxMade = 256 << 20

// build makes every host in a folder of its own. Undo makes it possible to
// remove them.
func (w *world) build(dir string) (undo func(), err error) {
	var undos []func()
	undo = func() {
		for _, u := range undos {
			u()
		}
	}
	made := 0
	for i, h := range w.hosts {
		h.root = filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(h.root, 0o755); err != nil {
			return undo, err
		}
		back, err := h.tree.Build(h.root)
		undos = append(undos, back)
		if made += h.tree.Made(); err == nil && made > maxMade {
			err = fmt.Errorf("more than %d bytes are made of all hosts together", maxMade)
		}
		if err != nil {
			return undo, &lineError{w.test.line, fmt.Errorf("the files of %s: %w", h.name, err)}
		}
	}
	return undo, nil
}

// catalogue joins what the host pretends with the modules that look at its
// files.
func (w *world) catalogue(h *host) error {
	h.mods = nil
	for _, name := range w.real.Names() {
		m, _ := w.real.Module(name)
		switch {
		case h.tables[name] != nil:
			continue
		case name == "file":
			m = pretend.WithOwners(m, h.tree)
		case name == "host":
			facts := maps.Clone(h.facts)
			if _, told := h.tree.Files["etc/hostname"]; facts["hostname"].IsNull() && !told {
				facts["hostname"] = value.NewText(h.name)
			}
			if facts["os"].IsNull() {
				facts["os"] = value.NewText("linux")
			}
			var err error
			if m, err = pretend.WithFacts(m, facts); err != nil {
				return err
			}
		}
		h.mods = append(h.mods, m)
	}
	for _, name := range slices.Sorted(maps.Keys(h.tables)) {
		h.mods = append(h.mods, h.tables[name])
	}
	var err error
	h.cat, err = modules.NewCatalogue(h.mods...)
	return err
}
