package binary

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// built makes the smallest program for a system, in a tree of its own.
func built(t *testing.T, system, arch, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("LEFT OUT: the compiler takes its time")
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("LEFT OUT: there is no go command")
	}
	root := t.TempDir()
	for file, text := range map[string]string{"go.mod": "module example.com/tiny\n\ngo 1.24\n", "main.go": "package main\n\nfunc main() { println(1) }\n"} {
		if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), tool, "build", "-o", name, ".")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Files that are none, and files that only begin as one.
	for file, text := range map[string]string{
		"text": "x", "empty": "", "short": "\x7fEL", "cut.elf": "\x7fELF\x02\x01\x01", "cut.exe": "MZ\x00\x00", "cut.macho": "\xcf\xfa\xed\xfe\x00",
		"Some.class": "\xca\xfe\xba\xbe\x00\x00\x00\x41\x00\x00",
	} {
		if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func rows(t *testing.T, m modules.Module, root, columns, at string) ([]string, []modules.Skip) {
	t.Helper()
	got, rec := moduletest.Rows(t, m, root, strings.Fields(columns), []string{at})
	return got, rec.Skips()
}

func TestELF(t *testing.T) {
	root := built(t, "linux", "arm64", "tiny")
	moduletest.Run(t, elfModule(), root, "/*")
	got, skips := rows(t, elfModule(), root, "path type architecture bits byte_order static interpreter stripped writable_code relro nx packed go_package go_module", "/*")
	want := []string{"/tiny | executable | arm64 | 64 | little | true | null | false | false | none | true | null | example.com/tiny | example.com/tiny@(devel)"}
	if !slices.Equal(got, want) || len(skips) != 1 || skips[0].Where != "/cut.elf" {
		t.Errorf("%q\n%+v", got, skips)
	}
}

func TestPE(t *testing.T) {
	root := built(t, "windows", "amd64", "tiny.exe")
	moduletest.Run(t, peModule(), root, "/*")
	got, skips := rows(t, peModule(), root, "path type architecture subsystem signed dotnet aslr nx writable_code packed go_package", "/*")
	want := []string{"/tiny.exe | exe | amd64 | console | false | false | true | true | false | null | example.com/tiny"}
	if !slices.Equal(got, want) || len(skips) != 1 || skips[0].Where != "/cut.exe" {
		t.Errorf("%q\n%+v", got, skips)
	}
	imports, _ := rows(t, peModule(), root, "imports", "/tiny.exe")
	if len(imports) != 1 || !strings.Contains(strings.ToLower(imports[0]), "writefile:kernel32.dll") {
		t.Errorf("%q", imports)
	}
}

func TestMachO(t *testing.T) {
	root := built(t, "darwin", "arm64", "tiny")
	moduletest.Run(t, machoModule(), root, "/*")
	got, skips := rows(t, machoModule(), root, "path type architectures signed pie encrypted go_package", "/*")
	want := []string{"/tiny | executable | [arm64] | true | true | false | example.com/tiny"}
	if !slices.Equal(got, want) || len(skips) != 1 || skips[0].Where != "/cut.macho" {
		t.Errorf("%q\n%+v", got, skips)
	}
	libraries, _ := rows(t, machoModule(), root, "libraries", "/tiny")
	if len(libraries) != 1 || !strings.Contains(libraries[0], "libSystem") {
		t.Errorf("%q", libraries)
	}
}

// What readelf says of the programs of this machine.
func TestAgainstReadelf(t *testing.T) {
	readelf, err := exec.LookPath("readelf")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: readelf is not installed")
	}
	files, _ := filepath.Glob("/usr/bin/[a-d]*")
	compared := 0
	for _, name := range files {
		got, _ := rows(t, elfModule(), "", "type interpreter needed build_id relro", name)
		out, err := exec.CommandContext(t.Context(), readelf, "-W", "-h", "-l", "-d", "-n", name).Output()
		if len(got) == 0 || err != nil || compared == 60 {
			continue
		}
		compared++
		text := string(out)
		f := strings.Split(got[0], " | ")
		for _, lib := range strings.FieldsFunc(strings.Trim(f[2], "[]"), func(r rune) bool { return r == ',' || r == ' ' }) {
			if !strings.Contains(text, "Shared library: ["+lib+"]") {
				t.Errorf("%s: readelf knows no %s", name, lib)
			}
		}
		if n := strings.Count(text, "Shared library: ["); n != 0 && n != strings.Count(f[2], ",")+1 {
			t.Errorf("%s: readelf has %d libraries, and we %s", name, n, f[2])
		}
		if f[1] != "null" && !strings.Contains(text, "interpreter: "+f[1]+"]") {
			t.Errorf("%s: interpreter %s", name, f[1])
		}
		if f[3] != "null" && !strings.Contains(text, "Build ID: "+f[3]) {
			t.Errorf("%s: build id %s", name, f[3])
		}
		if pie := strings.Contains(text, "Flags:") && strings.Contains(text, " PIE"); pie != (f[0] == "pie") {
			t.Errorf("%s: it is %s", name, f[0])
		}
		if (f[4] != "none") != strings.Contains(text, "GNU_RELRO") || (f[4] == "full") != (strings.Contains(text, "BIND_NOW") || strings.Contains(text, "Flags: NOW")) {
			t.Errorf("%s: relro is %s", name, f[4])
		}
	}
	if compared == 0 {
		t.Skip("LEFT OUT: there are no programs to compare")
	}
}

func FuzzFormats(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add([]byte("MZ"))
	f.Add([]byte("\xcf\xfa\xed\xfe"))
	f.Add([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		r := bytes.NewReader(text)
		if e, err := elf.NewFile(r); err == nil {
			elfType(e)
			elfArchitecture(e)
			interpreter(e)
			isStatic(e)
			relro(e)
			buildID(e)
			importedSymbols(e)
			exportedSymbols(e)
		}
		if p, err := pe.NewFile(r); err == nil {
			peType(p)
			subsystem(p)
			p.ImportedSymbols()
		}
		if m, err := openMacho(io.NewSectionReader(r, 0, int64(len(text)))); err == nil {
			machType(m.one.Type)
			machUUID(m.one)
			encrypted(m.one, encryption64)
			m.one.ImportedLibraries()
		}
		if m, err := macho.NewFile(r); err == nil {
			command(m, codeSignature)
		}
	})
}
