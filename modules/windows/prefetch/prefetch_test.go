package prefetch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"pgregory.net/rapid"
)

var le = binary.LittleEndian

func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return b
}

func stamp(t time.Time) uint64 { return uint64(t.UnixNano()/100) + 116444736000000000 }

// encode writes a file of a version from the description of the format.
func encode(f *File) []byte {
	info, count, width := 224, 208, 96
	switch f.Version {
	case 17:
		info, count, width = 68, 144, 40
	case 23:
		info, count, width = 156, 152, 104
	case 26:
		width = 104
	case 30:
		info = 220
	case 31:
		info, count = 212, 200
	}
	b := make([]byte, head+info)
	le.PutUint32(b, uint32(f.Version))
	copy(b[4:], "SCCA")
	copy(b[nameAt:nameAt+nameSize-2], wide(f.Executable))
	le.PutUint32(b[76:], f.Hash)
	// A metric and a step of a trace, without which libscca reads nothing.
	metric, step := 32, 12
	if f.Version == 17 {
		metric = 20
	}
	if f.Version >= 30 {
		step = 8
	}
	le.PutUint32(b[84:], uint32(len(b)))
	le.PutUint32(b[88:], 1)
	b = append(b, make([]byte, metric)...)
	le.PutUint32(b[92:], uint32(len(b)))
	le.PutUint32(b[96:], 1)
	b = append(b, make([]byte, step)...)
	le.PutUint32(b[100:], uint32(len(b)))
	first := 128
	if f.Version == 17 {
		first = 120
	}
	for i, t := range f.LastRuns {
		le.PutUint64(b[first+8*i:], stamp(t))
	}
	le.PutUint32(b[count:], uint32(f.RunCount))
	var names []byte
	for _, n := range f.Files {
		names = append(names, wide(n+"\x00")...)
	}
	le.PutUint32(b[104:], uint32(len(names)))
	b = append(b, names...)
	b = append(b, make([]byte, (8-len(b)%8)%8)...)
	le.PutUint32(b[108:], uint32(len(b)))
	le.PutUint32(b[112:], uint32(len(f.Volumes)))
	vols := encodeVolumes(f.Volumes, width)
	le.PutUint32(b[116:], uint32(len(vols)))
	b = append(b, vols...)
	le.PutUint32(b[12:], uint32(len(b)))
	return b
}

func encodeVolumes(list []Volume, width int) []byte {
	vols := make([]byte, width*len(list))
	for i, v := range list {
		le.PutUint32(vols[i*width:], uint32(len(vols)))
		le.PutUint32(vols[i*width+4:], uint32(len(v.Device)))
		le.PutUint64(vols[i*width+8:], stamp(v.Created))
		le.PutUint32(vols[i*width+16:], v.Serial)
		vols = append(vols, wide(v.Device+"\x00")...)
	}
	return vols
}

// sample is a file of a version.
func sample(version int) *File {
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	f := &File{
		Version: version, Executable: "EVIL.EXE", Hash: 0x1234abcd, RunCount: 7, LastRuns: []time.Time{at},
		Volumes: []Volume{{`\VOLUME{01d2-1}`, at.AddDate(-1, 0, 0), 0xcafe}},
		Files:   []string{`\VOLUME{01d2-1}\WINDOWS\SYSTEM32\NTDLL.DLL`, `\VOLUME{01d2-1}\USERS\EVE\EVIL.EXE`},
	}
	if version >= 26 {
		f.LastRuns = append(f.LastRuns, at.Add(-time.Hour))
	}
	return f
}

func TestVersions(t *testing.T) {
	for _, version := range []int{17, 23, 26, 30, 31} {
		want := sample(version)
		for name, b := range map[string][]byte{"plain": encode(want), "compressed": mam(encode(want))} {
			got, err := Parse(b)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%d, %s: %v\n%v\nwant\n%v", version, name, err, got, want)
			}
		}
	}
}

func TestDamage(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(b []byte) []byte
		want string
	}{
		"empty":                  {func([]byte) []byte { return nil }, "at offset 0: no prefetch file"},
		"cut":                    {func(b []byte) []byte { return b[:200] }, "at offset 12: 200 bytes where"},
		"a version to come":      {func(b []byte) []byte { b[0] = 99; return b }, "version 99"},
		"names beyond the end":   {func(b []byte) []byte { le.PutUint32(b[104:], 0xfffffff0); return b }, "at offset 100: a part beyond the end"},
		"many volumes":           {func(b []byte) []byte { le.PutUint32(b[112:], 0xffffffff); return b }, "volumes"},
		"a volume's name":        {func(b []byte) []byte { le.PutUint32(b[le.Uint32(b[108:])+4:], 0x7fffffff); return b }, "the name of a volume beyond the end"},
		"a method to come":       {func(b []byte) []byte { b = mam(b); b[3] = 3; return b }, "method 0x03"},
		"a huge size":            {func(b []byte) []byte { b = mam(b); le.PutUint32(b[4:], 0xffffffff); return b }, "larger than any"},
		"a size that is too big": {func(b []byte) []byte { b = mam(b); le.PutUint32(b[4:], le.Uint32(b[4:])+4000); return b }, ""},
		"cut where compressed":   {func(b []byte) []byte { return mam(b)[:300] }, "in what is compressed"},
		"an empty table":         {func(b []byte) []byte { b = mam(b); clear(b[8 : 8+256]); return b }, "an empty table"},
		"a table too full":       {func(b []byte) []byte { b = mam(b); b[8] = 0x11; return b }, "a table that says too much"},
	} {
		_, err := Parse(c.do(encode(sample(30))))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// mam compresses as Windows 10 does, but for its tables: all codes have 9 bits.
func mam(plain []byte) []byte {
	b := le.AppendUint32([]byte("MAM\x04"), uint32(len(plain)))
	for at := 0; at < len(plain); at += blockSize {
		b = compress(b, plain, at, min(at+blockSize, len(plain)))
	}
	return b
}

// A bitWriter keeps room for two words before the bytes that come between.
type bitWriter struct {
	b          []byte
	now, next  int
	bits, free int
}

func (w *bitWriter) put(v, n int) {
	if n == 0 {
		return
	}
	if w.free >= n {
		w.bits, w.free = w.bits<<n|v, w.free-n
		return
	}
	le.PutUint16(w.b[w.now:], uint16(w.bits<<w.free|v>>(n-w.free)))
	w.now, w.next = w.next, len(w.b)
	w.b = append(w.b, 0, 0)
	w.free += 16 - n
	w.bits = v & (1<<(16-w.free) - 1)
}

// compress writes a block: copies of the last place with the same 3 bytes.
func compress(b, plain []byte, from, to int) []byte {
	b = append(b, bytes.Repeat([]byte{0x99}, tableSize)...)
	w := bitWriter{b: append(b, 0, 0, 0, 0), now: len(b), next: len(b) + 2, free: 16}
	last := map[string]int{}
	for i := range from {
		if i+3 <= len(plain) {
			last[string(plain[i:i+3])] = i
		}
	}
	for at := from; at < to; {
		length, distance := 0, 0
		if at+3 <= to {
			if p, ok := last[string(plain[at:at+3])]; ok && at-p < 1<<16 {
				for distance = at - p; at+length < to && plain[p+length] == plain[at+length]; length++ {
				}
			}
		}
		if length < 3 {
			w.put(int(plain[at]), 9)
			length = 1
		} else {
			w.copy(length, distance)
		}
		for range length {
			if at+3 <= len(plain) {
				last[string(plain[at:at+3])] = at
			}
			at++
		}
	}
	le.PutUint16(w.b[w.now:], uint16(w.bits<<w.free))
	return w.b
}

func (w *bitWriter) copy(length, distance int) {
	n := 0
	for distance>>(n+1) > 0 {
		n++
	}
	w.put(256+n<<4+min(length-3, 15), 9)
	switch {
	case length-3 < 15:
	case length-3 < 15+255:
		w.b = append(w.b, byte(length-3-15))
	default:
		w.b = append(w.b, 255, byte(length-3), byte((length-3)>>8))
	}
	w.put(distance-1<<n, n)
}

func TestDecompress(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var plain []byte
		for range rapid.IntRange(0, 40).Draw(rt, "parts") {
			part := rapid.SliceOfN(rapid.Byte(), 1, 30).Draw(rt, "part")
			plain = append(plain, bytes.Repeat(part, rapid.IntRange(1, 400).Draw(rt, "times"))...)
		}
		got, err := Decompress(mam(plain)[8:], len(plain))
		if err != nil || !bytes.Equal(got, plain) {
			rt.Fatalf("%d bytes: %d, %v", len(plain), len(got), err)
		}
	})
}

// wimlib compresses by the same method, with tables that it makes to measure.
func TestAgainstWimlib(t *testing.T) {
	if _, err := exec.LookPath("wimcapture"); err != nil {
		t.Skip("wimcapture is not installed")
	}
	dir := t.TempDir()
	var plain []byte
	for i := 0; len(plain) < 32000; i++ {
		plain = append(plain, fmt.Sprintf("line %d of a file, %x; ", i, i*i*7919)...)
	}
	plain = plain[:32000] // less than the 32 KiB that are one part of a WIM
	name, wim := filepath.Join(dir, "in", "a"), filepath.Join(dir, "a.wim")
	if err := errors.Join(os.Mkdir(filepath.Dir(name), 0o755), os.WriteFile(name, plain, 0o644)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("wimcapture", "--compress=XPRESS", "--chunk-size=32768", filepath.Dir(name), wim).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(wim)
	if err != nil {
		t.Fatal(err)
	}
	const wimHead = 208 // bytes before the first file's content
	got, err := Decompress(b[wimHead:], len(plain))
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// What libscca says of a file, this package says.
func TestAgainstLibscca(t *testing.T) {
	if _, err := exec.LookPath("sccainfo"); err != nil {
		t.Skip("sccainfo is not installed")
	}
	for _, version := range []int{17, 23, 26, 30} {
		f := sample(version)
		for i := range 100 { // as many as are worth to be compressed: libscca reads nothing that grew
			f.Files = append(f.Files, fmt.Sprintf(`\VOLUME{01d2-1}\WINDOWS\SYSTEM32\LIBRARY%d.DLL`, i))
		}
		for kind, b := range map[string][]byte{"plain": encode(f), "compressed": mam(encode(f))} {
			name := filepath.Join(t.TempDir(), "EVIL.EXE-1234ABCD.pf")
			if err := os.WriteFile(name, b, 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("sccainfo", name).CombinedOutput()
			if err != nil {
				t.Fatalf("%d, %s: %v\n%s", version, kind, err, out)
			}
			text := strings.Join(strings.Fields(string(out)), " ")
			for _, want := range []string{"EVIL.EXE", "0x1234abcd", "Run count : 7", "Nov 20, 2026 10:00:00", `\USERS\EVE\EVIL.EXE`, `\VOLUME{01d2-1}`, "0x0000cafe"} {
				if !strings.Contains(text, want) {
					t.Errorf("%d, %s: libscca does not say %q:\n%s", version, kind, want, text)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, version := range []int{17, 23, 26, 30, 31} {
		f.Add(encode(sample(version)))
		f.Add(mam(encode(sample(version))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := Parse(b); err == nil && (len(p.Files) > maxFiles || len(p.Volumes) > maxVolumes || slices.Contains(p.Files, "")) {
			t.Error("beyond its bounds")
		}
	})
}

func BenchmarkDecompress(b *testing.B) {
	plain := bytes.Repeat(encode(sample(30)), 100)
	packed := mam(plain)[8:]
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		if _, err := Decompress(packed, len(plain)); err != nil {
			b.Fatal(err)
		}
	}
}
