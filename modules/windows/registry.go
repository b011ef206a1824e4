package windows

import (
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/modules/windows/registry"
	"github.com/quaestor-engine/quaestor/value"
)

// An entry is a value of the registry, or a key that has none.
type entry struct {
	key    *registry.Key
	value  registry.Value
	none   bool // the key has no values
	secret bool // its values are never read
}

// defaultName is what the value without a name is called.
const defaultName = "(Default)"

func registryModule() modules.Module {
	return table.New(modules.Schema{
		Name: "registry", Doc: "The registry of Windows: a row for each value, and one for each key that has none. In a tree it is read from its hives, with what their transaction logs hold.",
		Locator: modules.Locator{
			Use: modules.LocatorRequired, Column: "key", Example: `'HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run*'`,
			Doc: `globs of keys, in any case: * is one part, ** any number; HKCU is the key of each user, CurrentControlSet the set that was started`,
		},
	}, []table.Column[entry]{
		table.Text("key", `The path of the key, which begins with HKLM or HKU.`, func(e *entry) string { return e.key.Path }).Shown(),
		table.Value("name", value.Text, "The name of the value, (Default) for the one without; null for a key without values.", (*entry).name).Shown(),
		table.Value("type", value.Text, "The type of the value, such as REG_SZ, or its number.", (*entry).kind).Shown(),
		table.Computed("value", value.Text, "What the value says: a text, several with | between them, a number, or up to 256 bytes in hexadecimal. Null below HKLM\\SAM and HKLM\\SECURITY, which hold passwords.", func(_ *table.Scan, e *entry) (value.Value, error) { return e.text() }).Costs(modules.Read).Sensitive(),
		table.Computed("data", value.Bytes, "The bytes of the value.", func(_ *table.Scan, e *entry) (value.Value, error) { return e.data() }).Costs(modules.Read).Sensitive(),
		table.Time("modified", "When the key was changed the last time: a value of it, or a key in it.", func(e *entry) time.Time { return e.key.Modified() }).Costs(modules.Stat).Shown(),
		table.Text("user", "Whose hive it is, as the folder of the profile is called; null for the machine's.", func(e *entry) string { return e.key.Hive.User }).Shown(),
		table.Text("path", "The file of the hive; null for what a live machine holds itself.", func(e *entry) string { return e.key.Hive.Path }).To("file"),
	}, listRegistry).By()
}

func (e *entry) name() value.Value {
	switch {
	case e.none:
		return value.Value{}
	case e.value.Name == "":
		return value.NewText(defaultName)
	}
	return value.NewText(e.value.Name)
}

func (e *entry) kind() value.Value {
	if e.none {
		return value.Value{}
	}
	return value.NewText(e.value.TypeName())
}

func (e *entry) text() (value.Value, error) {
	if e.none || e.secret {
		return value.Value{}, nil
	}
	text, err := e.value.Text()
	if err != nil {
		return value.Value{}, err
	}
	return value.NewText(text), nil
}

func (e *entry) data() (value.Value, error) {
	if e.none || e.secret {
		return value.Value{}, nil
	}
	b, err := e.value.Data()
	if err != nil {
		return value.Value{}, err
	}
	return value.NewBytes(b), nil
}

// holdsSecrets says whether the values of a key are hashes of passwords, or
// what opens them.
func holdsSecrets(path string) bool {
	return strings.HasPrefix(path, `HKLM\SAM`) || strings.HasPrefix(path, `HKLM\SECURITY`)
}

func listRegistry(s *table.Scan, yield func(*entry) error) error {
	return withRegistry(s, "registry", func(reg *registry.Registry) error {
		told := !s.Wants("value", "data")
		return reg.Find(s.Context(), s.Locators, func(k *registry.Key) error {
			if k.Hive == nil {
				return nil // HKLM and HKU themselves, which are no keys
			}
			e := entry{key: k, none: true, secret: holdsSecrets(k.Path)}
			for v := range k.Values() {
				e.value, e.none = v, false
				if e.secret && !told {
					s.Skip(modules.SkipPolicy, k.Path, "secrets of accounts are never read")
					told = true
				}
				if err := yield(&e); err != nil {
					return err
				}
			}
			if e.none {
				return yield(&e)
			}
			return nil
		}, func(glob string) { s.Skip(modules.SkipNotFound, glob, "") })
	})
}
