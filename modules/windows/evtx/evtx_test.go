package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/modules/windows/evtxtest"
)

var (
	when = time.Date(2026, 11, 20, 10, 0, 0, 123456700, time.UTC)
	le   = binary.LittleEndian
)

func logon(id uint16, user string) evtxtest.Event {
	return evtxtest.Event{
		Time: when, Provider: "Microsoft-Windows-Security-Auditing", Channel: "Security", Computer: "PC", ID: id, SID: "S-1-5-18", PID: 4,
		Data: []evtxtest.Datum{evtxtest.Text("TargetUserName", user), {Name: "LogonType", Kind: typeUint32, Data: []byte{10, 0, 0, 0}}},
	}
}

// dump gives each record as XML, and what went wrong.
func dump(f *File) []string {
	var out []string
	for c, err := range f.Chunks() {
		if err != nil {
			out = append(out, "! "+err.Error())
			continue
		}
		if c.Dirty() {
			out = append(out, "dirty")
		}
		for r, err := range c.Records() {
			if err != nil {
				out = append(out, "! "+err.Error())
				continue
			}
			e, err := r.Event()
			if err != nil {
				out = append(out, "! "+err.Error())
				continue
			}
			out = append(out, e.XML())
		}
	}
	return out
}

func open(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// types is a value of each type, as the format has it, and what it says.
func types() []struct {
	datum evtxtest.Datum
	want  string
} {
	guid := []byte{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	var list []struct {
		datum evtxtest.Datum
		want  string
	}
	add := func(kind byte, data []byte, want string) {
		list = append(list, struct {
			datum evtxtest.Datum
			want  string
		}{evtxtest.Datum{Name: "v", Kind: kind, Data: data}, want})
	}
	add(typeText, []byte("a\x00<\x00\xfc\x00"), "a&lt;ü")
	add(typeANSI, []byte("plain\x00"), "plain")
	add(typeInt8, []byte{0xff}, "-1")
	add(typeUint8, []byte{0xff}, "255")
	add(typeInt16, []byte{0xfe, 0xff}, "-2")
	add(typeUint16, []byte{0xfe, 0xff}, "65534")
	add(typeInt32, []byte{0xfd, 0xff, 0xff, 0xff}, "-3")
	add(typeUint32, []byte{0xfd, 0xff, 0xff, 0xff}, "4294967293")
	add(typeInt64, []byte{0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "-4")
	add(typeUint64, []byte{0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "18446744073709551612")
	add(typeBool, []byte{1, 0, 0, 0}, "true")
	add(typeBinary, []byte{0xab, 1}, "AB01")
	add(typeGUID, guid, "{00112233-4455-6677-8899-AABBCCDDEEFF}")
	add(typeFiletime, le.AppendUint64(nil, uint64(when.UnixNano()/100)+116444736000000000), "2026-11-20T10:00:00.1234567Z")
	add(typeSystemtime, []byte{0xea, 7, 11, 0, 5, 0, 20, 0, 10, 0, 9, 0, 8, 0, 7, 0}, "2026-11-20T10:09:08.0070000Z")
	add(typeSID, evtxtest.SID("S-1-5-21-1-2-3-1001"), "S-1-5-21-1-2-3-1001")
	add(typeHex32, []byte{0x10, 0, 0, 0}, "0x10")
	add(typeHex64, []byte{0x10, 0, 0, 0, 1, 0, 0, 0}, "0x100000010")
	add(typeFloat, []byte{0, 0, 0xc0, 0x3f}, "1.5")
	add(typeDouble, []byte{0, 0, 0, 0, 0, 0, 4, 0xc0}, "-2.5")
	add(typeSize, []byte{0x10, 0, 0, 0}, "0x10")
	add(typeList|typeText, []byte("a\x00\x00\x00b\x00\x00\x00"), "a</Data><Data Name=\"v\">b")
	add(typeList|typeUint16, []byte{1, 0, 2, 0}, "1</Data><Data Name=\"v\">2")
	add(typeInt32, []byte{1, 2}, "0102") // not the size of its type
	add(0x7b, []byte{1, 2}, "0102")      // a type that is not known
	return list
}

func TestTypes(t *testing.T) {
	for _, c := range types() {
		e := logon(1, "x")
		e.Data = []evtxtest.Datum{c.datum}
		got := dump(open(t, evtxtest.Log([]evtxtest.Event{e})))
		if want := `<Data Name="v">` + c.want + `</Data>`; len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("type 0x%02x: no %s in\n%s", c.datum.Kind, want, strings.Join(got, "\n"))
		}
	}
}

// What libevtx says of a log, this package says.
func TestAgainstLibevtx(t *testing.T) {
	if _, err := exec.LookPath("evtxexport"); err != nil {
		t.Skip("evtxexport is not installed")
	}
	var events []evtxtest.Event
	for _, c := range types() {
		if c.datum.Kind&typeList != 0 || len(c.datum.Data) == 2 && c.datum.Kind != typeInt16 && c.datum.Kind != typeUint16 {
			continue // it stops at lists, and at what has not the size of its type
		}
		switch c.datum.Kind {
		case typeFloat, typeDouble, typeSystemtime, typeFiletime, typeGUID, typeSize, typeHex32, typeHex64:
			continue // written in other words
		case typeInt8, typeInt16, typeInt32, typeInt64:
			continue // it has numbers below zero wrong: -127 for ff
		}
		e := logon(4624, "eve & <b>")
		e.Data = append(e.Data, c.datum)
		events = append(events, e)
	}
	b := evtxtest.Log(events, []evtxtest.Event{logon(4625, "ann")}, []evtxtest.Event{{Time: when, Channel: "System", Computer: "PC", ID: 1102, Name: "UserData", Data: []evtxtest.Datum{evtxtest.Text("LogFileCleared/SubjectUserName", "eve")}}})
	name := filepath.Join(t.TempDir(), "a.evtx")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("evtxexport", "-f", "xml", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(out), "\n")
	text = regexp.MustCompile(`>\s+<`).ReplaceAllString(text, "><")
	text = strings.ReplaceAll(strings.TrimSpace(text), "456700Z", "4567Z")
	got := strings.Join(dump(open(t, b)), "")
	if got != text {
		t.Errorf("libevtx says\n%s\nand this package\n%s", text, got)
	}
}

func TestDamage(t *testing.T) {
	const first, second = 4096, 4096 + chunkSize
	whole := evtxtest.Log([]evtxtest.Event{logon(1, "a"), logon(2, "b")}, []evtxtest.Event{logon(3, "c")})
	record := func(b []byte, n int) int {
		at := first + 512
		for range n {
			at += int(u32(b, at+4))
		}
		return at
	}
	for name, c := range map[string]struct {
		do   func(b []byte) []byte
		want []string // "! …" or the number of an event
	}{
		"whole":                 {func(b []byte) []byte { return b }, []string{"1", "2", "3"}},
		"a byte of a record":    {func(b []byte) []byte { b[record(b, 1)+40]++; return b }, []string{"! at offset 4096: a chunk whose checksum is wrong: malformed", "3"}},
		"no chunk":              {func(b []byte) []byte { b[first]++; return b }, []string{"! at offset 4096: no chunk: malformed", "3"}},
		"room for more":         {func(b []byte) []byte { clear(b[first:second]); return b }, []string{"3"}},
		"cut":                   {func(b []byte) []byte { return b[:second+100] }, []string{"1", "2", "! at offset 69632: a chunk that is cut: malformed"}},
		"cut in its last chunk": {func(b []byte) []byte { return b[:second] }, []string{"1", "2"}},
		"a record too long": {func(b []byte) []byte {
			le.PutUint32(b[record(b, 1)+4:], 60000)
			evtxtest.SignChunk(b[first:second])
			return b
		},
			[]string{"1", "! at offset 6020: no record: malformed", "3"}},
		"being written": {func(b []byte) []byte {
			b[120] = 1
			evtxtest.SignFile(b)
			le.PutUint32(b[first+48:], uint32(record(b, 1)-first))
			return b
		}, []string{"dirty", "1", "2", "3"}},
		"being written, and what was there before": {func(b []byte) []byte { b[120] = 1; evtxtest.SignFile(b); le.PutUint64(b[record(b, 1)+8:], 1); return b }, []string{"dirty", "1", "3"}},
	} {
		var got []string
		for _, line := range dump(open(t, c.do(bytes.Clone(whole)))) {
			if i := strings.Index(line, "<EventID>"); i >= 0 {
				line, _, _ = strings.Cut(line[i+len("<EventID>"):], "<")
			}
			got = append(got, line)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
	for _, n := range []int{0, 7, 127} {
		if _, err := Open(bytes.NewReader(whole[:n]), int64(n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	got := dump(open(t, loop(bytes.Clone(whole))))
	if len(got) != 3 || !strings.Contains(got[0], "in itself") || !strings.Contains(got[1], "in itself, or one that is damaged") {
		t.Errorf("a template in itself:\n%s", strings.Join(got, "\n"))
	}
}

// loop makes the first template of a log one that uses itself.
func loop(b []byte) []byte {
	c := b[4096 : 4096+chunkSize]
	at := bytes.Index(c[512:], []byte{0x0c, 1}) + 512
	def := int(u32(c, at+6))
	// Behind its fragment: the use of a template, which is this one.
	copy(c[def+24+4:], []byte{0x0c, 1, 1, 0, 0, 0})
	le.PutUint32(c[def+24+4+6:], uint32(def))
	evtxtest.SignChunk(c)
	return b
}

// Whatever bytes are changed, and signed again, reading ends, nothing panics,
// and no record has more text than the bound.
func TestAnyDamage(t *testing.T) {
	whole := evtxtest.Log([]evtxtest.Event{logon(1, "a"), logon(2, "b"), logon(3, "c")})
	used := 512 + 3000
	rapid.Check(t, func(rt *rapid.T) {
		b := bytes.Clone(whole)
		for range rapid.IntRange(1, 8).Draw(rt, "changes") {
			b[4096+rapid.IntRange(128, used).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
		}
		evtxtest.SignChunk(b[4096:])
		for _, line := range dump(open(rt2{t, rt}, b)) {
			if len(line) > 8*maxText {
				rt.Fatal("a record of", len(line), "bytes")
			}
		}
	})
}

// rt2 lets helpers fail a property.
type rt2 struct {
	testing.TB
	rt *rapid.T
}

func (r rt2) Fatal(args ...any) { r.rt.Fatal(args...) }

func FuzzRecord(f *testing.F) {
	whole := evtxtest.Log([]evtxtest.Event{logon(1, "a"), logon(2, "b")})
	f.Add(whole[4096+512 : 4096+4096])
	f.Fuzz(func(t *testing.T, records []byte) {
		b := bytes.Clone(whole)
		n := copy(b[4096+512:], records)
		le.PutUint32(b[4096+48:], uint32(512+n))
		evtxtest.SignChunk(b[4096:])
		dump(open(t, b))
	})
}

func BenchmarkEvents(b *testing.B) {
	var events []evtxtest.Event
	for range 100 {
		events = append(events, logon(4624, "somebody"))
	}
	log := evtxtest.Log(events)
	b.SetBytes(int64(len(log)))
	for b.Loop() {
		dump(open(b, log))
	}
}
