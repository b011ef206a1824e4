package packages

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// Where dpkg keeps its database. status.d has a file for each package in
// images that were made without dpkg.
const (
	dpkgDir     = "/var/lib/dpkg"
	dpkgStatus  = dpkgDir + "/status"
	dpkgUpdates = dpkgDir + "/updates"
	dpkgInfo    = dpkgDir + "/info"
	dpkgParts   = dpkgDir + "/status.d"
)

// maxDatabase is how many bytes of a database in one file are read; a desktop
// with all its packages has 10 MB in dpkg's.
const maxDatabase = 128 << 20

// readText reads a file that need not be there, as hostfs.FS.Get does, but up
// to another bound and into a text that is written once.
func readText(f *hostfs.FS, name string, limit int) (string, bool) {
	text, err := textOf(f, name, limit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.Fail(name, err)
	}
	return text, err == nil
}

// textChunk is how much of a text is read at a time, in bytes.
const textChunk = 64 << 10

func textOf(f *hostfs.FS, name string, limit int) (string, error) {
	file, err := f.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return "", err
	}
	var text strings.Builder
	size := min(st.Size(), int64(limit))
	text.Grow(int(size))
	buf := make([]byte, min(size+1, textChunk))
	for {
		n, err := file.Read(buf)
		text.Write(buf[:n])
		switch {
		case err == io.EOF:
			return text.String(), nil
		case err != nil:
			return "", err
		case text.Len() > limit:
			return "", &fs.PathError{Op: "read", Path: name, Err: hostfs.ErrTooLarge}
		}
	}
}

// fail names a line of a file that is not in its format.
func fail(f *hostfs.FS, name string, line int) {
	f.Fail(name+":"+strconv.Itoa(line), hostfs.ErrMalformed)
}

func listDpkg(l *lister) error {
	return eachDpkg(l.FS, l.give)
}

// eachDpkg gives the packages of dpkg's database that are, or have left
// something, on the host. What yield gets is valid until it returns.
func eachDpkg(f *hostfs.FS, yield func(*pkg) error) error {
	pending := dpkgPending(f)
	if text, ok := readText(f, dpkgStatus, maxDatabase); ok {
		if err := eachDpkgIn(f, dpkgStatus, text, func(p *pkg) error {
			if newer, ok := pending[p.id()]; len(pending) > 0 && ok {
				delete(pending, p.id())
				p = newer
			}
			return giveDpkg(p, yield)
		}); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(pending)) {
		if err := giveDpkg(pending[id], yield); err != nil {
			return err
		}
	}
	for _, name := range f.List(dpkgParts) {
		if strings.HasSuffix(name, ".md5sums") {
			continue
		}
		text, _ := readText(f, dpkgParts+"/"+name, hostfs.MaxFile)
		if err := eachDpkgIn(f, dpkgParts+"/"+name, text, func(p *pkg) error {
			p.status = "installed" // such images say no status
			return yield(p)
		}); err != nil {
			return err
		}
	}
	return nil
}

func giveDpkg(p *pkg, yield func(*pkg) error) error {
	if p.status == "not-installed" {
		return nil
	}
	return yield(p)
}

// dpkgPending reads what dpkg has changed and not yet written into its status
// file, by id; the file of the highest number is the newest.
func dpkgPending(f *hostfs.FS) map[string]*pkg {
	var pending map[string]*pkg
	for _, name := range f.List(dpkgUpdates) {
		if strings.Trim(name, "0123456789") != "" {
			continue
		}
		text, _ := readText(f, dpkgUpdates+"/"+name, hostfs.MaxFile)
		// An error is yield's own, and this one has none.
		_ = eachDpkgIn(f, dpkgUpdates+"/"+name, text, func(p *pkg) error {
			if pending == nil {
				pending = map[string]*pkg{}
			}
			c := *p
			c.path = dpkgStatus
			pending[p.id()] = &c
			return nil
		})
	}
	return pending
}

// eachDpkgIn reads the stanzas of a status file and reports those that are
// malformed.
func eachDpkgIn(f *hostfs.FS, path, text string, yield func(*pkg) error) error {
	var p pkg
	return eachStanza(text, func(line int, stanza string) error {
		bad := parseDpkg(stanza, &p)
		if bad > 0 {
			fail(f, path, line+bad-1)
		}
		if p.name == "" {
			if bad == 0 {
				fail(f, path, line)
			}
			return nil
		}
		p.path = path
		return yield(&p)
	})
}

// parseDpkg reads a stanza of dpkg's status file, and gives the number of the
// first line in it that is malformed, or 0. Without a name it is no package.
func parseDpkg(stanza string, p *pkg) (bad int) {
	*p = pkg{manager: "dpkg", scheme: value.Dpkg, size: -1}
	wrongSize := false
	bad = eachField(stanza, func(name, first, more string) {
		switch name {
		case "Conffiles":
			p.conffiles = more
		case "Multi-Arch":
			p.multi = first == "same"
		case "Package":
			p.name = first
		case "Version":
			p.version = first
		case "Architecture":
			p.arch = first
		case "Status":
			p.status = first[strings.LastIndexByte(first, ' ')+1:]
		case "Source":
			p.source, p.sourceVersion = first, ""
			if name, version, ok := strings.Cut(first, " ("); ok {
				p.source, p.sourceVersion = name, strings.TrimSuffix(version, ")")
			}
		case "Installed-Size":
			n, err := strconv.ParseInt(first, 10, 64)
			if wrongSize = err != nil || n < 0 || n > 1<<52; !wrongSize {
				p.size = n << 10
			}
		case "Section":
			p.section = first
		case "Priority":
			p.priority = first
		case "Maintainer":
			p.maintainer = first
		case "Description":
			p.summary = first
		case "Homepage":
			p.url = first
		}
	})
	if p.source == "" {
		p.source = p.name
	}
	if p.sourceVersion == "" {
		p.sourceVersion = p.version
	}
	if wrongSize && bad == 0 {
		bad = 1
	}
	return bad
}

// dpkgFile gives the path of a file about a package: it bears the
// architecture where packages of several can be there at once.
func dpkgFile(f *hostfs.FS, p *pkg, suffix string) string {
	with, without := dpkgInfo+"/"+p.name+":"+p.arch+suffix, dpkgInfo+"/"+p.name+suffix
	switch {
	case strings.HasPrefix(p.path, dpkgParts):
		return strings.TrimSuffix(p.path, ".control") + suffix
	case p.multi && f.Exists(with), !p.multi && !f.Exists(without) && f.Exists(with):
		return with
	}
	return without
}
