package persistence

import (
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/account"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// The kinds of job.
const (
	cronSystem   = "crontab"
	cronUser     = "user"
	cronAnacron  = "anacron"
	cronAt       = "at"
	cronPeriodic = "periodic"
)

// A job is something that cron, anacron or at will run.
type job struct {
	path        string
	line        int64 // 0 where the whole file is the job
	kind        string
	name        string
	schedule    string
	at          time.Time
	user        string
	command     string
	environment []string
}

func crons() modules.Module {
	return table.New(modules.Schema{
		Name: "cron", Doc: "The jobs of cron, anacron and at: what runs at which times, and as whom.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "path", Doc: "a glob of paths", Example: "'/etc/cron.d/*'"},
	}, []table.Column[job]{
		table.Text("path", "The file that holds the job.", func(j *job) string { return j.path }).To("file").Shown(),
		table.Value("line", value.Int, "The number of the line in that file, from 1; null where the file as a whole is the job.", func(j *job) value.Value {
			if j.line == 0 {
				return value.Value{}
			}
			return value.NewInt(j.line)
		}).Shown(),
		table.Text("kind", "Whose job it is: a crontab of the system, one of a user, anacron's, at's, or a script in a directory that is run periodically.", func(j *job) string { return j.kind }).
			OneOf(cronSystem, cronUser, cronAnacron, cronAt, cronPeriodic).Shown(),
		table.Text("schedule", "When it runs, as it is written there: five fields of time, a word such as @daily, anacron's days and delay in minutes, the name of the period, or the time in UTC.", func(j *job) string { return j.schedule }).Shown(),
		table.Text("user", "The name of the user as whom it runs; for a job of at the number, where no user has it.", func(j *job) string { return j.user }).To("user").Shown(),
		table.Text("command", "What it runs, as it is written there; the path of a script that is run periodically.", func(j *job) string { return j.command }).Shown(),
		table.Text("name", "The name that anacron gives the job, or its number in at; null for others.", func(j *job) string { return j.name }),
		table.Time("at", "The time at which a job of at runs; null for others.", func(j *job) time.Time { return j.at }),
		table.Texts("environment", "The settings that hold for the job, each as NAME=VALUE. Those of at are the whole environment of who made it.", func(j *job) []string { return j.environment }).Sensitive(),
	}, listCron)
}

func listCron(s *table.Scan, yield func(*job) error) error {
	if !onMac && elsewhere(s, "cron") {
		return nil
	}
	users := account.Users(s.FS)
	for _, list := range []func(*table.Scan, []account.User, func(*job) error) error{systemTabs, userTabs, periodic, atJobs} {
		if err := list(s, users, yield); err != nil {
			return err
		}
	}
	return nil
}

// yieldTab hands on the jobs of a table and reports the lines that are none.
func yieldTab(s *table.Scan, name string, t tab, yield func(*job) error) error {
	malformed(s, name, t.bad)
	for _, j := range t.jobs {
		j.path = name
		if err := yield(&j); err != nil {
			return err
		}
	}
	return nil
}

// as gives jobs a kind and, where they have none, a user.
func (t tab) as(kind, user string) tab {
	for i := range t.jobs {
		t.jobs[i].kind = kind
		if t.jobs[i].user == "" {
			t.jobs[i].user = user
		}
	}
	return t
}

// systemTabs lists the tables that only root may write.
func systemTabs(s *table.Scan, _ []account.User, yield func(*job) error) error {
	names := []string{"/etc/crontab"}
	for p := range files(s.FS, "/etc/cron.d") {
		names = append(names, p)
	}
	for _, p := range names {
		if text, ok := get(s, p); ok {
			if err := yieldTab(s, p, parseCrontab(text, true).as(cronSystem, ""), yield); err != nil {
				return err
			}
		}
	}
	if text, ok := get(s, "/etc/anacrontab"); ok {
		return yieldTab(s, "/etc/anacrontab", parseAnacrontab(text).as(cronAnacron, ""), yield)
	}
	return nil
}

// userTabs lists the tables of users, which are called like them: of Debian,
// SUSE, Alpine, Red Hat and macOS.
func userTabs(s *table.Scan, _ []account.User, yield func(*job) error) error {
	for p := range files(s.FS, "/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/etc/crontabs", "/var/spool/cron", "/private/var/at/tabs") {
		user := path.Base(p)
		if user == "cron.update" || strings.HasPrefix(user, ".") {
			continue // notes of cron to itself
		}
		if text, ok := get(s, p); ok {
			if err := yieldTab(s, p, parseCrontab(text, false).as(cronUser, user), yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// periodic lists the scripts in directories that are run by their period. One
// that nobody may execute, and .placeholder, are not run.
func periodic(s *table.Scan, _ []account.User, yield func(*job) error) error {
	for _, dir := range []string{
		"/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly", "/etc/cron.yearly",
		"/etc/periodic/15min", "/etc/periodic/hourly", "/etc/periodic/daily", "/etc/periodic/weekly", "/etc/periodic/monthly",
	} {
		for p := range files(s.FS, dir) {
			st, ok := stat(s, p)
			if !ok || st.Mode().Perm()&0o111 == 0 {
				continue
			}
			period := strings.TrimPrefix(path.Base(dir), "cron.")
			if err := yield(&job{path: p, kind: cronPeriodic, schedule: period, user: "root", command: p}); err != nil {
				return err
			}
		}
	}
	return nil
}

// atJobs lists the jobs of at: of Debian, Red Hat, SUSE and macOS.
func atJobs(s *table.Scan, users []account.User, yield func(*job) error) error {
	for p := range files(s.FS, "/var/spool/cron/atjobs", "/var/spool/at", "/var/spool/atjobs", "/private/var/at/jobs") {
		number, at, ok := atName(path.Base(p))
		if !ok {
			continue // .SEQ and .lockfile
		}
		text, ok := get(s, p)
		if !ok {
			continue
		}
		j, uid, ok := parseAt(text)
		if !ok {
			s.Fail(p, hostfs.ErrMalformed)
			continue
		}
		// Who runs it is decided by the number; the name is for mail alone.
		j.user = strconv.FormatInt(uid, 10)
		for _, u := range users {
			if u.UID == uid {
				j.user = u.Name
				break
			}
		}
		j.path, j.kind, j.name, j.at, j.schedule = p, cronAt, number, at, at.Format(time.RFC3339)
		if err := yield(&j); err != nil {
			return err
		}
	}
	return nil
}
