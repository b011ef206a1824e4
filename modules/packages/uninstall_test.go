package packages

import (
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/modules/windows/hivetest"
)

func TestUninstall(t *testing.T) {
	root := t.TempDir()
	const sid = "S-1-5-21-1-2-3-1001"
	hivetest.Write(t, root, map[string]string{
		"Windows/System32/config/SOFTWARE": `
[Microsoft\Windows\CurrentVersion\Uninstall\{A}]
DisplayName = sz 7-Zip 24.09 (x64)
DisplayVersion = sz 24.09
Publisher = sz Igor Pavlov
InstallDate = sz 20261105
InstallLocation = sz C:\Program Files\7-Zip\
EstimatedSize = dword 2048
[Microsoft\Windows\CurrentVersion\Uninstall\AddressBook]
[Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall\Old]
DisplayName = sz Old tool
[Microsoft\Windows\CurrentVersion\Appx\AppxAllUserStore\Applications\Some.App_1.2.3.0_x64__8wekyb3d8bbwe] 2026-11-10T00:00:00Z
Path = sz C:\Program Files\WindowsApps\Some.App_1.2.3.0_x64__8wekyb3d8bbwe\AppxManifest.xml
[Microsoft\Windows NT\CurrentVersion\ProfileList\` + sid + `]
ProfileImagePath = sz C:\Users\eve
`,
		"Users/eve/NTUSER.DAT": "[Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\Tool]\nDisplayName = sz Tool\nDisplayVersion = sz 1.0\n",
	})
	const below = `\Microsoft\Windows\CurrentVersion\Uninstall\`
	want := []string{
		`windows:HKLM\SOFTWARE` + below + `{A} | 7-Zip 24.09 (x64) | 24.09 | null | windows | Igor Pavlov | 2026-11-05T00:00:00Z | 2MiB | /Program Files/7-Zip`,
		`windows:HKLM\SOFTWARE\Wow6432Node` + below + `Old | Old tool | null | x86 | windows | null | null | null | null`,
		`windows:HKU\` + sid + `\Software` + below + `Tool | Tool | 1.0 | null | windows | null | null | null | null`,
	}
	const appx = `appx:HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Appx\AppxAllUserStore\Applications\Some.App_1.2.3.0_x64__8wekyb3d8bbwe | Some.App | 1.2.3.0 | x64 | appx | null | 2026-11-10T00:00:00Z | null | /Program Files/WindowsApps/Some.App_1.2.3.0_x64__8wekyb3d8bbwe`
	columns := []string{"id", "name", "version", "architecture", "manager", "maintainer", "installed", "size", "path"}
	got, rec := moduletest.Rows(t, packageModule(), root, columns, nil)
	expect(t, got, rec, append(want, appx), nil)
	got, rec = moduletest.Rows(t, packageModule(), root, columns, []string{"windows:Old*"})
	expect(t, got, rec, want[1:2], nil)
}
