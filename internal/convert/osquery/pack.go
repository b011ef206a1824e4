package osquery

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

// A rule is a query as a file has it.
type rule struct {
	name, description, reference, severity string
	tags                                   []string
	sql                                    string
	line                                   int
	lines                                  func(at int) int // nil: all of it stands on line
	fleet                                  bool             // it is for many hosts, with a target
	platforms                              []string
	every                                  string // seconds
	discovery                              []string
	notes                                  []string // what of it is not carried over, and takes nothing away
	losses                                 []string
}

func (r *rule) lineAt(at int) int {
	if r.lines == nil {
		return r.line
	}
	return r.lines(at)
}

var (
	jsonish = regexp.MustCompile(`(?s)^\s*(?:(?:#|//)[^\n]*\n\s*)*\{.*"(?:queries|schedule|packs)"\s*:`)
	yamlish = regexp.MustCompile(`(?m)^(?:kind:\s*(?:query|report|policy|pack)\b|(?:queries|policies|reports):\s*$)`)
	sqlish  = regexp.MustCompile(`(?is)^(?:\s+|--[^\n]*\n|/\*.*?\*/)*(?:SELECT|WITH)\b.*\b(?:FROM|SELECT)\b`)
)

// is says whether a file looks like one of osquery.
func is(name string, data []byte) bool {
	head := data[:min(len(data), 64<<10)]
	switch strings.ToLower(path.Ext(name)) {
	case ".sql":
		return sqlish.Match(head)
	case ".yaml", ".yml":
		return yamlish.Match(head) && bytes.Contains(head, []byte("query"))
	case ".json", ".conf", "":
		return jsonish.Match(head) && bytes.Contains(head, []byte(`"query"`)) || sqlish.Match(head)
	}
	return false
}

// read gives the rules of a file.
func read(in convert.Input) ([]*rule, error) {
	data := bytes.TrimPrefix(in.Data, []byte("\xef\xbb\xbf"))
	ext := strings.ToLower(path.Ext(in.Name))
	trimmed := bytes.TrimSpace(data)
	switch {
	case ext == ".yaml" || ext == ".yml" || ext != ".sql" && yamlish.Match(trimmed[:min(len(trimmed), 64<<10)]) && !bytes.HasPrefix(trimmed, []byte("{")):
		return readYAML(in, data)
	case ext != ".sql" && (ext == ".json" || ext == ".conf" || bytes.HasPrefix(trimmed, []byte("{"))):
		return readJSON(in, data)
	}
	return readSQL(in, data)
}

// readSQL gives a rule for each statement of a file.
func readSQL(in convert.Input, data []byte) ([]*rule, error) {
	text := string(data)
	lineOf := func(at int) int { return 1 + strings.Count(text[:min(at, len(text))], "\n") }
	statements, err := sql.Parse(text)
	if err != nil {
		e := err.(*sql.Error) // Parse gives no other
		line := lineOf(e.At)
		col := 1 + min(e.At, len(text)) - (strings.LastIndexByte(text[:min(e.At, len(text))], '\n') + 1)
		return nil, &convert.Error{File: in.Name, Line: line, Column: col, Message: e.Message}
	}
	base := strings.TrimSuffix(path.Base(strings.ReplaceAll(in.Name, `\`, "/")), ".sql")
	var out []*rule
	from := 0
	for i, s := range statements {
		r := &rule{name: base, line: lineOf(s.At)}
		if len(statements) > 1 {
			r.name += " " + strconv.Itoa(i+1)
		}
		end := s.End
		if i == len(statements)-1 {
			end = len(text)
		}
		start := from
		r.sql = text[start:end]
		r.lines = func(at int) int { return lineOf(start + at) }
		r.header(s.Comments)
		out = append(out, r)
		from = end
	}
	return out, nil
}

var headerLine = regexp.MustCompile(`^(?i)(tags|platform|interval|name|description|references?|severity|purpose)\s*:\s*(.*)$`)

// header takes what the comments of a file say in the form key: value.
func (r *rule) header(comments []sql.Comment) {
	for _, c := range comments {
		for line := range strings.Lines(c.Text) {
			m := headerLine.FindStringSubmatch(strings.TrimSpace(line))
			if m == nil {
				continue
			}
			v := strings.TrimSpace(m[2])
			switch strings.ToLower(m[1]) {
			case "tags":
				r.tags = append(r.tags, strings.FieldsFunc(v, func(c rune) bool { return c == ',' || c == ' ' })...)
			case "platform":
				r.platforms, r.fleet = splitList(v), true
			case "interval":
				r.every, r.fleet = v, true
			case "name":
				r.name = v
			case "description":
				r.description = v
			case "reference", "references":
				r.reference = v
			case "severity":
				r.severity = v
			}
		}
	}
}

func splitList(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(c rune) bool { return c == ',' || c == ' ' })
}

// loosened makes JSON of what osquery takes for it: lines of comments, and
// texts that go on behind a backslash. The lines that a node says are those of
// the file again by the function.
func loosened(data []byte) ([]byte, func(int) int) {
	out := slices.Clone(data)
	var lines []int // of the file, of each line of the result
	lines = append(lines, 1)
	physical := 1
	for i := 0; i < len(out); i++ {
		if i == 0 || out[i-1] == '\n' {
			rest := bytes.TrimLeft(out[i:], " \t")
			if bytes.HasPrefix(rest, []byte("#")) || bytes.HasPrefix(rest, []byte("//")) {
				for i < len(out) && out[i] != '\n' {
					out[i] = ' '
					i++
				}
			}
		}
		if i >= len(out) || out[i] != '\n' {
			continue
		}
		physical++
		if i > 0 && out[i-1] == '\\' {
			out[i] = 'n'
			continue
		}
		lines = append(lines, physical)
	}
	return out, func(n int) int {
		if n < 1 || n > len(lines) {
			return n
		}
		return lines[n-1]
	}
}

func readJSON(in convert.Input, data []byte) ([]*rule, error) {
	loose, lineOf := loosened(data)
	docs, err := document.JSONTwice(in.Name, loose)
	if err != nil {
		if e, ok := err.(*convert.Error); ok {
			e.Line = lineOf(e.Line)
		}
		return nil, err
	}
	var out []*rule
	for _, d := range docs {
		out = append(out, pack(d, nil)...)
	}
	for _, r := range out {
		r.line = lineOf(r.line)
	}
	if len(out) == 0 {
		return nil, &convert.Error{File: in.Name, Line: 1, Message: "it has no queries", Hint: `a pack has them under "queries", a configuration under "schedule"`}
	}
	return out, nil
}

// pack gives the queries of a pack or configuration. What stands around it
// holds for all of its queries that do not say otherwise.
func pack(d, around *document.Node) []*rule {
	var out []*rule
	field := func(q *document.Node, key string) *document.Node {
		for _, n := range [...]*document.Node{q, d, around} {
			if v := n.Get(key); v != nil {
				return v
			}
		}
		return nil
	}
	for _, group := range [...]string{"queries", "schedule"} {
		queries := d.Get(group)
		for i, q := range queries.Items() {
			if queries.Kind() != document.Map || q.Get("query") == nil {
				continue
			}
			r := queryRule(q, queries.Keys()[i])
			r.platforms = splitList(field(q, "platform").Text())
			r.every = q.Get("interval").Text()
			r.discovery = d.Get("discovery").Texts()
			r.shard(field(q, "shard"))
			out = append(out, r)
		}
	}
	packs := d.Get("packs")
	for _, p := range packs.Items() {
		if p.Kind() == document.Map {
			out = append(out, pack(p, d)...)
		}
	}
	return out
}

func queryRule(q *document.Node, name string) *rule {
	r := &rule{name: name, sql: q.Get("query").Text(), line: q.Get("query").Line(), fleet: true}
	r.description = joinText(q.Get("description").Text(), q.Get("value").Text())
	if q.Get("snapshot").Text() == "true" || q.Get("logging").Text() == "snapshot" {
		r.notes = append(r.notes, "osquery sends a snapshot whole each time; EVERY sends what is new, changed or gone")
	}
	if q.Get("removed").Text() == "false" || q.Get("logging").Text() == "differential_ignore_removals" {
		r.notes = append(r.notes, "osquery does not send what is gone; EVERY does")
	}
	return r
}

func (r *rule) shard(n *document.Node) {
	if n != nil && n.Text() != "0" && n.Text() != "100" {
		r.losses = append(r.losses, "shard "+n.Text()+" asks a part of the hosts, by chance; all are asked here")
	}
}

func joinText(list ...string) string {
	var out []string
	for _, t := range list {
		if t = strings.TrimSpace(t); t != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return strings.Join(out, " ")
}

// readYAML reads documents of Fleet: queries, reports, policies and packs,
// each for itself or in lists.
func readYAML(in convert.Input, data []byte) ([]*rule, error) {
	docs, err := document.YAML(in.Name, data)
	if err != nil {
		return nil, err
	}
	named := map[string]*document.Node{}
	for _, d := range docs {
		if q := d.Get("spec"); q.Get("query") != nil {
			named[q.Get("name").Text()] = q
		}
	}
	inPack := map[string]bool{}
	var out []*rule
	for _, d := range docs {
		spec := d.Get("spec")
		if strings.EqualFold(d.Get("kind").Text(), "pack") {
			out = append(out, fleetPack(spec, named, inPack)...)
		}
		for _, group := range [...]string{"queries", "policies", "reports"} {
			if list := d.Get(group); list.Kind() == document.List {
				for _, q := range list.Items() {
					out = append(out, fleetRules(q)...)
				}
			} else if list.Kind() == document.Map {
				out = append(out, pack(d, nil)...)
			}
		}
		if d.Kind() == document.List {
			for _, q := range d.Items() {
				out = append(out, fleetRules(q)...)
			}
		}
		if o := spec.Get("config"); o != nil {
			out = append(out, pack(o, nil)...)
		}
	}
	for _, d := range docs {
		if q := d.Get("spec"); q.Get("query") != nil && !inPack[q.Get("name").Text()] {
			out = append(out, fleetRules(q)...)
		}
	}
	if len(out) == 0 {
		return nil, &convert.Error{File: in.Name, Line: 1, Message: "it has no queries", Hint: "Fleet's documents have kind: query, policy or pack, and a spec with a query"}
	}
	return out, nil
}

func fleetRules(q *document.Node) []*rule {
	if q.Get("query") == nil || q.Get("query").Text() == "" {
		return nil
	}
	r := queryRule(q, q.Get("name").Text())
	r.description = joinText(r.description, q.Get("resolution").Text(), q.Get("remediation").Text())
	if tags := q.Get("tags"); tags.Kind() == document.List {
		r.tags = tags.Texts()
	} else {
		r.tags = splitList(tags.Text())
	}
	r.platforms = splitList(q.Get("platform").Text())
	r.every = q.Get("interval").Text()
	at := q.Get("query").Line()
	if strings.Contains(strings.TrimRight(r.sql, "\n"), "\n") {
		text := r.sql
		r.lines = func(off int) int { return at + 1 + strings.Count(text[:min(off, len(text))], "\n") }
	}
	return []*rule{r}
}

// fleetPack gives the queries that a pack of Fleet names.
func fleetPack(spec *document.Node, named map[string]*document.Node, inPack map[string]bool) []*rule {
	var out []*rule
	for _, item := range spec.Get("queries").Items() {
		name := item.Get("query").Text()
		q := named[name]
		if q == nil {
			continue
		}
		inPack[name] = true
		for _, r := range fleetRules(q) {
			if n := item.Get("name").Text(); n != "" {
				r.name = n
			}
			r.description = joinText(item.Get("description").Text(), r.description)
			r.every = item.Get("interval").Text()
			if p := item.Get("platform").Text(); p != "" {
				r.platforms = splitList(p)
			}
			r.shard(item.Get("shard"))
			if item.Get("snapshot").Text() == "true" {
				r.notes = append(r.notes, "osquery sends a snapshot whole each time; EVERY sends what is new, changed or gone")
			}
			out = append(out, r)
		}
	}
	return out
}
