package regf

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/windows/hivetest"
)

// pages that differ between two hives of the same size, as an entry of a log.
func entryOf(old, new []byte, sequence uint32) []byte {
	le := binary.LittleEndian
	var refs, data []byte
	n := uint32(0)
	for at := 4096; at < len(new); at += 512 {
		if !bytes.Equal(old[at:at+512], new[at:at+512]) {
			refs = le.AppendUint32(le.AppendUint32(refs, uint32(at-4096)), 512)
			data = append(data, new[at:at+512]...)
			n++
		}
	}
	b := append(append(make([]byte, 40), refs...), data...)
	b = append(b, make([]byte, (512-len(b)%512)%512)...)
	copy(b, "HvLE")
	le.PutUint32(b[4:], uint32(len(b)))
	le.PutUint32(b[12:], sequence)
	le.PutUint32(b[16:], uint32(len(new)-4096))
	le.PutUint32(b[20:], n)
	le.PutUint64(b[24:], marvin32(marvinSeed, b[40:]))
	le.PutUint64(b[32:], marvin32(marvinSeed, b[:32]))
	return b
}

// logOf makes a log of a hive.
func logOf(hive []byte, kind uint32, entries ...[]byte) []byte {
	head := bytes.Clone(hive[:512])
	binary.LittleEndian.PutUint32(head[28:], kind)
	hivetest.Sign(head)
	return append(head, slices.Concat(entries...)...)
}

// being makes a hive one that is being written.
func being(hive []byte, primary uint32) []byte {
	b := bytes.Clone(hive)
	binary.LittleEndian.PutUint32(b[4:], primary)
	hivetest.Sign(b)
	return b
}

func text1(s string) string { return "[A]\nv = sz " + s + "\n" }

// written gives a hive that is being written and the log of what.
func written(t testing.TB) (dirty, log []byte) {
	old, new := hivetest.Hive(t, text1("before")), hivetest.Hive(t, text1("behind"))
	dirty = being(old, 2)
	return dirty, logOf(old, 6, entryOf(old, new, 1))
}

// Marvin32 gives the figures that its makers published.
func TestMarvin32(t *testing.T) {
	for in, want := range map[string]uint64{
		"\xaf": 0x48e73fc77d75ddc1, "\xe7\x0f": 0xb5f6e1fc485dbff8, "\x37\xf4\x95": 0xf0b07c789b8cf7e8,
		"\x86\x42\xdc\x59": 0x7008f2e87e9cf556, "\x15\x3f\xb7\x98\x26": 0xe6c08c6da2afa997,
	} {
		if got := marvin32(0x004fb61a001bdbcc, []byte(in)); got != want {
			t.Errorf("%x: %x, want %x", in, got, want)
		}
	}
}

func TestLogs(t *testing.T) {
	one, two, three := hivetest.Hive(t, text1("one111")), hivetest.Hive(t, text1("two222")), hivetest.Hive(t, text1("three3"))
	first, second := entryOf(one, two, 1), entryOf(two, three, 2)
	broken := bytes.Clone(second)
	broken[600]++
	for name, c := range map[string]struct {
		hive  []byte
		logs  [][]byte
		want  string
		dirty bool
	}{
		"nobody writes":                 {one, [][]byte{logOf(one, 6, first)}, "one111", false},
		"no log":                        {being(one, 2), nil, "one111", true},
		"an empty log":                  {being(one, 2), [][]byte{{}}, "one111", true},
		"one entry":                     {being(one, 2), [][]byte{logOf(one, 6, first)}, "two222", false},
		"two entries":                   {being(one, 3), [][]byte{logOf(one, 6, first, second)}, "three3", false},
		"two logs":                      {being(one, 3), [][]byte{logOf(one, 6, second), logOf(one, 6, first)}, "three3", false},
		"an entry that is not whole":    {being(one, 3), [][]byte{logOf(one, 6, first, broken)}, "two222", false},
		"entries of former times":       {being(one, 2), [][]byte{logOf(one, 6, entryOf(one, three, 0))}, "one111", true},
		"one that is missing":           {being(one, 9), [][]byte{logOf(one, 6, first), logOf(one, 6, entryOf(two, three, 5))}, "two222", false},
		"a log of the former kind":      {being(one, 2), [][]byte{oldLog(one, two)}, "two222", false},
		"a log of that kind, cut":       {being(one, 2), [][]byte{oldLog(one, two)[:1100]}, "one111", true},
		"a log whose checksum is wrong": {being(one, 2), [][]byte{append([]byte("regfx"), logOf(one, 6, first)[5:]...)}, "one111", true},
	} {
		h := open(t, c.hive, c.logs...)
		wide := strings.Join(dump(t, h), "\n")
		var hex strings.Builder
		for _, r := range c.want {
			hex.WriteString(string("0123456789abcdef"[r>>4]) + string("0123456789abcdef"[r&15]) + "00")
		}
		if !strings.Contains(wide, hex.String()) || h.Dirty != c.dirty {
			t.Errorf("%s: dirty %v, no %s in\n%s", name, h.Dirty, c.want, wide)
		}
	}
}

// oldLog makes a log of the kind of Windows 7.
func oldLog(old, new []byte) []byte {
	sectors := (len(new) - 4096) / 512
	bitmap, data := make([]byte, (sectors+7)/8), []byte(nil)
	for s := range sectors {
		at := 4096 + s*512
		if !bytes.Equal(old[at:at+512], new[at:at+512]) {
			bitmap[s/8] |= 1 << (s % 8)
			data = append(data, new[at:at+512]...)
		}
	}
	b := append([]byte("DIRT"), bitmap...)
	b = append(b, make([]byte, (512-len(b)%512)%512)...)
	return logOf(old, 1, b, data)
}
