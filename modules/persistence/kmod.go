package persistence

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A kernelModule is one that is loaded, or a file of one.
type kernelModule struct {
	name   string
	loaded *loadedModule // nil where it is not
	known  bool          // whether it is known what is loaded
	hidden bool
	path   string // "" where no file of it was found
	kernel string
	info   *modinfo // nil until it is asked for
	read   bool
}

func kernelModules() modules.Module {
	return table.New(modules.Schema{
		Name: "kernel_module", Doc: "The modules of the kernel: those that are loaded, and those that lie ready in files.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names, with _ for each -", Example: "'nf_*'"},
	}, moduleColumns(), listModules)
}

func moduleColumns() []table.Column[kernelModule] {
	return []table.Column[kernelModule]{
		table.Text("name", "The name, as the kernel has it, with _ for each -.", func(m *kernelModule) string { return m.name }).Shown(),
		table.Value("loaded", value.Bool, "Whether the kernel has it; null where that is not known, as in an image.", func(m *kernelModule) value.Value {
			return m.ifKnown(m.loaded != nil)
		}).Shown(),
		table.Value("hidden", value.Bool, "Whether it is loaded by what /sys shows, but missing from the list of loaded modules.", func(m *kernelModule) value.Value {
			return m.ifKnown(m.hidden)
		}).Shown(),
		ofLoaded("size", value.Size, "How much memory it takes.", func(l *loadedModule) value.Value { return value.NewSize(l.size) }).Shown(),
		ofLoaded("refcount", value.Int, "How many use it; null where the kernel does not count.", func(l *loadedModule) value.Value {
			if l.refcount < 0 {
				return value.Value{}
			}
			return value.NewInt(l.refcount)
		}),
		ofLoaded("used_by", value.List, "The names of the modules that use it.", func(l *loadedModule) value.Value { return table.ListOf(l.usedBy, value.NewText) }).Of(value.Text),
		ofLoaded("state", value.Text, "Whether it runs, is just being loaded or unloaded.", func(l *loadedModule) value.Value { return table.TextOf(l.state) }).OneOf(moduleStates()...),
		ofLoaded("address", value.Text, "Where it lies in memory, in hexadecimal digits; zeros where the kernel hides it.", func(l *loadedModule) value.Value { return table.TextOf(l.address) }),
		ofLoaded("taint", value.Text, "The letters of what it taints the kernel with, such as P for proprietary, O for one from elsewhere and E for unsigned; null for nothing.", func(l *loadedModule) value.Value { return table.TextOf(l.taint) }).Shown(),
		table.Text("path", "The file of the module; null where there is none among those of the kernel.", func(m *kernelModule) string { return m.path }).To("file").Shown(),
		table.Text("kernel", "The release of the kernel that the file is for.", func(m *kernelModule) string { return m.kernel }),
		table.Computed("signed", value.Bool, "Whether a signature is appended to the file; not whether it is a good one.", func(s *table.Scan, m *kernelModule) (value.Value, error) {
			info := m.modinfo(s)
			if info == nil {
				return value.Value{}, nil
			}
			return value.NewBool(info.signed), nil
		}).Costs(modules.Scan),
		ofFile("version", "version", "The version that the file gives."),
		ofFile("description", "description", "What it is, in its own words."),
		ofFile("author", "author", "Who wrote it, by its own words."),
		ofFile("license", "license", "The licence that the file gives, such as GPL."),
		ofFile("src_version", "srcversion", "The hash of its sources that the build noted."),
		ofFile("vermagic", "vermagic", "The kernel that it was built for, with its options."),
		table.Computed("depends", value.List, "The names of the modules that it needs.", func(s *table.Scan, m *kernelModule) (value.Value, error) {
			info := m.modinfo(s)
			if info == nil {
				return value.Value{}, nil
			}
			words := strings.FieldsFunc(strings.Join(info.fields["depends"], ","), func(r rune) bool { return r == ',' })
			return table.ListOf(words, value.NewText), nil
		}).Of(value.Text).Costs(modules.Scan),
	}
}

func (m *kernelModule) ifKnown(b bool) value.Value {
	if !m.known {
		return value.Value{}
	}
	return value.NewBool(b)
}

// ofLoaded makes a column of what the kernel says of a loaded module.
func ofLoaded(name string, t value.Type, doc string, get func(*loadedModule) value.Value) table.Column[kernelModule] {
	return table.Value(name, t, doc, func(m *kernelModule) value.Value {
		if m.loaded == nil || m.hidden {
			return value.Value{}
		}
		return get(m.loaded)
	})
}

// ofFile makes a column of what a module's file says of itself.
func ofFile(name, key, doc string) table.Column[kernelModule] {
	return table.Computed(name, value.Text, doc, func(s *table.Scan, m *kernelModule) (value.Value, error) {
		info := m.modinfo(s)
		if info == nil {
			return value.Value{}, nil
		}
		return table.TextOf(strings.Join(info.fields[key], ", ")), nil
	}).Costs(modules.Scan)
}

// modinfo reads the file of a module, once. What keeps it from being
// read is reported once.
func (m *kernelModule) modinfo(s *table.Scan) *modinfo {
	if m.path == "" || m.read {
		return m.info
	}
	m.read = true
	info, err := readModule(s.FS, m.path)
	if err != nil {
		s.Fail(m.path, err)
	}
	m.info = info
	return info
}

// listModules gives the loaded modules first, each with the file that the
// running kernel would load, then the hidden ones, then the files of others.
func listModules(s *table.Scan, yield func(*kernelModule) error) error {
	if elsewhere(s, "kernel_module") {
		return nil
	}
	loaded, known := readLoaded(s)
	release, _ := get(s, "/proc/sys/kernel/osrelease")
	running := strings.TrimSpace(string(release))
	found := moduleFiles(s)
	taken := map[int]bool{}
	give := func(name string, l *loadedModule, hidden bool) error {
		m := &kernelModule{name: name, loaded: l, known: true, hidden: hidden}
		if i := slices.IndexFunc(found, func(f kernelModule) bool { return f.name == name && f.kernel == running }); i >= 0 {
			taken[i] = true
			m.path, m.kernel = found[i].path, found[i].kernel
		}
		return yield(m)
	}
	for i := range loaded {
		if err := give(loaded[i].name, &loaded[i], false); err != nil {
			return err
		}
	}
	if known {
		for _, name := range hiddenModules(s, loaded) {
			if err := give(name, &loadedModule{name: name}, true); err != nil {
				return err
			}
		}
	}
	for i := range found {
		if found[i].known = known; taken[i] {
			continue
		}
		if err := yield(&found[i]); err != nil {
			return err
		}
	}
	return nil
}

// readLoaded gives the modules that the kernel lists as loaded, and whether
// that is known.
func readLoaded(s *table.Scan) ([]loadedModule, bool) {
	text, ok := s.FS.Get("/proc/modules")
	list, bad := parseModules(text)
	malformed(s, "/proc/modules", bad)
	return list, ok
}

// hiddenModules gives the modules that /sys shows as loaded, and the kernel
// does not list. One that was loaded in between is listed at a second look.
func hiddenModules(s *table.Scan, loaded []loadedModule) []string {
	listed := map[string]bool{}
	for _, l := range loaded {
		listed[l.name] = true
	}
	var list []string
	for _, name := range s.FS.List("/sys/module") {
		// What is built into the kernel has parameters there and none of these.
		dir := path.Join("/sys/module", name)
		if !listed[name] && (s.FS.Exists(path.Join(dir, "initstate")) || s.FS.Exists(path.Join(dir, "refcnt")) || s.FS.Exists(path.Join(dir, "holders"))) {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return nil
	}
	text, ok := s.FS.Get("/proc/modules")
	again, _ := parseModules(text)
	return slices.DeleteFunc(list, func(name string) bool {
		return !ok || slices.ContainsFunc(again, func(l loadedModule) bool { return l.name == name }) ||
			!s.FS.Exists(path.Join("/sys/module", name))
	})
}

// maxModules and maxModuleDepth bound the walk over the files of modules; a
// distribution has some 6,000 for each kernel.
const (
	maxModules     = 200000
	maxModuleDepth = 24
)

// moduleFiles gives the files of modules of all kernels. Those in updates and
// extra come before others of their name, as depmod has it.
func moduleFiles(s *table.Scan) []kernelModule {
	var list []kernelModule
	tops := []string{"/lib/modules", "/usr/lib/modules"}
	if a, err := s.FS.Real(tops[0]); err == nil {
		if b, err := s.FS.Real(tops[1]); err == nil && a == b {
			tops = tops[:1]
		}
	}
	for _, top := range tops {
		for _, release := range s.FS.List(top) {
			w := moduleWalk{s: s, release: release}
			w.walk(path.Join(top, release), maxModuleDepth)
			slices.SortStableFunc(w.list, func(a, b kernelModule) int { return a.rank() - b.rank() })
			list = append(list, w.list...)
		}
	}
	return list
}

// rank is smaller for files that are loaded before others of their name.
func (m *kernelModule) rank() int {
	for i, part := range []string{"/updates/", "/extra/", "/weak-updates/"} {
		if strings.Contains(m.path, part) {
			return i
		}
	}
	return 3
}

// A moduleWalk goes over the modules of one kernel.
type moduleWalk struct {
	s       *table.Scan
	release string
	list    []kernelModule
}

func (w *moduleWalk) walk(dir string, depth int) {
	entries, err := w.s.FS.ReadDir(dir)
	if err != nil {
		w.s.Fail(dir, err)
		return
	}
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		switch {
		case w.s.Context().Err() != nil:
			return
		case e.IsDir() && depth == 0 || len(w.list) == maxModules:
			w.s.Skip(modules.SkipTooDeep, p, strconv.Itoa(len(w.list))+" modules were found before")
			return
		case e.IsDir():
			w.walk(p, depth-1)
		case e.Type()&^fs.ModeSymlink == 0 && moduleName(p) != "":
			w.list = append(w.list, kernelModule{name: moduleName(p), path: p, kernel: w.release})
		}
	}
}
