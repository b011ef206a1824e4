package persistence

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// module makes the least ELF file that has a section .modinfo, and signs it.
func module(signed bool, info ...string) string {
	const names = "\x00.modinfo\x00.shstrtab\x00"
	text := strings.Join(info, "\x00") + "\x00"
	var b bytes.Buffer
	b.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	sections := 64 + len(text) + len(names)
	put := func(v ...any) {
		for _, x := range v {
			_ = binary.Write(&b, binary.LittleEndian, x) // a buffer takes everything
		}
	}
	put(uint16(1), uint16(62), uint32(1), uint64(0), uint64(0), uint64(sections), uint32(0), uint16(64), uint16(0), uint16(0), uint16(64), uint16(3), uint16(2))
	b.WriteString(text + names)
	b.Write(make([]byte, 64))
	put(uint32(1), uint32(1), uint64(2), uint64(0), uint64(64), uint64(len(text)), uint32(0), uint32(0), uint64(1), uint64(0))
	put(uint32(10), uint32(3), uint64(0), uint64(0), uint64(64+len(text)), uint64(len(names)), uint32(0), uint32(0), uint64(1), uint64(0))
	if signed {
		b.WriteString("signature" + "\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x09" + signedMagic)
	}
	return b.String()
}

func squeezed(t testing.TB, ext, text string) string {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch ext {
	case "gz":
		w := gzip.NewWriter(&b)
		_, err = w.Write([]byte(text))
		err = errors.Join(err, w.Close())
	case "xz":
		w, err2 := xz.NewWriter(&b)
		if err2 != nil {
			t.Fatal(err2)
		}
		_, err = w.Write([]byte(text))
		err = errors.Join(err, w.Close())
	case "zst":
		w, err2 := zstd.NewWriter(&b)
		if err2 != nil {
			t.Fatal(err2)
		}
		_, err = w.Write([]byte(text))
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func moduleHost(t testing.TB) string {
	const k = "usr/lib/modules/6.1.0-9/"
	return tree(t, map[string]string{
		"lib":                                        "-> usr/lib",
		"proc/sys/kernel/osrelease":                  "6.1.0-9\n",
		"proc/modules":                               "nf_tables 303104 1 nft_compat, Live 0x0000000000000000\nnft_compat 20480 0 - Live 0xffffffffc0a00000\nvboxdrv 700000 2 a,b, Live 0x0 (POE)\nevil 16384 - [permanent], Loading 0x0 (OE+)\nbad line\nworse x 0 - Live 0x0\n",
		"sys/module/nf_tables/refcnt":                "1\n",
		"sys/module/rootkit/refcnt":                  "0\n",
		"sys/module/block/parameters/x":              "1\n",
		k + "kernel/net/nf-tables.ko":                module(true, "version=1.2", "license=GPL", "description=Packet filter", "depends=nfnetlink,libcrc32c", "author=A", "author=B", "vermagic=6.1.0-9 SMP"),
		k + "kernel/net/nft-compat.ko.xz":            squeezed(t, "xz", module(true, "license=GPL", "depends=")),
		k + "updates/dkms/vboxdrv.ko.zst":            squeezed(t, "zst", module(false, "license=GPL v2", "version=7")),
		k + "kernel/vboxdrv.ko":                      module(true, "version=old"),
		k + "kernel/spare.ko.gz":                     squeezed(t, "gz", module(true, "version=9")),
		k + "kernel/broken.ko":                       "no module",
		k + "kernel/torn.ko.xz":                      "no xz",
		k + "build":                                  "-> /usr/src",
		k + "modules.dep":                            "",
		"usr/lib/modules/5.10.0/kernel/nf-tables.ko": module(false, "version=1.0"),
	})
}

func TestKernelModules(t *testing.T) {
	got, rec := moduletest.Rows(t, kernelModules(), moduleHost(t), []string{"name", "loaded", "hidden", "size", "refcount", "used_by", "state", "taint", "path", "signed", "version"}, nil)
	const k = "/lib/modules/6.1.0-9/"
	same(t, got, []string{
		"nf_tables | true | false | 296KiB | 1 | [nft_compat] | live | null | " + k + "kernel/net/nf-tables.ko | true | 1.2",
		"nft_compat | true | false | 20KiB | 0 | [] | live | null | " + k + "kernel/net/nft-compat.ko.xz | true | null",
		"vboxdrv | true | false | 700000 | 2 | [a, b] | live | POE | " + k + "updates/dkms/vboxdrv.ko.zst | false | 7",
		"evil | true | false | 16KiB | null | [] | loading | OE | null | null | null",
		"rootkit | true | true | null | null | null | null | null | null | null | null",
		"nf_tables | false | false | null | null | null | null | null | /lib/modules/5.10.0/kernel/nf-tables.ko | false | 1.0",
		"broken | false | false | null | null | null | null | null | " + k + "kernel/broken.ko | null | null",
		"spare | false | false | null | null | null | null | null | " + k + "kernel/spare.ko.gz | true | 9",
		"torn | false | false | null | null | null | null | null | " + k + "kernel/torn.ko.xz | null | null",
		"vboxdrv | false | false | null | null | null | null | null | " + k + "kernel/vboxdrv.ko | true | old",
	})
	skipped(t, rec, "io_error /proc/modules:5 malformed", "io_error /proc/modules:6 malformed",
		"io_error /lib/modules/6.1.0-9/kernel/broken.ko malformed", "io_error /lib/modules/6.1.0-9/kernel/torn.ko.xz malformed")
	got, _ = moduletest.Rows(t, kernelModules(), moduleHost(t), []string{"kernel", "description", "author", "license", "depends", "vermagic"}, []string{"nf_*"})
	same(t, got, []string{"6.1.0-9 | Packet filter | A, B | GPL | [nfnetlink, libcrc32c] | 6.1.0-9 SMP", "5.10.0 | null | null | null | [] | null"})
}

// In an image nothing is loaded, which is not the same as being unloaded.
func TestModulesOfImage(t *testing.T) {
	root := tree(t, map[string]string{"lib/modules/6.1/a.ko": module(false)})
	got, _ := moduletest.Rows(t, kernelModules(), root, []string{"name", "loaded", "hidden", "signed"}, nil)
	same(t, got, []string{"a | null | null | false"})
}

func TestKernelModuleContract(t *testing.T) { moduletest.Run(t, kernelModules(), moduleHost(t)) }

func TestKernelModuleClosed(t *testing.T) { closed(t, kernelModules(), moduleHost(t), "proc/modules") }

func TestAgainstLsmod(t *testing.T) {
	lsmod, err := exec.LookPath("lsmod")
	if err != nil {
		t.Skip("LEFT OUT: lsmod is not installed")
	}
	out, err := exec.CommandContext(t.Context(), lsmod).Output()
	if err != nil {
		t.Skipf("LEFT OUT: lsmod cannot list the modules of this kernel: %v", err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); f[0] != "Module" {
			want = append(want, f[0])
		}
	}
	var got []string
	rows, _ := moduletest.Rows(t, kernelModules(), "", []string{"loaded", "hidden", "name"}, nil)
	for _, row := range rows {
		if name, ok := strings.CutPrefix(row, "true | false | "); ok {
			got = append(got, name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	same(t, got, want)
}

func TestAgainstModinfo(t *testing.T) {
	tool, err := exec.LookPath("modinfo")
	if err != nil {
		t.Skip("LEFT OUT: modinfo is not installed")
	}
	name := filepath.Join(t.TempDir(), "x.ko")
	if err := os.WriteFile(name, []byte(module(true, "version=1.2", "license=GPL", "depends=a,b", "srcversion=AB12", "vermagic=6.1")), 0o644); err != nil {
		t.Fatal(err)
	}
	info := parsed(t, name)
	for _, field := range []string{"version", "license", "depends", "srcversion", "vermagic"} {
		out, err := exec.CommandContext(t.Context(), tool, "-F", field, name).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSpace(string(out)); strings.Join(info.fields[field], ", ") != want {
			t.Errorf("%s is %q, modinfo says %q", field, info.fields[field], want)
		}
	}
}

// TestAgainstModinfoOnRealOnes reads modules as distributions ship them, where
// this machine has any: every so manyth, so that it is quick.
func TestAgainstModinfoOnRealOnes(t *testing.T) {
	tool, err := exec.LookPath("modinfo")
	if err != nil {
		t.Skip("LEFT OUT: modinfo is not installed")
	}
	var all []string
	for _, dir := range []string{"/lib/modules", "/usr/lib/modules"} {
		_ = filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error { // what is not there has none
			if err == nil && d.Type().IsRegular() && strings.HasSuffix(name, ".ko") {
				all = append(all, name)
			}
			return nil
		})
		if len(all) > 0 {
			break
		}
	}
	if len(all) == 0 {
		t.Skip("LEFT OUT: this machine has no modules of a kernel")
	}
	const most = 60
	for i := 0; i < len(all); i += len(all)/most + 1 {
		info := parsed(t, all[i])
		for _, field := range []string{"version", "license", "depends", "srcversion", "vermagic", "author", "description", "signer"} {
			out, err := exec.CommandContext(t.Context(), tool, "-F", field, all[i]).Output()
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
			got := info.fields[field]
			if field == "signer" { // it names the key, we say that there is one
				if info.signed != (want[0] != "") {
					t.Errorf("%s: signed %t, modinfo says by %q", all[i], info.signed, want)
				}
				continue
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s: %s is %q, modinfo says %q", all[i], field, got, want)
			}
		}
	}
}

func parsed(t *testing.T, name string) *modinfo {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := parseModule(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func FuzzModule(f *testing.F) {
	f.Add([]byte(module(true, "version=1", "depends=a,b")))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := parseModule(bytes.NewReader(text), int64(len(text))); (m == nil) == (err == nil) {
			t.Error(m, err)
		}
	})
}

func FuzzModules(f *testing.F) {
	f.Add([]byte("nf_tables 303104 1 nft_compat, Live 0x0 (OE)\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, bad := parseModules(text)
		if len(list)+len(bad) > bytes.Count(text, []byte("\n"))+1 {
			t.Errorf("%+v", list)
		}
	})
}
