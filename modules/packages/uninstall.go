package packages

import (
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/windows/registry"
	"github.com/quaestor-engine/quaestor/value"
)

// Where Windows lists what may be uninstalled, for everybody and for each
// user. Programs of 32 bits stand in a part of their own.
func uninstallKeys() []string {
	const below = `Microsoft\Windows\CurrentVersion\Uninstall\*`
	return []string{
		`HKLM\SOFTWARE\` + below, `HKLM\SOFTWARE\Wow6432Node\` + below,
		`HKCU\Software\` + below, `HKCU\Software\Wow6432Node\` + below,
	}
}

// appxKey is where it lists the packages of its store.
const appxKey = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Appx\AppxAllUserStore\Applications\*`

// listUninstall lists what installers of Windows have registered. Keys without
// a name that people see are parts of others.
func listUninstall(l *lister) error {
	reg := registry.Open(l.FS)
	defer reg.Close()
	if !reg.There() {
		return nil
	}
	return reg.Find(l.Context(), uninstallKeys(), func(k *registry.Key) error {
		p := pkg{
			manager: "windows", key: k.Path, name: k.Text("DisplayName"), version: k.Text("DisplayVersion"), scheme: value.AnyScheme, status: "installed",
			maintainer: k.Text("Publisher"), url: k.Text("URLInfoAbout"), summary: k.Text("Comments"), size: -1,
		}
		if p.name == "" {
			return nil
		}
		if strings.Contains(k.Path, `\Wow6432Node\`) {
			p.arch = "x86"
		}
		if n, ok := k.Int("EstimatedSize"); ok {
			p.size = n << 10
		}
		if t, err := time.Parse("20060102", k.Text("InstallDate")); err == nil {
			p.installed = t
		}
		if at, ok := l.FS.Windows(strings.Trim(reg.Expand(k.Text("InstallLocation"), ""), `" `)); ok {
			p.path = at
		}
		return l.give(&p)
	}, func(string) {})
}

// listAppx lists the packages of the store, whose keys are called
// NAME_VERSION_ARCHITECTURE_RESOURCE_PUBLISHER.
func listAppx(l *lister) error {
	reg := registry.Open(l.FS)
	defer reg.Close()
	if !reg.There() {
		return nil
	}
	return reg.Find(l.Context(), []string{appxKey}, func(k *registry.Key) error {
		parts := strings.Split(k.Name(), "_")
		if len(parts) != 5 {
			return nil
		}
		p := pkg{
			manager: "appx", key: k.Path, name: parts[0], version: parts[1], arch: parts[2], scheme: value.AnyScheme,
			status: "installed", installed: k.Modified(), size: -1,
		}
		if at, ok := l.FS.Windows(k.Text("Path")); ok {
			p.path = strings.TrimSuffix(at, "/AppxManifest.xml")
		}
		return l.give(&p)
	}, func(string) {})
}
