package sigma

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// A column stands for a field of Sigma.
type column struct {
	text     string // as the query names it: a column, one behind links, a call
	anchored string // in its place where the beginning of the text counts
	kind     columnKind
	digits   int    // of a hash
	unspaced bool   // a value with blanks is not in it as it is
	why      string // why it cannot be asked
	// write writes a test by itself, where the column is of another kind than
	// the field; "" where it cannot.
	write func(t *test) (text string, total bool)
}

// A columnKind is what a column holds.
type columnKind uint8

const (
	text columnKind = iota
	number
	address
	hash
)

// String says it as a message does.
func (k columnKind) String() string {
	return [...]string{"a text", "a number", "an address", "a hash"}[k]
}

// columnsOf makes a table of fields, which are found whatever their case.
func columnsOf(table map[string]column) func(string) (column, string) {
	return func(field string) (column, string) {
		if c, ok := table[strings.ToLower(field)]; ok {
			return c, c.why
		}
		if field == "" {
			return column{}, "words that stand in no field are for logs"
		}
		return column{}, "nothing that is looked at has what the field " + field + " says"
	}
}

// processColumns are the fields of what runs, seen from a row of process or,
// behind links, from another. The path of a program in a container begins
// with /proc/PID/root in exe, and as the process itself sees it in path.
func processColumns(from string) map[string]column {
	image := func(link string) column { return column{text: link + "exe", anchored: link + "path"} }
	table := map[string]column{
		"image": image(from), "commandline": {text: from + "cmdline"}, "currentdirectory": {text: from + "cwd"}, "user": {text: from + "user"},
		"processid":   {text: from + "pid", kind: number},
		"parentimage": image(from + "parent."), "parentcommandline": {text: from + "parent.cmdline"}, "parentuser": {text: from + "parent.user"},
		"parentprocessid":  {text: from + "parent.pid", kind: number},
		"grandparentimage": image(from + "parent.parent."),
		"originalfilename": {text: from + "exe.pe.original_name"}, "product": {text: from + "exe.pe.product"},
		"company": {text: from + "exe.pe.company"}, "description": {text: from + "exe.pe.description"},
		"terminalsessionid": {text: from + "session_number", kind: number},
	}
	for name, digits := range map[string]int{"md5": 32, "sha1": 40, "sha256": 64} {
		table[name] = column{text: from + "exe." + name, kind: hash, digits: digits}
	}
	for _, name := range [...]string{"logonid", "logonguid", "parentlogonid"} {
		table[name] = column{why: "by which logon a process was started is not kept"}
	}
	table["imphash"] = column{why: "no module computes an Imphash"}
	table["integritylevel"] = column{why: "integrity levels are not read; process.elevated knows the rights of administrators alone"}
	return table
}

// socketColumns are the fields of a connection.
func socketColumns() map[string]column {
	table := processColumns("process.")
	for name, c := range map[string]column{
		"destinationip": {text: "remote_address", kind: address}, "dst_ip": {text: "remote_address", kind: address},
		"destinationport": {text: "remote_port", kind: number}, "dst_port": {text: "remote_port", kind: number},
		"sourceip": {text: "address", kind: address}, "src_ip": {text: "address", kind: address},
		"sourceport": {text: "port", kind: number}, "src_port": {text: "port", kind: number},
		"protocol": {text: "protocol"}, "initiated": {write: initiated},
		"destinationisipv6": {write: version6("family")}, "sourceisipv6": {write: version6("family")},
		"destinationhostname": {why: "which name an address was found by is not kept"},
	} {
		table[name] = c
	}
	return table
}

// yes gives the truth that a field of true or false is tested for.
func (t *test) yes() (truth, ok bool) {
	if t.kind != like || len(t.words) != 1 {
		return false, false
	}
	_, s := t.words[0].shape()
	s = strings.ToLower(s)
	return s == "true", s == "true" || s == "false"
}

// initiated asks who began: whoever has a port at which the host listens did
// not.
func initiated(t *test) (string, bool) {
	truth, ok := t.yes()
	switch {
	case !ok:
		return "", false
	case truth:
		return `port NOT IN (FIND socket WHERE state = "listen" RETURN port)`, false
	}
	return `port IN (FIND socket WHERE state = "listen" RETURN port)`, false
}

func version6(column string) func(t *test) (string, bool) {
	return func(t *test) (string, bool) {
		truth, ok := t.yes()
		switch {
		case !ok:
			return "", false
		case truth:
			return column + ` = "ipv6"`, false
		}
		return column + ` = "ipv4"`, false
	}
}

// fileColumns are the fields of a file that was made, of which the file is
// left, and who made it is not.
func fileColumns() map[string]column {
	maker := column{why: "who made a file is not kept"}
	return map[string]column{
		"targetfilename": {text: "path"}, "filename": {text: "path"}, "image": maker, "commandline": maker, "parentimage": maker, "user": maker,
		"creationutctime": {why: "when a file is to seem made is in it, and not when that was written"},
	}
}

// pairs finds a field of any name among name=value of a column.
func pairs(in string, table map[string]column) func(string) (column, string) {
	return func(field string) (column, string) {
		if c, ok := table[strings.ToLower(field)]; ok {
			return c, ""
		}
		return column{text: "value_of(" + in + ", " + convert.Quote(field) + ")"}, ""
	}
}

// auditColumns are the fields of a line of audit, which writes values with
// blanks in hexadecimal.
func auditColumns() func(string) (column, string) {
	find := pairs("text", map[string]column{"": {text: "text"}, "msg": {text: "text"}})
	return func(field string) (column, string) {
		c, why := find(field)
		c.unspaced = c.text != "text"
		return c, why
	}
}

// spaced says whether a test is for a value with what audit does not write as
// it is.
func (t *test) spaced() bool {
	return slices.ContainsFunc(t.words, func(p pattern) bool {
		return slices.ContainsFunc(p, func(x piece) bool {
			return strings.ContainsFunc(x.text, func(r rune) bool { return r <= ' ' || r == '"' || r > '~' })
		})
	})
}

// eventColumns are the fields of an event of Windows: those of its head are
// columns, those of its data are found by their names.
func eventColumns() func(string) (column, string) {
	return pairs("data", map[string]column{
		"": {text: "text"}, "eventid": {text: "event_id", kind: number}, "event_id": {text: "event_id", kind: number},
		"provider_name": {text: "provider"}, "source": {text: "provider"}, "eventsource": {text: "provider"}, "channel": {text: "channel"},
		"computer": {text: "computer"}, "computername": {text: "computer"}, "level": {write: level},
		"task": {text: "task", kind: number}, "opcode": {text: "opcode", kind: number}, "eventrecordid": {text: "record_id", kind: number},
		"data": {text: "text"}, "message": {why: "the words around the data of an event are in a library, and not in the log"},
	})
}

// logColumns are the fields of a line of a log: what syslog parts, and what
// sudo and PAM write as NAME=VALUE. All else is in the message, and a field
// that others take out of it is not asked, since it would never be found.
func logColumns(service string) map[string]column {
	table := map[string]column{
		"": {text: "message"}, "message": {text: "message"}, "msg": {text: "message"}, "program": {text: "program"}, "hostname": {text: "host"}, "host": {text: "host"},
	}
	names := [...]string{"rhost", "ruser", "logname", "uid", "euid", "tty", "user"}
	switch service {
	case "sudo":
		names = [...]string{"TTY", "PWD", "USER", "GROUP", "TSID", "HOST", "CHROOT"}
		table["command"] = column{text: "extract(message, 'COMMAND=(.*)$', 1)"}
	case "su", "sshd", "auth", "authentication", "vsftpd":
	default:
		return table
	}
	for _, name := range names {
		table[strings.ToLower(name)] = column{text: "value_of(message, " + convert.Quote(name) + ")"}
	}
	return table
}

// level turns the number of Windows into its word.
func level(t *test) (string, bool) {
	if t.kind != like || len(t.words) != 1 {
		return "", false
	}
	words := map[string]string{"0": "always", "1": "critical", "2": "error", "3": "warning", "4": "information", "5": "verbose"}
	_, s := t.words[0].shape()
	if words[s] == "" {
		return "", false
	}
	return `level = "` + words[s] + `"`, false
}

// webColumns are the fields of a line of the common log format, as Apache and
// nginx write it.
func webColumns() map[string]column {
	part := func(regex string) column { return column{text: "extract(text, '" + regex + "', 1)"} }
	uri := part(`"[A-Z]+ (\S+)`)
	return map[string]column{
		"": {text: "text"}, "c-uri": uri, "cs-uri": uri, "c-uri-stem": part(`"[A-Z]+ ([^ ?]+)`), "cs-uri-stem": part(`"[A-Z]+ ([^ ?]+)`),
		"c-uri-query": part(`"[A-Z]+ [^ ?]*\?(\S*)`), "cs-uri-query": part(`"[A-Z]+ [^ ?]*\?(\S*)`),
		"cs-method": part(`"([A-Z]+) `), "c-ip": part(`^(\S+)`), "src_ip": part(`^(\S+)`), "cs-username": part(`^\S+ \S+ (\S+)`),
		"sc-status": part(`" (\d{3}) `), "sc-bytes": part(`" \d{3} (\d+)`),
		"cs-referer": part(`"([^"]*)" "[^"]*"$`), "cs-referrer": part(`"([^"]*)" "[^"]*"$`),
		"c-useragent": part(`"([^"]*)"$`), "cs-user-agent": part(`"([^"]*)"$`),
	}
}

// rewritten puts in the place of a test of Hashes, which holds several as
// MD5=…,SHA256=…, tests of each. Events keep the field as it is.
func (s source) rewritten(x *expr) *expr {
	if s.events {
		return x
	}
	if x.op != 't' {
		out := &expr{op: x.op}
		for _, sub := range x.subs {
			out.subs = append(out.subs, s.rewritten(sub))
		}
		return out
	}
	if name := strings.ToLower(x.test.field); name != "hashes" && name != "hash" || x.test.kind != like || x.test.bad != "" {
		return x
	}
	byName := map[string]*test{}
	var subs []*expr
	for _, p := range x.test.words {
		_, word := p.shape()
		name, digits, named := strings.Cut(strings.Trim(word, "%"), "=")
		if !named {
			name, digits = map[int]string{32: "md5", 40: "sha1", 64: "sha256"}[len(word)], word
		}
		t := byName[strings.ToLower(name)]
		if t == nil {
			t = &test{field: strings.ToLower(name), line: x.test.line}
			byName[t.field] = t
			subs = append(subs, &expr{op: 't', test: t})
		}
		t.words = append(t.words, plain(digits))
	}
	if len(subs) == 0 {
		return x
	}
	return joined('|', subs)
}
