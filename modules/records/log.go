package records

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// An event is a line of a log.
type event struct {
	path             string
	line             int64
	time             time.Time
	host, program    string
	unit             string // of systemd, where the journal says
	process          int64  // 0: it does not say
	priority         int64  // negative: it does not say
	message, written string
}

// logs is where syslog and journald write where nobody tells them otherwise,
// with what was rotated away.
func logs() []string {
	return []string{
		"/var/log/syslog*", "/var/log/messages*", "/var/log/auth.log*", "/var/log/secure*", "/var/log/kern.log*",
		"/var/log/journal/*/*.journal*", "/run/log/journal/*/*.journal*", "/var/log/daemon.log*", "/var/log/user.log*", "/var/log/cron*", "/var/log/mail.log*", "/var/log/maillog*",
	}
}

func logModule() modules.Module {
	return table.New(modules.Schema{
		Name: "log", Doc: "What syslog and journald wrote, rotated and compressed files included; without a place, their usual files.",
		Locator: places(modules.LocatorOptional, "/var/log/auth.log*"),
	}, []table.Column[event]{
		table.Time("time", "When it happened, to the second at least; null for a line that continues another.", func(e *event) time.Time { return e.time }).Shown(),
		table.Text("host", "The host that wrote it, as it calls itself.", func(e *event) string { return e.host }),
		table.Text("program", "Who wrote it.", func(e *event) string { return e.program }).Shown(),
		table.Text("unit", "The unit of systemd that it is of, where the journal says.", func(e *event) string { return e.unit }),
		table.Value("process", value.Int, "The number of the process that wrote it; another may have it by now.", func(e *event) value.Value {
			if e.process == 0 {
				return value.Value{}
			}
			return value.NewInt(e.process)
		}),
		table.Value("severity", value.Text, "How bad it is, where the file says.", func(e *event) value.Value { return severity(e.priority) }).
			OneOf("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"),
		table.Text("message", "What it says.", func(e *event) string { return e.message }).Sensitive(),
		table.Text("path", "The file.", func(e *event) string { return e.path }).To("file").Shown(),
		table.Int("line", "The line of the file, or the number of the entry in a journal, from 1.", func(e *event) int64 { return e.line }).Shown(),
		table.Text("format", "How it is written.", func(e *event) string { return e.written }).OneOf("rfc3164", "rfc5424", "iso", "journal", "text"),
	}, func(s *table.Scan, yield func(*event) error) error {
		if len(s.Locators) == 0 && s.Keys == nil {
			usual := *s.Request
			usual.Locators = existing(s, logs())
			s.Request = &usual
		}
		return s.Files(func(name string) error {
			if is, err := readJournal(s, name, yield); is || err != nil {
				return err
			}
			c := clockOf(s, name)
			return eachLine(s, name, func(n int64, text []byte) error {
				e := c.parse(string(text))
				e.path, e.line = name, n
				return yield(&e)
			})
		})
	}).By()
}

// readJournal reads a file of journald; false where it is of another kind.
func readJournal(s *table.Scan, name string, yield func(*event) error) (is bool, err error) {
	f, err := s.FS.Open(name)
	if err != nil {
		s.Fail(name, err)
		return true, nil
	}
	defer f.Close()
	magic := make([]byte, len(journalMagic))
	if n, err := f.ReadAt(magic, 0); n < len(magic) && err == io.EOF || string(magic) != journalMagic {
		return false, nil
	}
	st, err := f.Stat()
	if err != nil {
		s.Fail(name, err)
		return true, nil
	}
	j, err := openJournal(f, st.Size())
	if err != nil {
		s.Fail(name, err)
		return true, nil
	}
	defer j.close()
	var stopped error
	err = j.entries(func(n int64, e *event) error {
		e.path, e.line = name, n
		if stopped = s.Context().Err(); stopped == nil {
			stopped = yield(e)
		}
		return stopped
	}, func(n int64, err error) { s.Fail(name+": entry "+strconv.FormatInt(n, 10), err) })
	if stopped == nil && err != nil {
		s.Fail(name, err)
	}
	return true, stopped
}

// existing gives the files that there are, so that one of another system is
// not said to be missing.
func existing(s *table.Scan, globs []string) []string {
	list := []string{}
	for name := range s.FS.Glob(globs...) {
		list = append(list, value.EscapeGlob(name))
	}
	return list
}

func severity(priority int64) value.Value {
	if priority < 0 {
		return value.Value{}
	}
	return value.NewText([...]string{"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"}[priority&7])
}

// A clock reads times that do not say their year or their zone. The year is
// the last one that puts them no later than a day after the file was last
// written, since its zone may be another, and that has such a day. The zone is
// that of the live machine, or UTC in a tree.
type clock struct {
	written time.Time
	zone    *time.Location
}

func clockOf(s *table.Scan, name string) clock {
	c := clock{written: s.Host.Now(), zone: time.UTC}
	if s.FS.Live() {
		c.zone = time.Local
	}
	if st, err := s.FS.Stat(name); err == nil {
		c.written = st.ModTime()
	}
	return c
}

// parse reads a line in one of the forms of syslog. What has none of them is a
// message alone.
func (c clock) parse(text string) event {
	e := event{priority: -1, written: "text"}
	rest := text
	if after, ok := strings.CutPrefix(rest, "<"); ok {
		if number, behind, ok := strings.Cut(after, ">"); ok {
			if n, err := strconv.ParseUint(number, 10, 8); err == nil && n < 192 {
				e.priority, rest = int64(n), behind
			}
		}
	}
	switch {
	case strings.HasPrefix(rest, "1 ") && c.rfc5424(&e, rest[2:]):
	case c.iso(&e, rest):
	case c.rfc3164(&e, rest):
	default:
		e = event{priority: -1, written: "text", message: text}
	}
	return e
}

// rfc5424 reads TIME HOST APP PROCID MSGID STRUCTURED-DATA MESSAGE.
func (c clock) rfc5424(e *event, text string) bool {
	w := strings.SplitN(text, " ", 6)
	if len(w) < 6 {
		return false
	}
	t, err := time.Parse(time.RFC3339Nano, w[0])
	if err != nil && w[0] != "-" {
		return false
	}
	e.written, e.time, e.host, e.program = "rfc5424", t, dash(w[1]), dash(w[2])
	e.process, _ = strconv.ParseInt(w[3], 10, 32)
	e.message = strings.TrimPrefix(behindData(w[5]), "\ufeff")
	return true
}

func dash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// behindData cuts structured data off: - or [id name="value"]…
func behindData(s string) string {
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return strings.TrimPrefix(rest, " ")
	}
	for strings.HasPrefix(s, "[") {
		quoted, end := false, -1
		for i := 1; i < len(s) && end < 0; i++ {
			switch {
			case s[i] == '\\':
				i++
			case s[i] == '"':
				quoted = !quoted
			case s[i] == ']' && !quoted:
				end = i
			}
		}
		if end < 0 {
			return s
		}
		s = s[end+1:]
	}
	return strings.TrimPrefix(s, " ")
}

// iso reads a time of RFC 3339, a host and a message.
func (c clock) iso(e *event, text string) bool {
	at, rest, ok := strings.Cut(text, " ")
	if !ok || len(at) < len("2026-01-02T15:04:05Z") {
		return false
	}
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return false
	}
	e.written, e.time = "iso", t
	e.behindTime(rest)
	return true
}

// rfc3164 reads a time such as "Jan  2 15:04:05", a host and a message.
func (c clock) rfc3164(e *event, text string) bool {
	const form = time.Stamp
	if len(text) <= len(form) || text[len(form)] != ' ' {
		return false
	}
	t, err := time.ParseInLocation(form, text[:len(form)], c.zone)
	if err != nil {
		return false
	}
	e.written, e.time = "rfc3164", c.year(t)
	e.behindTime(text[len(form)+1:])
	return true
}

// year gives a time its year. 29 February is at most eight years back.
func (c clock) year(t time.Time) time.Time {
	for y := c.written.In(c.zone).Year(); ; y-- {
		in := time.Date(y, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, c.zone)
		if in.Day() == t.Day() && !in.After(c.written.Add(24*time.Hour)) {
			return in
		}
	}
}

// behindTime reads HOST PROGRAM[PID]: MESSAGE.
func (e *event) behindTime(text string) {
	host, rest, ok := strings.Cut(text, " ")
	if !ok {
		e.message = text
		return
	}
	e.host = host
	tag, message, ok := strings.Cut(rest, ": ")
	if !ok {
		tag, ok = strings.CutSuffix(rest, ":")
	}
	if !ok || strings.ContainsAny(tag, " \t") {
		e.message = rest
		return
	}
	e.program, e.message = tag, message
	if name, number, ok := strings.Cut(strings.TrimSuffix(tag, "]"), "["); ok {
		if n, err := strconv.ParseInt(number, 10, 32); err == nil {
			e.program, e.process = name, n
		}
	}
}
