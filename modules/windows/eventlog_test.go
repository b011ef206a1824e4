package windows

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/modules/windows/evtxtest"
)

func logged(id uint16, minute int, data ...evtxtest.Datum) evtxtest.Event {
	return evtxtest.Event{
		Time: time.Date(2026, 11, 20, 10, minute, 0, 0, time.UTC), Provider: "Microsoft-Windows-Security-Auditing",
		Channel: "Security", Computer: "PC", ID: id, Level: 4, SID: "S-1-5-18", PID: 4, Data: data,
	}
}

// put writes a file into a tree.
func put(t testing.TB, root, name string, b []byte) {
	t.Helper()
	p := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

const logs = "Windows/System32/winevt/Logs/"

func TestEventlog(t *testing.T) {
	root := t.TempDir()
	security := evtxtest.Log(
		[]evtxtest.Event{logged(4624, 1, evtxtest.Text("TargetUserName", "eve"), evtxtest.Datum{Name: "LogonType", Kind: 8, Data: []byte{10, 0, 0, 0}})},
		[]evtxtest.Event{logged(4625, 2, evtxtest.Text("TargetUserName", "ann"))},
	)
	put(t, root, logs+"Security.evtx", security)
	put(t, root, logs+"Microsoft-Windows-Sysmon%4Operational.evtx", evtxtest.Log([]evtxtest.Event{logged(1, 3, evtxtest.Text("", "a b"), evtxtest.Text("", "c"))}))
	put(t, root, logs+"System.evtx", []byte("no log"))
	cleared := logged(1102, 4, evtxtest.Text("LogFileCleared/SubjectUserName", "eve"))
	cleared.Name = "UserData"
	put(t, root, "cases/old.evtx", evtxtest.Log([]evtxtest.Event{cleared}))
	columns := []string{"time", "log", "channel", "event_id", "level", "audit", "record_id", "user_sid", "process", "data", "text"}
	const (
		one   = "2026-11-20T10:01:00Z | Security | Security | 4624 | information | success | 1 | S-1-5-18 | 4 | [TargetUserName=eve, LogonType=10] | eve 10"
		two   = "2026-11-20T10:02:00Z | Security | Security | 4625 | information | success | 2 | S-1-5-18 | 4 | [TargetUserName=ann] | ann"
		three = "2026-11-20T10:03:00Z | Microsoft-Windows-Sysmon/Operational | Security | 1 | information | success | 1 | S-1-5-18 | 4 | [a b, c] | a b c"
		four  = "2026-11-20T10:04:00Z | old | Security | 1102 | information | success | 1 | S-1-5-18 | 4 | [SubjectUserName=eve] | eve"
	)
	for name, c := range map[string]struct{ locators, want, skips []string }{
		"all":                 {nil, []string{three, one, two}, []string{"io_error /" + logs + "System.evtx"}},
		"a log":               {[]string{"security"}, []string{one, two}, nil},
		"a log with a slash":  {[]string{"*Sysmon/*"}, []string{three}, nil},
		"a file":              {[]string{"/cases/*.evtx"}, []string{four}, nil},
		"a file of Windows":   {[]string{`c:\CASES\old.evtx`, "/cases/old.evtx"}, []string{four}, nil},
		"a log and a file":    {[]string{"Security", "/cases"}, []string{one, two, four}, nil},
		"what is not there":   {[]string{"Setup", "App*"}, nil, []string{"not_found Setup"}},
		"a file that is not":  {[]string{`C:\x.evtx`}, nil, []string{"not_found /x.evtx"}},
		"a drive that is not": {[]string{`D:\x.evtx`}, nil, []string{"not_found D:/x.evtx"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, rec := moduletest.Rows(t, eventlogModule(), root, columns, c.locators)
			equal(t, got, rec, c.want, c.skips)
		})
	}
	moduletest.Run(t, eventlogModule(), root)

	security[4096+600]++
	put(t, root, logs+"Security.evtx", security)
	got, rec := moduletest.Rows(t, eventlogModule(), root, columns, []string{"Security"})
	equal(t, got, rec, []string{two}, []string{"io_error /" + logs + "Security.evtx"})
	if d := rec.Skips()[0].Detail; !strings.Contains(d, "at offset 4096") {
		t.Error(d)
	}
}

// A record that cannot be decoded is a row, since its head is whole, and is
// named once.
func TestEventlogBadRecord(t *testing.T) {
	root := t.TempDir()
	b := evtxtest.Log([]evtxtest.Event{logged(1, 1), logged(2, 2)})
	at := 4096 + 512
	b[at+28] = 0x33 // no token
	evtxtest.SignChunk(b[4096:])
	put(t, root, logs+"A.evtx", b)
	got, rec := moduletest.Rows(t, eventlogModule(), root, []string{"record_id", "event_id", "provider"}, nil)
	if len(got) != 2 || got[0] != "1 | null | null" {
		t.Error(got)
	}
	if s := rec.Skips(); len(s) == 0 || !strings.HasPrefix(s[0].Where, "/"+logs+"A.evtx: record 1") {
		t.Error(s)
	}
}
