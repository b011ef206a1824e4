package registry

import (
	"context"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// aliases are other names of keys, and where each leads. HKCU is the key of
// everybody who has a profile: an agent has none of its own to speak of.
func aliases() [][]string {
	return [][]string{
		{"HKEY_LOCAL_MACHINE", "HKLM"}, {"HKEY_USERS", "HKU"}, {"HKEY_CLASSES_ROOT", "HKCR"}, {"HKEY_CURRENT_USER", "HKCU"},
		{`HKCU\Software\Classes`, `HKU\*_Classes`}, {"HKCU", `HKU\*`}, {"HKCR", `HKLM\SOFTWARE\Classes`, `HKU\*_Classes`},
	}
}

// plain gives the globs that one glob stands for once its aliases are gone.
func plain(glob string) []string {
	list := []string{strings.TrimRight(glob, `\`)}
	for _, a := range aliases() {
		var next []string
		for _, g := range list {
			if len(g) < len(a[0]) || !strings.EqualFold(g[:len(a[0])], a[0]) || len(g) > len(a[0]) && g[len(a[0])] != '\\' {
				next = append(next, g)
				continue
			}
			for _, to := range a[1:] {
				next = append(next, to+g[len(a[0]):])
			}
		}
		list = next
	}
	return list
}

// Find calls visit for each key that one of the globs names, each once. Case
// does not matter, \ stands between the parts, * is one of them and ** any
// number. CurrentControlSet is gone into only by a glob that has it. A glob
// without any * that names no key goes to missing.
func (r *Registry) Find(ctx context.Context, globs []string, visit func(*Key) error, missing func(glob string)) error {
	f := &finder{ctx: ctx, reg: r, visit: visit}
	for _, text := range globs {
		f.found = 0
		literal := true
		for _, p := range plain(text) {
			g, err := value.CompileGlob(p, value.GlobOptions{Windows: true, Fold: true})
			if err != nil {
				return err
			}
			if err := f.glob(g, p); err != nil {
				return err
			}
			literal = literal && (g.Literal() || !strings.ContainsAny(text, "*?["))
			f.before = append(f.before, g)
		}
		if literal && f.found == 0 {
			missing(text)
		}
	}
	return nil
}

type finder struct {
	ctx    context.Context // of this one search
	reg    *Registry
	visit  func(*Key) error
	before []*value.Glob // whose keys were visited
	found  int
	set    bool // the glob names CurrentControlSet
}

func (f *finder) glob(g *value.Glob, text string) error {
	f.set = strings.Contains(strings.ToLower(text), strings.ToLower(current))
	if g.Literal() {
		if k := f.reg.Key(g.Prefix()); k != nil {
			return f.hit(k)
		}
		return nil
	}
	if g.Prefix() == "" {
		for _, k := range f.reg.Roots() {
			if err := f.step(g, g.Root(), k); err != nil {
				return err
			}
		}
		return nil
	}
	if k := f.reg.Key(g.Prefix()); k != nil {
		return f.below(g, g.Root(), k)
	}
	return nil
}

// below goes on into the keys in a key.
func (f *finder) below(g *value.Glob, state value.GlobState, k *Key) error {
	for sub := range k.Subkeys() {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		if k.Path == system && strings.EqualFold(sub.Name(), current) {
			continue
		}
		if err := f.step(g, state, sub); err != nil {
			return err
		}
	}
	if k.Path == system && f.set {
		if sub := k.child(current); sub != nil {
			return f.step(g, state, sub)
		}
	}
	return nil
}

func (f *finder) step(g *value.Glob, state value.GlobState, k *Key) error {
	next, full, deeper := g.Step(state, k.Name())
	if full {
		if err := f.hit(k); err != nil {
			return err
		}
	}
	if deeper {
		return f.below(g, next, k)
	}
	return nil
}

func (f *finder) hit(k *Key) error {
	f.found++
	for _, g := range f.before {
		if g.Match(k.Path) {
			return nil
		}
	}
	return f.visit(k)
}
