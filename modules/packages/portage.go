package packages

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// Where Portage of Gentoo keeps a folder for each package, below one for its
// category, and the list of those that somebody asked for.
const (
	portageInstalled = "/var/db/pkg"
	portageWorld     = "/var/lib/portage/world"
)

// portageFolder takes the name of a package's folder apart: a name, and a
// version that begins with a digit, with its revision.
var portageFolder = regexp.MustCompile(`^(.+?)-(\d[^-]*(?:-r\d+)?)$`)

func listPortage(l *lister) error {
	var world map[string]bool
	for _, category := range l.FS.List(portageInstalled) {
		dir := path.Join(portageInstalled, category)
		for _, name := range l.FS.List(dir) {
			if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-MERGING-") {
				continue // what is being worked on
			}
			m := portageFolder.FindStringSubmatch(name)
			if m == nil {
				l.Fail(path.Join(dir, name), hostfs.ErrMalformed)
				continue
			}
			if !l.choice.name("portage", category+"/"+m[1]) {
				continue
			}
			if world == nil {
				world = portageWanted(l.FS)
			}
			p := l.portage(category, m[1], m[2], path.Join(dir, name))
			asked := world[p.name]
			p.requested = &asked
			if err := l.give(&p); err != nil {
				return err
			}
		}
	}
	return l.Context().Err()
}

// portage reads the folder of a package, which has a file for each fact. The
// versions of Alpine are Gentoo's, and so is their order.
func (l *lister) portage(category, name, version, dir string) pkg {
	fact := func(file string) string {
		file = path.Join(dir, file)
		if !l.FS.Exists(file) {
			return ""
		}
		text, _ := l.FS.Get(file)
		return strings.TrimSpace(string(text))
	}
	count := func(file string) int64 {
		text := fact(file)
		if text == "" {
			return -1
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			l.Fail(path.Join(dir, file), hostfs.ErrMalformed)
			return -1
		}
		return n
	}
	p := pkg{
		manager: "portage", scheme: value.APK, status: "installed", name: category + "/" + name, version: version, path: dir,
		section: category, summary: fact("DESCRIPTION"), license: fact("LICENSE"), url: fact("HOMEPAGE"), repository: fact("repository"), size: count("SIZE"),
	}
	if n := count("BUILD_TIME"); n > 0 {
		p.installed = time.Unix(n, 0)
	}
	return p
}

// portageWanted gives the packages that the list of somebody's wishes has, of
// which a line may say a version or a slot.
func portageWanted(f *hostfs.FS) map[string]bool {
	world := map[string]bool{}
	if !f.Exists(portageWorld) {
		return world
	}
	text, _ := f.Get(portageWorld)
	for line := range strings.Lines(string(text)) {
		atom, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		versioned := strings.TrimLeft(atom, "<>=~")
		if m := portageFolder.FindStringSubmatch(versioned); versioned != atom && m != nil {
			versioned = m[1]
		}
		world[versioned] = true
	}
	return world
}
