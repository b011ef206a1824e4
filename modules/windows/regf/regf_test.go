package regf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/modules/windows/hivetest"
)

const sample = `
[Select]
Current = dword 1
[ControlSet001\Services\Evil] 2026-11-20T10:00:00Z
@ = sz default
ImagePath = expand %SystemRoot%\evil.exe
Groups = multi a|b
Blob = hex 00010203040506070809
Größe = qword 0x123456789
Ключ = sz значение
Empty = sz 
[ControlSet001\Services\Ünï]
[ControlSet001\Services\Ключ]
`

// dump gives each key and value as a line.
func dump(t testing.TB, h *Hive) []string {
	t.Helper()
	root, err := h.Root()
	if err != nil {
		return []string{"! " + err.Error()}
	}
	var out []string
	var walk func(k *Key, path string)
	walk = func(k *Key, path string) {
		if len(out) > 1<<16 {
			t.Fatal("no end")
		}
		out = append(out, path+" "+k.Modified.Format(time.RFC3339))
		for v, err := range k.Values() {
			if err != nil {
				out = append(out, "! "+err.Error())
				continue
			}
			data, err := v.Data()
			if err != nil {
				out = append(out, "! "+err.Error())
				continue
			}
			out = append(out, fmt.Sprintf("%s:%s %d %x", path, v.Name, v.Type, data))
		}
		for sub, err := range k.Subkeys() {
			if err != nil {
				out = append(out, "! "+err.Error())
				continue
			}
			walk(sub, path+`\`+sub.Name)
		}
	}
	walk(root, "")
	return out
}

func open(t testing.TB, b []byte, logs ...[]byte) *Hive {
	t.Helper()
	h, err := Open(bytes.NewReader(b), int64(len(b)), logs...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHive(t *testing.T) {
	h := open(t, hivetest.Hive(t, sample))
	got := strings.Join(dump(t, h), "\n")
	for _, want := range []string{
		`\Select:Current 4 01000000`,
		`\ControlSet001\Services\Evil 2026-11-20T10:00:00Z`,
		`\ControlSet001\Services\Evil: 1 640065006600610075006c0074000000`,
		`\ControlSet001\Services\Evil:Blob 3 00010203040506070809`,
		`\ControlSet001\Services\Evil:Größe 11 8967452301000000`,
		`\ControlSet001\Services\Evil:Ключ 1 37043d0430044704350` + `43d0438043504` + `0000`,
		`\ControlSet001\Services\Ключ`, `\ControlSet001\Services\Ünï`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	if h.Dirty || strings.Contains(got, "!") {
		t.Error(got)
	}
	root, _ := h.Root()
	k, err := root.Subkey("controlset001")
	if k == nil || err != nil {
		t.Error(k, err)
	}
	if k, err := root.Subkey("nothing"); k != nil || err != nil {
		t.Error(k, err)
	}
}

// Data that is larger than one segment is stored in several cells.
func TestBigData(t *testing.T) {
	for _, n := range []int{16343, 16344, 16345, 3*16344 + 7} {
		want := bytes.Repeat([]byte{0xab, 0xcd, 0xef}, n)[:n]
		h := open(t, hivetest.Hive(t, fmt.Sprintf("[K]\nv = hex %x", want)))
		root, _ := h.Root()
		k, _ := root.Subkey("K")
		for v, err := range k.Values() {
			if err != nil {
				t.Fatal(err)
			}
			if got, err := v.Data(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes: %d, %v", n, len(got), err)
			}
		}
	}
}

// at gives where a text of the file stands.
func at(t *testing.T, b []byte, what string) int {
	t.Helper()
	i := bytes.Index(b, []byte(what))
	if i < 0 {
		t.Fatalf("no %q", what)
	}
	return i
}

func TestDamage(t *testing.T) {
	le := binary.LittleEndian
	whole := hivetest.Hive(t, "[A\\B\\C]\nv = sz some longer text\n[A\\D]\nw = dword 7")
	for name, c := range map[string]struct {
		do   func(b []byte)
		want string
	}{
		"a list that leads back": {func(b []byte) { c := at(t, b, "nk"); le.PutUint32(b[at(t, b, "lh")+4:], uint32(c-4-4096)) }, "a key that says it is elsewhere"},
		"a key in itself": {func(b []byte) {
			i := at(t, b, "C\x00") - 76
			le.PutUint32(b[i+20:], 1)
			le.PutUint32(b[i+28:], le.Uint32(b[at(t, b, "B\x00")-76+28:]))
		}, "elsewhere"},
		"the same key twice": {func(b []byte) {
			i := at(t, b, "D\x00")
			_ = i
			j := lastList(b)
			le.PutUint32(b[j+12:], le.Uint32(b[j+4:]))
		}, "listed twice"},
		"a huge number of values":  {func(b []byte) { le.PutUint32(b[at(t, b, "C\x00")-76+36:], 0x7fffffff) }, "more values than there can be"},
		"a huge number of keys":    {func(b []byte) { le.PutUint32(b[at(t, b, "B\x00")-76+20:], 0x7fffffff) }, "a list of 1 keys where there should be 2147483647"},
		"a huge value":             {func(b []byte) { le.PutUint32(b[at(t, b, "vk")+4:], 0x7ffffff0) }, "a value of 2147483632 bytes"},
		"a value beyond its cell":  {func(b []byte) { le.PutUint32(b[at(t, b, "vk")+4:], 4000) }, "longer than its cell"},
		"a list beyond its cell":   {func(b []byte) { le.PutUint16(b[at(t, b, "lh")+2:], 0xffff) }, "a list longer than its cell"},
		"a cell that was let go":   {func(b []byte) { i := at(t, b, "vk") - 4; le.PutUint32(b[i:], -le.Uint32(b[i:])) }, "a cell that is not used"},
		"a cell beyond the end":    {func(b []byte) { i := at(t, b, "vk") - 4; le.PutUint32(b[i:], 0x80000008) }, "a cell beyond the end"},
		"an offset beyond the end": {func(b []byte) { le.PutUint32(b[at(t, b, "vk")+8:], 0x7ffffff8) }, "beyond the end"},
	} {
		b := bytes.Clone(whole)
		c.do(b)
		got := strings.Join(dump(t, open(t, b)), "\n")
		if !strings.Contains(got, c.want) || !strings.Contains(got, "at offset ") {
			t.Errorf("%s: no %q in\n%s", name, c.want, got)
		}
	}
	for _, n := range []int{0, 3, 512, 4095} {
		if _, err := Open(bytes.NewReader(whole[:n]), int64(n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	// Cut: what is there stays, what is not is named.
	if got := strings.Join(dump(t, open(t, whole[:len(whole)-4000])), "\n"); !strings.Contains(got, "!") {
		t.Errorf("cut, and said nothing:\n%s", got)
	}
}

// lastList is where the list of two keys stands.
func lastList(b []byte) int { return bytes.Index(b, []byte("lh\x02\x00")) }

// Whatever bytes are changed, reading ends and nothing panics.
func TestAnyDamage(t *testing.T) {
	whole := hivetest.Hive(t, sample)
	rapid.Check(t, func(rt *rapid.T) {
		b := bytes.Clone(whole)
		for range rapid.IntRange(1, 8).Draw(rt, "changes") {
			b[rapid.IntRange(32, len(b)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
		}
		if h, err := Open(bytes.NewReader(b), int64(len(b))); err == nil {
			dump(t, h)
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Add(hivetest.Hive(f, sample), []byte{})
	dirty, log := written(f)
	f.Add(dirty, log)
	f.Fuzz(func(t *testing.T, b, log []byte) {
		if h, err := Open(bytes.NewReader(b), int64(len(b)), log); err == nil {
			dump(t, h)
		}
	})
}

// hivexsh reads what the encoder of the tests writes, and the reader what
// hivexsh makes of it.
func TestAgainstHivex(t *testing.T) {
	if _, err := exec.LookPath("hivexsh"); err != nil {
		t.Skip("hivexsh is not installed")
	}
	name := filepath.Join(t.TempDir(), "hive")
	if err := os.WriteFile(name, hivetest.Hive(t, sample), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("hivexsh", "-w", name)
	cmd.Stdin = strings.NewReader("cd ControlSet001\\Services\nadd New\ncd New\nsetval 3\nText\nstring:from hivex\n@\ndword:0x2a\nBin\nhex:3:01,02,03,04,05,06\ncd ..\ncd Evil\nlsval ImagePath\nls\ncommit\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("hivexsh: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), `%SystemRoot%\evil.exe`) {
		t.Errorf("hivexsh does not see the value:\n%s", out)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(dump(t, open(t, b)), "\n")
	for _, want := range []string{`\New: 4 2a000000`, `\New:Bin 3 010203040506`, `\New:Text 1 660072006f006d`, `\Evil:Groups 7 `} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
}
