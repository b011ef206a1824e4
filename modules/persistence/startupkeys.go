package persistence

import (
	"path"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/modules/windows/registry"
)

// The kinds of startup that Windows has.
const (
	startRun         = "run_key"
	startWinlogon    = "winlogon"
	startDebugger    = "debugger"
	startAppInit     = "appinit_dll"
	startAppCert     = "appcert_dll"
	startLSA         = "lsa_package"
	startSession     = "session_manager"
	startActiveSetup = "active_setup"
	startPrint       = "print_monitor"
	startTime        = "time_provider"
	startNetsh       = "netsh_helper"
	startCommand     = "command_processor"
	startLogon       = "logon_script"
	startScreensaver = "screensaver"
	startShell       = "shell_extension"
	startOffice      = "office_test"
	startFolder      = "startup_folder"
)

func windowsStartupKinds() []string {
	return []string{
		startRun, startWinlogon, startDebugger, startAppInit, startAppCert, startLSA, startSession, startActiveSetup, startPrint,
		startTime, startNetsh, startCommand, startLogon, startScreensaver, startShell, startOffice, startFolder,
	}
}

// A startupKey is keys of the registry whose values start something.
type startupKey struct {
	kind   string
	system bool     // runs as the system, and not as whoever logs in
	names  []string // the values that do; none: all
	end    string   // what a name of a file lacks
	keys   []string
}

// startupKeys are the places that Windows itself reads. Of the shell, the
// classes that it loads are named by their number, or are the value.
func startupKeys() []startupKey {
	const (
		windows = `\Microsoft\Windows\CurrentVersion\`
		nt      = `\Microsoft\Windows NT\CurrentVersion\`
		control = `HKLM\SYSTEM\CurrentControlSet\Control\`
	)
	both := func(below ...string) []string {
		var list []string
		for _, b := range below {
			list = append(list, `HKLM\SOFTWARE`+b, `HKLM\SOFTWARE\Wow6432Node`+b, `HKCU\Software`+b, `HKCU\Software\Wow6432Node`+b)
		}
		return list
	}
	return []startupKey{
		{startRun, false, nil, "", both(windows+"Run", windows+"RunOnce", windows+`RunOnceEx\**`, windows+"RunServices", windows+"RunServicesOnce", windows+`Policies\Explorer\Run`)},
		{startRun, false, []string{"Load", "Run"}, "", both(nt + "Windows")},
		{startWinlogon, false, []string{"Shell", "Userinit", "Taskman", "VmApplet", "AppSetup", "GinaDLL", "System", "UIHost", "LsaStart"}, "", both(nt + "Winlogon")},
		{startWinlogon, true, []string{"DllName"}, "", []string{`HKLM\SOFTWARE` + nt + `Winlogon\Notify\*`, `HKLM\SOFTWARE` + nt + `Winlogon\GPExtensions\*`}},
		{startDebugger, false, []string{"Debugger", "VerifierDlls"}, "", both(nt+`Image File Execution Options\*`, nt+`Image File Execution Options\*\*`)},
		{startDebugger, true, []string{"MonitorProcess"}, "", both(nt + `SilentProcessExit\*`)},
		{startDebugger, true, []string{"Debugger", "ReportingHook"}, "", both(nt + "AeDebug")},
		{startAppInit, false, []string{"AppInit_DLLs"}, "", both(nt + "Windows")},
		{startAppCert, true, nil, "", []string{control + `Session Manager\AppCertDlls`}},
		{startLSA, true, []string{"Authentication Packages", "Security Packages", "Notification Packages"}, ".dll", []string{control + "Lsa", control + `Lsa\OSConfig`}},
		{startLSA, true, []string{"SecurityProviders"}, "", []string{control + "SecurityProviders"}},
		{startSession, true, []string{"BootExecute", "Execute", "SetupExecute", "S0InitialCommand", "BootExecuteNoPnpSync", "PlatformExecute"}, "", []string{control + "Session Manager"}},
		{startActiveSetup, false, []string{"StubPath"}, "", both(`\Microsoft\Active Setup\Installed Components\*`)},
		{startPrint, true, []string{"Driver"}, "", []string{control + `Print\Monitors\*`, control + `Print\Providers\*`}},
		{startTime, true, []string{"DllName"}, "", []string{`HKLM\SYSTEM\CurrentControlSet\Services\W32Time\TimeProviders\*`}},
		{startNetsh, false, nil, "", both(`\Microsoft\NetSh`)},
		{startCommand, false, []string{"AutoRun"}, "", both(`\Microsoft\Command Processor`)},
		{startLogon, false, []string{"UserInitMprLogonScript"}, "", []string{`HKCU\Environment`}},
		{startLogon, false, []string{"Script"}, "", both(windows+`Group Policy\Scripts\**`, windows+`Group Policy\State\*\Scripts\**`)},
		{startScreensaver, false, []string{"SCRNSAVE.EXE"}, "", []string{`HKCU\Control Panel\Desktop`}},
		{startShell, false, []string{""}, "", both(windows + `Explorer\Browser Helper Objects\*`)},
		{startShell, false, nil, "", both(windows+"ShellServiceObjectDelayLoad", windows+`Explorer\ShellExecuteHooks`)},
		{startShell, true, []string{""}, "", []string{`HKLM\SOFTWARE` + windows + `Authentication\Credential Providers\*`, `HKLM\SOFTWARE` + windows + `Authentication\Credential Provider Filters\*`}},
		{startOffice, false, []string{""}, "", both(`\Microsoft\Office Test\Special\Perf`)},
	}
}

// listStartupKeys gives what the registry of Windows starts, and what lies in
// the folders from which its shell does.
func listStartupKeys(s *table.Scan, reg *registry.Registry, yield func(*startup) error) error {
	for _, p := range startupKeys() {
		if !s.Wanted("kind", p.kind) {
			continue
		}
		err := reg.Find(s.Context(), p.keys, func(k *registry.Key) error { return p.list(s, reg, k, yield) }, func(string) {})
		if err != nil {
			return err
		}
	}
	if s.Wanted("kind", startFolder) {
		return listStartupFolders(s, reg, yield)
	}
	return nil
}

// list gives what the values of one key start.
func (p startupKey) list(s *table.Scan, reg *registry.Registry, k *registry.Key, yield func(*startup) error) error {
	row := startup{path: k.Hive.Path, kind: p.kind, user: k.Hive.User}
	if p.system {
		row.user = "SYSTEM"
	}
	for v := range k.Values() {
		if p.names != nil && !slices.ContainsFunc(p.names, func(n string) bool { return strings.EqualFold(n, v.Name) }) {
			continue
		}
		text, err := v.Text()
		if err != nil {
			s.Fail(k.Path+`\`+v.Name, err)
			continue
		}
		row.key, row.command = k.Path+`\`+v.Name, text
		if err := p.each(reg, &row, k, v, yield); err != nil {
			return err
		}
	}
	if p.kind == startShell && slices.Contains(p.names, "") {
		if _, ok := k.Value(""); !ok { // the key alone names the class
			row.key, row.name = k.Path, k.Name()
			row.command, row.program = k.Name(), classProgram(reg, k.Name())
			return yield(&row)
		}
	}
	return nil
}

// each gives a row for each command that a value holds, whose text stands in
// the row.
func (p startupKey) each(reg *registry.Registry, row *startup, k *registry.Key, v registry.Value, yield func(*startup) error) error {
	text := row.command
	commands := []string{text}
	switch {
	case p.kind == startLSA || p.kind == startSession:
		commands = strings.FieldsFunc(text, func(r rune) bool { return r == '|' || r == ',' && p.kind == startLSA })
	case p.kind == startAppInit:
		commands = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	case p.kind == startWinlogon && (strings.EqualFold(v.Name, "Userinit") || strings.EqualFold(v.Name, "Shell")):
		commands = strings.Split(text, ",")
	}
	row.name = v.Name
	if p.names != nil && strings.Contains(p.keys[0], "*") || v.Name == "" {
		row.name = k.Name() // of many keys with the same value, which
	}
	for _, c := range commands {
		if c = strings.Trim(c, " \t\x00"); c == "" || c == `""` {
			continue
		}
		row.command, row.program = c, ""
		switch {
		case p.kind == startShell && slices.Contains(p.names, ""):
			row.program = classProgram(reg, k.Name())
		case p.kind == startShell:
			row.program = classProgram(reg, firstClass(v.Name, c))
		case p.end != "" && path.Ext(c) == "":
			row.program = reg.Program(`"`+c+p.end+`"`, "")
		case p.kind == startSession:
			row.program = reg.Program(strings.TrimPrefix(c, "autocheck "), "")
		default:
			row.program = reg.Program(c, homeOf(reg, row.user))
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

// firstClass gives which of two texts is the number of a class.
func firstClass(a, b string) string {
	if strings.HasPrefix(a, "{") {
		return a
	}
	return b
}

// classProgram gives the library of a class of COM.
func classProgram(reg *registry.Registry, class string) string {
	if !strings.HasPrefix(class, "{") {
		return ""
	}
	k := reg.Key(`HKLM\SOFTWARE\Classes\CLSID\` + class + `\InprocServer32`)
	if k == nil {
		return ""
	}
	return reg.Program(k.Text(""), "")
}

func homeOf(reg *registry.Registry, user string) string {
	for _, u := range reg.Users() {
		if u.Name == user && user != "" {
			return u.Home
		}
	}
	return ""
}

// listStartupFolders gives the files that the shell opens when a user logs in.
// Where a shortcut leads is not read.
func listStartupFolders(s *table.Scan, reg *registry.Registry, yield func(*startup) error) error {
	const folder = "Microsoft/Windows/Start Menu/Programs/Startup/*"
	list := func(pattern, user string) error {
		for name := range s.FS.GlobWindows(pattern) {
			base := path.Base(name)
			if st, err := s.FS.Stat(name); err != nil || st.IsDir() || strings.EqualFold(base, "desktop.ini") {
				continue
			}
			if err := yield(&startup{path: name, kind: startFolder, name: base, user: user, command: name, program: name}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := list("/ProgramData/"+folder, ""); err != nil {
		return err
	}
	for _, u := range reg.Users() {
		home := strings.TrimPrefix(strings.ReplaceAll(u.Home, `\`, "/"), "C:")
		if err := list(globbed(home)+"/AppData/Roaming/"+folder, u.Name); err != nil {
			return err
		}
	}
	return nil
}
