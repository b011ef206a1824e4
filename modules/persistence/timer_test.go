package persistence

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func timerHost(t testing.TB) string {
	root := tree(t, map[string]string{
		"usr/lib/systemd/system/clean.timer":                 "[Unit]\nDescription=Daily\n[Timer]\nOnCalendar=daily\nOnCalendar=Mon 12:00\nPersistent=true\nRandomizedDelaySec=1h\n[Install]\nWantedBy=timers.target\n",
		"usr/lib/systemd/system/clean.service":               "[Service]\nExecStart=/bin/clean\n",
		"etc/systemd/system/timers.target.wants/clean.timer": "-> /usr/lib/systemd/system/clean.timer",
		"etc/systemd/system/evil.timer":                      "[Timer]\nOnBootSec=5min\nOnUnitActiveSec=1min\nOnActiveSec=1\nOnStartupSec=2\nOnUnitInactiveSec=3\nUnit=x@y.service\n",
		"etc/systemd/system/x@.service":                      "[Service]\nExecStart=/tmp/x\n",
		"etc/systemd/system/evil.timer.d/a.conf":             "[Timer]\nOnActiveSec=\n",
		"home/ann/.config/systemd/user/mine.timer":           "[Timer]\nOnCalendar=hourly\n",
		"var/lib/systemd/timers/stamp-clean.timer":           "",
	})
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(root, "var/lib/systemd/timers/stamp-clean.timer"), when, when); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestTimers(t *testing.T) {
	got, rec := moduletest.Rows(t, timers(), timerHost(t), []string{"path", "enabled", "user", "activates", "activates_path", "on_calendar", "persistent", "random_delay", "last_run"}, nil)
	same(t, got, []string{
		"/etc/systemd/system/evil.timer | static | null | x@y.service | /etc/systemd/system/x@.service | [] | false | null | null",
		"/usr/lib/systemd/system/clean.timer | enabled | null | clean.service | /usr/lib/systemd/system/clean.service | [daily, Mon 12:00] | true | 1h | 2026-01-02T03:04:05Z",
		"/home/ann/.config/systemd/user/mine.timer | static | ann | mine.service | null | [hourly] | false | null | null",
	})
	skipped(t, rec)
	got, _ = moduletest.Rows(t, timers(), timerHost(t), []string{"on_boot", "on_startup", "on_active", "on_unit_active", "on_unit_inactive"}, []string{"evil*"})
	same(t, got, []string{"[5min] | [2] | [] | [1min] | [3]"})
}

func TestTimerContract(t *testing.T) { moduletest.Run(t, timers(), timerHost(t)) }
