package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/account"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// An extension is one of a profile of a browser.
type extension struct {
	user, browser, profile                       string
	id, name, version, description, author, kind string
	location, updates, path, source              string
	locale, current, key, digest                 string // of the manifest
	permissions, optional, hosts                 []string
	enabled, fromStore, persistent, autoUpdate   *bool
	installed                                    time.Time
}

func extensions() modules.Module {
	return table.New(modules.Schema{
		Name:    "browser_extension",
		Doc:     "The extensions of Chrome, Chromium, Edge, Brave, Vivaldi, Opera and Firefox, and of Thunderbird, in the homes of users.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "id", Doc: "a glob of identifiers", Example: "*@example.org"},
	}, []table.Column[extension]{
		table.Text("user", "The user in whose home it is.", func(x *extension) string { return x.user }).Shown().To("user"),
		table.Text("browser", "The browser that has it, as in chrome or firefox.", func(x *extension) string { return x.browser }).Shown(),
		table.Text("profile", "The directory of the profile that has it.", func(x *extension) string { return x.profile }),
		table.Text("id", "Its identifier.", func(x *extension) string { return x.id }).Shown(),
		table.Text("name", "Its name.", func(x *extension) string { return x.name }).Shown(),
		table.Value("version", value.Version, "Its version.", func(x *extension) value.Value {
			if x.version == "" {
				return value.Value{}
			}
			return value.NewVersion(x.version, value.AnyScheme)
		}).Shown(),
		table.Text("type", "What it is, as in extension or theme.", func(x *extension) string { return x.kind }),
		table.Text("description", "What it says that it does.", func(x *extension) string { return x.description }),
		table.Text("author", "Who made it, as it says itself.", func(x *extension) string { return x.author }),
		known("permissions", "What it may do; null where that is not known.", func(x *extension) []string { return x.permissions }).Shown(),
		known("hosts", "The pages that it may read and change, as patterns; null where that is not known.", func(x *extension) []string { return x.hosts }),
		maybe("enabled", "Whether it is at work; null where the profile does not say.", func(x *extension) *bool { return x.enabled }).Shown(),
		maybe("from_store", "Whether it came from the store of the browser's maker; null where the profile does not say.", func(x *extension) *bool { return x.fromStore }).Shown(),
		known("optional_permissions", "What it may ask to do besides; null where that is not known.", func(x *extension) []string { return x.optional }),
		maybe("persistent", "Whether a part of it runs all the time; null where the manifest does not say.", func(x *extension) *bool { return x.persistent }),
		maybe("auto_update", "Whether it is updated by itself; null where the profile does not say.", func(x *extension) *bool { return x.autoUpdate }),
		table.Text("default_locale", "The language that it falls back on.", func(x *extension) string { return x.locale }),
		table.Text("current_locale", "The language that it was put in.", func(x *extension) string { return x.current }),
		table.Text("key", "The public key from which its identifier is made.", func(x *extension) string { return x.key }),
		table.Text("manifest_sha256", "The SHA-256 of its manifest, in hexadecimal digits.", func(x *extension) string { return x.digest }),
		table.Text("location", "How it came in, as in store, policy, unpacked or command_line, or as Firefox has it, app-profile.", func(x *extension) string { return x.location }),
		table.Time("installed", "When it was installed.", func(x *extension) time.Time { return x.installed }),
		table.Text("update_url", "Where the browser asks for updates of it.", func(x *extension) string { return x.updates }),
		table.Text("path", "Its directory or file.", func(x *extension) string { return x.path }).To("file"),
		table.Text("source", "The file in which this stands.", func(x *extension) string { return x.source }).To("file"),
	}, listExtensions)
}

// A browser is where one keeps its profiles below a home.
type browser struct {
	name, dir string
	mozilla   bool
}

// opera is the browser whose directory may be a profile itself, as well as hold
// some.
const opera = "opera"

// browsers lists where they keep profiles on Linux, with snaps and Flatpaks, on
// macOS and on Windows.
func browsers() []browser {
	var list []browser
	for _, b := range []struct{ name, linux, mac, windows string }{
		{"chrome", "google-chrome", "Google/Chrome", "Google/Chrome/User Data"},
		{"chrome_beta", "google-chrome-beta", "Google/Chrome Beta", "Google/Chrome Beta/User Data"},
		{"chrome_dev", "google-chrome-unstable", "Google/Chrome Canary", "Google/Chrome SxS/User Data"},
		{"chromium", "chromium", "Chromium", "Chromium/User Data"},
		{"edge", "microsoft-edge", "Microsoft Edge", "Microsoft/Edge/User Data"},
		{"edge_beta", "microsoft-edge-beta", "Microsoft Edge Beta", "Microsoft/Edge Beta/User Data"},
		{"edge_dev", "microsoft-edge-dev", "Microsoft Edge Dev", "Microsoft/Edge Dev/User Data"},
		{"brave", "BraveSoftware/Brave-Browser", "BraveSoftware/Brave-Browser", "BraveSoftware/Brave-Browser/User Data"},
		{"vivaldi", "vivaldi", "Vivaldi", "Vivaldi/User Data"},
	} {
		list = append(list, browser{b.name, ".config/" + b.linux, false}, browser{b.name, "Library/Application Support/" + b.mac, false}, browser{b.name, "AppData/Local/" + b.windows, false})
	}
	for _, home := range []string{".config/opera", ".var/app/com.opera.Opera/config/opera", "Library/Application Support/com.operasoftware.Opera", "AppData/Roaming/Opera Software/Opera Stable"} {
		list = append(list, browser{opera, home, false})
	}
	return append(list,
		browser{"chrome", ".var/app/com.google.Chrome/config/google-chrome", false},
		browser{"chromium", "snap/chromium/common/chromium", false},
		browser{"chromium", ".var/app/org.chromium.Chromium/config/chromium", false},
		browser{"edge", ".var/app/com.microsoft.Edge/config/microsoft-edge", false},
		browser{"brave", "snap/brave/current/.config/BraveSoftware/Brave-Browser", false},
		browser{"brave", ".var/app/com.brave.Browser/config/BraveSoftware/Brave-Browser", false},
		browser{"firefox", ".mozilla/firefox", true},
		browser{"firefox", ".config/mozilla/firefox", true},
		browser{"firefox", "snap/firefox/common/.mozilla/firefox", true},
		browser{"firefox", ".var/app/org.mozilla.firefox/.mozilla/firefox", true},
		browser{"firefox", "Library/Application Support/Firefox/Profiles", true},
		browser{"firefox", "AppData/Roaming/Mozilla/Firefox/Profiles", true},
		browser{"thunderbird", ".thunderbird", true},
		browser{"thunderbird", "snap/thunderbird/common/.thunderbird", true},
		browser{"thunderbird", "Library/Thunderbird/Profiles", true},
		browser{"thunderbird", "AppData/Roaming/Thunderbird/Profiles", true},
	)
}

// listExtensions goes through the homes. On macOS and Windows, whose users are
// in no file of ours, a home is what lies in /Users.
func listExtensions(s *table.Scan, yield func(*extension) error) error {
	people := homes(s)
	for home := range s.FS.Glob("/Users/*") {
		if !slices.ContainsFunc(people, func(u account.User) bool { return u.Home == home }) {
			people = append(people, account.User{Name: path.Base(home), Home: home})
		}
	}
	for _, u := range people {
		for _, b := range browsers() {
			if err := s.Context().Err(); err != nil {
				return err
			}
			dir := path.Join(u.Home, b.dir)
			if _, err := s.FS.Stat(dir); err != nil {
				if errors.Is(err, fs.ErrPermission) {
					s.Fail(u.Home, err)
					break // the others would be refused as well
				}
				continue
			}
			p := profiles{s, extension{user: u.Name, browser: b.name}, dir}
			list := p.chromium
			if b.mozilla {
				list = p.mozilla
			}
			if err := list(yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// profiles are those of a browser in a home. The base is what all rows of it
// have in common.
type profiles struct {
	*table.Scan
	base extension
	dir  string
}

// mozilla reads the list that each profile of Firefox has.
func (p *profiles) mozilla(yield func(*extension) error) error {
	for name := range p.FS.Glob(escape(p.dir) + "/*/extensions.json") {
		text, ok := p.FS.Get(name)
		if !ok {
			continue
		}
		base := p.base
		base.profile, base.source = path.Base(path.Dir(name)), name
		if err := each(parseMozilla(base, text, malformed(p.Scan)), yield); err != nil {
			return err
		}
	}
	return nil
}

// chromium goes through the profiles of a browser that is made of Chromium: an
// extension has a directory for each of its versions, and the preferences say
// which is at work, and where others are.
func (p *profiles) chromium(yield func(*extension) error) error {
	names := p.FS.List(p.dir)
	if p.base.browser == opera {
		names = append([]string{"."}, names...)
	}
	for _, profile := range names {
		dir := path.Join(p.dir, profile)
		settings := map[string]chromiumSetting{}
		for _, name := range []string{"Preferences", "Secure Preferences"} {
			file := path.Join(dir, name)
			text, ok := p.FS.Get(file)
			if !ok {
				continue
			}
			if err := parsePreferences(file, text, settings); err != nil {
				p.Fail(file, err)
			}
		}
		seen := map[string]bool{}
		for manifest := range p.FS.Glob(escape(dir) + "/Extensions/*/*/manifest.json") {
			at := path.Dir(manifest)
			id := path.Base(path.Dir(at))
			if id == "Temp" {
				continue // what is being unpacked
			}
			seen[at] = true
			if err := p.unpacked(profile, id, at, settings[id], yield); err != nil {
				return err
			}
		}
		if err := p.elsewhere(profile, settings, seen, yield); err != nil {
			return err
		}
	}
	return nil
}

// elsewhere yields the extensions of the preferences that do not lie in the
// profile: unpacked ones, those of the browser itself, and those that are gone.
func (p *profiles) elsewhere(profile string, settings map[string]chromiumSetting, seen map[string]bool, yield func(*extension) error) error {
	for _, id := range sortedKeys(settings) {
		set := settings[id]
		if err := p.Context().Err(); err != nil {
			return err
		}
		at := set.directory(path.Join(p.dir, profile, "Extensions"))
		if at == "" && set.manifest == nil || seen[at] {
			continue // what was taken away leaves a mark
		}
		var err error
		if at != "" && p.FS.Exists(path.Join(at, "manifest.json")) {
			err = p.unpacked(profile, id, at, set, yield)
		} else {
			x := p.base
			x.profile, x.id, x.path, x.source = profile, id, at, set.source
			set.fill(&x, at)
			if set.manifest != nil {
				set.manifest.fill(&x)
			}
			err = yield(&x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unpacked yields an extension by its manifest.
func (p *profiles) unpacked(profile, id, at string, set chromiumSetting, yield func(*extension) error) error {
	x := p.base
	x.profile, x.id, x.path, x.source = profile, id, at, path.Join(at, "manifest.json")
	text, ok := p.FS.Get(x.source)
	if !ok {
		return nil
	}
	m, err := parseManifest(text)
	if err != nil {
		p.Fail(x.source, err)
		return nil
	}
	m.fill(&x)
	sum := sha256.Sum256(text)
	x.digest = hex.EncodeToString(sum[:])
	set.fill(&x, set.directory(path.Dir(path.Dir(at))))
	p.translate(&x, m)
	return yield(&x)
}

// translate puts in the words of the extension's own language where the
// manifest only names them: __MSG_name__.
func (p *profiles) translate(x *extension, m *manifest) {
	if !isMessage(x.name) && !isMessage(x.description) || m.Locale == "" || path.Base(m.Locale) != m.Locale {
		return
	}
	file := path.Join(x.path, "_locales", m.Locale, "messages.json")
	text, ok := p.FS.Get(file)
	if !ok {
		return
	}
	words, err := parseMessages(text)
	if err != nil {
		p.Fail(file, err)
		return
	}
	x.name, x.description = message(words, x.name), message(words, x.description)
}
