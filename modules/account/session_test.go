package account

import (
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestSessions(t *testing.T) {
	root := host(t, map[string]string{
		"run/systemd/sessions/4": "# private\nUID=1000\nUSER=ann\nACTIVE=1\nSTATE=active\nREMOTE=1\nTYPE=tty\nREMOTE_HOST=10.0.0.9\nSERVICE=sshd\nLEADER=500\nREALTIME=1700000000000000\n",
		"run/systemd/sessions/5": "USER=\"bob\"\nTTY=/dev/tty2\nSERVICE=gdm-password\nTYPE=wayland\nSTATE=closing\nLEADER=x\n",
		"run/systemd/sessions/6": "ACTIVE=1\n", "run/systemd/sessions/4.ref": "",
		"run/utmp": utmp(2, 0, [3]string{"~", "reboot", ""}, "", day1) + utmp(7, 500, [3]string{"pts/0", "ann", "10.0.0.9"}, "10.0.0.9", day1) +
			utmp(7, 7, [3]string{"tty2", "bob", ""}, "", day1) + utmp(7, 8, [3]string{"pts/8", "eve", "desk"}, "1.2.3.4", day1+1) + utmp(8, 9, [3]string{"pts/9", "eve", ""}, "", day1),
	})
	got, rec := moduletest.Rows(t, sessions(), root, []string{"user", "tty", "host", "address", "time", "process", "id", "service", "type", "state", "path"}, nil)
	want := []string{
		"ann | null | 10.0.0.9 | 10.0.0.9 | 2023-11-14T22:13:20Z | 500 | 4 | sshd | tty | active | /run/systemd/sessions/4",
		"bob | tty2 | null | null | null | null | 5 | gdm-password | wayland | closing | /run/systemd/sessions/5",
		"eve | pts/8 | desk | 1.2.3.4 | 2023-11-14T22:13:21Z | 8 | null | null | null | null | /run/utmp",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if s := rec.Skips(); len(s) != 1 || s[0].Where != "/run/systemd/sessions/6" {
		t.Errorf("%+v", s)
	}
	if got, _ := moduletest.Rows(t, sessions(), root, []string{"user"}, []string{"e*"}); !slices.Equal(got, []string{"eve"}) {
		t.Errorf("%q", got)
	}
}

func FuzzSession(f *testing.F) {
	f.Add([]byte("USER=ann\nREALTIME=9223372036854775807\nTTY=\"x\\n\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if k, ok := parseSession(text); ok && k.user == "" {
			t.Errorf("%+v", k)
		}
	})
}
