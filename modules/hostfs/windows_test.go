package hostfs

import (
	"slices"
	"testing"
)

func TestWindows(t *testing.T) {
	f, _, _ := tree(t, map[string]string{
		"Windows/System32/config/SYSTEM": "", "Users/Eve/NTUSER.DAT": "", "Users/bob/ntuser.dat": "", "case/a": "", "CASE/B": "",
	})
	for in, want := range map[string]string{
		`C:\Windows\System32\config\SYSTEM`:  "/Windows/System32/config/SYSTEM",
		`c:\WINDOWS\system32\Config\system`:  "/Windows/System32/config/SYSTEM",
		`\??\C:\windows\system32`:            "/Windows/System32",
		`\SystemRoot\system32\drivers\x.sys`: "/Windows/System32/drivers/x.sys",
		`%systemroot%\system32`:              "/Windows/System32",
		"/users/EVE/ntuser.dat":              "/Users/Eve/NTUSER.DAT",
		`C:\..\..\windows`:                   "/Windows",
		`C:\case\a`:                          "/case/a",
		`C:\CASE\b`:                          "/CASE/B",
		`C:\nothing\Here`:                    "/nothing/Here",
		`D:\x`:                               "", `\\server\share\x`: "", `x\y`: "", `\\?\UNC\server\x`: "", "": "",
	} {
		got, ok := f.Windows(in)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v; want %q", in, got, ok, want)
		}
	}
	if got := slices.Collect(f.GlobWindows("/users/*/Ntuser.dat")); !slices.Equal(got, []string{"/Users/Eve/NTUSER.DAT", "/Users/bob/ntuser.dat"}) {
		t.Error(got)
	}
}
