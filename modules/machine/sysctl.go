package machine

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A sysctl is a setting of the kernel: a file below /proc/sys.
type sysctl struct {
	name, path string
	readable   bool // somebody may read it, and it is no secret
	writable   bool
	set        sysctlSetting // what files say of it
}

func sysctls() modules.Module {
	return table.New(modules.Schema{
		Name: "sysctl", Key: "name",
		Doc:     "The settings of the kernel that runs.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names", Example: "net.ipv4.*"},
	}, []table.Column[sysctl]{
		table.Text("name", "Its name, as sysctl has it.", func(c *sysctl) string { return c.name }).Shown(),
		table.Computed("value", value.Text, "Its value; null for one that can only be written, and for keys, which are left alone.", func(s *table.Scan, c *sysctl) (value.Value, error) {
			if !c.readable {
				return value.Value{}, nil
			}
			text, err := s.FS.ReadFile(c.path)
			if err != nil {
				return value.Value{}, err
			}
			return value.NewText(strings.TrimRight(string(text), "\n\x00")), nil
		}).Costs(modules.Read).Shown(),
		table.Computed("configured", value.Text, "The value that sysctl.conf and sysctl.d give it when the system starts; null where none does.", func(_ *table.Scan, c *sysctl) (value.Value, error) {
			if c.set.where == "" || secret(path.Base(c.path)) {
				return value.Value{}, nil
			}
			return value.NewText(c.set.value), nil
		}).Costs(modules.Read),
		table.Computed("configured_in", value.Text, "The file, and the line in it, that gives it that value.", func(_ *table.Scan, c *sysctl) (value.Value, error) {
			return table.TextOf(c.set.where), nil
		}).Costs(modules.Read),
		table.Bool("writable", "Whether anybody, such as root, may change it.", func(c *sysctl) bool { return c.writable }),
		table.Text("path", "The file that it is.", func(c *sysctl) string { return c.path }).Shown().To("file"),
	}, listSysctls).By()
}

// maxSysctlDepth bounds the levels of /proc/sys, which has six.
const maxSysctlDepth = 16

var errTooDeep = errors.New("deeper than the kernel's settings are")

// A sysctlWalk goes down /proc/sys as far as what is asked for may be there.
type sysctlWalk struct {
	*table.Scan
	fronts []string
	globs  []*value.Glob
	set    sysctlSettings
	yield  func(*sysctl) error
}

func listSysctls(s *table.Scan, yield func(*sysctl) error) error {
	if !linux(s) {
		return nil
	}
	w := &sysctlWalk{Scan: s, yield: yield}
	for _, k := range s.Keys {
		w.fronts = append(w.fronts, k.Text())
	}
	for _, l := range s.Locators {
		if s.Keys != nil {
			break // which stand in their place
		}
		l = dotted(l)
		g, err := value.CompileGlob(l, value.GlobOptions{Flat: true})
		if err != nil {
			return err
		}
		w.globs = append(w.globs, g)
		w.fronts = append(w.fronts, literal(l))
	}
	if s.Wants("configured", "configured_in") {
		w.set = readSysctlSettings(s)
	}
	return w.dir("/proc/sys", "", 0)
}

// dir goes through a directory, whose name in the notation of sysctl ends with
// a dot.
func (w *sysctlWalk) dir(at, name string, depth int) error {
	entries, err := w.FS.ReadDir(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case depth > maxSysctlDepth:
		err = errTooDeep
	}
	if err != nil {
		w.Fail(at, err)
		return nil
	}
	for _, e := range entries {
		if err := w.Context().Err(); err != nil {
			return err
		}
		full, below := name+strings.ReplaceAll(e.Name(), ".", "/"), path.Join(at, e.Name())
		switch {
		case e.IsDir() && w.may(full+"."):
			err = w.dir(below, full+".", depth+1)
		case e.Type().IsRegular() && w.wanted(full):
			err = w.file(e, full, below)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file yields a setting.
func (w *sysctlWalk) file(e fs.DirEntry, name, path string) error {
	st, err := e.Info()
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // as of a network interface that is gone
			w.Fail(path, err)
		}
		return nil
	}
	mode := st.Mode().Perm()
	return w.yield(&sysctl{name: name, path: path, readable: mode&0o444 != 0 && !secret(e.Name()), writable: mode&0o222 != 0, set: w.set.of(name)})
}

// may says whether a name that is asked for may begin so.
func (w *sysctlWalk) may(front string) bool {
	return w.Keys == nil && len(w.fronts) == 0 || slices.ContainsFunc(w.fronts, func(f string) bool {
		return strings.HasPrefix(front, f) || strings.HasPrefix(f, front)
	})
}

// wanted says whether a name is one that is located; keys are compared later.
func (w *sysctlWalk) wanted(name string) bool {
	return len(w.globs) == 0 || slices.ContainsFunc(w.globs, func(g *value.Glob) bool { return g.Match(name) })
}

// secret says whether a setting is a key: of addresses that are made up, and
// of the tickets of TCP Fast Open.
func secret(name string) bool { return name == "stable_secret" || name == "tcp_fastopen_key" }

// dotted turns net/ipv4/ip_forward, which sysctl takes as well, into its name.
func dotted(name string) string {
	slash, dot := strings.IndexByte(name, '/'), strings.IndexByte(name, '.')
	if slash < 0 || dot >= 0 && dot < slash {
		return name
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, name)
}

// literal gives the front of a glob without anything special in it.
func literal(glob string) string {
	if i := strings.IndexAny(glob, `*?[{\`); i >= 0 {
		return glob[:i]
	}
	return glob
}
