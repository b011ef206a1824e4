package packages

import (
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// pacmanLocal is where pacman keeps a folder for each package.
const pacmanLocal = "/var/lib/pacman/local"

// pacmanVersionFile says how that folder is laid out, and is no package.
const pacmanVersionFile = "ALPM_DB_VERSION"

func listPacman(l *lister) error {
	for _, name := range l.FS.List(pacmanLocal) {
		if name == pacmanVersionFile {
			continue
		}
		file := pacmanLocal + "/" + name + "/desc"
		text, err := l.FS.ReadFile(file)
		if err != nil {
			l.Fail(file, err)
			continue
		}
		p, ok := parsePacman(text)
		if !ok {
			l.Fail(file, hostfs.ErrMalformed)
		}
		if p.name == "" {
			continue
		}
		p.path = pacmanLocal + "/" + name
		if err := l.give(&p); err != nil {
			return err
		}
	}
	return nil
}

// parsePacman reads a desc file: a name between percent signs on a line, and
// the values below it up to an empty line. Versions are ordered by the rules
// of rpm, from which those of pacman come.
func parsePacman(text []byte) (p pkg, ok bool) {
	p = pkg{manager: "pacman", scheme: value.RPM, status: "installed", size: -1}
	ok = eachPacmanField(text, func(name string, values []string) bool {
		first := values[0]
		switch name {
		case "NAME":
			p.name = first
		case "VERSION":
			p.version = first
		case "BASE":
			p.source = first
		case "ARCH":
			p.arch = first
		case "DESC":
			p.summary = first
		case "URL":
			p.url = first
		case "PACKAGER":
			p.maintainer = first
		case "LICENSE":
			p.license = strings.Join(values, ", ")
		case "REASON":
			asked := first == "0"
			p.requested = &asked
		case "SIZE":
			n, err := strconv.ParseInt(first, 10, 64)
			if err != nil || n < 0 {
				return false
			}
			p.size = n
		case "INSTALLDATE":
			n, err := strconv.ParseInt(first, 10, 64)
			if err != nil {
				return false
			}
			p.installed = time.Unix(n, 0)
		}
		return true
	})
	if p.requested == nil {
		asked := true // a reason stands only where it is another one
		p.requested = &asked
	}
	if p.source != "" {
		p.sourceVersion = p.version
	}
	return p, ok && p.name != ""
}

// eachPacmanField calls yield for each field that has a value, and says
// whether all the text was made of fields that yield took.
func eachPacmanField(text []byte, yield func(name string, values []string) bool) bool {
	ok := true
	rest := string(text)
	for rest != "" {
		var line string
		line, rest = cutLine(rest)
		if line == "" {
			continue
		}
		name, isName := pacmanName(line)
		if !isName {
			ok = false
			continue
		}
		var values []string
		for rest != "" {
			line, after := cutLine(rest)
			if _, next := pacmanName(line); line == "" || next {
				break
			}
			values, rest = append(values, line), after
		}
		if len(values) > 0 && !yield(name, values) {
			ok = false
		}
	}
	return ok
}

// pacmanName gives the name of a line that begins a field.
func pacmanName(line string) (string, bool) {
	if len(line) < 3 || line[0] != '%' || line[len(line)-1] != '%' {
		return "", false
	}
	return line[1 : len(line)-1], true
}

// pacmanPacked lists the files of pacman's packages.
func pacmanPacked(c *crate) error {
	for _, name := range c.List(pacmanLocal) {
		if name == pacmanVersionFile {
			continue
		}
		file := pacmanLocal + "/" + name + "/desc"
		desc, err := c.ReadFile(file)
		p, _ := parsePacman(desc)
		if err == nil && p.name == "" {
			err = hostfs.ErrMalformed
		}
		if err != nil {
			c.Fail(file, err)
			continue
		}
		file = pacmanLocal + "/" + name + "/files"
		text, err := c.Append(nil, file, maxDatabase)
		if err != nil {
			c.Fail(file, err)
			continue
		}
		paths, config, ok := parsePacmanFiles(text)
		if !ok {
			c.Fail(file, hostfs.ErrMalformed)
		}
		var says map[string]packed
		if c.details {
			says = readMtree(c.FS, pacmanLocal+"/"+name+"/mtree")
		}
		for _, path := range paths {
			x, ok := says[path]
			if !ok {
				x.size = -1
			}
			x.manager, x.pkg, x.path, x.config = "pacman", p.id(), path, config[path]
			if err := c.give(&x); err != nil {
				return err
			}
		}
	}
	return nil
}

// parsePacmanFiles reads a files file: paths, of which that of a folder ends
// with a slash, and those of settings with their digests.
func parsePacmanFiles(text []byte) (paths []string, config map[string]bool, ok bool) {
	config = map[string]bool{}
	ok = eachPacmanField(text, func(name string, values []string) bool {
		for _, v := range values {
			switch name {
			case "FILES":
				paths = append(paths, "/"+strings.TrimSuffix(v, "/"))
			case "BACKUP":
				path, _, _ := strings.Cut(v, "\t")
				config["/"+path] = true
			}
		}
		return true
	})
	return paths, config, ok
}
