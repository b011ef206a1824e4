package account

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/modules/windows/hivetest"
)

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// samF and samV make the values of an account.
func samF(rid uint32, login, changed time.Time, flags, logins uint16) string {
	b, le := make([]byte, 80), binary.LittleEndian
	le.PutUint16(b, 3)
	if !login.IsZero() {
		le.PutUint64(b[8:], hivetest.Filetime(login))
	}
	if !changed.IsZero() {
		le.PutUint64(b[0x18:], hivetest.Filetime(changed))
	}
	le.PutUint64(b[0x20:], 1<<63-1)
	le.PutUint32(b[0x30:], rid)
	le.PutUint32(b[0x34:], 513)
	le.PutUint16(b[0x38:], flags)
	le.PutUint16(b[0x42:], logins)
	return fmt.Sprintf("%x", b)
}

func samV(name, full string, hash int) string {
	b, le := make([]byte, 0xcc), binary.LittleEndian
	put := func(at int, data []byte) {
		le.PutUint32(b[at:], uint32(len(b)-0xcc))
		le.PutUint32(b[at+4:], uint32(len(data)))
		b = append(b, data...)
		b = append(b, make([]byte, (4-len(data)%4)%4)...)
	}
	put(0x0c, utf16le(name))
	put(0x18, utf16le(full))
	put(0x24, nil)
	put(0x9c, make([]byte, 4))
	put(0xa8, make([]byte, hash))
	return fmt.Sprintf("%x", b)
}

func samC(gid uint32, name string, members ...[]byte) string {
	b, le := make([]byte, 0x34), binary.LittleEndian
	le.PutUint32(b, gid)
	le.PutUint32(b[0x10:], 0)
	le.PutUint32(b[0x14:], uint32(2*len(name)))
	b = append(b, utf16le(name)...)
	b = append(b, make([]byte, (4-len(b)%4)%4)...)
	le.PutUint32(b[0x28:], uint32(len(b)-0x34))
	le.PutUint32(b[0x30:], uint32(len(members)))
	return fmt.Sprintf("%x", append(b, bytes.Join(members, nil)...))
}

// sidBytes is S-1-5-21-1-2-3 and what follows.
func sidBytes(rest ...uint32) []byte {
	b := []byte{1, byte(4 + len(rest)), 0, 0, 0, 0, 0, 5}
	for _, n := range append([]uint32{21, 1, 2, 3}, rest...) {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

const samBefore = `[SAM\Domains\Account\Users\`

func windowsTree(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	hivetest.Write(t, root, map[string]string{
		"Windows/System32/config/SAM": `
[SAM\Domains\Account]
V = hex 0000` + fmt.Sprintf("%x", sidBytes()) + `
` + samBefore + `000001F4]
F = hex ` + samF(500, time.Time{}, time.Time{}, 0x211, 0) + `
V = hex ` + samV("Administrator", "", 4) + `
` + samBefore + `000003E9]
F = hex ` + samF(1001, at, at.Add(-time.Hour), 0x214, 12) + `
V = hex ` + samV("eve", "Eve Élan", 0x38) + `
` + samBefore + `000003EA]
F = hex 0102
V = hex 03
` + samBefore + `Names]
` + samBefore + `Names\Administrator]
@ = number 0x1f4
` + samBefore + `Names\eve]
@ = number 0x3e9
[SAM\Domains\Builtin\Aliases\00000220]
C = hex ` + samC(0x220, "Administrators", sidBytes(1001), sidBytes(9999)) + `
[SAM\Domains\Builtin\Aliases\Names]
`,
		"Windows/System32/config/SOFTWARE": `
[Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001]
ProfileImagePath = sz C:\users\Eve.PC
[Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-7-8-9-1105]
ProfileImagePath = sz C:\Users\domainuser
`,
		"Users/eve.pc/NTUSER.DAT": "[A]\n",
	})
	return root
}

func TestWindowsUsers(t *testing.T) {
	root := windowsTree(t)
	got, rec := moduletest.Rows(t, users(), root, []string{"name", "uid", "gid", "comment", "home", "groups", "password", "password_changed", "expires", "sid", "disabled", "last_login", "logins"}, nil)
	want := []string{
		`Administrator | 500 | 513 | null | null | [] | locked | null | null | S-1-5-21-1-2-3-500 | true | null | 0`,
		`eve | 1001 | 513 | Eve Élan | /Users/eve.pc | [Administrators] | set | 2026-11-20T09:00:00Z | null | S-1-5-21-1-2-3-1001 | false | 2026-11-20T10:00:00Z | 12`,
		`domainuser | 1105 | null | null | /Users/domainuser | [] | null | null | null | S-1-5-21-7-8-9-1105 | null | null | null`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if s := rec.Skips(); len(s) == 0 || s[0].Where != `HKLM\SAM\SAM\Domains\Account\Users\000003EA` {
		t.Error(s)
	}
	got, _ = moduletest.Rows(t, groups(), root, []string{"name", "gid", "members"}, nil)
	if len(got) != 1 || got[0] != "Administrators | 544 | [eve, S-1-5-21-1-2-3-9999]" {
		t.Error(got)
	}
}

// chntpw lists the accounts of a SAM as this package does.
func TestAgainstChntpw(t *testing.T) {
	if _, err := exec.LookPath("chntpw"); err != nil {
		t.Skip("chntpw is not installed")
	}
	out, _ := exec.Command("chntpw", "-l", filepath.Join(windowsTree(t), "Windows/System32/config/SAM")).CombinedOutput()
	for _, want := range []string{"| 01f4 | Administrator", "| 03e9 | eve"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("chntpw does not say %q:\n%s", want, out)
		}
	}
}

func FuzzSAM(f *testing.F) {
	f.Add([]byte(samF(1, time.Now(), time.Now(), 1, 1)), []byte(samV("a", "b", 20)), []byte(samC(1, "g", sidBytes(1))))
	f.Fuzz(func(t *testing.T, fixed, texts, c []byte) {
		if u, ok := samUser(fixed, texts); ok && u.Name == "" {
			t.Error("a user without a name")
		}
		if g, ok := samGroup(c, nil); ok && len(g.members) > len(c) {
			t.Error("members out of nothing")
		}
	})
}
