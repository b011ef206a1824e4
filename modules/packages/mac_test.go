package packages

import (
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestMac(t *testing.T) {
	list := func(body string) string { return "<?xml version='1.0'?><plist><dict>" + body + "</dict></plist>" }
	root := plant(t, map[string]string{
		"private/var/db/dslocal/nodes/Default/users/ann.plist":     list("<key>name</key><array><string>ann</string></array><key>uid</key><array><string>501</string></array><key>home</key><array><string>/Users/ann</string></array>"),
		"opt/homebrew/Cellar/openssl@3/3.3.1/INSTALL_RECEIPT.json": `{"homebrew_version":"4.3","time":1700000000,"arch":"arm64","source":{"tap":"homebrew/core"}}`,
		"opt/homebrew/Cellar/wget/1.24.5_1/bin/wget":               "",
		"usr/local/Cellar/bad/1/INSTALL_RECEIPT.json":              "{",
		"opt/homebrew/Caskroom/firefox/128.0/.metadata/x":          "",
		"opt/homebrew/Caskroom/firefox/.metadata/128.0/x":          "",
		"Applications/Safari.app/Contents/Info.plist":              list("<key>CFBundleIdentifier</key><string>com.apple.Safari</string><key>CFBundleShortVersionString</key><string>17.5</string>"),
		"Applications/Utilities/Odd.app/Contents/Info.plist":       list("<key>CFBundleVersion</key><string>42</string>"),
		"Applications/Broken.app/Contents/Info.plist":              "what is this",
		"Users/ann/Applications/Mine.app/Contents/Info.plist":      list("<key>CFBundleIdentifier</key><string>x.mine</string>"),
		"private/var/db/receipts/com.example.pkg.vpn.plist":        list("<key>PackageIdentifier</key><string>com.example.pkg.vpn</string><key>PackageVersion</key><string>2.1</string><key>InstallDate</key><date>2026-02-03T04:05:06Z</date><key>InstallProcessName</key><string>installer</string>"),
		"private/var/db/receipts/none.plist":                       list(""),
	})
	got, rec := moduletest.Rows(t, packageModule(), root, []string{"id", "version", "architecture", "source", "maintainer"}, nil)
	expect(t, got, rec, []string{
		"pkgutil:com.example.pkg.vpn:/private/var/db/receipts/com.example.pkg.vpn.plist | 2.1 | null | null | installer",
		"app:Safari:/Applications/Safari.app | 17.5 | null | com.apple.Safari | null",
		"app:Odd:/Applications/Utilities/Odd.app | 42 | null | null | null",
		"app:Mine:/Users/ann/Applications/Mine.app | null | null | x.mine | null",
		"brew:openssl@3:/opt/homebrew/Cellar/openssl@3/3.3.1 | 3.3.1 | arm64 | null | homebrew/core",
		"brew:wget:/opt/homebrew/Cellar/wget/1.24.5_1 | 1.24.5_1 | null | null | null",
		"brew:bad:/usr/local/Cellar/bad/1 | 1 | null | null | null",
		"cask:firefox:/opt/homebrew/Caskroom/firefox/128.0 | 128.0 | null | null | null",
	}, []string{"io_error /private/var/db/receipts/none.plist", "io_error /Applications/Broken.app/Contents/Info.plist", "io_error /usr/local/Cellar/bad/1/INSTALL_RECEIPT.json"})
	if got, _ := moduletest.Rows(t, packageModule(), root, []string{"installed"}, []string{"brew:openssl*", "pkgutil:*"}); len(got) != 2 || got[0] != "2026-02-03T04:05:06Z" || got[1] != "2023-11-14T22:13:20Z" {
		t.Errorf("%q", got)
	}
}
