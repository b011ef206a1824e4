package windows

import (
	"fmt"
	"path"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/modules/windows/evtx"
	"github.com/quaestor-engine/quaestor/value"
)

// An event is a record of a log, which is decoded when a column asks for more
// than its head says.
type event struct {
	path, log string
	record    *evtx.Record
	decoded   bool
	system    *evtx.Element
	root      *evtx.Element
	err       error
}

func eventlogModule() modules.Module {
	return table.New(modules.Schema{
		Name: "eventlog", Doc: "The event logs of Windows; without a place, all that the system keeps. The words around an event's data are in its provider's libraries, and not here.",
		Locator: modules.Locator{
			Use: modules.LocatorOptional, Column: "log", Example: "'Security'",
			Doc: "globs of logs, such as 'Microsoft-Windows-Sysmon/Operational', or of paths of .evtx files",
		},
	}, []table.Column[event]{
		table.Time("time", "When it was written.", func(e *event) time.Time { return e.record.Time }).Shown(),
		table.Text("log", "The log, as its file is called: Security, or Archive-Security-… once it was put away.", func(e *event) string { return e.log }).Shown(),
		decoded("channel", value.Text, "The channel by which it came, which a log of forwarded events has many of.", func(e *event) value.Value { return table.TextOf(e.system.Child("Channel").String()) }),
		decoded("provider", value.Text, "Who wrote it.", func(e *event) value.Value { return table.TextOf(e.provider()) }).Shown(),
		decoded("event_id", value.Int, "What kind of event of that provider it is.", func(e *event) value.Value { return e.number("EventID") }).Shown(),
		decoded("level", value.Text, "How bad it is.", func(e *event) value.Value { return e.level() }).OneOf(levels()...).Shown(),
		decoded("audit", value.Text, "Of an event of the security log: whether what it tells of succeeded.", func(e *event) value.Value { return table.TextOf(e.audit()) }).OneOf("success", "failure"),
		decoded("computer", value.Text, "The machine that wrote it, as it calls itself.", func(e *event) value.Value { return table.TextOf(e.system.Child("Computer").String()) }),
		table.Int("record_id", "The number of the record in its log; where numbers are missing between others, something was removed.", func(e *event) int64 { return int64(e.record.ID) }),
		decoded("user_sid", value.Text, "The security identifier of the user as whom it was written.", func(e *event) value.Value { return table.TextOf(e.system.Child("Security").Attr("UserID")) }),
		decoded("process", value.Int, "The number of the process that wrote it; another may have it by now.", func(e *event) value.Value { return numberOf(e.system.Child("Execution").Attr("ProcessID")) }),
		decoded("task", value.Int, "The task of the provider that it belongs to.", func(e *event) value.Value { return e.number("Task") }),
		decoded("opcode", value.Int, "Where in that task it happened.", func(e *event) value.Value { return e.number("Opcode") }),
		decoded("keywords", value.Text, "The bits by which the provider sorts it, in hexadecimal.", func(e *event) value.Value { return table.TextOf(e.system.Child("Keywords").String()) }),
		decoded("data", value.List, "Its data, each as name=value, or the value alone.", func(e *event) value.Value { return table.ListOf(e.data(true), value.NewText) }).Of(value.Text).Sensitive(),
		decoded("text", value.Text, "The values of its data, with blanks between them.", func(e *event) value.Value { return table.TextOf(strings.Join(e.data(false), " ")) }).Sensitive(),
		decoded("xml", value.Text, "All of it, as XML.", func(e *event) value.Value { return table.TextOf(e.root.XML()) }).Sensitive(),
		table.Text("path", "The file.", func(e *event) string { return e.path }).To("file"),
	}, listEvents).By()
}

// decoded makes a column of what is inside a record. One that is not in its
// format is reported once, and has none of them.
func decoded(name string, t value.Type, doc string, get func(*event) value.Value) table.Column[event] {
	return table.Computed(name, t, doc, func(s *table.Scan, e *event) (value.Value, error) {
		if !e.decoded {
			e.decoded = true
			if e.root, e.err = e.record.Event(); e.err != nil {
				s.Fail(e.path+": record "+strconv.FormatUint(e.record.ID, 10), e.err)
			}
			e.system = e.root.Child("System")
		}
		if e.err != nil {
			return value.Value{}, nil
		}
		return get(e), nil
	}).Costs(modules.Read)
}

// provider gives the name of who wrote an event; one of old stands elsewhere.
func (e *event) provider() string {
	p := e.system.Child("Provider")
	if name := p.Attr("Name"); name != "" {
		return name
	}
	return p.Attr("EventSourceName")
}

func (e *event) number(name string) value.Value { return numberOf(e.system.Child(name).String()) }

func numberOf(text string) value.Value {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return value.Value{}
	}
	return value.NewInt(n)
}

// levels are what the system calls them, by number.
func levels() []string {
	return []string{"always", "critical", "error", "warning", "information", "verbose"}
}

func (e *event) level() value.Value {
	text := e.system.Child("Level").String()
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n >= len(levels()) {
		return value.Value{}
	}
	return value.NewText(levels()[n])
}

// audit reads the two bits of the keywords that say whether something
// succeeded.
func (e *event) audit() string {
	n, err := strconv.ParseUint(strings.TrimPrefix(e.system.Child("Keywords").String(), "0x"), 16, 64)
	switch {
	case err != nil:
	case n&(1<<53) != 0:
		return "success"
	case n&(1<<52) != 0:
		return "failure"
	}
	return ""
}

// data gives the data of an event, which stand in elements beside the head.
func (e *event) data(named bool) []string {
	var list []string
	var walk func(x *evtx.Element)
	walk = func(x *evtx.Element) {
		for _, c := range x.Children {
			if len(c.Children) > 0 {
				walk(c)
				continue
			}
			name := c.Attr("Name")
			if name == "" && c.Name != "Data" {
				name = c.Name
			}
			switch {
			case named && name != "":
				list = append(list, name+"="+c.Text)
			case c.Text != "":
				list = append(list, c.Text)
			}
		}
	}
	for _, c := range e.root.Children {
		if c != e.system {
			walk(c)
		}
	}
	return list
}

const logFolder = "/Windows/System32/winevt/Logs/*.evtx"

// logName gives the name of the log that a file holds.
func logName(file string) string {
	base := path.Base(strings.ReplaceAll(file, `\`, "/"))
	return strings.ReplaceAll(strings.TrimSuffix(base, path.Ext(base)), "%4", "/")
}

func listEvents(s *table.Scan, yield func(*event) error) error {
	var names, paths []string
	for _, l := range s.Locators {
		if strings.HasPrefix(l, "/") || value.BackslashSeparates(l) {
			paths = append(paths, l)
		} else {
			names = append(names, l)
		}
	}
	seen := map[string]bool{}
	visit := func(file string) error {
		if seen[file] {
			return nil
		}
		seen[file] = true
		return readLog(s, file, yield)
	}
	if len(names) > 0 || len(paths) == 0 {
		if err := listLogs(s, names, visit); err != nil {
			return err
		}
	}
	if len(paths) == 0 {
		return nil
	}
	told := *s.Request
	told.Locators = paths
	s.Request = &told
	return s.Files(visit)
}

// listLogs visits the system's logs with one of the names; without any, all.
func listLogs(s *table.Scan, names []string, visit func(string) error) error {
	if s.FS.Live() && runtime.GOOS != "windows" {
		s.Skip(modules.SkipUnsupported, "eventlog", "there are no event logs on this system: name a file")
		return nil
	}
	globs := make([]*value.Glob, len(names))
	for i, n := range names {
		g, err := value.CompileGlob(n, value.GlobOptions{Flat: true, Fold: true})
		if err != nil {
			return fmt.Errorf("eventlog: %w", err)
		}
		globs[i] = g
	}
	found := make([]bool, len(names))
	for file := range s.FS.GlobWindows(logFolder) {
		wanted := len(names) == 0
		for i, g := range globs {
			if g.Match(logName(file)) {
				wanted, found[i] = true, true
			}
		}
		if !wanted || !s.Wanted("log", logName(file)) {
			continue
		}
		if err := visit(file); err != nil {
			return err
		}
	}
	for i, n := range names {
		if !found[i] && !strings.ContainsAny(n, "*?[{") {
			s.Skip(modules.SkipNotFound, n, "no such log")
		}
	}
	return nil
}

// readLog reads the records of a file. Chunks that are damaged are named, and
// the others read.
func readLog(s *table.Scan, file string, yield func(*event) error) error {
	f, err := s.FS.Open(file)
	if err != nil {
		s.Fail(file, err)
		return nil
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		s.Fail(file, err)
		return nil
	}
	log, err := evtx.Open(f, st.Size())
	if err != nil {
		s.Fail(file, err)
		return nil
	}
	for c, err := range log.Chunks() {
		if err != nil {
			s.Fail(file, err)
			continue
		}
		if c.Dirty() {
			s.Fail(fmt.Sprintf("%s: chunk at offset %d", file, c.Offset()), hostfs.ErrChanged)
		}
		for r, err := range c.Records() {
			if err != nil {
				s.Fail(file, err)
				continue
			}
			if err := yield(&event{path: file, log: logName(file), record: r}); err != nil {
				return err
			}
		}
	}
	return s.Context().Err()
}
