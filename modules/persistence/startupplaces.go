package persistence

import "path"

// The kinds of startup.
const (
	startRCLocal     = "rc_local"
	startInit        = "init_d"
	startInittab     = "inittab"
	startProfile     = "profile"
	startBashrc      = "bashrc"
	startXsession    = "xsession"
	startAutostart   = "xdg_autostart"
	startUdev        = "udev"
	startPAM         = "pam"
	startApt         = "apt_hook"
	startDpkg        = "dpkg_hook"
	startDnf         = "dnf_hook"
	startPacman      = "pacman_hook"
	startMotd        = "motd"
	startNetwork     = "network_hook"
	startSSH         = "ssh_rc"
	startModulesLoad = "modules_load"
	startModprobe    = "modprobe"
	startGenerator   = "systemd_generator"
	startSystemd     = "systemd_hook"
	startCore        = "core_pattern"
)

func startupKinds() []string {
	return append([]string{
		startRCLocal, startInit, startInittab, startProfile, startBashrc, startXsession, startAutostart, startUdev, startPAM,
		startApt, startDpkg, startDnf, startPacman, startMotd, startNetwork, startSSH, startModulesLoad, startModprobe,
		startGenerator, startSystemd, startCore, startLoginItem, startLoginHook, startEmond, startItem, startPlugin,
	}, windowsStartupKinds()...)
}

// How the files of a place start something.
const (
	runs    = iota // each is a program, if it may be executed
	reads          // each is read by a shell
	lists          // each holds commands
	bundles        // each is a folder of macOS whose program is loaded
)

// A startupPlace is files of one kind.
type startupPlace struct {
	kind, user string
	how        int
	parse      func([]byte) ([]entry, []int)
	globs      []string
}

// systemStartups are the places of the system.
func systemStartups() []startupPlace {
	const root = "root"
	return append([]startupPlace{
		{startRCLocal, root, runs, nil, []string{"/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d/boot.local", "/etc/local.d/*.start"}},
		{startInit, root, runs, nil, []string{"/etc/init.d/*", "/etc/rc.d/init.d/*"}},
		{startProfile, "", reads, nil, []string{"/etc/profile", "/etc/profile.d/*", "/etc/zprofile", "/etc/zlogin", "/etc/zsh/zprofile", "/etc/zsh/zlogin", "/etc/csh.login"}},
		{startBashrc, "", reads, nil, []string{
			"/etc/bash.bashrc", "/etc/bashrc", "/etc/bash/bashrc", "/etc/bash/bashrc.d/*", "/etc/zshenv", "/etc/zshrc", "/etc/zsh/zshenv", "/etc/zsh/zshrc",
			"/etc/csh.cshrc", "/etc/fish/config.fish", "/etc/fish/conf.d/*.fish",
		}},
		{startXsession, "", reads, nil, []string{"/etc/X11/Xsession.d/*", "/etc/X11/xinit/xinitrc.d/*"}},
		{startMotd, root, runs, nil, []string{"/etc/update-motd.d/*"}},
		{startNetwork, root, runs, nil, []string{
			"/etc/network/if-*.d/*", "/etc/NetworkManager/dispatcher.d/*", "/etc/NetworkManager/dispatcher.d/*.d/*", "/usr/lib/NetworkManager/dispatcher.d/*",
			"/usr/lib/NetworkManager/dispatcher.d/*.d/*", "/etc/networkd-dispatcher/*.d/*", "/usr/lib/networkd-dispatcher/*.d/*", "/etc/ppp/ip*.d/*",
		}},
		{startNetwork, root, reads, nil, []string{"/etc/dhcp/dhclient-*-hooks.d/*"}},
		{startSSH, "", reads, nil, []string{"/etc/ssh/sshrc"}},
		{startGenerator, root, runs, nil, []string{
			"/etc/systemd/system-generators/*", "/run/systemd/system-generators/*", "/usr/local/lib/systemd/system-generators/*", "/usr/lib/systemd/system-generators/*",
		}},
		{startGenerator, "", runs, nil, []string{
			"/etc/systemd/user-generators/*", "/run/systemd/user-generators/*", "/usr/local/lib/systemd/user-generators/*", "/usr/lib/systemd/user-generators/*",
		}},
		{startSystemd, root, runs, nil, []string{
			"/etc/systemd/system-sleep/*", "/usr/lib/systemd/system-sleep/*", "/etc/systemd/system-shutdown/*", "/usr/lib/systemd/system-shutdown/*",
		}},
		{startDnf, root, reads, nil, []string{"/usr/lib/python3*/site-packages/dnf-plugins/*.py", "/usr/lib/yum-plugins/*.py"}},
	}, listedStartups(root)...)
}

// listedStartups are the files of the system that hold commands.
func listedStartups(root string) []startupPlace {
	return []startupPlace{
		{startInittab, root, lists, parseInittab, []string{"/etc/inittab"}},
		{startAutostart, "", lists, parseDesktop, []string{"/etc/xdg/autostart/*.desktop"}},
		{startUdev, root, lists, parseUdev, []string{"/etc/udev/rules.d/*.rules", "/run/udev/rules.d/*.rules", "/usr/local/lib/udev/rules.d/*.rules", "/usr/lib/udev/rules.d/*.rules"}},
		{startPAM, "", lists, parsePAM, []string{"/etc/pam.d/*", "/usr/lib/pam.d/*"}},
		{startPAM, "", lists, parsePAMConf, []string{"/etc/pam.conf"}},
		{startApt, root, lists, parseApt, []string{"/etc/apt/apt.conf", "/etc/apt/apt.conf.d/*"}},
		{startDpkg, root, lists, parseDpkg, []string{"/etc/dpkg/dpkg.cfg", "/etc/dpkg/dpkg.cfg.d/*"}},
		{startDnf, root, lists, parseDnf, []string{"/etc/dnf/plugins/post-transaction-actions.d/*.action", "/etc/dnf/libdnf5-plugins/actions.d/*.actions"}},
		{startPacman, root, lists, parsePacman, []string{"/etc/pacman.d/hooks/*.hook", "/usr/share/libalpm/hooks/*.hook"}},
		{startModulesLoad, root, lists, parseModulesLoad, []string{"/etc/modules", "/etc/modules-load.d/*.conf", "/run/modules-load.d/*.conf", "/usr/lib/modules-load.d/*.conf"}},
		{startModprobe, root, lists, parseModprobe, []string{"/etc/modprobe.d/*.conf", "/run/modprobe.d/*.conf", "/usr/lib/modprobe.d/*.conf"}},
		{startCore, root, lists, parseCorePattern, []string{"/proc/sys/kernel/core_pattern"}},
	}
}

// homeStartups are the places in a home.
func homeStartups(user, home string) []startupPlace {
	in := func(names ...string) []string {
		for i := range names {
			names[i] = path.Join(home, names[i])
		}
		return names
	}
	return []startupPlace{
		{startProfile, user, reads, nil, in(".profile", ".bash_profile", ".bash_login", ".zprofile", ".zlogin", ".login")},
		{startBashrc, user, reads, nil, in(".bashrc", ".bash_aliases", ".bash_logout", ".zshenv", ".zshrc", ".zlogout", ".kshrc", ".cshrc", ".tcshrc", ".config/fish/config.fish", ".config/fish/conf.d/*.fish")},
		{startXsession, user, reads, nil, in(".xprofile", ".xsession", ".xinitrc", ".xsessionrc")},
		{startAutostart, user, lists, parseDesktop, in(".config/autostart/*.desktop")},
		{startSSH, user, reads, nil, in(".ssh/rc")},
	}
}
