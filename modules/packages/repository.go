package packages

import (
	"path"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A repository is where a manager gets packages from: a line of sources.list,
// one of the combinations of a stanza of deb822, a section of yum's files.
type repository struct {
	manager, path             string
	line                      int64
	kind, id, description     string
	uri, mirrors, suite       string
	components, architectures []string
	enabled, trusted          bool
	keys                      []string
	signed                    value.Value
	release                   map[string]string // what apt keeps of it says; nil until it is asked for
}

// Where the files are. aptLists holds what apt fetched of each.
const (
	aptDir   = "/etc/apt"
	aptLists = "/var/lib/apt/lists"
	yumDir   = "/etc/yum.repos.d"
)

func repositories() modules.Module {
	text := func(name, doc string, get func(*repository) string) table.Column[repository] {
		return table.Text(name, doc, get)
	}
	return table.New(modules.Schema{
		Name: "repository", Doc: "Where package managers get packages from, as the files of apt, yum and dnf say: one row for each place and suite.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "path", Doc: "a glob of paths", Example: "'/etc/apt/sources.list.d/*'"},
	}, []table.Column[repository]{
		text("path", "The file that names it.", func(r *repository) string { return r.path }).To("file").Shown(),
		table.Int("line", "The number of the line at which it begins, from 1.", func(r *repository) int64 { return r.line }),
		text("manager", "Whose files name it.", func(r *repository) string { return r.manager }).OneOf("dpkg", "rpm").Shown(),
		text("kind", "What it holds: deb for programs, deb-src for sources; rpm.", func(r *repository) string { return r.kind }).OneOf("deb", "deb-src", "rpm"),
		text("id", "Its name in yum's and dnf's files.", func(r *repository) string { return r.id }),
		text("description", "What it is called there.", func(r *repository) string { return r.description }),
		text("uri", "Where it is.", func(r *repository) string { return r.uri }).Shown(),
		text("mirrors", "Where a list of its mirrors is.", func(r *repository) string { return r.mirrors }),
		text("suite", "The release or suite that is taken from it.", func(r *repository) string { return r.suite }).Shown(),
		table.Texts("components", "The parts of it that are taken, such as main.", func(r *repository) []string { return r.components }).Shown(),
		table.Texts("architectures", "The architectures that are taken; empty for those of the host.", func(r *repository) []string { return r.architectures }),
		table.Bool("enabled", "Whether it is used.", func(r *repository) bool { return r.enabled }).Shown(),
		table.Bool("trusted", "Whether packages are taken from it without a signature that fits.", func(r *repository) bool { return r.trusted }).Shown(),
		table.Value("signed", value.Bool, "Whether yum and dnf ask for signatures of its packages; null where the file does not say.", func(r *repository) value.Value { return r.signed }),
		table.Texts("keys", "The keys that must have signed it, as they are named there.", func(r *repository) []string { return r.keys }),
		released("origin", "Origin", "Who makes it, as it says itself in what apt fetched."),
		released("version", "Version", "The version of the release, as it says itself in what apt fetched."),
	}, listRepositories)
}

// released makes a column of what apt fetched of a repository.
func released(name, key, doc string) table.Column[repository] {
	return table.Computed(name, value.Text, doc, func(s *table.Scan, r *repository) (value.Value, error) {
		if r.release == nil {
			r.release = readRelease(s.FS, r)
		}
		return table.TextOf(r.release[key]), nil
	}).Costs(modules.Read)
}

// readRelease reads the fields of InRelease or Release. What apt has not
// fetched yet is not there.
func readRelease(f *hostfs.FS, r *repository) map[string]string {
	fields := map[string]string{}
	_, place, ok := strings.Cut(strings.TrimSuffix(r.uri, "/"), "://")
	if !ok || r.manager != "dpkg" {
		return fields
	}
	base := aptLists + "/" + strings.ReplaceAll(place+"/dists/"+r.suite, "/", "_")
	for _, name := range [...]string{base + "_InRelease", base + "_Release"} {
		b, err := f.ReadFile(name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if key, v, ok := strings.Cut(line, ":"); ok && (key == "Origin" || key == "Version") && fields[key] == "" {
				fields[key] = strings.TrimSpace(v)
			}
		}
		break
	}
	return fields
}

func listRepositories(s *table.Scan, yield func(*repository) error) error {
	for _, dir := range [...]string{aptDir, aptDir + "/sources.list.d", yumDir} {
		for _, name := range s.FS.List(dir) {
			file := dir + "/" + name
			var parse func(string, string) []repository
			switch ext := path.Ext(name); {
			case dir == yumDir && ext == ".repo":
				parse = parseYum
			case dir != yumDir && ext == ".list":
				parse = parseSourcesList
			case dir == aptDir+"/sources.list.d" && ext == ".sources":
				parse = parseDeb822
			default:
				continue
			}
			b, ok := s.FS.Get(file)
			if !ok {
				continue
			}
			for _, r := range parse(file, string(b)) {
				if err := yield(&r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// parseSourcesList reads lines of sources.list(5): deb [options] uri suite
// components. A line in comments that would be one is a source that is not
// used.
func parseSourcesList(file, text string) []repository {
	var out []repository
	for n, line := range table.Lines([]byte(text)) {
		r := repository{manager: "dpkg", path: file, line: int64(n), enabled: true}
		rest := strings.TrimSpace(line)
		if off, ok := strings.CutPrefix(rest, "#"); ok {
			rest, r.enabled = strings.TrimSpace(off), false
		}
		rest, _, _ = strings.Cut(rest, " #")
		r.kind, rest, _ = strings.Cut(rest, " ")
		if r.kind != "deb" && r.kind != "deb-src" {
			continue
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				continue
			}
			rest = after
			for _, o := range strings.Fields(options) {
				key, v, _ := strings.Cut(o, "=")
				r.option(strings.ToLower(strings.TrimRight(key, "+-")), strings.ReplaceAll(v, ",", " "))
			}
		}
		words := strings.Fields(rest)
		if len(words) < 2 || !strings.Contains(words[0], ":") {
			continue
		}
		r.uri, r.suite, r.components = words[0], words[1], words[2:]
		out = append(out, r)
	}
	return out
}

func (r *repository) option(key, v string) {
	switch key {
	case "arch", "architectures":
		r.architectures = strings.Fields(v)
	case "trusted":
		r.trusted = v == "yes"
	case "signed-by":
		r.keys = strings.Fields(v)
	case "enabled":
		r.enabled = v != "no" && v != "false"
	}
}

// parseDeb822 reads stanzas of fields, whose types, places and suites make a
// source each.
func parseDeb822(file, text string) []repository {
	var out []repository
	fields := map[string]string{}
	start, last := 0, ""
	flush := func() {
		for _, kind := range strings.Fields(fields["types"]) {
			for _, uri := range strings.Fields(fields["uris"]) {
				for _, suite := range strings.Fields(fields["suites"]) {
					r := repository{manager: "dpkg", path: file, line: int64(start), kind: kind, uri: uri, suite: suite, components: strings.Fields(fields["components"]), enabled: true}
					if kind != "deb" && kind != "deb-src" {
						continue
					}
					for _, key := range [...]string{"architectures", "trusted", "enabled", "signed-by"} {
						if v := fields[key]; v != "" && !strings.Contains(v, "-----BEGIN") {
							r.option(key, v)
						}
					}
					out = append(out, r)
				}
			}
		}
		fields, start, last = map[string]string{}, 0, ""
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		switch {
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			fields[last] += " " + strings.TrimSpace(line)
		default:
			key, v, _ := strings.Cut(line, ":")
			if start == 0 {
				start = n
			}
			last = strings.ToLower(strings.TrimSpace(key))
			fields[last] = strings.TrimSpace(v)
		}
	}
	flush()
	return out
}

// parseYum reads the sections of a .repo file.
func parseYum(file, text string) []repository {
	var out []repository
	for n, line := range table.Lines([]byte(text)) {
		line = strings.TrimSpace(line)
		if id, ok := strings.CutPrefix(line, "["); ok && strings.HasSuffix(id, "]") {
			out = append(out, repository{manager: "rpm", kind: "rpm", path: file, line: int64(n), id: strings.TrimSuffix(id, "]"), enabled: true})
			continue
		}
		key, v, ok := strings.Cut(line, "=")
		if !ok || len(out) == 0 || line[0] == '#' || line[0] == ';' {
			continue
		}
		r, v := &out[len(out)-1], strings.TrimSpace(v)
		yes := slices.Contains([]string{"1", "yes", "true", "on"}, strings.ToLower(v))
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "name":
			r.description = v
		case "baseurl":
			r.uri = v
		case "mirrorlist", "metalink":
			r.mirrors = v
		case "enabled":
			r.enabled = yes
		case "gpgcheck":
			r.signed = value.NewBool(yes)
			r.trusted = !yes
		case "gpgkey":
			r.keys = strings.Fields(strings.ReplaceAll(v, ",", " "))
		}
	}
	return out
}
