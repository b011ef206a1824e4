package persistence

import (
	"net/url"
	"path"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/records/plist"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// The kinds of startup that macOS alone has.
const (
	startLoginItem = "login_item"
	startLoginHook = "login_hook"
	startEmond     = "emond"
	startItem      = "startup_item"
	startPlugin    = "plugin"
)

// macStartups are the places of macOS. What launchd starts is in module
// launchd.
func macStartups() []startupPlace {
	const root = "root"
	return []startupPlace{
		{startLoginHook, root, lists, parseLoginHooks, []string{"/private/var/root/Library/Preferences/com.apple.loginwindow.plist", "/Library/Preferences/com.apple.loginwindow.plist"}},
		{startEmond, root, lists, parseEmond, []string{"/private/etc/emond.d/rules/*.plist"}},
		{startLoginItem, "", lists, parseBackgroundItems, []string{"/private/var/db/com.apple.backgroundtaskmanagement/BackgroundItems-v*.btm"}},
		{startItem, root, runs, nil, []string{"/Library/StartupItems/*/*", "/System/Library/StartupItems/*/*"}},
		{startPlugin, root, bundles, nil, []string{"/Library/Security/SecurityAgentPlugins/*.bundle", "/Library/DirectoryServices/PlugIns/*.dsplug"}},
		{startPlugin, "", bundles, nil, macPlugins("/Library")},
	}
}

// macHomeStartups are those in a home, which is a pattern that matches itself
// alone.
func macHomeStartups(user, home string) []startupPlace {
	library := path.Join(home, "Library")
	return []startupPlace{
		{startLoginItem, user, lists, parseLoginItems, []string{path.Join(library, "Preferences/com.apple.loginitems.plist"), path.Join(library, "Preferences/loginwindow.plist")}},
		{startPlugin, user, bundles, nil, macPlugins(library)},
	}
}

// macPlugins are bundles that programs of whoever is logged in load.
func macPlugins(library string) []string {
	var list []string
	for _, p := range []string{
		"QuickLook/*.qlgenerator", "Spotlight/*.mdimporter", "ScriptingAdditions/*.osax", "Audio/Plug-Ins/HAL/*.driver",
		"Internet Plug-Ins/*.plugin", "Input Methods/*.app", "Screen Savers/*.saver", "Mail/Bundles/*.mailbundle",
	} {
		list = append(list, path.Join(library, p))
	}
	return list
}

// bundleProgram gives the program of a bundle, as its Info.plist names it; ""
// where it names none.
func bundleProgram(s *table.Scan, bundle string) string {
	text, ok := get(s, path.Join(bundle, "Contents/Info.plist"))
	if !ok {
		return ""
	}
	info, err := plist.Decode(text)
	if err != nil {
		s.Fail(path.Join(bundle, "Contents/Info.plist"), err)
		return ""
	}
	name := info.Get("CFBundleExecutable").Text()
	if name == "" || strings.Contains(name, "/") {
		return ""
	}
	return path.Join(bundle, "Contents/MacOS", name)
}

// ofList makes a parser of what takes a property list. One that is malformed
// is so from its first line on.
func ofList(parse func(*plist.Value) []entry) func([]byte) ([]entry, []int) {
	return func(text []byte) ([]entry, []int) {
		list, err := plist.Decode(text)
		if err != nil {
			return nil, []int{1}
		}
		found := parse(list)
		return found[:min(len(found), maxEntries)], nil
	}
}

// parseLoginHooks reads the settings of the window in which people log in.
func parseLoginHooks(text []byte) ([]entry, []int) {
	return ofList(func(list *plist.Value) (found []entry) {
		for _, name := range []string{"LoginHook", "LogoutHook"} {
			if command := list.Get(name).Text(); command != "" {
				found = append(found, entry{name: name, command: command})
			}
		}
		return found
	})(text)
}

// parseEmond reads rules of emond, which macOS had up to 13: a list of them,
// each with actions, of which those that run a command are wanted.
func parseEmond(text []byte) ([]entry, []int) {
	return ofList(func(list *plist.Value) (found []entry) {
		for i := range list.Len() {
			_, rule := list.At(i)
			if on := rule.Get("enabled"); on.Kind != plist.None && !on.Bool() {
				continue
			}
			actions := rule.Get("actions")
			for k := range actions.Len() {
				_, a := actions.At(k)
				if command := a.Get("command").Text(); command != "" {
					found = append(found, entry{name: rule.Get("name").Text(), command: strings.Join(append([]string{command}, a.Get("arguments").Texts()...), " ")})
				}
			}
		}
		return found
	})(text)
}

// parseLoginItems reads the items of macOS before 13: names with an alias that
// the Finder alone understands, and before 10.6 paths.
func parseLoginItems(text []byte) ([]entry, []int) {
	return ofList(func(list *plist.Value) (found []entry) {
		for _, items := range []*plist.Value{list.Get("SessionItems", "CustomListItems"), list.Get("privilegedlist", "CustomListItems"), list.Get("AutoLaunchedApplicationDictionary")} {
			for i := range items.Len() {
				_, one := items.At(i)
				e := entry{name: one.Get("Name").Text(), command: one.Get("Path").Text()}
				if e.name == "" {
					e.name = path.Base(e.command)
				}
				if e.name != "." {
					found = append(found, e)
				}
			}
		}
		return found
	})(text)
}

// parseBackgroundItems reads what macOS keeps of background items from 13 on:
// an archive of objects, in which a reference is a number into their list. Of
// the records those are wanted that are applications (2) and login items (4)
// and switched on (bit 0 of their disposition); agents and daemons are in
// module launchd.
func parseBackgroundItems(text []byte) ([]entry, []int) {
	const application, loginItem, enabled = 2, 4, 1
	return ofList(func(list *plist.Value) (found []entry) {
		objects := list.Get("$objects")
		at := func(v *plist.Value) *plist.Value {
			if id := v.Get("CF$UID"); id.Kind != plist.None {
				v = id // as XML has it
			} else if v.Kind != plist.UID {
				return v
			}
			if n, ok := v.Int(); ok && n >= 0 && n < int64(objects.Len()) {
				_, v = objects.At(int(n))
			}
			return v
		}
		for i := range objects.Len() {
			_, o := objects.At(i)
			kind, ok1 := at(o.Get("type")).Int()
			state, ok2 := at(o.Get("disposition")).Int()
			if !ok1 || !ok2 || kind&(application|loginItem) == 0 || state&enabled == 0 {
				continue
			}
			e := entry{name: at(o.Get("name")).Text(), command: at(o.Get("executablePath")).Text()}
			if e.name == "" || e.name == "$null" {
				e.name = at(o.Get("identifier")).Text()
			}
			if e.command == "" || e.command == "$null" {
				e.command = filePath(at(at(o.Get("url")).Get("NS.relative")).Text())
			}
			if e.name != "" || e.command != "" {
				found = append(found, e)
			}
		}
		return found
	})(text)
}

// filePath gives the path of an address of a file.
func filePath(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	return path.Clean(u.Path)
}

// isBundle says whether a name leads to a directory, as bundles are.
func isBundle(f *hostfs.FS, name string) bool {
	st, err := f.Stat(name)
	return err == nil && st.IsDir()
}
