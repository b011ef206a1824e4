package registry

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/modules/windows/hivetest"
)

const eve = "S-1-5-21-1-2-3-1001"

func open(t *testing.T) (*Registry, *moduletest.Recorder, string) {
	t.Helper()
	root := t.TempDir()
	hivetest.Write(t, root, map[string]string{
		"WINDOWS/system32/config/SOFTWARE": `
[Microsoft\Windows NT\CurrentVersion\ProfileList\` + eve + `]
ProfileImagePath = expand %SystemDrive%\Users\eve
[Numbers]
d = dword 0x80000001
q = qword 7
t = sz 0x10
big = number 5 00000102
none = sz not one
bin = hex 0a0b
`,
		"Users/eve/NTUSER.DAT":    "[Software\\A]\n",
		"Users/orphan/NTUSER.DAT": "[Software\\A]\n",
	})
	for _, name := range []string{"WINDOWS/system32/cmd.exe", "WINDOWS/notepad.exe", "Program Files/A B/c d.exe", "Program Files/A.dll", "WINDOWS/system32/drivers/x.sys"} {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	rec := &moduletest.Recorder{}
	f, err := hostfs.Open(modules.Host{Root: root}, rec)
	if err != nil {
		t.Fatal(err)
	}
	r := Open(f)
	t.Cleanup(func() { r.Close(); f.Close() })
	return r, rec, root
}

func TestProgram(t *testing.T) {
	r, _, _ := open(t)
	for command, want := range map[string]string{
		`cmd.exe /c x`:                       "/WINDOWS/system32/cmd.exe",
		`cmd /c x`:                           "/WINDOWS/system32/cmd.exe",
		`NOTEPAD`:                            "/WINDOWS/notepad.exe",
		`"C:\Program Files\A B\C D.exe" -k`:  "/Program Files/A B/c d.exe",
		`%ProgramFiles%\a b\c d.exe -k`:      "/Program Files/A B/c d.exe",
		`\SystemRoot\System32\drivers\x.sys`: "/WINDOWS/system32/drivers/x.sys",
		`system32\DRIVERS\x.sys`:             "/WINDOWS/system32/drivers/x.sys",
		`\??\C:\windows\notepad.exe`:         "/WINDOWS/notepad.exe",
		`C:\gone\x y.exe -a b.dll`:           "/gone/x y.exe",
		`C:\gone\x`:                          "/gone/x",
		`"%APPDATA%\x.exe" -a`:               "/Users/eve/AppData/Roaming/x.exe",
		`nowhere.exe -a`:                     "",
		`\\server\share\x.exe`:               "",
		`"C:\unclosed`:                       "/unclosed",
		``:                                   "",
	} {
		if got := r.Program(command, "/Users/eve"); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}

func TestPlain(t *testing.T) {
	for glob, want := range map[string][]string{
		`HKEY_LOCAL_MACHINE\A\`:      {`HKLM\A`},
		`hkcu\Software\Classes\.txt`: {`HKU\*_Classes\.txt`},
		`HKCU`:                       {`HKU\*`},
		`HKEY_CURRENT_USER\A`:        {`HKU\*\A`},
		`HKCR\x`:                     {`HKLM\SOFTWARE\Classes\x`, `HKU\*_Classes\x`},
		`HKLMX\A`:                    {`HKLMX\A`},
	} {
		if got := plain(glob); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", glob, got, want)
		}
	}
}

func TestValues(t *testing.T) {
	r, _, _ := open(t)
	k := r.Key(`hklm\software\NUMBERS`)
	if k == nil || k.Path != `HKLM\SOFTWARE\Numbers` {
		t.Fatal(k)
	}
	for name, want := range map[string]int64{"d": 0x80000001, "Q": 7, "t": 16, "big": 258} {
		if n, ok := k.Int(name); !ok || n != want {
			t.Errorf("%s: %d, %v", name, n, ok)
		}
	}
	for _, name := range []string{"none", "bin", "missing"} {
		if n, ok := k.Int(name); ok {
			t.Errorf("%s: %d", name, n)
		}
	}
	if got := k.Text("bin"); got != "0a0b" {
		t.Error(got)
	}
}

// Profiles are those of the list, and those whose folder alone is there.
func TestUsers(t *testing.T) {
	r, _, _ := open(t)
	var got []string
	for _, u := range r.Users() {
		got = append(got, u.SID+" "+u.Name+" "+u.Home)
	}
	if want := []string{eve + " eve /Users/eve", "orphan orphan /Users/orphan"}; !slices.Equal(got, want) {
		t.Error(got)
	}
	for sub := range r.Key("HKU").Subkeys() {
		got = append(got, sub.Path)
	}
	if want := []string{`HKU\` + eve, `HKU\orphan`}; !slices.Equal(got[2:], want) {
		t.Error(got[2:])
	}
}

// A search ends when it is told to, also where it finds nothing.
func TestFindEnds(t *testing.T) {
	r, _, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Find(ctx, []string{`HKLM\**\nothing`}, func(*Key) error { return nil }, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What cannot be read is reported once, however often it is asked for.
func TestFailsOnce(t *testing.T) {
	r, rec, root := open(t)
	if err := os.WriteFile(filepath.Join(root, "WINDOWS/system32/config/SYSTEM"), make([]byte, 5000), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if k := r.Control("Services"); k != nil {
			t.Error(k.Path)
		}
	}
	if s := rec.Skips(); len(s) != 1 || s[0].Where != "/WINDOWS/system32/config/SYSTEM" {
		t.Error(s)
	}
}
