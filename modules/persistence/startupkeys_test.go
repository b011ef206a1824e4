package persistence

import (
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/modules/windows/hivetest"
)

func TestStartupKeys(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/passwd": "",
		"ProgramData/Microsoft/Windows/Start Menu/Programs/StartUp/all.lnk":                "x",
		"ProgramData/Microsoft/Windows/Start Menu/Programs/StartUp/desktop.ini":            "x",
		"Users/eve/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup/evil.vbs": "x",
		"Windows/System32/rundll32.exe":                                                    "MZ", "Windows/System32/msv1_0.dll": "MZ", "Windows/System32/evilssp.dll": "MZ",
		"Windows/explorer.exe": "MZ", "Windows/System32/autochk.exe": "MZ", "Users/eve/AppData/Roaming/u.exe": "MZ",
	})
	hivetest.Write(t, root, map[string]string{
		"Windows/System32/config/SYSTEM": `
[Select]
Current = dword 1
[ControlSet001\Control\Lsa]
Security Packages = multi ""|msv1_0|evilssp
LimitBlankPasswordUse = dword 1
[ControlSet001\Control\Session Manager]
BootExecute = multi autocheck autochk *
`,
		"Windows/System32/config/SOFTWARE": `
[Microsoft\Windows\CurrentVersion\Run]
Loader = sz rundll32.exe C:\ProgramData\x.dll,Start
[Microsoft\Windows NT\CurrentVersion\Winlogon]
Shell = sz explorer.exe, C:\evil.exe
DefaultPassword = sz secret
[Microsoft\Windows NT\CurrentVersion\Image File Execution Options\sethc.exe]
Debugger = sz cmd.exe
MitigationOptions = qword 1
[Microsoft\Windows NT\CurrentVersion\Windows]
AppInit_DLLs = sz C:\a.dll,b.dll
[Microsoft\Windows\CurrentVersion\Explorer\Browser Helper Objects\{1}]
[Classes\CLSID\{1}\InprocServer32]
@ = sz C:\bho.dll
[Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001]
ProfileImagePath = sz C:\Users\eve
`,
		"Users/eve/NTUSER.DAT": `
[Software\Microsoft\Windows\CurrentVersion\RunOnce]
Up = expand "%APPDATA%\u.exe" /s
[Environment]
UserInitMprLogonScript = sz C:\logon.bat
Path = sz C:\bin
`,
	})
	got, rec := moduletest.Rows(t, startups(), root, []string{"kind", "name", "user", "command", "program"}, nil)
	want := []string{
		`run_key | Loader | null | rundll32.exe C:\ProgramData\x.dll,Start | /Windows/System32/rundll32.exe`,
		`run_key | Up | eve | "%APPDATA%\u.exe" /s | /Users/eve/AppData/Roaming/u.exe`,
		`winlogon | Shell | null | explorer.exe | /Windows/explorer.exe`,
		`winlogon | Shell | null | C:\evil.exe | /evil.exe`,
		`debugger | sethc.exe | null | cmd.exe | null`,
		`appinit_dll | AppInit_DLLs | null | C:\a.dll | /a.dll`,
		`appinit_dll | AppInit_DLLs | null | b.dll | null`,
		`lsa_package | Security Packages | SYSTEM | msv1_0 | /Windows/System32/msv1_0.dll`,
		`lsa_package | Security Packages | SYSTEM | evilssp | /Windows/System32/evilssp.dll`,
		`session_manager | BootExecute | SYSTEM | autocheck autochk * | /Windows/System32/autochk.exe`,
		`logon_script | UserInitMprLogonScript | eve | C:\logon.bat | /logon.bat`,
		`shell_extension | {1} | null | {1} | /bho.dll`,
		`startup_folder | all.lnk | null | /ProgramData/Microsoft/Windows/Start Menu/Programs/StartUp/all.lnk | /ProgramData/Microsoft/Windows/Start Menu/Programs/StartUp/all.lnk`,
		`startup_folder | evil.vbs | eve | /Users/eve/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup/evil.vbs | /Users/eve/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup/evil.vbs`,
	}
	if !slices.Equal(got, want) || len(rec.Skips()) > 0 {
		t.Errorf("%s\nwant\n%s\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"), rec.Skips())
	}
	got, _ = moduletest.Rows(t, startups(), root, []string{"key", "path"}, []string{"/Users/eve/NTUSER.DAT"})
	if len(got) != 2 || got[0] != `HKU\S-1-5-21-1-2-3-1001\Software\Microsoft\Windows\CurrentVersion\RunOnce\Up | /Users/eve/NTUSER.DAT` {
		t.Error(got)
	}
}
