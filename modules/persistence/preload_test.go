package persistence

import (
	"slices"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func preloadHost(t testing.TB) string {
	return tree(t, map[string]string{
		"etc/ld.so.preload":                     "# ours\n/usr/lib/libx.so:/tmp/y.so # why\nlibz.so\n",
		"etc/environment":                       "PATH=/bin\nLD_PRELOAD=\"/a.so /b.so\"\n#LD_AUDIT=/no\n",
		"etc/environment.d/1.conf":              "LD_LIBRARY_PATH=/opt/lib:$HOME/lib\n",
		"etc/security/pam_env.conf":             "LD_AUDIT DEFAULT=/audit.so OVERRIDE=\nLD_OTHER DEFAULT=x\n",
		"etc/systemd/system.conf":               "[Manager]\nDefaultEnvironment=\"LD_PRELOAD=/all.so\" A=B\n",
		"etc/profile.d/x.sh":                    "export A=1 LD_PRELOAD='/p.so'; true\nMY_LD_PRELOAD=/no\necho $LD_PRELOAD LD_PRELOAD\nLD_PRELOAD= /bin/x\n",
		"etc/csh.cshrc":                         "setenv LD_PRELOAD /csh.so\n",
		"etc/cron.d/x":                          "LD_PRELOAD=/cron.so\n* * * * * root LD_AUDIT=/job.so x\n",
		"etc/systemd/system/a.service":          "[Service]\nEnvironment=LD_PRELOAD=/back.so\nEnvironment=\nEnvironment=B=1 \\\n  \"LD_PRELOAD=/unit.so\"\nEnvironmentFile=-/etc/default/a\nEnvironmentFile=/etc/default/%i\n",
		"etc/systemd/system/b.service":          "-> a.service",
		"etc/systemd/system/a.service.d/x.conf": "[Service]\nEnvironment=LD_AUDIT=/drop.so\n",
		"etc/default/a":                         "LD_LIBRARY_PATH=/default\n",
		"home/ann/.bashrc":                      "alias ls='LD_PRELOAD=/home/ann/.h.so ls'\n",
		"home/ann/.pam_environment":             "LD_PRELOAD=/pam.so\n",
		"home/ann/.config/fish/config.fish":     "set -gx LD_PRELOAD /fish.so\n",
	})
}

func TestPreloads(t *testing.T) {
	got, rec := moduletest.Rows(t, preloads(), preloadHost(t), []string{"path", "line", "source", "variable", "value", "library", "unit", "user"}, nil)
	same(t, got, []string{
		"/etc/ld.so.preload | 2 | ld_so_preload | null | /usr/lib/libx.so | /usr/lib/libx.so | null | null",
		"/etc/ld.so.preload | 2 | ld_so_preload | null | /tmp/y.so | /tmp/y.so | null | null",
		"/etc/ld.so.preload | 3 | ld_so_preload | null | libz.so | null | null | null",
		"/etc/environment | 2 | environment | LD_PRELOAD | /a.so | /a.so | null | null",
		"/etc/environment | 2 | environment | LD_PRELOAD | /b.so | /b.so | null | null",
		"/etc/environment.d/1.conf | 1 | environment | LD_LIBRARY_PATH | /opt/lib | /opt/lib | null | null",
		"/etc/environment.d/1.conf | 1 | environment | LD_LIBRARY_PATH | $HOME/lib | null | null | null",
		"/etc/security/pam_env.conf | 1 | pam_env | LD_AUDIT | /audit.so | /audit.so | null | null",
		"/etc/systemd/system.conf | 2 | systemd | LD_PRELOAD | /all.so | /all.so | null | null",
		"/etc/profile.d/x.sh | 1 | shell | LD_PRELOAD | /p.so | /p.so | null | null",
		"/etc/csh.cshrc | 1 | shell | LD_PRELOAD | /csh.so | /csh.so | null | null",
		"/etc/cron.d/x | 1 | cron | LD_PRELOAD | /cron.so | /cron.so | null | null",
		"/etc/cron.d/x | 2 | cron | LD_AUDIT | /job.so | /job.so | null | null",
		"/home/ann/.bashrc | 1 | shell | LD_PRELOAD | /home/ann/.h.so | /home/ann/.h.so | null | ann",
		"/home/ann/.config/fish/config.fish | 1 | shell | LD_PRELOAD | /fish.so | /fish.so | null | ann",
		"/home/ann/.pam_environment | 1 | pam_env | LD_PRELOAD | /pam.so | /pam.so | null | ann",
		"/etc/systemd/system/a.service | 4 | unit | LD_PRELOAD | /unit.so | /unit.so | /etc/systemd/system/a.service | null",
		"/etc/default/a | 1 | unit | LD_LIBRARY_PATH | /default | /default | /etc/systemd/system/a.service | null",
		"/etc/systemd/system/a.service.d/x.conf | 2 | unit | LD_AUDIT | /drop.so | /drop.so | /etc/systemd/system/a.service | null",
	})
	skipped(t, rec, "unsupported /etc/systemd/system/a.service EnvironmentFile=/etc/default/%i")
}

func TestPreloadContract(t *testing.T) { moduletest.Run(t, preloads(), preloadHost(t)) }

func TestPreloadClosed(t *testing.T) { closed(t, preloads(), preloadHost(t), "etc/ld.so.preload") }

func FuzzAssignments(f *testing.F) {
	f.Add([]byte("export LD_PRELOAD='/a.so' LD_AUDIT=/b\nsetenv LD_PRELOAD x\nLD_AUDIT DEFAULT=/x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, parse := range []func([]byte) []assignment{parsePreload, parseAssignments, parsePAMEnv, parseManager} {
			for _, a := range parse(text) {
				if a.value == "" || a.line == 0 || a.variable != "" && !slices.Contains(loaderVariables(), a.variable) {
					t.Errorf("%+v", a)
				}
				a.parts()
			}
		}
	})
}
