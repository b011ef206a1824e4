package account

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// utmp writes a record of utmp(5).
func utmp(kind, pid int, fields [3]string, address string, sec int64) string {
	b := make([]byte, utmpSize)
	binary.LittleEndian.PutUint16(b, uint16(kind))
	binary.LittleEndian.PutUint32(b[4:], uint32(pid))
	copy(b[8:40], fields[0])
	copy(b[40:44], fields[0])
	copy(b[44:76], fields[1])
	copy(b[76:332], fields[2])
	binary.LittleEndian.PutUint32(b[340:], uint32(sec))
	if address != "" {
		copy(b[348:364], netip.MustParseAddr(address).AsSlice())
	}
	return string(b)
}

// lastlog writes a record of a lastlog.
func lastlog(tty, from string, sec uint32) string {
	b := make([]byte, lastSize)
	binary.LittleEndian.PutUint32(b, sec)
	copy(b[4:36], tty)
	copy(b[36:], from)
	return string(b)
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	fmt.Fprint(w, text)
	w.Close()
	return b.String()
}

const day1 = 1_700_000_000 // 2023-11-14T22:13:20Z

// wtmp is a week of a system in two files.
func wtmp() (older, newer string) {
	older = utmp(2, 0, [3]string{"~", "reboot", "6.1.0"}, "", day1) +
		utmp(1, 53, [3]string{"~", "runlevel", "6.1.0"}, "", day1+1) +
		utmp(6, 400, [3]string{"tty1", "LOGIN", ""}, "", day1+2) +
		utmp(7, 500, [3]string{"pts/0", "ann", "10.0.0.9"}, "10.0.0.9", day1+60) +
		utmp(7, 501, [3]string{"pts/1", "bob", "desk"}, "2001:db8::7", day1+70)
	newer = utmp(8, 500, [3]string{"pts/0", "", ""}, "", day1+3660) +
		utmp(2, 0, [3]string{"~", "reboot", "6.1.0"}, "", day1+8000) +
		utmp(7, 600, [3]string{"tty1", "root", ""}, "", day1+8100) +
		utmp(1, 0, [3]string{"~", "shutdown", "6.1.0"}, "", day1+9000) +
		utmp(2, 0, [3]string{"~", "reboot", "6.1.0"}, "", day1+9100) +
		utmp(7, 700, [3]string{"pts/0", "ann", ""}, "", day1+9200)
	return older, newer
}

func loginHost(t *testing.T) string {
	older, newer := wtmp()
	return host(t, map[string]string{
		"etc/passwd":         "root:x:0:0::/root:/bin/sh\nann:x:2:2::/home/ann:/bin/sh\n",
		"var/log/wtmp":       newer + utmp(77, 1, [3]string{"x", "y", "z"}, "", day1) + strings.Repeat("\x00", utmpSize) + "rest",
		"var/log/wtmp.1.gz":  zipped(older),
		"var/log/wtmp.2.xz":  "?",
		"var/log/wtmp.3.gz":  "not a gzip",
		"var/log/btmp":       utmp(6, 900, [3]string{"ssh:notty", "admin", "1.2.3.4"}, "1.2.3.4", day1+5),
		"var/log/lastlog":    lastlog("", "", 0) + lastlog("pts/9", "1.2.3.5", day1) + lastlog("tty2", "desk", day1+1),
		"run/utmp":           utmp(7, 700, [3]string{"pts/0", "ann", ""}, "", day1+9200) + utmp(0, 3, [3]string{"pts/3", "", ""}, "", day1),
		"var/log/wtmp.d/dir": "",
	})
}

func TestLogins(t *testing.T) {
	columns := []string{"kind", "user", "uid", "tty", "host", "address", "process", "duration", "ended", "path"}
	got, rec := moduletest.Rows(t, logins(), loginHost(t), columns, nil)
	want := []string{
		"boot | reboot | null | ~ | 6.1.0 | null | null | null | null | /var/log/wtmp.1.gz",
		"runlevel | runlevel | null | ~ | 6.1.0 | null | null | null | null | /var/log/wtmp.1.gz",
		"prompt | LOGIN | null | tty1 | null | null | 400 | null | null | /var/log/wtmp.1.gz",
		"login | ann | null | pts/0 | 10.0.0.9 | 10.0.0.9 | 500 | 1h | logout | /var/log/wtmp.1.gz",
		"login | bob | null | pts/1 | desk | 2001:db8::7 | 501 | 2h12m10s | crash | /var/log/wtmp.1.gz",
		"logout | null | null | pts/0 | null | null | 500 | null | null | /var/log/wtmp",
		"boot | reboot | null | ~ | 6.1.0 | null | null | null | null | /var/log/wtmp",
		"login | root | null | tty1 | null | null | 600 | 15m | shutdown | /var/log/wtmp",
		"shutdown | shutdown | null | ~ | 6.1.0 | null | null | null | null | /var/log/wtmp",
		"boot | reboot | null | ~ | 6.1.0 | null | null | null | null | /var/log/wtmp",
		"login | ann | null | pts/0 | null | null | 700 | null | null | /var/log/wtmp",
		"empty | null | null | null | null | null | null | null | null | /var/log/wtmp",
		"failed | admin | null | ssh:notty | 1.2.3.4 | 1.2.3.4 | 900 | null | null | /var/log/btmp",
		"last | null | 1 | pts/9 | 1.2.3.5 | 1.2.3.5 | null | null | null | /var/log/lastlog",
		"last | ann | 2 | tty2 | desk | null | null | null | null | /var/log/lastlog",
		"login | ann | null | pts/0 | null | null | 700 | null | null | /run/utmp",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	var where []string
	for _, s := range rec.Skips() {
		where = append(where, s.Where+" "+string(s.Kind))
	}
	slices.Sort(where)
	if want := []string{
		"/var/log/wtmp.2.xz unsupported", "/var/log/wtmp.3.gz io_error", "/var/log/wtmp.d special_file",
		"/var/log/wtmp:7 io_error", "/var/log/wtmp:9 io_error",
	}; !slices.Equal(where, want) {
		t.Errorf("%q", where)
	}
}

// A hostile lastlog is long and hollow; users that are known are found in it.
func TestLongLastlog(t *testing.T) {
	root := host(t, map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\nfar:x:900000:0::/:/bin/sh\n", "var/log/lastlog": lastlog("tty1", "", day1),
	})
	f, err := os.OpenFile(filepath.Join(root, "var/log/lastlog"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(lastlog("tty2", "", day1)), 900_000*lastSize); err != nil {
		t.Fatal(err)
	}
	got, rec := moduletest.Rows(t, logins(), root, []string{"user", "tty"}, []string{"/var/log/lastlog"})
	if !slices.Equal(got, []string{"root | tty1", "far | tty2"}) || len(rec.Skips()) != 1 {
		t.Errorf("%q, %+v", got, rec.Skips())
	}
}

func TestAgainstUtmpdump(t *testing.T) {
	older, newer := wtmp()
	root := host(t, map[string]string{"var/log/wtmp": older + newer})
	out, err := exec.CommandContext(t.Context(), "utmpdump", filepath.Join(root, "var/log/wtmp")).Output()
	if err != nil {
		t.Skip("LEFT OUT: utmpdump is not installed")
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		var f []string
		for _, m := range regexp.MustCompile(`\[([^\]]*)\]`).FindAllStringSubmatch(line, -1) {
			f = append(f, strings.TrimSpace(m[1]))
		}
		at, err := time.Parse("2006-01-02T15:04:05,000000-07:00", f[7])
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, strings.Join([]string{f[3], f[4], f[5], strings.Replace(f[6], "0.0.0.0", "", 1), at.UTC().Format(time.RFC3339)}, " | "))
	}
	got, _ := moduletest.Rows(t, logins(), root, []string{"user", "tty", "host", "address", "time"}, nil)
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], "null", "")
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAgainstLast(t *testing.T) {
	older, newer := wtmp()
	root := host(t, map[string]string{"var/log/wtmp": older + newer})
	cmd := exec.CommandContext(t.Context(), "last", "--time-format", "iso", "-f", filepath.Join(root, "var/log/wtmp"))
	cmd.Env = append(os.Environ(), "TZ=UTC")
	out, err := cmd.Output()
	if err != nil {
		t.Skip("LEFT OUT: last is not installed, or an old one")
	}
	ends := map[string]string{"down": endDown, "crash": endCrash, "gone": "null", "still": "null"}
	var want []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		i := slices.IndexFunc(f, func(s string) bool { return strings.HasPrefix(s, "2023-") })
		if i < 0 || f[0] == "reboot" || f[0] == "wtmp" {
			continue
		}
		how := f[i+1]
		if how == "-" {
			how = f[i+2]
		}
		end, ok := ends[how]
		if !ok {
			end = endOut
		}
		want = append(want, f[0]+" | "+f[1]+" | "+end)
	}
	slices.Reverse(want)
	got, _ := moduletest.Rows(t, logins(), root, []string{"kind", "user", "tty", "ended"}, nil)
	got = slices.DeleteFunc(got, func(s string) bool { return !strings.HasPrefix(s, "login | ") })
	for i := range got {
		got[i] = strings.TrimPrefix(got[i], "login | ")
	}
	if !slices.Equal(got, want) || len(want) != 4 {
		t.Errorf("%q\nnot %q\n%s", got, want, out)
	}
}

func FuzzUtmp(f *testing.F) {
	older, _ := wtmp()
	f.Add([]byte(older[:utmpSize]))
	f.Add([]byte(lastlog("tty", "h", 3)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := parseUtmp(b); ok && (len(b) != utmpSize || len(r.tty) > 32 || len(r.host) > 256) {
			t.Errorf("%+v", r)
		} else if ok {
			loginOf("/x", &r)
		}
		parseLast(b)
	})
}
