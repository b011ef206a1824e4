package house

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A door is a function that makes sense of bytes or text, told by its name and
// by what it takes: parse, decode, read, load, scan or unmarshal, of bytes, a
// string or a reader.
var (
	doorName = regexp.MustCompile(`^(?i:parse|decode|read|load|scan|unmarshal)(?:[A-Z_]\w*)?$`)
	doorType = regexp.MustCompile(`^(?:\[\]byte|string|\[\]string|io\.Reader|io\.ReaderAt|\*bufio\.(?:Reader|Scanner))$`)
)

// outside are the folders whose bytes are our own, or come from who runs the
// program on his own machine.
var outside = []string{"bench", "cmd", "docs", "internal", "repl", "sqldriver", "modules/moduletest", "modules/windows/evtxtest", "modules/windows/hivetest"}

// within are folders below outside that read what others wrote.
var within = []string{"internal/convert", "internal/gateway", "internal/cases", "internal/lsp", "internal/querytest", "internal/search", "internal/complete"}

// A calls is what stands in the source, by names: who is called like this might
// be meant. That is more than what is called, and enough to see what no fuzz
// target can reach.
type calls struct {
	doors   map[string]string // "package.Func" to where it stands
	uses    map[string][]string
	targets []string // "package.FuzzX"
	// decoders are packages that have doors, or import what decodes, and why.
	decoders map[string]string
}

// decoding are packages of others that make sense of bytes.
var decoding = []string{
	"encoding/asn1", "encoding/binary", "encoding/csv", "encoding/json", "encoding/pem", "encoding/xml", "crypto/x509", "debug/elf", "debug/macho", "debug/pe",
	"github.com/BurntSushi/toml", "go.yaml.in/yaml/v3",
}

// callsOf reads the source. Methods are functions of their package here.
func callsOf(t *testing.T) *calls {
	c := &calls{doors: map[string]string{}, uses: map[string][]string{}, decoders: map[string]string{}}
	for _, s := range sources(t) {
		names := importsOf(s.file)
		for _, i := range s.file.Imports {
			if p, err := strconv.Unquote(i.Path.Value); err == nil && !s.test && fromOthers(s.dir) && slices.Contains(decoding, p) {
				c.decoders[s.dir] = p
			}
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				// A table of functions is used by whoever names the table.
				if g, ok := d.(*ast.GenDecl); ok {
					c.table(s, g, names)
				}
				continue
			}
			id := s.dir + "." + f.Name.Name
			if f.Body != nil {
				c.uses[id] = append(c.uses[id], usesOf(s.dir, f.Body, names)...)
			}
			switch {
			case s.test && strings.HasPrefix(f.Name.Name, "Fuzz"):
				c.targets = append(c.targets, id)
			case !s.test && doorName.MatchString(f.Name.Name) && takesBytes(f.Type) && fromOthers(s.dir):
				c.doors[id] = s.at(f)
				c.decoders[s.dir] = f.Name.Name
			}
		}
	}
	slices.Sort(c.targets)
	return c
}

func (c *calls) table(s *source, g *ast.GenDecl, names map[string]string) {
	for _, spec := range g.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for _, name := range v.Names {
			for _, e := range v.Values {
				id := s.dir + "." + name.Name
				c.uses[id] = append(c.uses[id], usesOf(s.dir, e, names)...)
			}
		}
	}
}

// importsOf gives our packages by the names that a file has for them.
func importsOf(f *ast.File) map[string]string {
	names := map[string]string{}
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil || p != module && !strings.HasPrefix(p, module+"/") {
			continue
		}
		dir := strings.TrimPrefix(strings.TrimPrefix(p, module), "/")
		name := path.Base(p)
		if dir == "" {
			dir = "."
		}
		if i.Name != nil {
			name = i.Name.Name
		}
		names[name] = dir
	}
	return names
}

// usesOf gives what might be named: a name of the package, one of a package
// that is imported, or a method of any of them.
func usesOf(dir string, n ast.Node, names map[string]string) []string {
	var out []string
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			out = append(out, dir+"."+n.Name)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && names[x.Name] != "" {
				out = append(out, names[x.Name]+"."+n.Sel.Name)
				return false
			}
			for _, p := range names {
				out = append(out, p+"."+n.Sel.Name)
			}
		}
		return true
	})
	return out
}

func takesBytes(f *ast.FuncType) bool {
	for _, p := range f.Params.List {
		if doorType.MatchString(typeText(p.Type)) {
			return true
		}
	}
	return false
}

func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return "*" + typeText(e.X)
	case *ast.SelectorExpr:
		return typeText(e.X) + "." + e.Sel.Name
	case *ast.ArrayType:
		if e.Len == nil {
			return "[]" + typeText(e.Elt)
		}
	}
	return "?"
}

func fromOthers(dir string) bool {
	in := func(list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return isBelow(dir, p) })
	}
	return in(within) || !in(outside)
}

// reach gives the doors that a target can come to.
func (c *calls) reach(target string) map[string]bool {
	seen, doors := map[string]bool{}, map[string]bool{}
	for todo := []string{target}; len(todo) > 0; {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[id] {
			continue
		}
		seen[id] = true
		if c.doors[id] != "" {
			doors[id] = true
		}
		todo = append(todo, c.uses[id]...)
	}
	return doors
}

// Every door is reached by a fuzz target, or it is said why not.
func TestDoorsAreFuzzed(t *testing.T) {
	c := callsOf(t)
	reached := map[string]bool{}
	for _, target := range c.targets {
		maps.Copy(reached, c.reach(target))
	}
	for _, id := range slices.Sorted(maps.Keys(c.doors)) {
		why, said := unfuzzed[id]
		switch {
		case !reached[id] && !said:
			t.Errorf("%s: no fuzz target comes to %s: write one, or say in the table unfuzzed why none is needed", c.doors[id], id)
		case reached[id] && said:
			t.Errorf("%s is fuzzed, and the table unfuzzed says %q", id, why)
		}
	}
	for id := range unfuzzed {
		if c.doors[id] == "" {
			t.Errorf("there is no door %s", id)
		}
	}
	for dir, why := range c.decoders {
		_, said := elsewhere[dir]
		switch has := c.targetsOf(dir); {
		case !has && !said:
			t.Errorf("%s decodes (%s) and has no fuzz target: write one, or say in the table elsewhere whose it is", dir, why)
		case has && said:
			t.Errorf("%s has a fuzz target, and the table elsewhere says where else it would be", dir)
		}
	}
	for dir := range elsewhere {
		if c.decoders[dir] == "" {
			t.Errorf("%s, in the table elsewhere, decodes nothing", dir)
		}
	}
	c.print(t)
}

// targetsOf says whether a package has a fuzz target of its own.
func (c *calls) targetsOf(dir string) bool {
	return slices.ContainsFunc(c.targets, func(id string) bool { return id[:strings.LastIndex(id, ".")] == dir })
}

// print writes the table of doors into its page.
func (c *calls) print(t *testing.T) {
	t.Helper()
	const from, to = "-update -->\n", "<!-- end of doors -->"
	page := filepath.Join(root, "docs", "fuzzing.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), from)
	_, tail, end := strings.Cut(rest, to)
	if !ok || !end {
		t.Fatalf("%s has no place for the table of doors", page)
	}
	rows := map[string][]string{}
	for _, target := range c.targets {
		dir := target[:strings.LastIndex(target, ".")]
		rows[dir] = append(rows[dir], "`"+target[len(dir)+1:]+"`")
	}
	doors := map[string][]string{}
	for id := range c.doors {
		dir := id[:strings.LastIndex(id, ".")]
		doors[dir] = append(doors[dir], "`"+id[len(dir)+1:]+"`")
		rows[dir] = append(rows[dir], []string{}...)
	}
	var b strings.Builder
	b.WriteString("\n| package | fuzz targets | doors |\n|---|---|---|\n")
	for _, dir := range slices.Sorted(maps.Keys(rows)) {
		slices.Sort(doors[dir])
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", dir, strings.Join(rows[dir], " "), strings.Join(doors[dir], " "))
	}
	reasons(&b, "Packages that decode and have no target of their own", elsewhere)
	reasons(&b, "Not fuzzed, and why", unfuzzed)
	fresh := head + from + b.String() + "\n" + to + tail
	if fresh == string(text) {
		return
	}
	if !*update {
		t.Fatal("the table in docs/fuzzing.md is stale: go test ./internal/house -update")
	}
	if err := os.WriteFile(page, []byte(fresh), 0o644); err != nil {
		t.Fatal(err)
	}
}

func reasons(b *strings.Builder, what string, why map[string]string) {
	b.WriteString("\n" + what + ":\n\n")
	for _, name := range slices.Sorted(maps.Keys(why)) {
		fmt.Fprintf(b, "- `%s`: %s\n", name, why[name])
	}
}

// elsewhere are packages that decode, and have no fuzz target of their own,
// with the reason.
var elsewhere = map[string]string{
	".":                 "lists are read whole, and planner.FuzzCompile has their bytes",
	"engine":            "it makes keys of values, and decodes none; what agents send it is decoded by plan/answer",
	"internal/convert":  "each format below it has a target",
	"modules/hostfs":    "gives bytes within bounds, and makes nothing of them",
	"modules/native":    "gives what the kernel of its own machine answers, which modules/network and modules/process decode, with targets",
	"modules/yara/view": "reads numbers at places, for modules/yara/pe and modules/yara/elf, whose targets come to all of it",
	"packaging":         "reads what the go command says of the source that is built",
	"relay":             "what others say is decoded by transport/message, signing and plan; its own files are of who runs it",
}

// unfuzzed are doors that no fuzz target comes to, with the reason.
var unfuzzed = map[string]string{
	"agent.ReadHistory":             "opens the journal of a folder, whose bytes journal.FuzzScan has",
	"agent.ReadPolicy":              "reads the policy of a folder, whose bytes signing.FuzzParseEnvelope and FuzzParsePolicy have",
	"agent.UnmarshalText":           "called by the TOML library for agent.toml, which the machine's owner writes",
	"agent.parseTags":               "arguments of the command that enrols, by who owns the machine",
	"internal/cases.UnmarshalJSON":  "called by encoding/json, when FuzzEntry decodes",
	"internal/querytest.readFile":   "gives the bytes of a file, within a bound, and makes nothing of them",
	"internal/querytest.readList":   "as readFile; the planner reads the list",
	"internal/querytest.readRows":   "lines of a test of one's own, which FuzzParse has read before",
	"modules/file/unpack.Read":      "an io.Reader, which FuzzReader and FuzzWalk read from",
	"modules/machine.UnmarshalJSON": "called by encoding/json, when FuzzExtensions decodes",
	"plan/answer.UnmarshalText":     "compares with four words",
	"relay/watch.Read":              "asks over HTTP, and FuzzReading has what is answered",
	"signing/journal.Read":          "opens the file whose bytes FuzzScan has",
}
