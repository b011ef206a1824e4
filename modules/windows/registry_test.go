package windows

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/modules/windows/hivetest"
)

const eve = "S-1-5-21-1-2-3-1001"

// hives are those of the prepared host.
func hives() map[string]string {
	const config = "Windows/System32/config/"
	return map[string]string{
		config + "SYSTEM": `
[Select]
Current = dword 2
[ControlSet001\Services\Old]
Start = dword 4
[ControlSet002\Services\Evil] 2026-11-20T10:00:00Z
ImagePath = expand %SystemRoot%\evil.exe
@ = sz nobody
[ControlSet002\Services\Empty]
`,
		config + "SOFTWARE": `
[Microsoft\Windows\CurrentVersion\Run]
Updater = sz C:\ProgramData\u.exe
Packages = multi a|b
[Microsoft\Windows NT\CurrentVersion\ProfileList\` + eve + `]
ProfileImagePath = expand %SystemDrive%\users\EVE
[Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-18]
ProfileImagePath = expand %systemroot%\system32\config\systemprofile
[Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1002]
ProfileImagePath = sz C:\Users\gone
[Classes\.txt]
@ = sz txtfile
`,
		config + "SAM":     "[SAM\\Domains\\Account\\Users\\000001F4]\nV = hex 010203\n",
		config + "DEFAULT": "[Software\\X]\nv = dword 1\n",
		"Users/Eve/NTUSER.DAT": `
[Software\Microsoft\Windows\CurrentVersion\Run]
Evil = sz C:\Users\Eve\evil.exe
`,
		"Users/Eve/AppData/Local/Microsoft/Windows/UsrClass.dat": "[.txt]\n@ = sz evilfile\n",
		"Users/old/NTUSER.DAT": "[Software\\Microsoft\\Windows\\CurrentVersion\\Run]\nOld = sz o.exe\n",
	}
}

func windowsHost(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	hivetest.Write(t, root, hives())
	return root
}

// equal compares rows, and the skips, which are given as "kind where".
func equal(t *testing.T, got []string, rec *moduletest.Recorder, want, skips []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("rows:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var skipped []string
	for _, s := range rec.Skips() {
		skipped = append(skipped, string(s.Kind)+" "+s.Where)
	}
	if !slices.Equal(skipped, skips) {
		t.Errorf("skips:\n%s\nwant:\n%s", strings.Join(skipped, "\n"), strings.Join(skips, "\n"))
	}
}

func TestRegistry(t *testing.T) {
	root := windowsHost(t)
	for name, c := range map[string]struct {
		globs, want, skips []string
	}{
		"a key": {[]string{`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run`}, []string{
			`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run | Updater | REG_SZ | C:\ProgramData\u.exe | null`,
			`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run | Packages | REG_MULTI_SZ | a|b | null`,
		}, nil},
		"in any case, by a long name": {[]string{`hkey_local_machine\software\microsoft\windows\currentversion\RUN\`, `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Ru?`}, []string{
			`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run | Updater | REG_SZ | C:\ProgramData\u.exe | null`,
			`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run | Packages | REG_MULTI_SZ | a|b | null`,
		}, nil},
		"the set that was started": {[]string{`HKLM\SYSTEM\CurrentControlSet\Services\*`}, []string{
			`HKLM\SYSTEM\CurrentControlSet\Services\Empty | null | null | null | null`,
			`HKLM\SYSTEM\CurrentControlSet\Services\Evil | ImagePath | REG_EXPAND_SZ | %SystemRoot%\evil.exe | null`,
			`HKLM\SYSTEM\CurrentControlSet\Services\Evil | (Default) | REG_SZ | nobody | null`,
		}, nil},
		"all sets": {[]string{`HKLM\SYSTEM\*\Services\Old`, `HKLM\SYSTEM\Current*\Services\*`}, []string{
			`HKLM\SYSTEM\ControlSet001\Services\Old | Start | REG_DWORD | 4 | null`,
		}, nil},
		"the set, below a star": {[]string{`HKLM\*\CurrentControlSet\Services\Empty`}, []string{
			`HKLM\SYSTEM\CurrentControlSet\Services\Empty | null | null | null | null`,
		}, nil},
		"every user": {[]string{`HKCU\Software\Microsoft\Windows\CurrentVersion\Run`}, []string{
			`HKU\` + eve + `\Software\Microsoft\Windows\CurrentVersion\Run | Evil | REG_SZ | C:\Users\Eve\evil.exe | Eve`,
			`HKU\old\Software\Microsoft\Windows\CurrentVersion\Run | Old | REG_SZ | o.exe | old`,
		}, nil},
		"classes": {[]string{`HKCR\.txt`}, []string{
			`HKLM\SOFTWARE\Classes\.txt | (Default) | REG_SZ | txtfile | null`,
			`HKU\` + eve + `_Classes\.txt | (Default) | REG_SZ | evilfile | Eve`,
		}, nil},
		"classes of a user": {[]string{`HKCU\Software\Classes\.txt`}, []string{
			`HKU\` + eve + `_Classes\.txt | (Default) | REG_SZ | evilfile | Eve`,
		}, nil},
		"the system's own user": {[]string{`HKU\S-1-5-18\Software\X`}, []string{`HKU\.DEFAULT\Software\X | v | REG_DWORD | 1 | null`}, nil},
		"what is not there":     {[]string{`HKLM\SOFTWARE\Nothing`, `HKLM\NOTHING\*`}, nil, []string{`not_found HKLM\SOFTWARE\Nothing`}},
		"secrets":               {[]string{`HKLM\SAM\**\Users\*`}, []string{`HKLM\SAM\SAM\Domains\Account\Users\000001F4 | V | REG_BINARY | null | null`}, []string{`policy HKLM\SAM\SAM\Domains\Account\Users\000001F4`}},
	} {
		t.Run(name, func(t *testing.T) {
			got, rec := moduletest.Rows(t, registryModule(), root, []string{"key", "name", "type", "value", "user"}, c.globs)
			equal(t, got, rec, c.want, c.skips)
		})
	}
	moduletest.Run(t, registryModule(), root, `HKLM\**`, `HKCU\**`)
}

// Only the hives that a glob can reach are opened, and one that is damaged is
// named.
func TestRegistryReads(t *testing.T) {
	root := windowsHost(t)
	software := filepath.Join(root, "Windows/System32/config/SOFTWARE")
	if err := os.WriteFile(software, []byte("no hive, though it is long enough to look like one"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, rec := moduletest.Rows(t, registryModule(), root, []string{"value"}, []string{`HKLM\SYSTEM\Select`})
	equal(t, got, rec, []string{"2"}, nil)
	got, rec = moduletest.Rows(t, registryModule(), root, []string{"value"}, []string{`HKLM\SOFTWARE\*`, `HKLM\SYSTEM\Select`})
	equal(t, got, rec, []string{"2"}, []string{"io_error /Windows/System32/config/SOFTWARE"})
}

// A hive that was being written, without the log that says what, is named.
func TestRegistryDirty(t *testing.T) {
	root := windowsHost(t)
	name := filepath.Join(root, "Windows/System32/config/SYSTEM")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[4]++
	hivetest.Sign(b[:4096])
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	got, rec := moduletest.Rows(t, registryModule(), root, []string{"value"}, []string{`HKLM\SYSTEM\Select`})
	equal(t, got, rec, []string{"2"}, []string{"changed /Windows/System32/config/SYSTEM"})
}

// A tree that is no Windows has no registry, and a live machine of another
// system says so.
func TestNoRegistry(t *testing.T) {
	got, rec := moduletest.Rows(t, registryModule(), t.TempDir(), []string{"value"}, []string{`HKLM\SYSTEM\*`})
	equal(t, got, rec, nil, nil)
	_, rec = moduletest.Rows(t, registryModule(), "", []string{"value"}, []string{`HKLM\SYSTEM\*`})
	if s := rec.Skips(); len(s) == 0 && !strings.HasPrefix(os.Getenv("OS"), "Windows") || len(s) > 0 && s[0].Kind != modules.SkipUnsupported {
		t.Error(s)
	}
}
