package account

import (
	"path"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

func sudoRules() modules.Module {
	type row = sudoRule
	return table.New(modules.Schema{
		Name: "sudo_rule", Doc: "What sudoers lets users do in the name of others, with aliases written out.",
	}, []table.Column[row]{
		table.Texts("users", "Who may: names, %groups, #numbers, and ! before those who may not.", func(r *row) []string { return r.users }).Shown(),
		table.Texts("hosts", "On which hosts.", func(r *row) []string { return r.hosts }).Shown(),
		table.Texts("runas", "As which users; root where the rule does not say.", func(r *row) []string { return r.runas }).Shown(),
		table.Texts("runas_groups", "As which groups.", func(r *row) []string { return r.groups }),
		table.Texts("tags", "On what terms: NOPASSWD is without a password; options such as CWD=/tmp are here too.", func(r *row) []string { return r.tags }).Shown(),
		table.Texts("commands", "Which commands; ALL is any, and ! stands before those that are left out.", func(r *row) []string { return r.commands }).Shown(),
		table.Text("path", "The file that says so.", func(r *row) string { return r.path }).To("file").Shown(),
		table.Int("line", "The number of the line, from 1; of several that belong together the first.", func(r *row) int64 { return int64(r.line) }),
	}, listSudo)
}

func listSudo(s *table.Scan, yield func(*sudoRule) error) error {
	if onWindows(s, "sudo_rule") {
		return nil
	}
	c := &sudoConfig{fs: s.FS, seen: map[string]bool{}, aliases: map[string]map[string][]string{}}
	for _, name := range []string{"/etc/sudoers", "/etc/sudoers-rs"} {
		c.read(name)
	}
	for _, r := range c.rules {
		where := r.path + ":" + strconv.Itoa(r.line)
		r.users = c.expand(where, userAlias, r.users)
		r.hosts = c.expand(where, hostAlias, r.hosts)
		r.runas = c.expand(where, runasAlias, r.runas)
		r.groups = c.expand(where, runasAlias, r.groups)
		r.commands = c.expand(where, commandAlias, r.commands)
		if err := yield(&r); err != nil {
			return err
		}
	}
	return nil
}

// A sudoConfig collects the rules and aliases of sudoers and of the files that
// it includes. An alias may be defined behind its use.
type sudoConfig struct {
	fs      *hostfs.FS
	seen    map[string]bool
	rules   []sudoRule
	aliases map[string]map[string][]string // by kind and name
}

func (c *sudoConfig) read(name string) {
	if c.seen[name] {
		return
	}
	if len(c.seen) >= maxIncluded {
		c.fs.Fail(name, hostfs.ErrTooLarge)
		return
	}
	c.seen[name] = true
	text, _ := c.fs.Get(name)
	whole, first := "", 0
	for n, line := range table.Lines(text) {
		if whole == "" {
			first = n
		}
		if joined, more := strings.CutSuffix(line, `\`); more {
			whole += joined + " "
			continue
		}
		c.line(name, first, strings.TrimSpace(whole+line))
		whole = ""
	}
	c.line(name, first, strings.TrimSpace(whole))
}

// line takes a line with those that continue it.
func (c *sudoConfig) line(name string, n int, line string) {
	keyword, rest := word(line)
	switch keyword {
	case "@include", "#include":
		c.include(name, rest)
		return
	case "@includedir", "#includedir":
		c.includeDir(name, rest)
		return
	}
	line = sudoLine(line)
	keyword, rest = word(line)
	if line == "" || strings.HasPrefix(keyword, "Defaults") {
		return
	}
	malformed := func() { c.fs.Fail(name+":"+strconv.Itoa(n), hostfs.ErrMalformed) }
	if keyword == "Cmd_Alias" {
		keyword = commandAlias
	}
	switch keyword {
	case userAlias, hostAlias, runasAlias, commandAlias:
		found, ok := parseAlias(keyword, rest)
		if !ok {
			malformed()
			return
		}
		if c.aliases[keyword] == nil {
			c.aliases[keyword] = map[string][]string{}
		}
		for alias, members := range found {
			c.aliases[keyword][alias] = members
		}
		return
	}
	rules, ok := parseRule(line)
	if !ok {
		malformed()
		return
	}
	for _, r := range rules {
		r.path, r.line = name, n
		c.rules = append(c.rules, r)
	}
}

// named gives the path that an include names.
func (c *sudoConfig) named(from, name string) string {
	name = strings.ReplaceAll(unquoted(strings.TrimSpace(name)), `\ `, " ")
	if strings.Contains(name, "%h") {
		hostname, _ := c.fs.Get("/etc/hostname")
		short, _, _ := strings.Cut(strings.TrimSpace(string(hostname)), ".")
		name = strings.ReplaceAll(name, "%h", short)
	}
	if !path.IsAbs(name) {
		name = path.Join(path.Dir(from), name)
	}
	return path.Clean(name)
}

func (c *sudoConfig) include(from, name string) { c.read(c.named(from, name)) }

// includeDir reads the files of a directory, as sudo does: not those that an
// editor or a package manager put aside.
func (c *sudoConfig) includeDir(from, name string) {
	dir := c.named(from, name)
	for _, file := range c.fs.List(dir) {
		if strings.Contains(file, ".") || strings.HasSuffix(file, "~") {
			continue
		}
		if st, err := c.fs.Stat(path.Join(dir, file)); err == nil && st.IsDir() {
			continue
		}
		c.read(path.Join(dir, file))
	}
}

// The bounds of aliases in aliases.
const (
	maxExpanded   = 10_000 // members of one list
	maxAliasDepth = 32
)

// expand writes the aliases of a list out. A list that grows too long stays
// as it was, and that is said.
func (c *sudoConfig) expand(where, kind string, list []string) []string {
	var out []string
	steps := 0
	var add func(member string, depth int) bool
	add = func(member string, depth int) bool {
		if steps++; steps > maxExpanded || depth > maxAliasDepth {
			return false
		}
		name := strings.TrimPrefix(member, "!")
		members, ok := c.aliases[kind][name]
		if !ok {
			out = append(out, member)
			return true
		}
		for _, m := range members {
			if name != member {
				m = strings.TrimPrefix("!"+m, "!!")
			}
			if !add(m, depth+1) {
				return false
			}
		}
		return true
	}
	for _, m := range list {
		if !add(m, 0) {
			c.fs.Fail(where, hostfs.ErrTooLarge)
			return list
		}
	}
	return out
}
