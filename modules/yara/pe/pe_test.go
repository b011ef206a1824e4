package pe

import (
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/yara/view"
)

type memory []byte

func (m memory) Slice(off int64, n int) ([]byte, error) {
	if off >= int64(len(m)) {
		return nil, nil
	}
	return m[off:min(int64(len(m)), off+int64(n))], nil
}

func (m memory) Size() (int64, bool) { return int64(len(m)), true }

func small(t testing.TB) []byte {
	b, err := os.ReadFile("testdata/small.dll")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What the linker and the signer were told is what is found. The values are
// those that YARA itself prints of the file.
func TestSmallLibrary(t *testing.T) {
	f, ok := Parse(view.New(memory(small(t))))
	if !ok {
		t.Fatal("it is a program of Windows")
	}
	e, r, s := f.Exports(), f.Resources(), f.Signatures()
	for _, c := range []struct{ what, got, want string }{
		{"imports", fmt.Sprint(f.Imports()), "[{KERNEL32.dll [{GetTickCount 0 false 20556}]} {ws2_32.dll [{WSAGetLastError 111 true 20564}]}]"},
		{"exports", fmt.Sprint(e.Name, e.Functions), "small.dll[{1 4096 1024 Ticks true  false} {2 4102 1030 Wrong true  false}]"},
		{"version", fmt.Sprint(r.Version), "[{CompanyName Acme} {FileVersion 1.2.3.4} {OriginalFilename small.dll}]"},
		{"a name", fmt.Sprintf("%q", r.List[0].Name.Text), `"N\x00A\x00M\x00E\x00D\x00"`},
		{"a type", fmt.Sprint(r.List[1].Type.Number), "16"},
		{"overlay", fmt.Sprint(f.Overlay()), "{5120 1080}"},
		{"entry point", fmt.Sprint(f.EntryPoint()), "1036"},
		{"signer", fmt.Sprint(len(s), s[0].Subject, " ", s[0].Serial, " ", s[0].Algorithm), "1/C=CH/O=Acme Ltd/CN=Acme code 12:34 sha1WithRSAEncryption"},
		{"thumbprint", s[0].Thumbprint, "5b90fc4082d9faa76ad0b19c23a0d272e20ff016"},
		{"section", fmt.Sprint(f.SectionNamed(".idata"), f.SectionAt(3072), f.SectionAt(1)), "4 4 -1"},
		{"an address", fmt.Sprint(f.Offset(20480), f.Offset(1<<20)), "3072 -1"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, and not %s", c.what, c.got, c.want)
		}
	}
}

// Directories of resources that hold one another end.
func TestResourcesInCircles(t *testing.T) {
	b := small(t)
	const rsrc = 3584
	for i := rsrc; i < rsrc+1024; i += 8 {
		copy(b[i:], []byte{1, 0, 0, 0, 0, 0, 0, 0x80})
	}
	copy(b[rsrc:], []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x7f, 0xff, 0x7f})
	f, ok := Parse(view.New(memory(b)))
	if !ok {
		t.Fatal("its headers are whole")
	}
	if n := len(f.Resources().List); n > maxResources+1 {
		t.Errorf("%d resources", n)
	}
}

func FuzzParse(f *testing.F) {
	b := small(f)
	f.Add(b)
	f.Add(b[:1024])
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := Parse(view.New(memory(b)))
		if !ok {
			return
		}
		p.Imports()
		p.DelayedImports()
		p.ImportHash()
		p.Exports()
		p.Resources()
		p.Signatures()
		p.DebugPath()
		p.Checksum()
		p.Directories()
		if r := p.Rich(); r != nil {
			r.Count(-1, -1)
		}
		for _, rva := range []uint64{0, 1, 0x1000, math.MaxUint32, math.MaxUint64} {
			if at := p.Offset(rva); at >= int64(len(b)) {
				t.Errorf("%d lies at %d of %d", rva, at, len(b))
			}
		}
		if o := p.Overlay(); o.At+o.Size > int64(len(b)) {
			t.Errorf("an overlay %v of %d", o, len(b))
		}
	})
}
