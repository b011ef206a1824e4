package sigma

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// A source is where a rule is asked.
type source struct {
	from    string   // FROM and its target
	find    string   // the module, with its place
	fixed   []string // conditions besides those of the rule
	returns string
	column  func(field string) (column, string) // or why there is none
	place   func(x *expr) string                // the place, where the rule tells it
	notes   []string                            // what differs, though all is asked
	partly  []string                            // what is missing
	past    bool                                // it tells of events, with their times
	events  bool                                // it has the fields as Sysmon writes them
}

// What is always said of what is there now.
const (
	runsNow     = "what runs now is asked; a process that has ended is not seen"
	openNow     = "connections that are open now are asked; one that was closed is not seen"
	fileNow     = "files that are there now are asked; one that was removed is not seen, nor who made it"
	startedByUs = "who waits at a port is taken not to have begun the connections there"
	settingNow  = "what the registry says now is asked; what was changed back or removed is not seen, nor who wrote it"
)

// sourcesOf finds where a rule is asked: the first source stands for it, and
// others are asked besides, where they can be. Why says that there is none.
func sourcesOf(d layers) (found []source, why string) {
	_, nodes := d.within("logsource")
	var l [3]string
	for i, key := range [...]string{"category", "product", "service"} {
		l[i] = strings.ToLower(nodes[key].Text())
	}
	category, product, service := l[0], l[1], l[2]
	switch {
	case product == "" || product == "linux" || product == "windows" || product == "macos":
	case isWebServer(product):
		category = "webserver"
	default:
		return nil, "logs of " + product + " are not kept by the machines that agents run on"
	}
	if category != "" {
		return byCategory(category, product)
	}
	return byService(service, product)
}

func isWebServer(name string) bool { return name == "apache" || name == "nginx" }

// from gives the target for a product.
func from(product string) string {
	if product == "" {
		return "FROM fleet"
	}
	return `FROM fleet WHERE os = "` + strings.Replace(product, "macos", "darwin", 1) + `"`
}

func byCategory(category, product string) ([]source, string) {
	var found []source
	switch category {
	case "process_creation":
		found = append(found, source{from: from(product), find: "process", column: columnsOf(processColumns("")), notes: []string{runsNow},
			returns: "pid, name, exe, cmdline, user, started, parent.exe, parent.cmdline"})
		if product == "linux" {
			found = append(found, audited(), typed())
		}
	case "network_connection":
		found = append(found, source{from: from(product), find: "socket", fixed: []string{"remote_address IS NOT NULL"},
			column: columnsOf(socketColumns()), notes: []string{openNow},
			returns: "protocol, state, address, port, remote_address, remote_port, process.name, process.exe, process.cmdline, process.user"})
	case "file_event", "file_create":
		found = append(found, source{from: from(product), find: "file", column: columnsOf(fileColumns()), place: place, notes: []string{fileNow},
			returns: "path, type, size, mode, owner, mtime, btime, sha256"})
	case "registry_event", "registry_set", "registry_add":
		if product == "windows" || product == "" {
			found = append(found, registry())
		}
	case "dns", "dns_query":
		if product != "windows" {
			found = append(found, resolvers(product))
		}
	case "webserver", "proxy":
		if category == "webserver" {
			found = append(found, web(product))
		}
	case "antivirus":
		return nil, "the logs of virus scanners differ, and the category says of none where it is"
	}
	if ids := sysmon(category); ids != nil && (product == "windows" || product == "" && len(found) == 0) {
		found = append(found, sysmonEvents(ids))
	}
	if log, id := powershell(category); log != "" {
		found = append(found, events(log, "event_id = "+strconv.Itoa(id)))
	}
	if len(found) == 0 {
		return nil, "events of the category " + category + " leave nothing behind that can be asked later" + onProduct(product)
	}
	return found, ""
}

func onProduct(product string) string {
	if product == "" {
		return ""
	}
	return " on " + product
}

// audited asks what auditd wrote about system calls, which names the program.
func audited() source {
	return source{
		from: from("linux"), find: "line /var/log/audit/audit.log*", fixed: []string{`text STARTS WITH "type=SYSCALL"`}, past: true,
		column:  columnsOf(map[string]column{"image": {text: `value_of(text, "exe")`, unspaced: true}}),
		returns: "path, number, text", notes: []string{"the same is asked of what auditd wrote, where it runs; it sees the past"},
	}
}

// typed asks what users typed into shells.
func typed() source {
	return source{
		from: from("linux"), find: "shell_history", past: true, column: columnsOf(map[string]column{"commandline": {text: "command"}}),
		returns: "user, program, time, command, path, line", notes: []string{"the same is asked of what was typed into shells; it sees the past, and nothing that no one typed"},
	}
}

// registry asks for settings that are there. Sysmon calls a value by its key
// with its name behind it.
func registry() source {
	return source{
		from: from("windows"), find: `registry 'HKLM\**', 'HKU\**'`, returns: "key, name, type, value, modified", notes: []string{settingNow},
		column: columnsOf(map[string]column{
			"targetobject": {text: `concat(key, "\\", name)`}, "details": {write: details},
			"eventtype": {write: setValue},
		}),
	}
}

// setValue takes every value that is there for one that was set.
func setValue(t *test) (string, bool) {
	if len(t.words) == 1 && t.kind == like {
		if _, s := t.words[0].shape(); strings.EqualFold(s, "SetValue") {
			return "name IS NOT NULL", true
		}
	}
	return "", false
}

// details turns what Sysmon shows of a value into what it is: numbers are
// DWORD (0x00000001) there.
func details(t *test) (string, bool) {
	if t.kind != like {
		return "", false
	}
	sub := *t
	sub.words = nil
	for _, p := range t.words {
		shape, s := p.shape()
		digits, isNumber := strings.CutPrefix(s, "DWORD (")
		if !isNumber {
			digits, isNumber = strings.CutPrefix(s, "QWORD (")
		}
		if !isNumber {
			sub.words = append(sub.words, p)
			continue
		}
		n := number10(strings.TrimSuffix(digits, ")"))
		if n == "" || shape != equals && shape != contains {
			return "", false
		}
		sub.words = append(sub.words, plain(n))
	}
	if len(sub.words) > maxInline {
		return "", false
	}
	p := (&writer{}).texts(column{text: "value"}, &sub)
	if p.op == '|' {
		p.text = "(" + p.text + ")"
	}
	return p.text, p.total
}

// resolvers asks what programs that resolve names wrote about it.
func resolvers(product string) source {
	return source{
		from: from(product), find: "log", past: true, fixed: []string{`program IN ("dnsmasq", "named", "unbound", "systemd-resolved", "pdns_recursor", "coredns")`},
		column:  columnsOf(map[string]column{"queryname": {write: named}, "query": {write: named}}),
		returns: "time, host, program, message, path, line",
		partly:  []string{"no system keeps which names it asked for: what resolvers that log wrote down is asked, and who asked is not in it"},
	}
}

// named finds a name in a line: it stands there between other words.
func named(t *test) (string, bool) {
	if t.kind != like || len(t.words) == 0 || len(t.words) > maxInline {
		return "", false
	}
	var list []string
	for _, p := range t.words {
		shape, s := p.shape()
		re := quoteRegexp(s)
		switch shape {
		case equals:
			re = `(^|[^\w.-])` + re + `\.?($|[^\w.-])`
		case startsWith:
			re = `(^|[^\w.-])` + re
		case endsWith:
			re += `\.?($|[^\w.-])`
		case contains:
		default:
			return "", false
		}
		list = append(list, convert.Quote(re))
	}
	return "message MATCHES (" + strings.Join(list, ", ") + ") NOCASE", false
}

// web asks the access logs of web servers.
func web(product string) source {
	if isWebServer(product) {
		product = ""
	}
	return source{
		from: from(product), find: "line /var/log/{apache2,httpd,nginx}/*access*", past: true, column: columnsOf(webColumns()), returns: "path, number, text",
		notes: []string{"access logs of Apache and nginx in their usual places and form are asked"},
	}
}

// sysmon gives the numbers of Sysmon's events of a category.
func sysmon(category string) []int {
	return map[string][]int{
		"process_creation": {1}, "file_change": {2}, "network_connection": {3}, "sysmon_status": {4, 16}, "process_termination": {5},
		"driver_load": {6}, "image_load": {7}, "create_remote_thread": {8}, "raw_access_thread": {9}, "process_access": {10},
		"file_event": {11}, "registry_add": {12}, "registry_delete": {12}, "registry_set": {13}, "registry_rename": {14}, "registry_event": {12, 13, 14},
		"create_stream_hash": {15}, "pipe_created": {17, 18}, "wmi_event": {19, 20, 21}, "dns_query": {22}, "file_delete": {23, 26},
		"clipboard_capture": {24}, "process_tampering": {25}, "file_block_executable": {27}, "file_block_shredding": {28},
		"file_executable_detected": {29}, "sysmon_error": {255},
	}[category]
}

// powershell gives the log and the event of a category of PowerShell.
func powershell(category string) (string, int) {
	const operational = "Microsoft-Windows-PowerShell/Operational"
	switch category {
	case "ps_script":
		return operational, 4104
	case "ps_module":
		return operational, 4103
	case "ps_classic_start":
		return "Windows PowerShell", 400
	case "ps_classic_provider_start":
		return "Windows PowerShell", 600
	case "ps_classic_script":
		return "Windows PowerShell", 800
	}
	return "", 0
}

// events asks a log of Windows.
func events(log string, fixed ...string) source {
	return source{
		from: from("windows"), find: "eventlog " + convert.Quote(log), fixed: fixed, past: true, events: true, column: eventColumns(),
		returns: "time, computer, provider, event_id, data",
	}
}

func sysmonEvents(ids []int) source {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.Itoa(id)
	}
	s := events("Microsoft-Windows-Sysmon/Operational", oneOf("event_id", texts).text)
	s.notes = []string{"the log of Sysmon is asked, which a machine without Sysmon does not have; it sees the past"}
	return s
}

// A logService is a service of Linux whose lines are in a log.
type logService struct {
	find  string
	fixed string
}

func byService(service, product string) ([]source, string) {
	switch {
	case product == "windows":
		return windowsService(service)
	case service == "auditd" && product != "macos":
		return []source{{
			from: from(product), find: "line /var/log/audit/audit.log*", past: true, returns: "path, number, text",
			column: auditColumns(),
			notes:  []string{"auditd writes names of system calls only where its log is enriched"},
		}}, ""
	case product == "macos" && service != "":
		return nil, "macOS keeps " + service + " in its unified log, which is not read"
	case product == "macos":
		return nil, "the logsource says of no log where it is"
	}
	var s logService
	switch service {
	case "", "syslog", "auth", "authentication", "daemon", "kernel":
		if service == "" && product == "" {
			return nil, "the logsource says of no log where it is"
		}
		s = logService{"log", ""}
	case "sshd":
		s = logService{"log", `program STARTS WITH "sshd"`}
	case "sudo", "su", "doas":
		s = logService{"log", `program = "` + service + `"`}
	case "cron":
		s = logService{"log", `program IN ("cron", "crond", "anacron", "crontab", "atd") NOCASE`}
	case "clamav":
		s = logService{"log /var/log/clamav, /var/log/syslog*, /var/log/messages*, /var/log/journal/*/*.journal*", ""}
	case "guacamole":
		s = logService{"log", `program STARTS WITH "guac"`}
	case "vsftpd":
		s = logService{"log /var/log/vsftpd.log*", ""}
	case "modsecurity":
		s = logService{"log /var/log/{apache2,httpd,nginx}/*, /var/log/modsec*", ""}
	case "apache", "nginx":
		s = logService{"log /var/log/{apache2,httpd,nginx}/*", ""}
	default:
		return nil, "where the service " + service + " writes its log is not known"
	}
	src := source{
		from: from(product), find: s.find, past: true, returns: "time, host, program, message, path, line",
		column: columnsOf(logColumns(service)),
	}
	if s.fixed != "" {
		src.fixed = []string{s.fixed}
	}
	return []source{src}, ""
}

// windowsService asks the log that a service stands for.
func windowsService(service string) ([]source, string) {
	logs := map[string]string{
		"security": "Security", "system": "System", "application": "Application", "sysmon": "Microsoft-Windows-Sysmon/Operational",
		"powershell": "Microsoft-Windows-PowerShell/Operational", "powershell-classic": "Windows PowerShell",
		"taskscheduler": "Microsoft-Windows-TaskScheduler/Operational", "wmi": "Microsoft-Windows-WMI-Activity/Operational",
		"windefend": "Microsoft-Windows-Windows Defender/Operational", "dns-server": "DNS Server", "dns-server-analytic": "Microsoft-Windows-DNS-Server/Analytical",
		"dns-client": "Microsoft-Windows-DNS Client Events/Operational", "driver-framework": "Microsoft-Windows-DriverFrameworks-UserMode/Operational",
		"ntlm": "Microsoft-Windows-NTLM/Operational", "dhcp": "Microsoft-Windows-DHCP-Server/Operational", "applocker": "Microsoft-Windows-AppLocker/*",
		"msexchange-management": "MSExchange Management", "printservice-admin": "Microsoft-Windows-PrintService/Admin",
		"printservice-operational": "Microsoft-Windows-PrintService/Operational", "terminalservices-localsessionmanager": "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
		"codeintegrity-operational": "Microsoft-Windows-CodeIntegrity/Operational", "smbclient-security": "Microsoft-Windows-SmbClient/Security",
		"smbclient-connectivity": "Microsoft-Windows-SmbClient/Connectivity", "smbserver-connectivity": "Microsoft-Windows-SMBServer/Connectivity",
		"firewall-as": "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall", "bits-client": "Microsoft-Windows-Bits-Client/Operational",
		"security-mitigations": "Microsoft-Windows-Security-Mitigations/*", "shell-core": "Microsoft-Windows-Shell-Core/Operational",
		"openssh": "OpenSSH/Operational", "ldap_debug": "Microsoft-Windows-LDAP-Client/Debug", "diagnosis-scripted": "Microsoft-Windows-Diagnosis-Scripted/Operational",
		"vhdmp": "Microsoft-Windows-VHDMP/Operational", "appxdeployment-server": "Microsoft-Windows-AppXDeploymentServer/Operational",
		"appxpackaging-om": "Microsoft-Windows-AppxPackaging/Operational", "appmodel-runtime": "Microsoft-Windows-AppModel-Runtime/Admin",
		"lsa-server": "Microsoft-Windows-LSA/Operational", "capi2": "Microsoft-Windows-CAPI2/Operational",
		"certificateservicesclient-lifecycle-system": "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
		"microsoft-servicebus-client":                "Microsoft-ServiceBus-Client", "hyper-v-worker": "Microsoft-Windows-Hyper-V-Worker*",
		"kernel-shimengine": "Microsoft-Windows-Kernel-ShimEngine/Operational", "kernel-event-tracing": "Microsoft-Windows-Kernel-EventTracing/Admin",
		"wmi-activity": "Microsoft-Windows-WMI-Activity/Operational", "iis-configuration": "Microsoft-IIS-Configuration/Operational",
	}
	log, ok := logs[service]
	if !ok {
		return nil, "which log of Windows the service " + strconv.Quote(service) + " is, is not known; known are " + strings.Join(slices.Sorted(maps.Keys(logs))[:6], ", ") + " and others"
	}
	return []source{events(log)}, ""
}
