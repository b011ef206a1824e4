package persistence

import (
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const installed = "[Install]\nWantedBy=multi-user.target\n"

func unitHost(t testing.TB) string {
	return tree(t, map[string]string{
		"lib":                                "-> usr/lib",
		"usr/lib/systemd/system/web.service": "# a web server\n[Unit]\nDescription=The web\n\n[Service]\nType=notify\nUser=www\nEnvironment=\"A=1 2\" B=3\nExecStartPre=/bin/test \\\n; no comment of ours\n  -x /bin/web\nExecStart=/bin/web -f %i\nExecReload=/bin/kill $MAINPID\n" + installed,
		"etc/systemd/system/web.service.d/9.conf":                                                        "[Service]\nExecStart=\nExecStart=/tmp/.web\nnothing\n",
		"usr/lib/systemd/system/web.service.d/1.conf":                                                    "[Service]\nUser=root\n",
		"usr/lib/systemd/system/web.service.d/9.conf":                                                    "[Service]\nUser=hidden\n",
		"etc/systemd/system/multi-user.target.wants/web.service":                                         "-> /lib/systemd/system/web.service",
		"usr/lib/systemd/system/off.service":                                                             "[Service]\nExecStart=/bin/off\n" + installed,
		"usr/lib/systemd/system/static.service":                                                          "[Service]\nExecStart=/bin/static\nDynamicUser=yes\n",
		"usr/lib/systemd/system/multi-user.target":                                                       "[Unit]\nDescription=Many users\n",
		"usr/lib/systemd/system/multi-user.target.wants/static.service":                                  "-> ../static.service",
		"usr/lib/systemd/system/also.service":                                                            "[Service]\nExecStart=/bin/also\n[Install]\nAlso=web.service\n",
		"usr/lib/systemd/system/masked.service":                                                          "[Service]\nExecStart=/bin/masked\n" + installed,
		"etc/systemd/system/masked.service":                                                              "-> /dev/null",
		"run/systemd/system/gone.service":                                                                "-> /dev/null",
		"etc/systemd/system/empty.service":                                                               "",
		"usr/lib/systemd/system/real.service":                                                            "[Service]\nExecStart=/bin/real\n[Install]\nAlias=named.service\n",
		"etc/systemd/system/named.service":                                                               "-> /usr/lib/systemd/system/real.service",
		"usr/lib/systemd/system/other.service":                                                           "-> off.service",
		"opt/linked.service":                                                                             "[Service]\nExecStart=/opt/linked\n" + installed,
		"etc/systemd/system/linked.service":                                                              "-> /opt/linked.service",
		"opt/lasting.service":                                                                            "[Service]\nExecStart=/opt/lasting\n" + installed,
		"etc/systemd/system/lasting.service":                                                             "-> /opt/lasting.service",
		"etc/systemd/system/multi-user.target.wants/lasting.service":                                     "-> /opt/lasting.service",
		"usr/lib/systemd/system/tty@.service":                                                            "[Service]\nExecStart=/bin/tty %I\n[Install]\nWantedBy=multi-user.target\nDefaultInstance=one\n",
		"etc/systemd/system/multi-user.target.wants/tty@one.service":                                     "-> /lib/systemd/system/tty@.service",
		"usr/lib/systemd/system/other@.service":                                                          "[Service]\nExecStart=/bin/other %I\n" + installed,
		"etc/systemd/system/multi-user.target.wants/other@x.service":                                     "-> /lib/systemd/system/other@.service",
		"run/systemd/system/volatile.service":                                                            "[Service]\nExecStart=/run/volatile\n" + installed,
		"run/systemd/system/multi-user.target.wants/volatile.service":                                    "-> ../volatile.service",
		"run/systemd/generator/made.service":                                                             "[Service]\nExecStart=/made\n",
		"usr/lib/systemd/system/in.socket":                                                               "[Socket]\nListenStream=1\nAccept=yes\n[Install]\nWantedBy=sockets.target\n",
		"usr/lib/systemd/system/in@.service":                                                             "[Service]\nExecStart=-/bin/in\n",
		"usr/lib/systemd/system/readme.txt":                                                              "no unit",
		"usr/lib/systemd/user/agent.service":                                                             "[Service]\nExecStart=/bin/agent\n[Install]\nWantedBy=default.target\n",
		"etc/systemd/user/default.target.wants/agent.service":                                            "-> /usr/lib/systemd/user/agent.service",
		"home/ann/.config/systemd/user/mine.service":                                                     "[Service]\nExecStart=/home/ann/mine\n[Install]\nWantedBy=default.target\n",
		"home/ann/.config/systemd/user/default.target.wants/mine.service":                                "-> ../mine.service",
		"home/ann/.local/share/systemd/user/agent.service":                                               "[Service]\nExecStart=/home/ann/agent\n",
		"sys/fs/cgroup/system.slice/web.service/cgroup.procs":                                            "",
		"sys/fs/cgroup/system.slice/web.service/sub/cgroup.procs":                                        "12\n",
		"sys/fs/cgroup/system.slice/system-tty.slice/tty@one.service/cgroup.procs":                       "13\n",
		"sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/mine.service/cgroup.procs": "14\n",
	})
}

func TestUnits(t *testing.T) {
	got, rec := moduletest.Rows(t, units(), unitHost(t), []string{"path", "enabled", "active", "user", "exec_start", "wanted_by"}, nil)
	const lib = "/usr/lib/systemd/system/"
	want := []string{
		"/etc/systemd/system/empty.service | masked | false | null | null | []",
		"/etc/systemd/system/lasting.service | enabled | false | root | /opt/lasting | [multi-user.target]",
		"/etc/systemd/system/linked.service | linked | false | root | /opt/linked | []",
		"/etc/systemd/system/masked.service | masked | false | null | null | []",
		"/etc/systemd/system/named.service | alias | false | root | /bin/real | []",
		"/run/systemd/system/gone.service | masked-runtime | false | null | null | []",
		"/run/systemd/system/volatile.service | enabled-runtime | false | root | /run/volatile | [multi-user.target]",
		"/run/systemd/generator/made.service | generated | false | root | /made | []",
		lib + "also.service | indirect | false | root | /bin/also | []",
		lib + "in.socket | disabled | null | null | null | []",
		lib + "in@.service | static | false | root | -/bin/in | []",
		lib + "multi-user.target | static | null | null | null | []",
		lib + "off.service | disabled | false | root | /bin/off | []",
		lib + "other.service | alias | false | root | /bin/off | []",
		lib + "other@.service | indirect | false | root | /bin/other %I | [multi-user.target]",
		lib + "real.service | enabled | false | root | /bin/real | []",
		lib + "static.service | static | false | null | /bin/static | [multi-user.target]",
		lib + "tty@.service | enabled | true | root | /bin/tty %I | [multi-user.target]",
		lib + "web.service | enabled | true | root | /tmp/.web | [multi-user.target]",
		"/usr/lib/systemd/user/agent.service | enabled | false | null | /bin/agent | [default.target]",
		"/home/ann/.config/systemd/user/mine.service | enabled | true | ann | /home/ann/mine | [default.target]",
		"/home/ann/.local/share/systemd/user/agent.service | enabled | false | ann | /home/ann/agent | [default.target]",
	}
	same(t, got, want)
	skipped(t, rec, "io_error /etc/systemd/system/web.service.d/9.conf:4 malformed")
}

func TestUnitSettings(t *testing.T) {
	columns := []string{"type", "scope", "description", "service_type", "exec", "environment", "drop_ins", "instances", "triggers"}
	got, _ := moduletest.Rows(t, units(), unitHost(t), columns, []string{"web.service", "*.socket", "other@.service", "mine*"})
	same(t, got, []string{
		"socket | system | null | null | [] | [] | [] | [] | in@.service",
		"service | system | null | null | [/bin/other %I] | [] | [] | [other@x.service] | null",
		"service | system | The web | notify | [/bin/test  -x /bin/web, /bin/kill $MAINPID, /tmp/.web] | [A=1 2, B=3] | [/usr/lib/systemd/system/web.service.d/1.conf, /etc/systemd/system/web.service.d/9.conf] | [] | null",
		"service | user | null | null | [/home/ann/mine] | [] | [] | [] | null",
	})
}

// A link that leads nowhere is a unit of which nothing is known.
func TestUnitDangling(t *testing.T) {
	root := tree(t, map[string]string{"etc/systemd/system/lost.service": "-> /opt/lost.service"})
	got, rec := moduletest.Rows(t, units(), root, []string{"name", "enabled", "exec", "target"}, nil)
	same(t, got, []string{"lost.service | null | null | /opt/lost.service"})
	skipped(t, rec, "vanished /etc/systemd/system/lost.service no such file or directory")
}

func TestUnitContract(t *testing.T) { moduletest.Run(t, units(), unitHost(t)) }

func TestUnitClosed(t *testing.T) {
	closed(t, units(), unitHost(t), "usr/lib/systemd/system/web.service")
}

// What systemctl says of the live machine and of a prepared root.
func TestAgainstSystemctl(t *testing.T) {
	systemctl, err := exec.LookPath("systemctl")
	if err != nil {
		t.Skip("LEFT OUT: systemctl is not installed")
	}
	for _, root := range []string{"", unitHost(t)} {
		for scope, flag := range map[string]string{scopeSystem: "--system", scopeUser: "--global"} {
			out, err := exec.CommandContext(t.Context(), systemctl, "--root="+filepath.Join("/", root), flag, "--no-legend", "--no-pager", "list-unit-files").Output()
			if err != nil {
				t.Skipf("LEFT OUT: systemctl does not list the units of a root: %v", err)
			}
			want := map[string]string{}
			for line := range strings.Lines(string(out)) {
				fields := strings.Fields(line)
				want[fields[0]] = fields[1]
			}
			got := map[string]string{}
			rows, _ := moduletest.Rows(t, units(), root, []string{"scope", "name", "enabled", "path"}, nil)
			for _, row := range rows {
				f := strings.Split(row, " | ")
				if f[0] == scope && !strings.HasPrefix(f[3], "/home/") && !strings.HasPrefix(f[3], "/root/") {
					got[f[1]] = f[2]
				}
			}
			for _, name := range slices.Sorted(maps.Keys(want)) {
				if got[name] != want[name] {
					t.Errorf("%q %s: %s is %q, systemctl says %q", root, scope, name, got[name], want[name])
				}
				delete(got, name)
			}
			for name, state := range got {
				t.Errorf("%q %s: systemctl does not have %s, which is %s", root, scope, name, state)
			}
		}
	}
}

func FuzzUnit(f *testing.F) {
	f.Add([]byte("[Service]\nExecStart=/a \\\n b\nExecStart=\nEnvironment='a b' c"), "foo-bar@x.service")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		file, bad := parseUnit(text)
		if len(file)+len(bad) > strings.Count(string(text), "\n")+1 {
			t.Errorf("%+v", file)
		}
		file.words("", "Environment")
		file.all("", execNames()...)
		if len(name) < 256 && unitType(name) != "" && len(dropInNames(name)) < 2 {
			t.Errorf("%q has no drop-ins", name)
		}
	})
}
