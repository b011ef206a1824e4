package windows

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// Bounds of a task.
const (
	maxTask    = 1 << 20 // bytes of its file; people write a few thousand
	maxActions = 256
)

// A taskFile is what the file of a task says.
type taskFile struct {
	Info struct {
		Date        string `xml:"Date"`
		Author      string `xml:"Author"`
		Description string `xml:"Description"`
	} `xml:"RegistrationInfo"`
	Triggers struct {
		List []taskTrigger `xml:",any"`
	} `xml:"Triggers"`
	Principals struct {
		List []taskPrincipal `xml:"Principal"`
	} `xml:"Principals"`
	Settings struct {
		Enabled string `xml:"Enabled"`
		Hidden  string `xml:"Hidden"`
	} `xml:"Settings"`
	Actions struct {
		List []taskAction `xml:",any"`
	} `xml:"Actions"`
}

// A taskPrincipal says as whom it runs.
type taskPrincipal struct {
	UserID   string `xml:"UserId"`
	GroupID  string `xml:"GroupId"`
	RunLevel string `xml:"RunLevel"`
}

// A taskAction is one of the things that a task does.
type taskAction struct {
	XMLName   xml.Name
	Command   string `xml:"Command"`
	Arguments string `xml:"Arguments"`
	Directory string `xml:"WorkingDirectory"`
	ClassID   string `xml:"ClassId"`
	Data      string `xml:"Data"`
}

// A taskTrigger is one of the things that start it.
type taskTrigger struct {
	XMLName  xml.Name
	Enabled  string `xml:"Enabled"`
	Start    string `xml:"StartBoundary"`
	User     string `xml:"UserId"`
	Interval string `xml:"Repetition>Interval"`
	Query    string `xml:"Subscription"`
}

// String says what starts a task: logon, or time 2026-11-20T10:00:00 every PT1H.
func (t taskTrigger) String() string {
	text := strings.ToLower(strings.TrimSuffix(t.XMLName.Local, "Trigger"))
	for _, part := range [...][2]string{{"", t.Start}, {"of ", t.User}, {"every ", t.Interval}, {"", t.Query}} {
		if part[1] != "" {
			text += " " + part[0] + strings.TrimSpace(part[1])
		}
	}
	if strings.EqualFold(strings.TrimSpace(t.Enabled), "false") {
		text += " (off)"
	}
	return text
}

// parseTask reads the file of a task, which is XML, mostly in UTF-16.
func parseTask(b []byte) (*taskFile, error) {
	d := xml.NewDecoder(bytes.NewReader(plainXML(b)))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	t := &taskFile{}
	for {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("no task: %w", errors.Join(hostfs.ErrMalformed, err))
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local != "Task" {
			return nil, fmt.Errorf("no task but %q: %w", start.Name.Local, hostfs.ErrMalformed)
		}
		if err := d.DecodeElement(t, &start); err != nil {
			return nil, fmt.Errorf("%w: %w", hostfs.ErrMalformed, err)
		}
		if len(t.Actions.List) > maxActions {
			return nil, fmt.Errorf("%d actions: %w", len(t.Actions.List), hostfs.ErrMalformed)
		}
		return t, nil
	}
}

// plainXML makes UTF-8 of UTF-16.
func plainXML(b []byte) []byte {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		b = b[2:]
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		b, order = b[2:], binary.BigEndian
	case len(b) > 1 && b[0] == '<' && b[1] == 0:
	default:
		return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = order.Uint16(b[2*i:])
	}
	return []byte(string(utf16.Decode(u)))
}

// taskTime reads a time as tasks have it: of a zone, or of the machine's own,
// which a tree does not say and UTC stands for.
func taskTime(text string, zone *time.Location) time.Time {
	text = strings.TrimSpace(text)
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t
	}
	t, _ := time.ParseInLocation("2006-01-02T15:04:05", text, zone)
	return t
}

// parseActions reads the actions of a task as the registry keeps them: the
// version (16 bits), the context, and then each a kind of 16 bits and what it
// has. A text is its size in bytes (32 bits), and UTF-16.
func parseActions(b []byte) ([]taskAction, error) {
	r := actionReader{b: b}
	version := r.number(2)
	if version > 1 {
		r.text() // on behalf of whom
	}
	var list []taskAction
	for len(r.b) >= 2 && !r.cut && len(list) < maxActions {
		var a taskAction
		switch kind := r.number(2); kind {
		case 0x6666:
			a.XMLName.Local = "Exec"
			r.text()
			a.Command, a.Arguments, a.Directory = r.text(), r.text(), r.text()
			if version > 2 {
				r.number(2)
			}
		case 0x7777:
			a.XMLName.Local = "ComHandler"
			r.text()
			a.ClassID = guid(r.take(16))
			a.Data = r.text()
		default:
			return list, fmt.Errorf("an action of kind 0x%x: %w", kind, hostfs.ErrMalformed)
		}
		if !r.cut {
			list = append(list, a)
		}
	}
	if r.cut {
		return list, fmt.Errorf("actions that are cut: %w", hostfs.ErrMalformed)
	}
	return list, nil
}

type actionReader struct {
	b   []byte
	cut bool
}

func (r *actionReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.cut = nil, true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *actionReader) number(n int) int {
	v := 0
	for i, c := range r.take(n) {
		v |= int(c) << (8 * i)
	}
	return v
}

func (r *actionReader) text() string {
	b := r.take(r.number(4))
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

// guid gives an identifier in its form as text.
func guid(b []byte) string {
	if len(b) != 16 {
		return ""
	}
	le := binary.LittleEndian
	return fmt.Sprintf("{%08X-%04X-%04X-%X-%X}", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:])
}
