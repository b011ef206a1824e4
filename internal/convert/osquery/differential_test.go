//go:build unix

package osquery_test

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// asked runs the queries that a conversion gave, and gives their rows as
// texts, sorted. Times are seconds and flags are 0 and 1, as osquery has them.
func (w *world) asked(t testing.TB, r convert.Rule) []string {
	t.Helper()
	var out []string
	for _, q := range r.Queries {
		rows, err := w.session.Query(context.Background(), q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		for row, err := range rows.All() {
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			var cells []string
			for _, v := range row.Values() {
				cells = append(cells, cell(v))
			}
			out = append(out, strings.Join(cells, " | "))
		}
		if s := rows.Summary(); s.Outcome != answer.Complete {
			t.Fatalf("%s: %v", q, s)
		}
	}
	slices.Sort(out)
	return out
}

func cell(v value.Value) string {
	switch v.Type() {
	case value.Null:
		return ""
	case value.Time:
		return strconv.FormatInt(v.Time().Unix(), 10)
	case value.Bool:
		if v.Bool() {
			return "1"
		}
		return "0"
	case value.Size:
		return strconv.FormatInt(v.Int(), 10)
	case value.Duration:
		return strconv.FormatInt(int64(v.Duration()/time.Second), 10)
	case value.Float:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case value.Text, value.Version:
		return v.Text()
	}
	return v.String()
}

var written = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`)

// oracle asks SQLite.
func (w *world) oracle(t testing.TB, q string) []string {
	t.Helper()
	// SQLite's now is the clock's; the host's is not.
	at := w.now.Format("2006-01-02 15:04:05")
	rows, err := w.db.Query(strings.ReplaceAll(strings.ReplaceAll(q, "'now'", "'"+at+"'"), "unixepoch()", "unixepoch('"+at+"')"))
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		cells := make([]any, len(names))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, c := range cells {
			text := ""
			switch v := (*c.(*any)).(type) {
			case nil:
			case float64:
				text = strconv.FormatFloat(v, 'f', -1, 64)
			case []byte:
				text = string(v)
			default:
				text = fmt.Sprint(v)
			}
			if written.MatchString(text) {
				if tm, err := time.Parse("2006-01-02 15:04:05", text); err == nil {
					text = strconv.FormatInt(tm.Unix(), 10)
				}
			}
			texts = append(texts, text)
		}
		out = append(out, strings.Join(texts, " | "))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	slices.Sort(out)
	return out
}

var (
	pathLike = regexp.MustCompile(`(?i)\b(path|directory) (LIKE|=) '([^']*)'`)
	pathIn   = regexp.MustCompile(`(?i)\bpath IN \(('[^)]*')\)`)
)

// generated says which files osquery puts into its tables for a query: its
// globs are those of glob(3), in which * stands for no dot in front, and %%
// at the end goes down through the levels.
func generated(q string) func(string) bool {
	var tests []func(string) bool
	for _, m := range pathLike.FindAllStringSubmatch(q, -1) {
		pattern := m[3]
		if strings.EqualFold(m[1], "directory") {
			pattern += "/*" // listed, with dots
			tests = append(tests, func(p string) bool { ok, _ := path.Match(pattern, p); return ok })
			continue
		}
		if m[2] == "=" {
			tests = append(tests, func(p string) bool { return p == pattern })
			continue
		}
		deep := strings.HasSuffix(pattern, "/%%")
		glob := strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(pattern, "/%%"), "%%", "%"), "%", "*")
		tests = append(tests, func(p string) bool {
			if !deep {
				return globMatch(glob, p)
			}
			for n := 1; n < 10; n++ {
				if globMatch(glob+strings.Repeat("/*", n), p) {
					return true
				}
			}
			return false
		})
	}
	for _, m := range pathIn.FindAllStringSubmatch(q, -1) {
		for _, lit := range strings.Split(m[1], ",") {
			lit = strings.Trim(strings.TrimSpace(lit), "'")
			tests = append(tests, func(p string) bool { return p == lit })
		}
	}
	return func(p string) bool {
		return slices.ContainsFunc(tests, func(f func(string) bool) bool { return f(p) })
	}
}

func globMatch(glob, p string) bool {
	gs, ps := strings.Split(glob, "/"), strings.Split(p, "/")
	if len(gs) != len(ps) {
		return false
	}
	for i := range gs {
		if ok, _ := path.Match(gs[i], ps[i]); !ok || strings.HasPrefix(ps[i], ".") && !strings.HasPrefix(gs[i], ".") {
			return false
		}
	}
	return true
}

// same compares the rows of a query with those of what it is converted into.
func (w *world) same(t testing.TB, q string, files func(string) bool) {
	t.Helper()
	w.fillFiles(t, files)
	want := w.oracle(t, q)
	r, err := run(t, "x.sql", q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	rule := r.Rules[0]
	if rule.Outcome != convert.Whole {
		t.Errorf("%s\nis carried over %s: %v", q, rule.Outcome, rule.Notes)
		return
	}
	got := w.asked(t, rule)
	if len(rule.Queries) > 1 {
		got, want = slices.Compact(got), slices.Compact(want)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nbecame\n%s\nwhich gives\n  %s\nand osquery\n  %s", q, strings.Join(rule.Queries, ";\n"), strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// Which row SQLite takes columns from that are no keys of a group is its
// choice, but it is one row: here as well.
func TestBareColumnsAreOfOneRow(t *testing.T) {
	w := newWorld(t)
	w.fillFiles(t, nil)
	for _, tt := range []struct{ grouped, plain string }{
		{"SELECT uid, pid, name, cwd, cmdline FROM processes GROUP BY uid", "SELECT uid, pid, name, cwd, cmdline FROM processes"},
		{"SELECT p.uid, p.pid, u.username, u.shell, e.key FROM processes p JOIN users u USING (uid) JOIN process_envs e USING (pid) GROUP BY p.uid", "SELECT p.uid, p.pid, u.username, u.shell, e.key FROM processes p JOIN users u USING (uid) JOIN process_envs e USING (pid)"},
		{"SELECT uid & 1, pid, name FROM processes GROUP BY 1", "SELECT uid & 1, pid, name FROM processes"},
		{"SELECT pid, name FROM (SELECT pid, name, path FROM processes WHERE uid = 0 GROUP BY path)", "SELECT pid, name FROM processes WHERE uid = 0"},
	} {
		r, err := run(t, "x.sql", tt.grouped)
		if err != nil {
			t.Fatal(err)
		}
		if r.Rules[0].Outcome != convert.Whole {
			t.Errorf("%s: %v", tt.grouped, r.Rules[0].Notes)
			continue
		}
		got, groups, rows := w.asked(t, r.Rules[0]), w.oracle(t, tt.grouped), w.oracle(t, tt.plain)
		if len(got) != len(groups) {
			t.Errorf("%s: %d groups, and %d of osquery's", tt.grouped, len(got), len(groups))
		}
		for _, g := range got {
			if !slices.Contains(rows, g) {
				t.Errorf("%s: %s is no row of\n  %s", tt.grouped, g, strings.Join(rows, "\n  "))
			}
		}
	}
}

func TestSameRows(t *testing.T) {
	w := newWorld(t)
	for _, q := range strings.Split(sameQueries, "\n") {
		if q = strings.TrimSpace(q); q == "" || strings.HasPrefix(q, "--") {
			continue
		}
		t.Run(q, func(t *testing.T) { w.same(t, q, nil) })
	}
	for _, q := range strings.Split(sameFiles, "\n") {
		if q = strings.TrimSpace(q); q == "" {
			continue
		}
		t.Run(q, func(t *testing.T) { w.same(t, q, generated(q)) })
	}
}

// sameQueries are queries in the style of those that teams keep.
const sameQueries = `
SELECT pid, name, path FROM processes WHERE on_disk = 0
SELECT pid FROM processes WHERE on_disk != 1
SELECT pid FROM processes WHERE on_disk = -1
SELECT pid FROM processes WHERE on_disk < 1
SELECT pid, name FROM processes WHERE name LIKE 'curl'
SELECT pid, cmdline FROM processes WHERE cmdline LIKE '%evil%'
SELECT pid FROM processes WHERE cmdline NOT LIKE '%sshd%'
SELECT pid FROM processes WHERE NOT cmdline LIKE '%sshd%'
SELECT pid FROM processes WHERE NOT (cmdline LIKE '%sshd%' OR path = '')
SELECT pid FROM processes WHERE path = ''
SELECT pid FROM processes WHERE path != '' AND cwd <> '/'
SELECT pid FROM processes WHERE cwd != '/tmp'
SELECT pid FROM processes WHERE cwd NOT IN ('/tmp', '/')
SELECT pid FROM processes WHERE cwd NOT IN ('/tmp', '')
SELECT pid FROM processes WHERE cwd IN ('', '/opt')
SELECT pid FROM processes WHERE cmdline LIKE '%100\%' ESCAPE '\'
SELECT pid FROM processes WHERE path LIKE '/opt/app_1/%'
SELECT pid FROM processes WHERE cmdline LIKE 'run a_b'
SELECT pid FROM processes WHERE path GLOB '/usr/*bin/[bs]*'
SELECT pid FROM processes WHERE path NOT GLOB '/usr/*'
SELECT pid FROM processes WHERE name GLOB 'C*'
SELECT pid FROM processes WHERE state IN ('R', 'Z')
SELECT pid FROM processes WHERE state NOT IN ('S', 'D')
SELECT pid FROM processes WHERE uid = '0' AND euid <> 0
SELECT pid FROM processes WHERE uid BETWEEN 30 AND 1000
SELECT pid FROM processes WHERE uid NOT BETWEEN 30 AND 1000
SELECT pid FROM processes WHERE resident_size > 10485760
SELECT pid, resident_size / 1024 / 1024 AS mb FROM processes WHERE resident_size >= 41943040 AND threads > 1
SELECT pid, start_time FROM processes WHERE start_time > (strftime('%s', 'now') - 86400)
SELECT pid FROM processes WHERE start_time < strftime('%s', 'now') - 3600 * 24 * 30
SELECT pid FROM processes WHERE (strftime('%s', 'now') - start_time) / 86400 > 9
SELECT pid FROM processes WHERE (strftime('%s', 'now') - start_time) / 86400 >= 10 AND (strftime('%s', 'now') - start_time) / 86400 <= 30
SELECT pid FROM processes WHERE start_time > unixepoch() - 7200
SELECT pid FROM processes WHERE datetime(start_time, 'unixepoch') >= datetime('now', '-2 hours')
SELECT pid, datetime(start_time, 'unixepoch') AS started FROM processes WHERE uid = 1000
SELECT pid, date(start_time, 'unixepoch') AS day FROM processes WHERE uid = 0
SELECT pid FROM processes, time WHERE unix_time - start_time < 3600
SELECT pid FROM processes WHERE start_time > (SELECT unix_time FROM time) - 86400
SELECT p.name, u.username FROM processes p JOIN users u USING (uid)
SELECT p.pid, u.username FROM processes p LEFT JOIN users u ON p.uid = u.uid
SELECT p.pid FROM processes p LEFT JOIN users u ON p.uid = u.uid WHERE u.uid IS NULL
SELECT p.pid FROM processes p LEFT JOIN users u ON p.uid = u.uid WHERE u.username NOT LIKE 'r%'
SELECT p.pid FROM processes p LEFT JOIN users u ON p.uid = u.uid WHERE u.shell = '' OR u.shell NOT LIKE '%bash'
SELECT p.name, pp.name AS parent FROM processes p JOIN processes pp ON p.parent = pp.pid WHERE p.name = pp.name
SELECT p.pid, pp.name AS parent FROM processes p LEFT JOIN processes pp ON pp.pid = p.parent
SELECT p.pid, pp.name, gp.cmdline FROM processes p JOIN processes pp ON p.parent = pp.pid LEFT JOIN processes gp ON pp.parent = gp.pid
SELECT pid, (SELECT name FROM processes WHERE pid = p.parent) AS parent_name FROM processes p WHERE uid > 0
SELECT DISTINCT p.name, s.remote_address, s.remote_port FROM process_open_sockets s JOIN processes p USING (pid) WHERE s.remote_port NOT IN (0, 22)
SELECT pid FROM process_open_sockets WHERE remote_address = ''
SELECT socket FROM process_open_sockets WHERE remote_address != ''
SELECT socket FROM process_open_sockets WHERE remote_address != '0.0.0.0'
SELECT socket FROM process_open_sockets WHERE remote_address NOT IN ('0.0.0.0', '::', '')
SELECT socket FROM process_open_sockets WHERE remote_address NOT IN ('127.0.0.1', '0.0.0.0')
SELECT socket FROM process_open_sockets WHERE remote_address NOT LIKE '10.%' AND remote_address NOT LIKE '192.168.%'
SELECT socket FROM process_open_sockets WHERE remote_address LIKE '198.51.100.%' OR remote_address LIKE '%.7.7'
SELECT socket FROM process_open_sockets WHERE remote_port = 0
SELECT socket FROM process_open_sockets WHERE remote_port != 0 AND family = 2 AND protocol = 6
SELECT socket FROM process_open_sockets WHERE remote_port > 1024
SELECT socket FROM process_open_sockets WHERE remote_port < 1024
SELECT socket FROM process_open_sockets WHERE state = 'LISTEN' AND pid = -1 OR state = 'TIME_WAIT'
SELECT socket, path FROM process_open_sockets WHERE path <> '' OR remote_port = 443
SELECT pid, port, address FROM listening_ports WHERE port > 0
SELECT pid, path FROM listening_ports WHERE family = 1
SELECT pid FROM listening_ports
SELECT DISTINCT p.name, lp.port, lp.address FROM listening_ports lp JOIN processes p USING (pid) WHERE lp.address = '0.0.0.0' AND lp.port != 0
SELECT lp.port, p.path FROM listening_ports lp LEFT JOIN processes p ON lp.pid = p.pid WHERE lp.protocol = 17 OR p.uid = 33
SELECT p.pid FROM processes p WHERE p.pid NOT IN (SELECT pid FROM listening_ports) AND p.uid = 0
SELECT pid FROM processes WHERE uid NOT IN (SELECT uid FROM users)
SELECT pid FROM processes WHERE EXISTS (SELECT 1 FROM process_open_sockets s WHERE s.pid = processes.pid AND s.remote_port > 4000)
SELECT pid FROM processes WHERE NOT EXISTS (SELECT 1 FROM process_open_sockets s WHERE s.pid = processes.pid)
SELECT p.pid FROM processes p LEFT JOIN process_open_files f ON p.pid = f.pid WHERE f.pid IS NULL
SELECT p.name, f.path FROM processes p, process_open_files f WHERE p.pid = f.pid AND f.path LIKE '%.tar'
SELECT p.name, e.key, e.value FROM process_envs e JOIN processes p USING (pid) WHERE e.key = 'LD_PRELOAD'
SELECT pid, key FROM process_envs WHERE value = ''
SELECT pid FROM process_envs WHERE value NOT LIKE '%/%'
SELECT p.path, h.sha256 FROM processes p JOIN hash h ON p.path = h.path
SELECT DISTINCT h.sha256, u.username FROM processes p JOIN hash h USING (path) JOIN users u USING (uid) WHERE u.username != 'root'
SELECT p.pid, f.size FROM processes p LEFT JOIN file f ON p.path = f.path
SELECT p.pid FROM processes p LEFT JOIN file f ON p.path = f.path WHERE f.path IS NULL
SELECT p.pid, f.mode FROM processes p JOIN file f ON f.path = p.path WHERE f.mode LIKE '4%'
SELECT name, count(*) AS n FROM processes GROUP BY name HAVING n > 1
SELECT uid, count(*) AS n, sum(resident_size) AS total, max(threads) FROM processes GROUP BY uid
SELECT count(*) FROM processes WHERE uid = 0
SELECT count(DISTINCT name) AS names FROM processes
SELECT count(cwd) FROM processes
SELECT count(DISTINCT cwd) FROM processes
SELECT name FROM (SELECT name, count(*) AS c FROM processes GROUP BY name) WHERE c = 2
SELECT u.username, count(p.pid) AS n FROM processes p JOIN users u USING (uid) GROUP BY u.username
SELECT sum(CASE WHEN uid = 0 THEN 1 ELSE 0 END) AS roots, count(*) AS n FROM processes
SELECT name, CASE WHEN uid = 0 THEN 'root' WHEN uid < 1000 THEN 'system' ELSE 'user' END AS kind FROM processes
SELECT CASE state WHEN 'Z' THEN 'gone' ELSE 'here' END AS s, pid FROM processes
SELECT pid, name || ':' || pid AS label FROM processes WHERE pid < 500
SELECT pid, upper(name), length(cmdline) FROM processes WHERE uid = 0 AND length(cmdline) > 0
SELECT pid FROM processes WHERE length(cmdline) < 8
SELECT pid, substr(cmdline, 1, 4) FROM processes WHERE cmdline != ''
SELECT pid, replace(path, '/usr', '') FROM processes WHERE path LIKE '/usr%'
SELECT pid, coalesce(u.username, 'nobody') FROM processes p LEFT JOIN users u ON u.uid = p.uid
SELECT p.pid FROM processes p LEFT JOIN users u ON u.uid = p.uid WHERE coalesce(u.username, '') = ''
SELECT pid, iif(uid = 0, 'yes', 'no') FROM processes
SELECT pid FROM processes WHERE instr(cmdline, 'Evil') > 0
SELECT name FROM processes WHERE uid = 0 UNION SELECT username FROM users
SELECT pid FROM processes WHERE uid = 33 UNION ALL SELECT pid FROM processes WHERE uid = 1000
WITH roots AS (SELECT pid, name FROM processes WHERE uid = 0), shells AS (SELECT * FROM roots WHERE name LIKE '%sh%') SELECT shells.name, s.local_port FROM shells JOIN process_open_sockets s USING (pid)
SELECT name FROM (SELECT pid, name, uid FROM processes WHERE uid > 0) AS p JOIN users USING (uid) WHERE users.shell LIKE '%nologin'
SELECT username, directory FROM users WHERE shell NOT LIKE '%nologin'
SELECT username FROM users WHERE shell = ''
SELECT username FROM users WHERE description = '' ORDER BY username
SELECT username FROM users WHERE username COLLATE NOCASE = 'bob'
SELECT u.username, g.groupname FROM users u JOIN user_groups ug USING (uid) JOIN groups g ON g.gid = ug.gid
SELECT u.username FROM users u JOIN user_groups ug ON u.uid = ug.uid JOIN groups g ON ug.gid = g.gid WHERE g.groupname IN ('sudo', 'wheel')
SELECT u.username, g.groupname FROM users u JOIN groups g ON u.gid = g.gid
SELECT name, version FROM deb_packages WHERE name LIKE 'open%'
SELECT name FROM deb_packages WHERE status = 'install ok installed' AND version LIKE '%deb12%'
SELECT name FROM deb_packages WHERE status NOT LIKE 'install %'
SELECT name FROM deb_packages WHERE version > '3' AND size > 1000
SELECT name FROM deb_packages WHERE size < 7169 AND version = '5.2.15-2+b2'
SELECT command, path FROM crontab WHERE command LIKE '%/tmp/%'
SELECT command FROM crontab WHERE minute = '*/5' OR event = 'reboot'
SELECT command FROM crontab WHERE day_of_week != '*' AND month = '*' AND hour = '3'
SELECT pid FROM processes WHERE 1 = 1 AND uid IN (33)
SELECT pid FROM processes WHERE name IN ('sshd', 'nginx') AND NOT uid IN (33)
SELECT pid FROM processes ORDER BY start_time DESC LIMIT 3
SELECT name, pid FROM processes WHERE parent IN (SELECT pid FROM processes WHERE name = 'sshd')
SELECT a.pid FROM processes a JOIN processes b ON a.path = b.path AND a.pid != b.pid WHERE a.path != ''
SELECT pid FROM processes WHERE uid != gid OR (uid = 0 AND euid = 33)
SELECT DISTINCT cwd FROM processes WHERE cwd != ''
SELECT pid FROM processes WHERE CAST(substr(cmdline, 5, 10) AS INTEGER) = 0 AND uid = 33
SELECT name FROM processes EXCEPT SELECT username FROM users
SELECT pid FROM processes WHERE path IS NOT NULL AND uid = 0
SELECT pid, substr(name, 0, 3) FROM processes WHERE substr(name, 0, 3) = 'ss'
SELECT pid, rtrim(name, 'dh') FROM processes WHERE rtrim(name, 'dh') != ltrim(name, 'so')
SELECT pid, name, u.username FROM processes p LEFT JOIN users u ON u.uid = p.uid WHERE p.uid < 100 GROUP BY p.pid
SELECT pid, regex_match_free FROM (SELECT pid, name AS regex_match_free FROM processes) WHERE regex_match_free LIKE "s%"
SELECT p.pid FROM processes p LEFT JOIN processes pp ON p.parent = pp.pid WHERE NOT pp.name IN ('systemd') AND NOT p.name IN ("bash", 'CURL')
SELECT pid FROM processes WHERE uid & 32
SELECT pid, uid & 33, threads | 8 FROM processes WHERE uid & 32 = 32 OR threads | 1 = 5
SELECT pid, fd FROM process_open_sockets WHERE local_port & 1 != 0 AND pid > 0
SELECT p.pid, max(p.uid, 500) FROM processes p WHERE min(p.uid, 500) = 500
`

// sameFiles look for files by patterns.
const sameFiles = `
SELECT path, size, mode FROM file WHERE path LIKE '/etc/%'
SELECT path FROM file WHERE path LIKE '/tmp/%%'
SELECT path FROM file WHERE path LIKE '/tmp/%' OR path LIKE '/tmp/.%'
SELECT path, filename FROM file WHERE path LIKE '/tmp/%/%'
SELECT path FROM file WHERE path LIKE '/home/%/.ssh/%'
SELECT path FROM file WHERE path LIKE '/tmp/%%' AND filename LIKE '%.SH'
SELECT path FROM file WHERE path LIKE '/tmp/%.sh'
SELECT path, mtime FROM file WHERE path IN ('/etc/passwd', '/etc/nothing', '/tmp/a.sh')
SELECT path FROM file WHERE path = '/usr/bin/bash' AND mode = '4755'
SELECT filename FROM file WHERE directory = '/etc'
SELECT filename FROM file WHERE directory = '/tmp' AND type = 'regular' AND size > 0
SELECT path FROM file WHERE path LIKE '/home/%/%' AND path NOT LIKE '%.txt'
SELECT path FROM file WHERE path LIKE '/tmp/%%' AND mtime > (strftime('%s', 'now') - 86400 * 5)
SELECT path FROM file WHERE path LIKE '/etc/cron%/%%'
SELECT f.path, h.sha256 FROM file f JOIN hash h USING (path) WHERE f.path LIKE '/tmp/%%' AND f.type = 'regular'
SELECT path, sha256 FROM hash WHERE path LIKE '/usr/bin/%'
SELECT path FROM file WHERE (path LIKE '/tmp/%' OR path LIKE '/etc/%') AND size < 3
SELECT count(*) FROM file WHERE path LIKE '/tmp/%%' AND type = 'directory'
SELECT path FROM file WHERE path LIKE '/tmp/dir/%' AND type != 'directory'
SELECT path FROM hash WHERE path IN (SELECT path FROM file WHERE path LIKE '/home/%/%' AND size > 3)
`
