package windows

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/modules/windows/hivetest"
)

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

const taskXML = `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Date>2026-11-20T10:00:00</Date><Author>PC\eve</Author><Description>ünusual</Description></RegistrationInfo>
  <Triggers>
    <LogonTrigger><Enabled>true</Enabled></LogonTrigger>
    <TimeTrigger><Repetition><Interval>PT1H</Interval></Repetition><StartBoundary>2026-11-20T10:00:00</StartBoundary><Enabled>false</Enabled></TimeTrigger>
  </Triggers>
  <Principals><Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>
  <Settings><Enabled>true</Enabled><Hidden>true</Hidden></Settings>
  <Actions Context="Author">
    <Exec><Command>%SystemRoot%\System32\cmd.exe</Command><Arguments>/c x.bat</Arguments><WorkingDirectory>C:\x</WorkingDirectory></Exec>
    <ComHandler><ClassId>{00112233-4455-6677-8899-AABBCCDDEEFF}</ClassId><Data>d</Data></ComHandler>
  </Actions>
</Task>`

// cachedActions is actions as the registry keeps them.
func cachedActions(command, arguments string) string {
	text := func(s string) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, uint32(2*len(s))), utf16le(s)...)
	}
	b := append([]byte{3, 0}, text("Author")...)
	b = append(b, 0x66, 0x66)
	for _, s := range []string{"", command, arguments, ""} {
		b = append(b, text(s)...)
	}
	b = append(b, 0, 0)
	return fmt.Sprintf("%x", b)
}

func taskHost(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	run := fmt.Sprintf("03000000%x%x0000000000000000", le64(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)), le64(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)))
	const cache = `[Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\`
	hivetest.Write(t, root, map[string]string{"Windows/System32/config/SOFTWARE": cache + `Tree\Good]
Id = sz {1}
SD = hex 0100
` + cache + `Tree\Microsoft\Ghost]
Id = sz {2}
` + cache + `Tasks\{1}]
DynamicInfo = hex ` + run + `
` + cache + `Tasks\{2}]
Actions = hex ` + cachedActions(`C:\ProgramData\g.exe`, "-x") + `
[Classes\CLSID\{00112233-4455-6677-8899-AABBCCDDEEFF}\InprocServer32]
@ = expand %ProgramData%\com.dll
`})
	put(t, root, "Windows/System32/Tasks/Good", append([]byte{0xff, 0xfe}, utf16le(taskXML)...))
	put(t, root, "Windows/System32/Tasks/Sub/Loose", []byte(`<Task><Actions/></Task>`))
	put(t, root, "Windows/System32/Tasks/Broken", []byte("<Task><Actions>"))
	put(t, root, "Windows/System32/CMD.EXE", nil)
	return root
}

func le64(t time.Time) []byte { return binary.LittleEndian.AppendUint64(nil, hivetest.Filetime(t)) }

func TestTask(t *testing.T) {
	root := taskHost(t)
	got, rec := moduletest.Rows(t, taskModule(), root, []string{"name", "enabled", "action", "command", "program", "user", "elevated", "hidden", "listed", "stands", "last_run"}, nil)
	equal(t, got, rec, []string{
		`/Good | true | exec | %SystemRoot%\System32\cmd.exe /c x.bat | /Windows/System32/CMD.EXE | S-1-5-18 | true | true | true | both | 2026-11-21T09:00:00Z`,
		`/Good | true | comhandler | {00112233-4455-6677-8899-AABBCCDDEEFF} d | /ProgramData/com.dll | S-1-5-18 | true | true | true | both | 2026-11-21T09:00:00Z`,
		`/Sub/Loose | true | null | null | null | null | false | false | null | file | null`,
		`/Microsoft/Ghost | null | exec | C:\ProgramData\g.exe -x | /ProgramData/g.exe | null | null | null | false | registry | null`,
	}, []string{"io_error /Windows/System32/Tasks/Broken"})
	got, rec = moduletest.Rows(t, taskModule(), root, []string{"triggers", "directory", "author", "description", "registered", "created", "path"}, []string{"/Good"})
	if len(got) != 2 || got[0] != `[logon, time 2026-11-20T10:00:00 every PT1H (off)] | C:\x | PC\eve | ünusual | 2026-11-20T10:00:00Z | 2026-11-01T00:00:00Z | /Windows/System32/Tasks/Good` {
		t.Error(strings.Join(got, "\n"), rec.Skips())
	}
	moduletest.Run(t, taskModule(), root)
}

// Actions that are cut are named; those before stay.
func TestCachedActions(t *testing.T) {
	root := t.TempDir()
	whole := cachedActions("a.exe", "")
	const cache = `[Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\`
	hivetest.Write(t, root, map[string]string{"Windows/System32/config/SOFTWARE": cache + "Tree\\T]\nId = sz {1}\n" + cache + "Tasks\\{1}]\nActions = hex " + whole + "6666ff000000\n"})
	got, rec := moduletest.Rows(t, taskModule(), root, []string{"command", "stands"}, nil)
	if len(got) != 1 || got[0] != "a.exe | registry" || len(rec.Skips()) != 1 {
		t.Error(got, rec.Skips())
	}
}

func FuzzParseTask(f *testing.F) {
	f.Add([]byte(taskXML))
	f.Add(append([]byte{0xff, 0xfe}, utf16le(taskXML)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if task, err := parseTask(b); err == nil && len(task.Actions.List) > maxActions {
			t.Error("beyond its bounds")
		}
	})
}

func FuzzParseActions(f *testing.F) {
	f.Add([]byte{3, 0, 0, 0, 0, 0, 0x66, 0x66})
	f.Fuzz(func(t *testing.T, b []byte) {
		if list, _ := parseActions(b); len(list) > maxActions {
			t.Error("beyond its bounds")
		}
	})
}
