package packages

import (
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// pythonSites are where Python and its installers put packages.
func pythonSites(f *hostfs.FS) []string {
	return append([]string{
		"/usr/lib/python*/dist-packages", "/usr/lib/python*/site-packages", "/usr/lib64/python*/site-packages",
		"/usr/local/lib/python*/dist-packages", "/usr/local/lib/python*/site-packages", "/usr/local/lib64/python*/site-packages",
		"/opt/*/lib/python*/site-packages", "/opt/*/*/lib/python*/site-packages",
	}, inHomes(f, "/.local/lib/python*/site-packages", "/.pyenv/versions/*/lib/python*/site-packages",
		"/.local/share/pipx/venvs/*/lib/python*/site-packages", "/.local/pipx/venvs/*/lib/python*/site-packages")...)
}

func listPython(l *lister) error {
	for _, site := range places(l.FS, pythonSites(l.FS)) {
		for _, name := range l.FS.List(site) {
			p, ok := readPython(l.FS, site+"/"+name)
			if !ok {
				continue
			}
			if err := l.give(&p); err != nil {
				return err
			}
		}
	}
	return nil
}

// readPython reads what an entry of a site says of a package, if it is one
// that does: a folder or, as distutils made them, a file.
func readPython(f *hostfs.FS, entry string) (pkg, bool) {
	file := entry
	switch {
	case strings.HasSuffix(entry, ".dist-info"):
		file += "/METADATA"
	case strings.HasSuffix(entry, ".egg"):
		file += "/EGG-INFO/PKG-INFO"
	case strings.HasSuffix(entry, ".egg-info"):
		if st, err := f.Stat(entry); err == nil && st.IsDir() {
			file += "/PKG-INFO"
		}
	default:
		return pkg{}, false
	}
	text, ok := f.Get(file)
	if !ok {
		return pkg{}, false
	}
	p := parsePython(string(text))
	if p.name == "" || p.version == "" {
		f.Fail(file, hostfs.ErrMalformed)
	}
	p.path = entry
	if installer := entry + "/INSTALLER"; f.Exists(installer) { // pip's, and not in what other managers bring
		p.stamp = installer
	}
	return p, p.name != ""
}

// parsePython reads the head of a METADATA or PKG-INFO file, which has the
// form of a mail.
func parsePython(text string) pkg {
	p := pkg{manager: "python", status: "installed", size: -1, scheme: value.AnyScheme}
	head, _, _ := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	author := ""
	// The first line that is none of a head begins the body, as in mails.
	_ = eachField(head, func(name, first, _ string) {
		if first == "UNKNOWN" { // what distutils writes for nothing
			return
		}
		switch strings.ToLower(name) {
		case "name":
			p.name = first
		case "version":
			p.version = first
		case "summary":
			p.summary = first
		case "home-page":
			p.url = first
		case "license", "license-expression":
			p.license = first
		case "maintainer", "maintainer-email":
			p.maintainer = first
		case "author", "author-email":
			author = first
		}
	})
	if p.maintainer == "" {
		p.maintainer = author
	}
	return p
}
