package account

import (
	"encoding/base64"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// record of utmpx as utmpx.h of macOS lays it out.
func utmpxRecord(user, tty, host string, pid uint32, kind uint16, sec uint32) []byte {
	b := make([]byte, 628)
	copy(b, user)
	copy(b[260:], tty)
	binary.LittleEndian.PutUint32(b[292:], pid)
	binary.LittleEndian.PutUint16(b[296:], kind)
	binary.LittleEndian.PutUint32(b[300:], sec)
	copy(b[308:], host)
	return b
}

// mac makes a tree with the accounts of a Mac.
func mac(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	list := func(pairs ...string) string {
		b := "<?xml version='1.0'?><plist version='1.0'><dict>"
		for i := 0; i < len(pairs); i += 2 {
			b += "<key>" + pairs[i] + "</key><array>"
			for _, one := range strings.Split(pairs[i+1], "|") {
				if !strings.HasPrefix(one, "<") {
					one = "<string>" + one + "</string>"
				}
				b += one
			}
			b += "</array>"
		}
		return b + "</dict></plist>"
	}
	inner := func(body string) string {
		return "<data>" + base64.StdEncoding.EncodeToString([]byte("<?xml version='1.0'?><plist version='1.0'><dict>"+body+"</dict></plist>")) + "</data>"
	}
	const dir = "private/var/db/dslocal/nodes/Default/"
	boot := uint32(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC).Unix())
	for name, text := range map[string]string{
		"etc/passwd":             "root:*:0:0:System Administrator:/var/root:/bin/sh\n_old:*:77:77:Left:/var/empty:/usr/bin/false\n",
		"etc/group":              "wheel:*:0:root\nadmin:*:80:root\n",
		dir + "users/root.plist": list("name", "root|BUILTIN\\Local System", "uid", "0", "gid", "0", "realname", "System Administrator", "home", "/var/root", "shell", "/bin/sh", "passwd", "*"),
		dir + "users/ann.plist": list("name", "ann", "uid", "501", "gid", "20", "realname", "Ann", "home", "/Users/ann", "shell", "/bin/zsh", "generateduid", "AAAA-1",
			"ShadowHashData", inner("<key>SALTED-SHA512-PBKDF2</key><dict/>"),
			"accountPolicyData", inner("<key>creationTime</key><real>1700000000.25</real><key>passwordLastSetTime</key><real>1710000000</real>")),
		dir + "users/ghost.plist":  list("name", "ghost", "uid", "502", "gid", "20", "home", "/var/ghost", "shell", "/bin/bash", "IsHidden", "1", "generateduid", "AAAA-2", "authentication_authority", ";ShadowHash;|;DisabledUser;", "ShadowHashData", inner("<key>x</key><true/>")),
		dir + "users/nobody.plist": list("name", "nobody", "uid", "-2", "gid", "-2", "home", "/var/empty", "shell", "/usr/bin/false"),
		dir + "users/bad.plist":    list("name", "bad", "uid", "five"),
		dir + "groups/admin.plist": list("name", "admin", "gid", "80", "users", "root|ann", "groupmembers", "AAAA-1|AAAA-2|BBBB"),
		"private/var/run/utmpx": string(slices.Concat(
			utmpxRecord("utmpx-1.00", "", "", 0, 10, 0), utmpxRecord("", "", "", 0, 2, boot),
			utmpxRecord("ann", "ttys001", "10.0.0.7", 812, 7, boot+60), utmpxRecord("", "", "", 0, 11, boot+90), utmpxRecord("ann", "", "", 1, 12, boot))),
	} {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMac(t *testing.T) {
	root := mac(t)
	rows, rec := moduletest.Rows(t, users(), root, strings.Fields("name uid gid comment home shell password hash_method password_changed created hidden groups"), nil)
	want := []string{
		"ann | 501 | 20 | Ann | /Users/ann | /bin/zsh | set | salted-sha512-pbkdf2 | 2024-03-09T16:00:00Z | 2023-11-14T22:13:20.25Z | false | [admin]",
		"ghost | 502 | 20 | null | /var/ghost | /bin/bash | locked | x | null | null | true | [admin]",
		"nobody | 4294967294 | 4294967294 | null | /var/empty | /usr/bin/false | locked | null | null | null | false | []",
		"root | 0 | 0 | System Administrator | /var/root | /bin/sh | locked | null | null | null | false | [wheel, admin]",
		"_old | 77 | 77 | Left | /var/empty | /usr/bin/false | locked | null | null | null | null | []",
	}
	if !slices.Equal(rows, want) {
		t.Errorf("%s", strings.Join(rows, "\n"))
	}
	// The list that is malformed is named for users, and where groups name
	// members by identities.
	for _, s := range rec.Skips() {
		if s.Where != "/private/var/db/dslocal/nodes/Default/users/bad.plist" {
			t.Errorf("%+v", s)
		}
	}
	if len(rec.Skips()) == 0 {
		t.Error("a list without a number is an account")
	}
	rows, _ = moduletest.Rows(t, groups(), root, []string{"name", "gid", "members"}, nil)
	if want := []string{"admin | 80 | [root, ann, ghost]", "wheel | 0 | [root]"}; !slices.Equal(rows, want) {
		t.Errorf("%q", rows)
	}
	rows, rec = moduletest.Rows(t, logins(), root, strings.Fields("time kind user tty host address process path"), nil)
	want = []string{
		"2026-03-01T08:00:00Z | boot | null | null | null | null | null | /private/var/run/utmpx",
		"2026-03-01T08:01:00Z | login | ann | ttys001 | 10.0.0.7 | 10.0.0.7 | 812 | /private/var/run/utmpx",
		"2026-03-01T08:01:30Z | shutdown | shutdown | null | null | null | null | /private/var/run/utmpx",
	}
	if !slices.Equal(rows, want) {
		t.Errorf("%s", strings.Join(rows, "\n"))
	}
	if s := rec.Skips(); !slices.ContainsFunc(s, func(s modules.Skip) bool { return s.Where == "/private/var/run/utmpx:5" }) {
		t.Errorf("%+v", s)
	}
}
