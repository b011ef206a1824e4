package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A record is bytes written at places, as the headers of a system lay out its
// structures.
type record []byte

func (r record) put32(at int, n uint32) record { binary.LittleEndian.PutUint32(r[at:], n); return r }
func (r record) put64(at int, n uint64) record { binary.LittleEndian.PutUint64(r[at:], n); return r }
func (r record) text(at int, s string) record  { copy(r[at:], s); return r }

func wide(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

var started = time.Date(2026, 3, 4, 5, 6, 7, 800, time.UTC)

func winStamp(t time.Time) uint64 { return uint64(t.UnixNano()/100 + 116444736000000000) }

// base is where the kernel of the tests wrote its answer.
const base = 0x1_0000_0000

// winList writes processes as NtQuerySystemInformation does: each with its
// threads, its name behind them, and the distance to the next.
func winList(list ...func(at int) record) []byte {
	var b []byte
	for i, make := range list {
		r := make(len(b))
		for len(r)%8 != 0 {
			r = append(r, 0)
		}
		if i < len(list)-1 {
			r.put32(0, uint32(len(r)))
		}
		b = append(b, r...)
	}
	return b
}

func winEntry(pid, parent int, name string, threads ...record) func(int) record {
	return func(at int) record {
		text := wide(name)
		r := make(record, 0x100).put32(4, uint32(len(threads))).put64(0x20, winStamp(started)).put64(0x28, 15_000_000).put64(0x30, 5_000_000).
			put64(0x50, uint64(pid)).put64(0x58, uint64(parent)).put32(0x60, 321).put32(0x64, 1).put64(0x78, 2<<40).put64(0x90, 30<<20)
		for _, t := range threads {
			r = append(r, t...)
		}
		if name != "" {
			r.put32(0x38, uint32(len(text))).put64(0x40, uint64(base+at+len(r)))
		}
		return append(r, text...)
	}
}

func winThreadOf(tid uint64, state, wait uint32) record {
	return make(record, 0x50).put64(0, 10_000_000).put64(8, 5_000_000).put64(0x10, winStamp(started)).put64(0x30, tid).put32(0x44, state).put32(0x48, wait)
}

func TestWindowsProcesses(t *testing.T) {
	b := winList(
		winEntry(0, 0, ""),
		winEntry(4, 0, "System", winThreadOf(8, 5, 0)),
		winEntry(7012, 4, "évil\U0001F600.exe", winThreadOf(7016, 2, 0), winThreadOf(7020, 5, 5), winThreadOf(7024, 4, 0)))
	list, err := parseWinProcesses(b, base)
	if err != nil || len(list) != 3 {
		t.Fatalf("%d, %v", len(list), err)
	}
	columns := []string{"parent", "name", "started", "cpu_time", "memory", "virtual_memory", "threads", "open_files", "session_number", "kernel"}
	want := []string{
		"0 System Idle Process 2026-03-04T05:06:07.0000008Z 2s 30MiB 2TiB 0 321 1 true",
		"0 System 2026-03-04T05:06:07.0000008Z 2s 30MiB 2TiB 1 321 1 true",
		"4 évil\U0001F600.exe 2026-03-04T05:06:07.0000008Z 2s 30MiB 2TiB 3 321 1 false",
	}
	for i := range list {
		var row []string
		for _, name := range columns {
			v, ok := list[i].column(name)
			if !ok {
				t.Errorf("%s is not known", name)
			}
			row = append(row, v.String())
		}
		if got := strings.Join(row, " "); got != want[i] {
			t.Error(got)
		}
	}
	if _, ok := list[2].column("nice"); ok {
		t.Error("Windows has no niceness")
	}
	var got []string
	for _, w := range list[2].threads {
		k := w.task(7012)
		got = append(got, fmt.Sprint(k.tid, " ", k.stat.stateName(), " ", k.stat.cpu, " ", k.started.Equal(started)))
	}
	if want := []string{"7016 running 1.5s true", "7020 stopped 1.5s true", "7024 dead 1.5s true"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for cut := range len(b) - 8 { // the last is filled up
		if _, err := parseWinProcesses(b[:cut], base); err == nil {
			t.Fatalf("%d of %d bytes are a list", cut, len(b))
		}
	}
	if _, err := parseWinProcesses(b, base+1<<20); err == nil {
		t.Error("a name outside of the answer was read")
	}
}

// The parameters as they stand in the memory of a process of 64-bit Windows.
func TestWindowsParameters(t *testing.T) {
	const peb, block, text = 0x7ff0_0000, 0x1000, 0x5000
	folder, env := wide(`C:\Users\Ann\`), wide("=C:=C:\\x\x00PATH=C:\\Windows\x00A=b=c\x00\x00\x00\x00")
	memory := map[uint64]record{
		peb:          make(record, 0x100).put64(0x20, block),
		block:        make(record, 0x448).put32(0x38, uint32(len(folder))).put64(0x40, text).put64(0x80, text+0x100).put64(0x3f0, uint64(len(env))),
		text:         record(folder),
		text + 0x100: record(env),
	}
	read := func(at uint64, n int) ([]byte, error) {
		for start, b := range memory {
			if at >= start && at+uint64(n) <= start+uint64(len(b)) {
				return b[at-start:][:n], nil
			}
		}
		return nil, fmt.Errorf("nothing at %#x", at)
	}
	p, err := readParameters(peb, read)
	if err != nil || p.folder != `C:\Users\Ann\` || !slices.Equal(p.env, []string{`PATH=C:\Windows`, "A=b=c"}) {
		t.Errorf("%+v, %v", p, err)
	}
	memory[block].put64(0x3f0, 1<<40)
	if _, err := readParameters(peb, read); !errors.Is(err, hostfs.ErrTooLarge) {
		t.Errorf("%v", err)
	}
	memory[block].put64(0x3f0, 64).put64(0x80, 0xdead)
	if _, err := readParameters(peb, read); err == nil {
		t.Error("an environment that is not there was read")
	}
}

func TestWindowsMemory(t *testing.T) {
	for _, c := range []struct {
		protect, kind uint32
		want          string
	}{{0x20, 0x1000000, "r-xp"}, {0x40, 0x20000, "rwxp"}, {0x04, 0x40000, "rw-s"}, {0x104, 0x20000, "---p"}, {0x01, 0x20000, "---p"}, {0x80, 0x1000000, "rwxp"}, {0, 0, "---p"}} {
		if got := winRights(c.protect, c.kind); got != c.want {
			t.Errorf("%#x, %#x: %s, not %s", c.protect, c.kind, got, c.want)
		}
	}
	drives := map[string]string{`\Device\HarddiskVolume3`: "C:", `\Device\HarddiskVolume31`: "D:"}
	for path, want := range map[string]string{`\Device\HarddiskVolume3\a\b.dll`: `C:\a\b.dll`, `\Device\HarddiskVolume31\x`: `D:\x`, `\Device\Mup\host\x`: `\Device\Mup\host\x`} {
		if got := dosPath(drives, path); got != want {
			t.Errorf("%s is %s", path, got)
		}
	}
}

// A kinfo_proc as sys/sysctl.h and sys/proc.h lay it out for 64 bits.
func kinfo(pid, parent int, name string, tty uint32) record {
	return make(record, 648).put64(0, uint64(started.Unix())).put32(8, 7).text(36, "\x03").put32(40, uint32(pid)).text(242, "\xfb").text(243, name).
		put32(392, 501).put32(400, 20).put32(420, 0).put32(424, 2).put32(428, 21).put32(432, 80).
		put32(560, uint32(parent)).put32(564, uint32(pid)).put32(572, tty)
}

func TestMacProcesses(t *testing.T) {
	b := append(kinfo(1, 0, "launchd", 0xffffffff), kinfo(812, 1, "zsh-a-long-name!", 16<<24|3)...)
	list, err := parseKinfo(b)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d, %v", len(list), err)
	}
	want := []string{
		"0 launchd 2026-03-04T05:06:07.000007Z sleeping -5  1 false 501 0 20 21 [21, 80]",
		"1 zsh-a-long-name! 2026-03-04T05:06:07.000007Z sleeping -5 ttys003 812 false 501 0 20 21 [21, 80]",
	}
	for i := range list {
		var row []string
		for _, name := range []string{"parent", "name", "started", "state", "nice", "tty", "process_group", "kernel", "uid", "euid", "gid", "egid", "groups"} {
			v, ok := list[i].column(name)
			if !ok {
				t.Errorf("%s is not known", name)
			}
			text := v.String()
			if v.IsNull() {
				text = ""
			}
			row = append(row, text)
		}
		if got := strings.Join(row, " "); got != want[i] {
			t.Error(got)
		}
	}
	if _, err := parseKinfo(b[:700]); err == nil {
		t.Error("half a process is a process")
	}
}

func TestMacCall(t *testing.T) {
	text := "\x03\x00\x00\x00/bin/zsh\x00\x00\x00\x00\x00\x00\x00\x00-zsh\x00\x00-l\x00HOME=/Users/ann\x00LANG=C\x00\x00ptr_munge=\x00"
	c, err := parseMacCall([]byte(text))
	if err != nil || c.program != "/bin/zsh" || !slices.Equal(c.args, []string{"-zsh", "", "-l"}) || !slices.Equal(c.env, []string{"HOME=/Users/ann", "LANG=C"}) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", "\x01\x00\x00", "\x01\x00\x00\x00/bin/zsh", "\xff\xff\xff\xff/x\x00a\x00"} {
		if c, err := parseMacCall([]byte(bad)); err == nil {
			t.Errorf("%q is %+v", bad, c)
		}
	}
}

func TestMacInfo(t *testing.T) {
	k, err := parseMacTask(make(record, 96).put64(0, 4<<30).put64(8, 9<<20).put64(16, 36_000_000).put64(24, 12_000_000).put32(84, 7))
	if err != nil || k.virtual != 4<<30 || k.resident != 9<<20 || k.threads != 7 || k.cpu(24_000_000) != 2*time.Second || k.cpu(0) != 0 {
		t.Errorf("%+v, %v", k, err)
	}
	if _, err := parseMacTask(make(record, 95)); err == nil {
		t.Error("it is cut")
	}
	f, err := parseMacFolders(make(record, 2352).text(152, "/Users/ann\x00rest"))
	if err != nil || f != [2]string{"/Users/ann", ""} {
		t.Errorf("%q, %v", f, err)
	}
	if _, err := parseMacFolders(make(record, 2351)); err == nil {
		t.Error("it is cut")
	}
}

// asked is a system of the tests.
type asked struct{ closed bool }

func (a *asked) column(name string) (value.Value, error) {
	switch name {
	case "exe":
		return value.NewText(`C:\x.exe`), nil
	case "cmdline":
		return value.Value{}, fmt.Errorf("it is protected: %w", errors.ErrUnsupported)
	case "args":
		return value.Value{}, errTold
	}
	return value.Value{}, nil
}
func (a *asked) environ() ([]string, error)            { return []string{"A=b"}, nil }
func (a *asked) threads(yield func(*task) error) error { return yield(&task{tid: 5, unnamed: true}) }
func (a *asked) regions(yield func(*region) error) error {
	return yield(&region{start: 1, end: 2, permissions: "r-xp", backed: true, noOffset: true, name: `\Device\X`, file: `C:\x.dll`})
}
func (a *asked) close() { a.closed = true }

// What a system says goes through the same columns; what it cannot say is null
// and reported once.
func TestAnotherSystem(t *testing.T) {
	a := &asked{}
	p := &proc{pid: 7, system: a}
	m := table.New(*process().Schema(), processColumns(), func(s *table.Scan, yield func(*proc) error) error {
		p.lookout = &lookout{Scan: s}
		return yield(p)
	})
	var names []string
	for _, c := range m.Schema().Columns {
		names = append(names, c.Name)
	}
	rows, rec := moduletest.Rows(t, m, "", names, nil)
	if got, want := strings.ReplaceAll(strings.Join(rows, "\n"), "null | ", ""), `7 | C:\x.exe | null`; got != want {
		t.Errorf("%s", got)
	}
	if skips := rec.Skips(); len(skips) != 1 || skips[0].Kind != modules.SkipUnsupported || skips[0].Where != "process 7.cmdline" {
		t.Errorf("%+v", skips)
	}
	if env, err := p.environ(); err != nil || !slices.Equal(env, []string{"A=b"}) {
		t.Errorf("%q, %v", env, err)
	}
	if err := p.regions(func(r *region) error {
		if path, deleted := r.path(); path != `C:\x.dll` || deleted || r.anonymous() || r.proc != p {
			t.Errorf("%+v", r)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if rows, rec := moduletest.Rows(t, openFile(), t.TempDir(), []string{"fd"}, nil); len(rows) != 0 || len(rec.Skips()) != 1 || rec.Skips()[0].Kind == modules.SkipUnsupported {
		t.Errorf("a tree without /proc: %q, %+v", rows, rec.Skips())
	}
}

func FuzzSystems(f *testing.F) {
	f.Add(winList(winEntry(7012, 4, "x.exe", winThreadOf(7016, 2, 0))))
	f.Add([]byte(kinfo(1, 0, "launchd", 0xffffffff)))
	f.Add([]byte("\x01\x00\x00\x00/bin/zsh\x00\x00-zsh\x00HOME=/x\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, _ := parseWinProcesses(b, base)
		for i := range list {
			if n := len(list[i].threads); n*winThread > len(b) {
				t.Errorf("%d threads in %d bytes", n, len(b))
			}
		}
		if list, err := parseKinfo(b); err == nil && len(list)*kinfoSize != len(b) {
			t.Errorf("%d processes in %d bytes", len(list), len(b))
		}
		if c, err := parseMacCall(b); err == nil && len(c.args)+len(c.env) > len(b) {
			t.Errorf("%d words in %d bytes", len(c.args), len(b))
		}
		readParameters(8, func(at uint64, n int) ([]byte, error) {
			if at > uint64(len(b)) || uint64(n) > uint64(len(b))-at {
				return nil, hostfs.ErrMalformed
			}
			return b[at:][:n], nil
		})
	})
}
