package machine

import (
	"slices"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const (
	manifestJSON = "\xef\xbb\xbf" + `{"manifest_version":3,"name":"__MSG_appName__","version":"1.2.10","description":"__MSG_none__","author":{"email":"a@b.c"},"default_locale":"en","update_url":"https://u/",
"permissions":["tabs",{"fileSystem":["write"]}],"host_permissions":["<all_urls>"],"content_scripts":[{"matches":["https://bank/*","<all_urls>"]}]}`
	preferences = `{"extensions":{"settings":{
"aaaa":{"path":"aaaa/1.2.10_0","location":1,"from_webstore":true,"first_install_time":"13300000000000000","disable_reasons":[]},
"bbbb":{"path":"/opt/evil","location":4,"state":0,"from_webstore":false},
"cccc":{"path":"/opt/builtin","location":5,"state":1,"manifest":{"name":"PDF","version":"1"}},
"dddd":{"disable_reasons":1},
"eeee":"what"}}}`
	addons = `{"schemaVersion":36,"addons":[
{"id":"u@x","version":"2.0","type":"extension","active":true,"path":"/home/ann/.mozilla/firefox/p/extensions/u@x.xpi","location":"app-profile","sourceURI":"https://addons.mozilla.org/f/u.xpi","installDate":1700000000000,
"defaultLocale":{"name":"Blocker","description":"Blocks","creator":"Ray"},"userPermissions":{"permissions":["tabs"],"origins":["<all_urls>"]}},
{"id":"t@x","version":"1","type":"theme","active":false,"path":null,"sourceURI":"https://evil.example/t.xpi","userPermissions":null},
{"version":"1"},7]}`
)

func extensionTree(t testing.TB) string {
	chrome := "home/ann/.config/google-chrome/"
	return tree(t, map[string]string{
		"etc/passwd":                                                                                 "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbin:x:2:2::/home/ann:/bin/sh\n",
		chrome + "Local State":                                                                       "{}",
		chrome + "Default/Secure Preferences":                                                        preferences,
		chrome + "Default/Preferences":                                                               `{"extensions":{"settings":{"aaaa":{"state":0,"path":"aaaa/0_0"}}}}`,
		chrome + "Default/Extensions/aaaa/1.2.10_0/manifest.json":                                    manifestJSON,
		chrome + "Default/Extensions/aaaa/1.0_0/manifest.json":                                       `{"name":"old","version":"1.0","theme":{}}`,
		chrome + "Default/Extensions/Temp/x/manifest.json":                                           `{"name":"t","version":"1"}`,
		chrome + "Default/Extensions/zzzz/1_0/manifest.json":                                         `{`,
		chrome + "Default/Extensions/aaaa/1.2.10_0/_locales/en/messages.json":                        `{"APPNAME":{"message":"Nice"}}`,
		"opt/evil/manifest.json":                                                                     `{"name":"Evil","version":"6"}`,
		"root/.config/chromium/Profile 1/Extensions/ffff/1_0/manifest.json":                          `{"name":"F","version":"1","permissions":[]}`,
		"root/.config/chromium/Profile 1/Preferences":                                                "[",
		"home/ann/.mozilla/firefox/p/extensions.json":                                                addons,
		"home/ann/.mozilla/firefox/q/extensions.json":                                                "{}",
		"Users/Eve/AppData/Local/Microsoft/Edge/User Data/Default/Extensions/gggg/1_0/manifest.json": `{"name":"G","version":"1"}`,
	})
}

// A directory of Opera's is a profile itself, or holds some.
func TestExtensionOpera(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/passwd":                         "ann:x:1000:100::/home/ann:/bin/bash\n",
		"home/ann/.config/opera/Preferences": `{"extensions":{"settings":{"aaaa":{"state":0}}}}`,
		"home/ann/.config/opera/Extensions/aaaa/1_0/manifest.json":      `{"name":"A","version":"1"}`,
		"home/ann/.config/opera/Default/Extensions/b/2_0/manifest.json": `{"name":"B","version":"2"}`,
		"home/ann/.config/chromium/Extensions/c/1_0/manifest.json":      `{"name":"C","version":"1"}`,
	})
	got, rec := moduletest.Rows(t, extensions(), root, []string{"user", "browser", "profile", "name", "enabled", "path"}, nil)
	same(t, got, []string{
		"ann | opera | . | A | false | /home/ann/.config/opera/Extensions/aaaa/1_0",
		"ann | opera | Default | B | null | /home/ann/.config/opera/Default/Extensions/b/2_0",
	})
	same(t, skipped(rec), nil)
}

// What of a manifest says where an extension is from, and what it may become.
func TestManifestDetails(t *testing.T) {
	m, err := parseManifest([]byte(`{"name":"n","version":"1","default_locale":"en","current_locale":"de","key":"MII","optional_permissions":["tabs",{"x":1}],"background":{"persistent":false}}`))
	if err != nil {
		t.Fatal(err)
	}
	var x extension
	m.fill(&x)
	if x.locale != "en" || x.current != "de" || x.key != "MII" || !slices.Equal(x.optional, []string{"tabs", "x"}) || x.persistent == nil || *x.persistent {
		t.Errorf("%+v", x)
	}
	var a extension
	if !a.addMozilla([]byte(`{"id":"a","applyBackgroundUpdates":0}`)) || a.autoUpdate == nil || *a.autoUpdate {
		t.Errorf("%+v", a)
	}
	m, err = parseManifest([]byte(`{"name":"n","version":"1","background":"page"}`))
	if err != nil {
		t.Fatal(err)
	}
	if m.fill(&x); x.persistent != nil {
		t.Error("a background that is no object says nothing")
	}
}

func TestExtension(t *testing.T) {
	root := extensionTree(t)
	got, rec := moduletest.Rows(t, extensions(), root, []string{"user", "browser", "profile", "id", "name", "version", "type", "permissions", "hosts", "enabled", "from_store", "location", "path"}, nil)
	at := "/home/ann/.config/google-chrome/Default/Extensions/aaaa/"
	same(t, got, []string{
		"root | chromium | Profile 1 | ffff | F | 1 | extension | [] | [] | null | null | null | /root/.config/chromium/Profile 1/Extensions/ffff/1_0",
		"ann | chrome | Default | aaaa | old | 1.0 | theme | [] | [] | false | true | store | " + at + "1.0_0",
		"ann | chrome | Default | aaaa | Nice | 1.2.10 | extension | [tabs, fileSystem] | [<all_urls>, https://bank/*] | true | true | store | " + at + "1.2.10_0",
		"ann | chrome | Default | bbbb | Evil | 6 | extension | [] | [] | false | false | unpacked | /opt/evil",
		"ann | chrome | Default | cccc | PDF | 1 | extension | [] | [] | true | null | component | /opt/builtin",
		"ann | firefox | p | u@x | Blocker | 2.0 | extension | [tabs] | [<all_urls>] | true | true | app-profile | /home/ann/.mozilla/firefox/p/extensions/u@x.xpi",
		"ann | firefox | p | t@x | null | 1 | theme | null | null | false | false | null | null",
		"Eve | edge | Default | gggg | G | 1 | extension | [] | [] | null | null | null | /Users/Eve/AppData/Local/Microsoft/Edge/User Data/Default/Extensions/gggg/1_0",
	})
	same(t, skipped(rec), []string{
		"io_error /root/.config/chromium/Profile 1/Preferences",
		"io_error /home/ann/.config/google-chrome/Default/Secure Preferences",
		"io_error /home/ann/.config/google-chrome/Default/Extensions/zzzz/1_0/manifest.json",
		"io_error /home/ann/.mozilla/firefox/p/extensions.json:3", "io_error /home/ann/.mozilla/firefox/p/extensions.json:4",
		"io_error /home/ann/.mozilla/firefox/q/extensions.json",
	})
	got, _ = moduletest.Rows(t, extensions(), root, []string{"id", "description", "author", "installed", "update_url", "source"}, []string{"*@x", "aa*"})
	same(t, got, []string{
		"aaaa | null | null | 2022-06-18T04:26:40Z | null | " + at + "1.0_0/manifest.json",
		"aaaa | __MSG_none__ | a@b.c | 2022-06-18T04:26:40Z | https://u/ | " + at + "1.2.10_0/manifest.json",
		"u@x | Blocks | Ray | 2023-11-14T22:13:20Z | null | /home/ann/.mozilla/firefox/p/extensions.json",
		"t@x | null | null | null | null | /home/ann/.mozilla/firefox/p/extensions.json",
	})
	moduletest.Run(t, extensions(), root)
}

func FuzzExtensions(f *testing.F) {
	for _, seed := range []string{manifestJSON, preferences, addons, `{"a":{"message":"b"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := parseManifest(text); err == nil {
			x := &extension{}
			m.fill(x)
			if x.name == "" && x.version == "" {
				t.Error("an extension without a name and a version")
			}
		}
		settings := map[string]chromiumSetting{}
		parsePreferences("x", text, settings)
		for _, s := range settings {
			s.fill(&extension{}, s.directory("/e"))
		}
		for _, x := range parseMozilla(extension{}, text, func(string) {}) {
			if x.id == "" {
				t.Error("an extension without an identifier")
			}
		}
		words, _ := parseMessages(text)
		message(words, string(text))
	})
}
