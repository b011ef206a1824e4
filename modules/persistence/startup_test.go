package persistence

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func startupHost(t testing.TB) string {
	return tree(t, map[string]string{
		"etc/rc.local":                                  "#!/bin/sh\n/tmp/x &\n",
		"etc/rc.d/rc.local":                             "not executable",
		"etc/init.d/ssh":                                "#!/bin/sh\n",
		"etc/inittab":                                   "# c\nid:3:initdefault:\n1:2345:respawn:/sbin/getty 38400 tty1\nbad\n",
		"etc/profile.d/x.sh":                            "export A=1\n",
		"etc/bash.bashrc":                               "true\n",
		"home/ann/.bashrc":                              "true\n",
		"home/ann/.profile":                             "true\n",
		"home/ann/.ssh/rc":                              "true\n",
		"etc/xdg/autostart/a.desktop":                   "[Desktop Entry]\nName=Agent\nExec=/usr/bin/agent --x\n",
		"etc/xdg/autostart/off.desktop":                 "[Desktop Entry]\nExec=/no\nHidden=true\n",
		"home/ann/.config/autostart/b.desktop":          "[Desktop Entry]\nName=B\nExec=sh -c x\n",
		"etc/udev/rules.d/9.rules":                      "# c\nACTION==\"add\", SUBSYSTEM==\"usb\", \\\n  RUN+=\"/tmp/usb %k\", ENV{X}=\"1\"\nPROGRAM==\"helper a\", IMPORT{program}=\"/bin/i\", RUN{builtin}+=\"kmod\"\nRUN+=/no\n",
		"usr/lib/udev/helper":                           "#!/bin/sh\n",
		"etc/pam.d/sshd":                                "#%PAM-1.0\n@include common-auth\nauth [success=1 default=ignore] pam_exec.so quiet \\\n  /tmp/log\n-session optional /lib/evil.so\naccount include system\nnonsense\n",
		"etc/pam.conf":                                  "login auth required pam_none.so\n",
		"usr/lib/x86_64-linux-gnu/security/pam_exec.so": "\x7fELF",
		"etc/apt/apt.conf.d/1":                          "// c\nAPT::Periodic::Update \"1\";\nDPkg::Post-Invoke { \"/tmp/apt\"; \"second \\\"x\\\"\"; };\nAPT { Update { Post-Invoke-Success:: \"/bin/u\"; } }\n/* no */ #clear x;\nDPkg::Pre-Install-Pkgs {\"/usr/sbin/p || true\";};\nAptCli::Hooks::Install \"/bin/h\";\n",
		"etc/apt/apt.conf.d/2":                          "DPkg::Post-Invoke { \"/open\";\n",
		"etc/dpkg/dpkg.cfg":                             "no-debsig\npost-invoke=/bin/d x\n",
		"etc/dnf/plugins/post-transaction-actions.d/a.action": "kernel*:in:/bin/k x:y\n",
		"etc/dnf/libdnf5-plugins/actions.d/b.actions":         "post_transaction:*:in:mode=plain:/bin/l a:b\nbad\n",
		"usr/lib/python3.9/site-packages/dnf-plugins/p.py":    "pass\n",
		"etc/pacman.d/hooks/h.hook":                           "[Trigger]\nType=Path\n[Action]\nWhen=PostTransaction\nExec=/bin/pac\nAbortOnFail\n",
		"etc/update-motd.d/10-x":                              "#!/bin/sh\n",
		"etc/update-motd.d/20-off":                            "no\n",
		"etc/network/if-up.d/n":                               "#!/bin/sh\n",
		"etc/NetworkManager/dispatcher.d/pre-up.d/m":          "#!/bin/sh\n",
		"etc/ssh/sshrc":                                       "true\n",
		"etc/modules-load.d/gone.conf":                        "-> ../gone",
		"etc/modules":                                         "# c\nloop max_loop=1\n",
		"etc/modprobe.d/m.conf":                               "blacklist x\ninstall usb /bin/evil\ninstall\n",
		"etc/systemd/system-generators/g":                     "#!/bin/sh\n",
		"usr/lib/systemd/system-sleep/s":                      "#!/bin/sh\n",
		"proc/sys/kernel/core_pattern":                        "|/tmp/core %p\n",
	})
}

func TestStartups(t *testing.T) {
	got, rec := moduletest.Rows(t, startups(), startupHost(t), []string{"path", "line", "kind", "name", "user", "command", "program"}, nil)
	const apt = "/etc/apt/apt.conf.d/"
	want := []string{
		"/etc/rc.local | null | rc_local | rc.local | root | /etc/rc.local | /etc/rc.local",
		"/etc/init.d/ssh | null | init_d | ssh | root | /etc/init.d/ssh | /etc/init.d/ssh",
		"/etc/profile.d/x.sh | null | profile | x.sh | null | null | null",
		"/etc/bash.bashrc | null | bashrc | bash.bashrc | null | null | null",
		"/etc/update-motd.d/10-x | null | motd | 10-x | root | /etc/update-motd.d/10-x | /etc/update-motd.d/10-x",
		"/etc/network/if-up.d/n | null | network_hook | n | root | /etc/network/if-up.d/n | /etc/network/if-up.d/n",
		"/etc/NetworkManager/dispatcher.d/pre-up.d/m | null | network_hook | m | root | /etc/NetworkManager/dispatcher.d/pre-up.d/m | /etc/NetworkManager/dispatcher.d/pre-up.d/m",
		"/etc/ssh/sshrc | null | ssh_rc | sshrc | null | null | null",
		"/etc/systemd/system-generators/g | null | systemd_generator | g | root | /etc/systemd/system-generators/g | /etc/systemd/system-generators/g",
		"/usr/lib/systemd/system-sleep/s | null | systemd_hook | s | root | /usr/lib/systemd/system-sleep/s | /usr/lib/systemd/system-sleep/s",
		"/usr/lib/python3.9/site-packages/dnf-plugins/p.py | null | dnf_hook | p.py | root | null | null",
		"/etc/inittab | 3 | inittab | respawn | root | /sbin/getty 38400 tty1 | /sbin/getty",
		"/etc/xdg/autostart/a.desktop | 3 | xdg_autostart | Agent | null | /usr/bin/agent --x | /usr/bin/agent",
		"/etc/udev/rules.d/9.rules | 2 | udev | RUN | root | /tmp/usb %k | /tmp/usb",
		"/etc/udev/rules.d/9.rules | 4 | udev | PROGRAM | root | helper a | /usr/lib/udev/helper",
		"/etc/udev/rules.d/9.rules | 4 | udev | IMPORT{program} | root | /bin/i | /bin/i",
		"/etc/pam.d/sshd | 3 | pam | sshd auth | null | pam_exec.so quiet  /tmp/log | /usr/lib/x86_64-linux-gnu/security/pam_exec.so",
		"/etc/pam.d/sshd | 5 | pam | sshd session | null | /lib/evil.so | /lib/evil.so",
		"/etc/pam.conf | 1 | pam | login auth | null | pam_none.so | null",
		apt + "1 | 3 | apt_hook | DPkg::Post-Invoke | root | /tmp/apt | /tmp/apt",
		apt + "1 | 3 | apt_hook | DPkg::Post-Invoke | root | second \"x\" | null",
		apt + "1 | 4 | apt_hook | APT::Update::Post-Invoke-Success | root | /bin/u | /bin/u",
		apt + "1 | 6 | apt_hook | DPkg::Pre-Install-Pkgs | root | /usr/sbin/p || true | /usr/sbin/p",
		apt + "1 | 7 | apt_hook | AptCli::Hooks::Install | root | /bin/h | /bin/h",
		apt + "2 | 1 | apt_hook | DPkg::Post-Invoke | root | /open | /open",
		"/etc/dpkg/dpkg.cfg | 2 | dpkg_hook | post-invoke | root | /bin/d x | /bin/d",
		"/etc/dnf/plugins/post-transaction-actions.d/a.action | 1 | dnf_hook | kernel*:in | root | /bin/k x:y | /bin/k",
		"/etc/dnf/libdnf5-plugins/actions.d/b.actions | 1 | dnf_hook | post_transaction | root | /bin/l a:b | /bin/l",
		"/etc/pacman.d/hooks/h.hook | 5 | pacman_hook | PostTransaction | root | /bin/pac | /bin/pac",
		"/etc/modules | 2 | modules_load | loop | root | null | null",
		"/etc/modprobe.d/m.conf | 2 | modprobe | install usb | root | /bin/evil | /bin/evil",
		"/proc/sys/kernel/core_pattern | 1 | core_pattern | core_pattern | root | /tmp/core %p | /tmp/core",
		"/home/ann/.profile | null | profile | .profile | ann | null | null",
		"/home/ann/.bashrc | null | bashrc | .bashrc | ann | null | null",
		"/home/ann/.config/autostart/b.desktop | 3 | xdg_autostart | B | ann | sh -c x | null",
		"/home/ann/.ssh/rc | null | ssh_rc | rc | ann | null | null",
	}
	same(t, got, want)
	skipped(t, rec,
		"io_error /etc/inittab:4 malformed", "io_error /etc/udev/rules.d/9.rules:5 malformed", "io_error /etc/pam.d/sshd:7 malformed",
		"io_error /etc/apt/apt.conf.d/2:2 malformed", "io_error /etc/dnf/libdnf5-plugins/actions.d/b.actions:2 malformed", "io_error /etc/modprobe.d/m.conf:3 malformed")
}

// Where /lib is a directory of its own it is looked at too, and where it is
// not nothing is shown twice.
func TestStartupLib(t *testing.T) {
	rule := "RUN+=\"/a\"\n"
	for root, want := range map[string][]string{
		tree(t, map[string]string{"lib/udev/rules.d/1.rules": rule}):                                       {"/lib/udev/rules.d/1.rules"},
		tree(t, map[string]string{"usr/lib/udev/rules.d/1.rules": rule, "lib": "-> usr/lib"}):              {"/usr/lib/udev/rules.d/1.rules"},
		tree(t, map[string]string{"usr/lib/udev/rules.d/1.rules": rule, "lib/udev/rules.d/2.rules": rule}): {"/usr/lib/udev/rules.d/1.rules", "/lib/udev/rules.d/2.rules"},
	} {
		got, _ := moduletest.Rows(t, startups(), root, []string{"path"}, nil)
		same(t, got, want)
	}
}

func TestStartupContract(t *testing.T) { moduletest.Run(t, startups(), startupHost(t)) }

func TestStartupClosed(t *testing.T) { closed(t, startups(), startupHost(t), "etc/pam.d/sshd") }

func TestAgainstAptConfig(t *testing.T) {
	tool, err := exec.LookPath("apt-config")
	if err != nil {
		t.Skip("LEFT OUT: apt-config is not installed")
	}
	out, err := exec.CommandContext(t.Context(), tool, "dump").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		name, v, _ := strings.Cut(strings.TrimSuffix(line, "\";\n"), " \"")
		if name = strings.TrimRight(name, ":"); isAptHook(name) && v != "" {
			want = append(want, name+" | "+v)
		}
	}
	all, _ := moduletest.Rows(t, startups(), "", []string{"name", "command"}, []string{"/etc/apt/**"})
	slices.Sort(all)
	slices.Sort(want)
	same(t, all, want)
}

func FuzzStartups(f *testing.F) {
	f.Add([]byte("DPkg::Post-Invoke { \"/a\"; };"))
	f.Add([]byte("RUN+=\"/a\", RUN{program}=e\"b\\\"\" # c"))
	f.Add([]byte("auth [a=b] x.so\nsession include y\n1:2:respawn:/x"))
	f.Add([]byte("[Desktop Entry]\nExec=a\n[Action]\nExec=b"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for i, parse := range []func([]byte) ([]entry, []int){
			parseApt, parseUdev, parsePAM, parsePAMConf, parseInittab, parseDesktop, parsePacman, parseDpkg, parseDnf,
			parseModulesLoad, parseModprobe, parseCorePattern,
		} {
			list, bad := parse(text)
			for _, e := range list {
				if e.line < 1 || e.name == "" && e.command == "" {
					t.Errorf("%d: %+v", i, e)
				}
			}
			if len(list)+len(bad) > len(text)+1 {
				t.Errorf("%d: %d entries and %d mistakes", i, len(list), len(bad))
			}
		}
	})
}
