package agent

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// A Service says how a system is to run the agent from its start on.
type Service struct {
	Program string // the path of quaestor-agent
	Dir     string // the agent's folder
}

// ErrNoService says that the agent knows no service manager of a system.
var ErrNoService = errors.New("agent: no service manager is known of this system")

// A ServiceFile is what a service manager wants to read, and what then has it
// read it.
type ServiceFile struct {
	Path string // where it belongs; "" where there is no file
	Text string
	Then string // the command that starts the agent
}

// File gives what the service manager of a system (as in runtime.GOOS) wants.
// The error wraps ErrNoService, or says what is wrong with the paths.
func (s Service) File(system string) (ServiceFile, error) {
	for _, p := range []string{s.Program, s.Dir} {
		if strings.ContainsAny(p, "\n\r\x00\"") || p == "" {
			return ServiceFile{}, fmt.Errorf("agent: %q cannot stand in a service file", p)
		}
		if system == runtime.GOOS && !filepath.IsAbs(p) {
			return ServiceFile{}, fmt.Errorf("agent: %q is no absolute path", p)
		}
	}
	switch system {
	case "linux":
		return ServiceFile{
			Path: "/etc/systemd/system/quaestor-agent.service",
			Text: fmt.Sprintf(systemdUnit, systemdCondition(path.Join(s.Dir, configFile)), systemdWord(s.Program), systemdWord(s.Dir), systemdPath(s.Dir)),
			Then: "systemctl daemon-reload && systemctl enable --now quaestor-agent",
		}, nil
	case "darwin":
		return ServiceFile{
			Path: "/Library/LaunchDaemons/" + launchdLabel + ".plist",
			Text: fmt.Sprintf(launchdPlist, launchdLabel, xmlText(s.Program), xmlText(s.Dir)),
			Then: "launchctl bootstrap system /Library/LaunchDaemons/" + launchdLabel + ".plist",
		}, nil
	case "windows":
		return ServiceFile{
			Text: fmt.Sprintf(windowsNote, s.Program, s.Dir),
			Then: "sc.exe start " + WindowsService,
		}, nil
	}
	return ServiceFile{}, fmt.Errorf("%w: %s", ErrNoService, system)
}

// ServiceEnd says how the owner of a machine takes the agent's service out of a
// system (as in runtime.GOOS), when it is no longer wanted.
func ServiceEnd(system string) string {
	switch system {
	case "linux":
		return "systemctl disable --now quaestor-agent && rm /etc/systemd/system/quaestor-agent.service"
	case "darwin":
		return "launchctl bootout system/" + launchdLabel + " && rm /Library/LaunchDaemons/" + launchdLabel + ".plist"
	case "windows":
		return "sc.exe stop " + WindowsService + " & sc.exe delete " + WindowsService
	}
	return "stop what starts quaestor-agent"
}

// WindowsService is the name of the service on Windows.
const WindowsService = "quaestor-agent"

const launchdLabel = "org.quaestor.agent"

// The unit leaves the agent the right to read everything, which is its work,
// and takes from it what reading does not need.
const systemdUnit = `[Unit]
Description=Quaestor agent: answers signed questions about this machine
Documentation=https://github.com/quaestor-engine/quaestor
Wants=network-online.target
After=network-online.target
# Before it was enrolled there is nothing to run.
ConditionPathExists=%s

[Service]
ExecStart=%s run --dir %s
Restart=always
RestartSec=10

# Other things come first on this machine.
Nice=10
# A plan that may use a small part of a processor gets it on a busy machine, too.
LimitNICE=+0
CPUWeight=20
IOSchedulingClass=idle
MemoryMax=1G
# What looks is in a group of its own below, with the bounds of agent.toml.
Delegate=yes
# The process that looks goes first, and the agent tells of it.
OOMPolicy=continue

# It reads, and writes nothing but its own folder.
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
# ProtectSystem leaves out what this is for.
ProtectHome=read-only
ReadWritePaths=%s
LockPersonality=yes
MemoryDenyWriteExecute=yes
# Disks as files have every other file in them.
DevicePolicy=closed
ProtectClock=yes
# What is set in these is not the agent's to set, but for its control group.
# ProtectKernelTunables, ProtectKernelModules, ProtectKernelLogs and PrivateTmp
# would put an empty file or folder in the place of some that it is asked about,
# such as /usr/lib/modules and /proc/kallsyms.
ReadOnlyPaths=/dev /proc/sys -/proc/acpi -/proc/asound -/proc/bus -/proc/fs -/proc/irq -/proc/mtrr -/proc/scsi -/proc/sysrq-trigger /sys
ReadWritePaths=-/sys/fs/cgroup/system.slice/%%n -/sys/fs/cgroup/unified/system.slice/%%n
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @module @mount @obsolete @raw-io @reboot @swap syslog
SystemCallErrorNumber=EPERM
KeyringMode=private
UMask=0077

# A core holds keys, and what was read.
LimitCORE=0

[Install]
WantedBy=multi-user.target
`

const launchdPlist = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>%s</string>
	<key>ProgramArguments</key>
	<array>
		<string>%s</string>
		<string>run</string>
		<string>--dir</string>
		<string>%s</string>
	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<true/>
	<key>ThrottleInterval</key>
	<integer>10</integer>
	<key>ProcessType</key>
	<string>Background</string>
	<key>LowPriorityIO</key>
	<true/>
	<key>Nice</key>
	<integer>10</integer>
	<key>Umask</key>
	<integer>63</integer>
</dict>
</plist>
`

const windowsNote = `Service:      quaestor-agent (Quaestor agent)
Program:      "%s" run --dir "%s"
Start:        automatic, delayed
On a failure: started again after 10 seconds
Account:      LocalSystem
`

// systemdWord quotes a word of a command line. A % begins a specifier, and a $
// a variable.
func systemdWord(s string) string {
	s = strings.NewReplacer(`\`, `\\`, "%", "%%", "$", "$$").Replace(s)
	return `"` + s + `"`
}

// systemdPath quotes a path in a list of them, where $ means nothing.
func systemdPath(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, "%", "%%").Replace(s) + `"`
}

// systemdCondition writes a path of a condition, which takes the rest of the
// line as it stands but for specifiers.
func systemdCondition(s string) string { return strings.ReplaceAll(s, "%", "%%") }

func xmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
