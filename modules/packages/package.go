package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A pkg is a package that a manager's database lists. A text that is empty, a
// zero time and a size below zero are not known.
type pkg struct {
	manager, name, version, arch  string
	scheme                        value.Scheme
	source, sourceVersion         string
	status, maintainer, path, url string
	summary, license              string
	section, priority             string // the latter of dpkg
	sum                           string // of rpm: the SHA-1 of the header
	size                          int64
	installed                     time.Time
	stamp                         string // the file whose time of change is when it was installed
	key                           string // of the registry
	repository                    string // of portage
	requested                     *bool  // whether somebody asked for it; nil: not known
	conffiles                     string // of dpkg: lines of paths with their digests
	multi                         bool   // of dpkg: it may be there for several architectures at once
}

// id is what no other package of the host has: libraries of programming
// languages may be there many times, each in a place of its own.
func (p *pkg) id() string {
	switch p.manager {
	case "dpkg", "apk", "pacman":
		return p.manager + ":" + p.name + ":" + p.arch
	case "rpm": // a kernel is there in several versions
		return p.manager + ":" + p.name + "-" + p.version + ":" + p.arch
	case "windows", "appx":
		return p.manager + ":" + p.key
	}
	return p.manager + ":" + p.name + ":" + p.path
}

// versionOf orders a version by the rules of the package's manager.
func (p *pkg) versionOf(text string) value.Value {
	if text == "" {
		return value.Value{}
	}
	return value.NewVersion(text, p.scheme)
}

// installedAt asks the host only where the database does not say. Of dpkg it
// is when the list of the files was written.
func (p *pkg) installedAt(s *table.Scan) (value.Value, error) {
	stamp := p.stamp
	switch {
	case p.manager == "dpkg" && p.path == dpkgStatus:
		stamp = dpkgFile(s.FS, p, ".list")
	case p.manager == "dpkg":
		stamp = p.path
	case stamp == "":
		return table.TimeOf(p.installed), nil
	}
	st, err := s.FS.Stat(stamp)
	if err != nil {
		return value.Value{}, err
	}
	return value.NewTime(st.ModTime()), nil
}

func packageModule() modules.Module {
	return table.New(modules.Schema{
		Name: "package",
		Doc:  "Packages that package managers, installers of Windows and its store, and those of programming languages have installed.",
		Key:  "id",
		Locator: modules.Locator{
			Use: modules.LocatorOptional, Column: "name", Example: "openssl*",
			Doc: "a glob of names, before which dpkg: or another manager may stand, or the absolute path of a jar or a program, whose parts are listed",
		},
	}, packageColumns(), listPackages).By()
}

func packageColumns() []table.Column[pkg] {
	return []table.Column[pkg]{
		table.Text("id", "The manager, the name and what tells this one from others of that name: the architecture, or the path; on Windows the key of the registry.", (*pkg).id),
		table.Text("name", "The name.", func(p *pkg) string { return p.name }).Shown(),
		table.Value("version", value.Version, "The version, which is ordered by the rules of the manager.",
			func(p *pkg) value.Value { return p.versionOf(p.version) }).Shown(),
		table.Text("architecture", "The architecture in the manager's words.", func(p *pkg) string { return p.arch }).Shown(),
		table.Text("manager", "Whose database lists it.", func(p *pkg) string { return p.manager }).Shown().OneOf(managerNames()...),
		table.Text("status", "The state that the manager gives it: installed, config-files where only its settings are left, or another word of dpkg.",
			func(p *pkg) string { return p.status }).Shown(),
		table.Text("source", "The source package, or the program that a module of Go or a Maven artifact is built into; of an application of macOS the identifier of its bundle.", func(p *pkg) string { return p.source }),
		table.Value("source_version", value.Version, "The version of the source package.",
			func(p *pkg) value.Value { return p.versionOf(p.sourceVersion) }),
		table.Computed("installed", value.Time, "When it was installed or last upgraded; of dpkg, of Python's pip and of applications of macOS, when the list of its files, or what describes it, was written.",
			func(s *table.Scan, p *pkg) (value.Value, error) { return p.installedAt(s) }).Costs(modules.Stat),
		table.Value("size", value.Size, "The space it takes when installed, in bytes, as its packager says.", func(p *pkg) value.Value {
			if p.size < 0 {
				return value.Value{}
			}
			return value.NewSize(p.size)
		}),
		table.Text("maintainer", "Who packaged it; of Homebrew the tap, of pkgutil the program that installed it.", func(p *pkg) string { return p.maintainer }),
		table.Text("path", "The file or folder that stands for it: what the manager read, or where a library of a language is.",
			func(p *pkg) string { return p.path }).To("file"),
		table.Text("section", "What kind of package it is, in its packager's words, such as net; of dpkg and rpm.", func(p *pkg) string { return p.section }),
		table.Text("header_sha1", "The SHA-1 of its header, which names all its files with their digests; of rpm.", func(p *pkg) string { return p.sum }),
		table.Text("priority", "How much the system needs it, in its packager's words, such as optional; of dpkg.", func(p *pkg) string { return p.priority }),
		table.Text("summary", "One line on what it is.", func(p *pkg) string { return p.summary }),
		table.Text("license", "The licence in its packager's words.", func(p *pkg) string { return p.license }),
		table.Text("repository", "The repository that it came from, in the manager's words; of portage.", func(p *pkg) string { return p.repository }),
		table.Value("requested", value.Bool, "Whether somebody asked for it, and not only another package; of pacman and portage.", func(p *pkg) value.Value {
			if p.requested == nil {
				return value.Value{}
			}
			return value.NewBool(*p.requested)
		}),
		table.Text("homepage", "Where its makers are found.", func(p *pkg) string { return p.url }),
	}
}

// A manager lists the packages of one database.
type manager struct {
	name string
	list func(*lister) error
}

// managers are asked in this order. Those of languages come last: they read
// many small files.
func managers() []manager {
	return []manager{
		{"dpkg", listDpkg},
		{"apk", listApk},
		{"pacman", listPacman},
		{"rpm", listRpm},
		{"portage", listPortage},
		{"windows", listUninstall},
		{"appx", listAppx},
		{"pkgutil", listReceipts},
		{"app", listApps},
		{"brew", listBrew},
		{"cask", listCask},
		{"python", listPython},
		{"npm", listNpm},
		{"gem", listGem},
		{"go", listGo},
	}
}

// managerNames are what the column manager may be.
func managerNames() []string {
	return []string{"dpkg", "apk", "pacman", "rpm", "portage", "windows", "appx", "pkgutil", "app", "brew", "cask", "python", "npm", "gem", "go", "java"}
}

// elsewhere is what is said where the system's own manager is not known.
const elsewhere = "this system's own package manager is not read"

// unknownSystem says whether the machine has a manager of another kind. In a
// tree, what it holds decides.
func unknownSystem(f *hostfs.FS) bool { return f.Live() && runtime.GOOS != "linux" }

// A lister is a scan for packages and those that it is to find.
type lister struct {
	*table.Scan
	choice choice
	yield  func(*pkg) error
}

// give hands a package on if it is one of those asked for.
func (l *lister) give(p *pkg) error {
	if !l.choice.name(p.manager, p.name) {
		return l.Context().Err()
	}
	return l.yield(p)
}

func listPackages(s *table.Scan, yield func(*pkg) error) error {
	c, err := choose(s.Request)
	if err != nil {
		return fmt.Errorf("package: %w", err)
	}
	if unknownSystem(s.FS) && runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		s.Skip(modules.SkipUnsupported, "package", elsewhere)
	}
	l := &lister{s, c, yield}
	for _, m := range managers() {
		if !c.manager(m.name) || !s.Wanted("manager", m.name) {
			continue
		}
		look := m.list
		if s.Keys != nil && s.Memory != nil {
			look = m.lookUp
		}
		if err := look(l); err != nil {
			return err
		}
	}
	for _, path := range c.paths {
		if err := l.parts(path); err != nil {
			return err
		}
	}
	return nil
}

// parts lists what a file that the query names was built of.
func (l *lister) parts(path string) error {
	st, err := l.FS.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.Skip(modules.SkipNotFound, path, "")
		return nil
	case err != nil:
		l.Fail(path, err)
		return nil
	case st.IsDir():
		l.Skip(modules.SkipUnsupported, path, "a folder: name a jar or a program")
		return nil
	}
	own := *l
	own.choice = choice{every: true}
	if err := own.goProgram(path); err != nil {
		return err
	}
	return own.jar(path)
}

// A choice is what the locators or keys of a request leave to be looked at.
type choice struct {
	every bool // each manager and each name
	// globs hold, by manager, the names wanted; "" is for all managers.
	globs map[string]func(string) bool
	asked []string // managers of which keys are wanted; the table picks among their rows
	paths []string // files whose parts are wanted
}

// choose reads a request. The keys of one file's parts name that file.
func choose(req *modules.Request) (choice, error) {
	c := choice{every: req.Keys == nil && len(req.Locators) == 0, globs: map[string]func(string) bool{}}
	if req.Keys != nil {
		for _, k := range req.Keys {
			c.key(k.Text())
		}
		return c, nil
	}
	texts := map[string][]string{}
	for _, l := range req.Locators {
		if strings.HasPrefix(l, "/") {
			c.path(l)
			continue
		}
		m, glob := "", l
		if before, after, ok := strings.Cut(l, ":"); ok && slices.Contains(managerNames(), before) {
			m, glob = before, after
		}
		texts[m] = append(texts[m], glob)
	}
	for m, patterns := range texts {
		match, err := nameGlobs(patterns)
		if err != nil {
			return c, err
		}
		c.globs[m] = match
	}
	return c, nil
}

// nameGlobs gives what matches a name as a whole: the slash in a module of Go
// or a scope of npm is a character as any other.
func nameGlobs(patterns []string) (func(string) bool, error) {
	globs := make([]*value.Glob, len(patterns))
	for i, p := range patterns {
		g, err := value.CompileGlob(p, value.GlobOptions{Flat: true})
		if err != nil {
			return nil, err
		}
		globs[i] = g
	}
	return func(name string) bool {
		return slices.ContainsFunc(globs, func(g *value.Glob) bool { return g.Match(name) })
	}, nil
}

func (c *choice) key(id string) {
	m, rest, _ := strings.Cut(id, ":")
	if !slices.Contains(managerNames(), m) {
		return
	}
	if i := strings.LastIndex(rest, ":/"); i >= 0 && (m == "go" || m == "java") {
		outer, _, _ := strings.Cut(rest[i+1:], inside)
		c.path(outer)
	} else if !slices.Contains(c.asked, m) {
		c.asked = append(c.asked, m)
	}
}

func (c *choice) path(name string) {
	if !slices.Contains(c.paths, name) {
		c.paths = append(c.paths, name)
	}
}

// manager says whether any package of a manager is wanted.
func (c *choice) manager(m string) bool {
	return c.every || c.globs[""] != nil || c.globs[m] != nil || slices.Contains(c.asked, m)
}

// name says whether packages of that name are.
func (c *choice) name(m, name string) bool {
	if c.every || slices.Contains(c.asked, m) {
		return true
	}
	all, own := c.globs[""], c.globs[m]
	return all != nil && all(name) || own != nil && own(name)
}
