package packages

import (
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// gemPlaces are the folders of specifications of installed gems.
func gemPlaces(f *hostfs.FS) []string {
	homes := []string{
		"/usr/lib/ruby/gems/*", "/usr/lib64/ruby/gems/*", "/usr/local/lib/ruby/gems/*", "/var/lib/gems/*", "/usr/share/gems",
		"/usr/share/rubygems-integration/*", "/usr/local/bundle", "/opt/*/embedded/lib/ruby/gems/*", "/opt/*/lib/ruby/gems/*",
	}
	homes = append(homes, inHomes(f, "/.gem/ruby/*", "/.local/share/gem/ruby/*", "/.rbenv/versions/*/lib/ruby/gems/*", "/.rvm/gems/*")...)
	var all []string
	for _, h := range homes {
		all = append(all, h+"/specifications", h+"/specifications/default")
	}
	return all
}

func listGem(l *lister) error {
	for _, dir := range places(l.FS, gemPlaces(l.FS)) {
		for _, name := range l.FS.List(dir) {
			if !strings.HasSuffix(name, ".gemspec") {
				continue
			}
			file := dir + "/" + name
			text, ok := l.FS.Get(file)
			if !ok {
				continue
			}
			p, ok := parseGem(text)
			if !ok {
				l.Fail(file, hostfs.ErrMalformed)
				continue
			}
			p.path = file
			if err := l.give(&p); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseGem reads a specification without running it, as RubyGems itself does:
// name, version and platform stand in a comment at its head,
//
//	# stub: rake 13.0.6 ruby lib
//
// and the rest, which is not needed to know the gem, in assignments of texts.
func parseGem(text []byte) (pkg, bool) {
	p := pkg{manager: "gem", status: "installed", size: -1, scheme: value.AnyScheme}
	for _, line := range table.Lines(text) {
		if stub, ok := strings.CutPrefix(line, "# stub: "); ok && p.name == "" {
			if f := strings.Fields(stub); len(f) >= 3 {
				p.name, p.version, p.arch = f[0], f[1], f[2]
			}
			continue
		}
		left, right, ok := strings.Cut(line, "=")
		_, field, dotted := strings.Cut(strings.TrimSpace(left), ".")
		if !ok || !dotted {
			continue
		}
		p.gemField(field, rubyText(strings.TrimSpace(right)))
	}
	return p, p.name != "" && p.version != ""
}

// gemField takes what the head has not said.
func (p *pkg) gemField(field, text string) {
	to := map[string]*string{
		"name": &p.name, "version": &p.version, "summary": &p.summary, "homepage": &p.url,
		"authors": &p.maintainer, "licenses": &p.license, "license": &p.license,
	}[field]
	if to != nil && *to == "" {
		*to = text
	}
}

// rubyText gives the first text in quotes of an expression that begins with
// it: "a".freeze, Gem::Version.new("1"), ["a".freeze, "b".freeze]. It gives ""
// where what is in quotes would have to be computed.
func rubyText(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "["), "Gem::Version.new")
	s = strings.TrimPrefix(s, "(")
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return ""
	}
	end := strings.IndexByte(s[1:], s[0])
	if end < 0 || strings.ContainsAny(s[1:1+end], `\#`) {
		return ""
	}
	return s[1 : 1+end]
}
