package packages

import (
	"strconv"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// apkDatabase gives the list that apk keeps. The older of its places comes
// first, and may be a link to the newer one.
func apkDatabase(f *hostfs.FS) (name, text string, ok bool) {
	for _, name := range []string{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"} {
		if text, ok := readText(f, name, maxDatabase); ok {
			return name, text, true
		}
	}
	return "", "", false
}

func listApk(l *lister) error {
	name, text, ok := apkDatabase(l.FS)
	if !ok {
		return nil
	}
	var p pkg
	return eachStanza(text, func(line int, stanza string) error {
		bad := parseApk(stanza, &p)
		if bad > 0 {
			fail(l.FS, name, line+bad-1)
		}
		if p.name == "" {
			if bad == 0 {
				fail(l.FS, name, line)
			}
			return nil
		}
		p.path = name
		return l.give(&p)
	})
}

// parseApk reads a stanza of apk's database, apk-package(5) and its fields of
// one letter, and gives the first line that is malformed, or 0.
func parseApk(stanza string, p *pkg) (bad int) {
	*p = pkg{manager: "apk", scheme: value.APK, status: "installed", size: -1}
	wrongSize := false
	bad = eachField(stanza, func(name, first, _ string) {
		switch name {
		case "P":
			p.name = first
		case "V":
			p.version = first
		case "A":
			p.arch = first
		case "I":
			n, err := strconv.ParseInt(first, 10, 64)
			if wrongSize = err != nil || n < 0; !wrongSize {
				p.size = n
			}
		case "T":
			p.summary = first
		case "U":
			p.url = first
		case "L":
			p.license = first
		case "o":
			p.source = first
		case "m":
			p.maintainer = first
		}
	})
	if p.source != "" {
		p.sourceVersion = p.version
	}
	if wrongSize && bad == 0 {
		bad = 1
	}
	return bad
}
