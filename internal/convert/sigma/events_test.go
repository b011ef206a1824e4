package sigma

import (
	"slices"
	"strings"
	"testing"
)

// What each kind of source finds, and what it does not: the keys of the rows
// that a rule means, in their order.
func TestEvents(t *testing.T) {
	sockets := world{module: "socket", key: "inode", tables: map[string]string{
		"process": "pid  name  exe  cmdline\n1  sshd  /usr/sbin/sshd  sshd -D\n2  bash  /bin/bash  bash -i",
		"socket": "inode  protocol  state  address  port  remote_address  remote_port  process  family\n" +
			"1  tcp  listen  0.0.0.0  22  null  null  1  ipv4\n" +
			"2  tcp  established  10.0.0.1  22  203.0.113.9  50000  1  ipv4\n" +
			"3  tcp  established  10.0.0.1  40000  203.0.113.9  4444  2  ipv4\n" +
			"4  tcp  established  ::1  40001  2001:db8::1  443  2  ipv6\n" +
			"5  udp  unconnected  0.0.0.0  68  null  null  null  ipv4\n" +
			"6  tcp  time_wait  10.0.0.1  40002  203.0.113.9  80  null  ipv4",
	}}
	audit := world{module: "line", key: "number", tables: map[string]string{
		"line": "path  number  text\n" +
			`/var/log/audit/audit.log  1  "type=SYSCALL msg=audit(1.0:1): arch=c000003e syscall=59 a0=55 a1=55 comm=\"nc\" exe=\"/usr/bin/nc\" key=\"exec\"\x1dARCH=x86_64 SYSCALL=execve AUID=\"eve\""` + "\n" +
			`/var/log/audit/audit.log  2  "type=EXECVE msg=audit(1.0:1): argc=3 a0=\"nc\" a1=\"-e\" a2=2F62696E2F7368"` + "\n" +
			`/var/log/audit/audit.log.1  3  "type=PATH msg=audit(1.0:2): item=0 name=\"/etc/passwd\" nametype=NORMAL"` + "\n" +
			`/var/log/other  4  "type=EXECVE a0=\"nc\" a1=\"-e\""`,
	}}
	logs := world{module: "log", key: "line", tables: map[string]string{
		"log": "path  line  host  program  message\n" +
			"/var/log/auth.log  1  web1  sshd  Failed password for root from 203.0.113.9\n" +
			"/var/log/auth.log  2  web1  sshd-session  Accepted publickey for alice\n" +
			"/var/log/auth.log  3  web1  sudo  \"alice : TTY=pts/0 ; USER=root ; COMMAND=/bin/sh -c id\"\n" +
			"/var/log/syslog  4  web1  kernel  nvidia: loading out-of-tree module taints kernel\n" +
			"/var/log/syslog  5  web1  dnsmasq  query[A] a.pool.example from 10.0.0.1\n" +
			"/var/log/syslog  6  web1  dnsmasq  query[A] a.pool.example.net from 10.0.0.1",
	}}
	events := world{module: "eventlog", key: "record_id", tables: map[string]string{
		"eventlog": "log  channel  provider  event_id  record_id  data  text\n" +
			"Security  Security  Microsoft-Windows-Security-Auditing  4625  1  [TargetUserName=eve, LogonType=3, IpAddress=203.0.113.9]  eve 3 203.0.113.9\n" +
			"Security  Security  Microsoft-Windows-Security-Auditing  4625  2  [TargetUserName=eve, LogonType=10, IpAddress=10.1.2.3]  eve 10 10.1.2.3\n" +
			"Security  Security  Microsoft-Windows-Security-Auditing  4624  3  [TargetUserName=eve]  eve\n" +
			"Microsoft-Windows-Sysmon/Operational  Microsoft-Windows-Sysmon/Operational  Microsoft-Windows-Sysmon  7  4  [ImageLoaded=C:\\tmp\\Evil.dll, Signed=false]  x",
	}}
	web := world{module: "line", key: "number", tables: map[string]string{
		"line": "path  number  text\n" +
			`/var/log/nginx/access.log  1  "203.0.113.9 - - [23/Nov/2026:12:00:00 +0000] \"POST /x.php?cmd=id HTTP/1.1\" 200 5 \"-\" \"curl/8\""` + "\n" +
			`/var/log/nginx/access.log  2  "203.0.113.9 - - [23/Nov/2026:12:00:00 +0000] \"GET /cmd=id HTTP/1.1\" 404 5 \"-\" \"cmd=\""`,
	}}
	for _, c := range [...]struct {
		name  string
		world world
		rule  string
		want  string
	}{
		{"who began", sockets, "{category: network_connection, product: linux}|{Initiated: 'true'}", "3 4 6"},
		{"who did not", sockets, "{category: network_connection, product: linux}|{Initiated: 'false', DestinationPort|gte: 1}", "2"},
		{"networks", sockets, "{category: network_connection, product: linux}|{DestinationIp|cidr: [203.0.113.0/24, '2001:db8::/32'], Image|endswith: /bash}", "3 4"},
		{"a network by its beginning", sockets, "{category: network_connection}|{DestinationIp: '203.0.*', DestinationPort: [443, 4444]}", "3"},
		{"version 6", sockets, "{category: network_connection}|{DestinationIsIpv6: 'true'}", "4"},
		{"nobody's", sockets, "{category: network_connection}|{Image: null}", "6"},
		{"audit by type and argument", audit, "{product: linux, service: auditd}|{type: EXECVE, a0: NC, a1|startswith: '-'}", "2"},
		{"audit, enriched", audit, "{product: linux, service: auditd}|{SYSCALL: execve, AUID: eve}", "1"},
		{"audit, by path", audit, "{product: linux, service: auditd}|{type: PATH, name|contains: /etc/pass}", "3"},
		{"audit, words", audit, "{product: linux, service: auditd}|[nametype=normal]", "3"},
		{"words of a service", logs, "{product: linux, service: sshd}|['failed password', accepted]", "1 2"},
		{"words that all stand there", logs, "{product: linux, service: syslog}|{'|all': [taints, kernel]}", "4"},
		{"fields of sudo", logs, "{product: linux, service: sudo}|{USER: root, COMMAND|endswith: sh -c id}", "3"},
		{"logons", events, "{product: windows, service: security}|{EventID: 4625, LogonType: [3, 10]}", "1 2"},
		{"logons from elsewhere", events, "{product: windows, service: security}|{EventID: 4625, IpAddress|cidr: 203.0.113.0/29}", ""},
		{"logons from a network", events, "{product: windows, service: security}|{EventID: 4625, IpAddress|cidr: [203.0.113.8/29, '::1/128']}", "1"},
		{"sysmon", events, "{category: image_load, product: windows}|{ImageLoaded|endswith: '\\evil.dll', Signed: 'false'}", "4"},
		{"requests", web, "{category: webserver}|{cs-method: POST, cs-uri-query|contains: cmd=, sc-status: 200}", "1"},
		{"programs that asked", web, "{product: nginx}|{cs-user-agent|startswith: CMD}", "2"},
	} {
		source, selection, _ := strings.Cut(c.rule, "|")
		rule := "logsource: " + source + "\ndetection:\n  s: " + selection + "\n  condition: s\n"
		t.Run(c.name, func(t *testing.T) {
			got, r := c.world.ask(t, rule)
			slices.Sort(got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("found %v, want %s\n%s", got, c.want, r.Rules[0].Queries[0])
			}
		})
	}
}
