package packages

import (
	"encoding/json"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// maxModules is how deep node_modules are looked into; npm itself keeps them
// flat where it can.
const maxModules = 32

// npmPlaces are the folders of packages that are installed for everyone, or
// for all projects of a user.
func npmPlaces(f *hostfs.FS) []string {
	return append([]string{
		"/usr/lib/node_modules", "/usr/local/lib/node_modules", "/usr/share/nodejs", "/opt/*/lib/node_modules",
	}, inHomes(f, "/.npm-global/lib/node_modules", "/.local/lib/node_modules", "/.nvm/versions/node/*/lib/node_modules")...)
}

func listNpm(l *lister) error {
	for _, dir := range places(l.FS, npmPlaces(l.FS)) {
		if err := l.npmModules(dir, maxModules); err != nil {
			return err
		}
	}
	return nil
}

// npmModules lists the packages in a folder, and those inside each.
func (l *lister) npmModules(dir string, depth int) error {
	if err := l.Context().Err(); err != nil {
		return err
	}
	for _, name := range l.FS.List(dir) {
		if strings.HasPrefix(name, ".") {
			continue
		}
		at := dir + "/" + name
		if strings.HasPrefix(name, "@") { // a scope: a folder of packages
			if err := l.npmNested(at, depth); err != nil {
				return err
			}
			continue
		}
		if p, ok := readNpm(l.FS, at); ok {
			if err := l.give(&p); err != nil {
				return err
			}
		}
		if err := l.npmNested(at+"/node_modules", depth); err != nil {
			return err
		}
	}
	return nil
}

// npmNested goes one level down, but not through a link: it would lead to
// packages that are listed where they are, or for ever round.
func (l *lister) npmNested(dir string, depth int) error {
	for _, d := range []string{strings.TrimSuffix(dir, "/node_modules"), dir} {
		if st, err := l.FS.Lstat(d); err != nil || !st.IsDir() {
			return nil
		}
	}
	if depth == 0 {
		l.Fail(dir, hostfs.ErrTooLarge)
		return nil
	}
	return l.npmModules(dir, depth-1)
}

// readNpm reads the package.json of a folder; one without is no package.
func readNpm(f *hostfs.FS, dir string) (pkg, bool) {
	file := dir + "/package.json"
	text, ok := f.Get(file)
	if !ok {
		return pkg{}, false
	}
	p, ok := parseNpm(text)
	if !ok {
		f.Fail(file, hostfs.ErrMalformed)
		return pkg{}, false
	}
	p.path = dir
	return p, true
}

// parseNpm reads a package.json.
func parseNpm(text []byte) (pkg, bool) {
	var m struct {
		Name        string
		Version     string
		Description any
		Homepage    any
		License     any
		Author      any
	}
	if json.Unmarshal(text, &m) != nil || m.Name == "" {
		return pkg{}, false
	}
	return pkg{
		manager: "npm", name: m.Name, version: m.Version, status: "installed", size: -1, scheme: value.Semver,
		summary: member(m.Description, ""), url: member(m.Homepage, "url"),
		license: member(m.License, "type"), maintainer: member(m.Author, "name"),
	}, true
}

// member gives a text, or that text of an object, in which forms people write
// who made a package.
func member(v any, name string) string {
	if m, ok := v.(map[string]any); ok {
		v = m[name]
	}
	s, _ := v.(string)
	return s
}
