package packages

import (
	"encoding/base64"
	"strconv"
	"strings"

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

// apkPacked lists the files of apk's packages.
func apkPacked(c *crate) error {
	name, text, ok := apkDatabase(c.FS)
	if !ok {
		return nil
	}
	return eachStanza(text, func(line int, stanza string) error {
		var p pkg
		if parseApk(stanza, &p); p.name == "" {
			fail(c.FS, name, line)
			return nil
		}
		bad, err := eachApkFile(stanza, func(x *packed) error {
			x.manager, x.pkg = "apk", p.id()
			return c.give(x)
		})
		if bad > 0 {
			fail(c.FS, name, line+bad-1)
		}
		return err
	})
}

// eachApkFile reads the lines of a stanza that speak of files: F and M are a
// folder and its owner and mode, R, a and Z a file in it, its owner and mode,
// and its digest. It gives the first line that is malformed, or 0.
func eachApkFile(stanza string, yield func(*packed) error) (bad int, err error) {
	dir, at := "", packed{size: -1}
	give := func() error {
		x := at
		at = packed{size: -1}
		if x.path == "" || x.path == "/" {
			return nil
		}
		return yield(&x)
	}
	for n := 1; stanza != ""; n++ {
		var line string
		line, stanza = cutLine(stanza)
		if len(line) < 2 || line[1] != ':' {
			continue // named by the parser of the fields
		}
		ok, rest := true, line[2:]
		switch line[0] {
		case 'F', 'R':
			if err := give(); err != nil {
				return bad, err
			}
			if line[0] == 'F' {
				dir = "/" + rest
				at.path, at.mode = dir, 0o755
			} else {
				at.path, at.mode = strings.TrimSuffix(dir, "/")+"/"+rest, 0o644
			}
			at.owned = true // by root, unless another line says otherwise
		case 'M', 'a':
			ok = at.path != "" && at.apkOwner(rest)
		case 'Z':
			ok = at.path != "" && at.apkDigest(rest)
		}
		if !ok && bad == 0 {
			bad = n
		}
	}
	return bad, give()
}

// apkOwner reads uid:gid:mode, and what may follow them.
func (x *packed) apkOwner(text string) bool {
	f := strings.Split(text, ":")
	if len(f) < 3 {
		return false
	}
	uid, err1 := strconv.ParseUint(f[0], 10, 32)
	gid, err2 := strconv.ParseUint(f[1], 10, 32)
	mode, err3 := strconv.ParseUint(f[2], 8, 12)
	if err1 != nil || err2 != nil || err3 != nil {
		return false
	}
	x.uid, x.gid, x.mode, x.owned = int64(uid), int64(gid), uint32(mode), true
	return true
}

// apkDigest reads Q and a number, that of SHA-1 or SHA-256, and base64.
func (x *packed) apkDigest(text string) bool {
	if len(text) < 2 {
		return false
	}
	sum, err := base64.StdEncoding.DecodeString(text[2:])
	switch {
	case err != nil:
		return false
	case text[:2] == "Q1" && len(sum) == 20:
		x.algorithm, x.digest = "sha1", sum
	case text[:2] == "Q2" && len(sum) == 32:
		x.algorithm, x.digest = "sha256", sum
	default:
		return false
	}
	return true
}
