package library

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules/yara"
)

// tool gives the path of YARA's own command.
func tool(t *testing.T) string {
	path, err := exec.LookPath("yara")
	if err != nil {
		t.Skip("yara is not installed: apt-get install yara")
	}
	return path
}

func compiled(t *testing.T, text string) *yara.Rules {
	t.Helper()
	now := func() time.Time { return time.Unix(1_700_000_000, 0) }
	r, err := yara.Compile(yara.Source{Name: "test.yar", Text: text}, yara.Options{Modules: Modules(now)})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return r
}

func scanned(t *testing.T, r *yara.Rules, content []byte) (names []string) {
	t.Helper()
	res, err := r.NewScanner(yara.Limits{}).Whole(context.Background(), content)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range res.Matches {
		names = append(names, m.Rule.Name)
	}
	for _, u := range res.Undecided {
		t.Errorf("%s is undecided: %s", u.Rule.Name, u.Reason)
	}
	return names
}

// programs are files of both systems, as far as this machine has them.
func programs(t *testing.T) (list []string) {
	small, _ := filepath.Abs("../pe/testdata/small.dll")
	object, _ := filepath.Abs("../elf/testdata/small.o")
	list = append(list, small, object)
	for _, pattern := range []string{
		"/usr/lib/shim/*.efi*", "/usr/lib/x86_64-linux-gnu/wine/*-windows/w*.dll", "/usr/share/python-wheels/*.exe",
		"/usr/lib/python3/dist-packages/*/*.exe", "/usr/bin/m*", "/usr/lib/x86_64-linux-gnu/libz.so*", "/usr/lib/x86_64-linux-gnu/crt1.o",
	} {
		found, _ := filepath.Glob(pattern)
		list = append(list, found[:min(len(found), 12)]...)
	}
	return slices.DeleteFunc(list, func(p string) bool {
		info, err := os.Stat(p)
		return err != nil || !info.Mode().IsRegular() || info.Size() > 2<<20
	})
}

var (
	dumpLine  = regexp.MustCompile(`^(\t+)(.*?)(?: = (.*))?$`)
	constant  = regexp.MustCompile(`^[A-Z]`)
	libraries = regexp.MustCompile(`import_details`)
)

// conditions turns what `yara -D` prints of a file into conditions that say
// the same.
func conditions(module, dump string) (list []string) {
	path := []string{module}
	inside := false
	for _, line := range strings.Split(dump, "\n") {
		m := dumpLine.FindStringSubmatch(line)
		if m == nil {
			inside = line == module
			continue
		}
		if !inside {
			continue
		}
		name, depth := m[2], len(m[1])
		path = path[:depth]
		at := "." + name
		switch {
		case strings.HasPrefix(name, "["):
			at = name
		case path[depth-1] == ".version_info":
			at = `["` + name + `"]`
		case depth == 1 && constant.MatchString(name):
			continue
		}
		if m[3] == "" && !strings.Contains(line, " = ") {
			path = append(path, at)
			continue
		}
		full := strings.Join(path, "") + at
		switch value := m[3]; {
		case libraries.MatchString(full):
			// Of 4.2.3 the functions of a library are numbered on from those
			// of the one before; later versions mended that.
		case value == "YR_UNDEFINED", strings.HasSuffix(full, ".offset") && value == "-1":
			list = append(list, "not defined "+full)
		case strings.HasPrefix(value, `"`):
			list = append(list, full+" == "+octal.ReplaceAllString(quoted(value), `\x00`))
		default:
			list = append(list, full+" == "+value)
		}
	}
	return list
}

var octal = regexp.MustCompile(`\\000`)

// quoted writes a text so that rules can hold it: the dump leaves backslashes
// and quotes as they are, and so cannot tell \x41 from four characters.
func quoted(s string) string {
	s = s[1 : len(s)-1]
	s = strings.ReplaceAll(s, `"`, `\"`)
	return `"` + regexp.MustCompile(`\\([^x"0])`).ReplaceAllString(s, `\\$1`) + `"`
}

// Every field that YARA finds in a program is found, with the same value.
func TestFieldsAgainstYara(t *testing.T) {
	command := tool(t)
	rule := filepath.Join(t.TempDir(), "dump.yar")
	if err := os.WriteFile(rule, []byte("import \"pe\"\nimport \"elf\"\nrule r { condition: true }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, path := range programs(t) {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // some are for root alone
		}
		dump, err := exec.Command(command, "-D", rule, path).Output()
		if err != nil {
			t.Fatal(err)
		}
		module := "elf"
		if bytes.HasPrefix(content, []byte("MZ")) {
			module = "pe"
		}
		list := conditions(module, string(dump))
		if len(list) > 4000 {
			list = list[:4000]
		}
		asked += len(list)
		var text strings.Builder
		fmt.Fprintf(&text, "import %q\n", module)
		for i, c := range list {
			fmt.Fprintf(&text, "rule r%d { condition: %s }\n", i, c)
		}
		names := scanned(t, compiled(t, text.String()), content)
		for i, c := range list {
			if !slices.Contains(names, fmt.Sprint("r", i)) {
				t.Errorf("%s: not so: %s", path, c)
			}
		}
	}
	t.Logf("%d fields", asked)
}

// functions are conditions that hold of some contents.
var functions = []string{
	`hash.md5(0, filesize) == hash.md5(0, filesize)`, `hash.md5(0, 16) == "1b1cc7f086b3f074da452bc3129981eb"`,
	`hash.md5("dummy") == "275876e34cf609db118f3d84b799a790"`, `hash.sha1("dummy") == "829c3804401b0727f70f73d4415e162400cbe57b"`,
	`hash.sha256("dummy") == "b5a2c96250612366ea272ffac6d9744aaf4b45aacd96aa7cfcb931ee3b558259"`,
	`hash.crc32("dummy") == 0x4f8e8a5e`, `hash.checksum32("dummy") == 560`, `hash.checksum32(0, filesize) > 100000`,
	`hash.crc32(1, 3) == hash.crc32(1, 3)`, `not defined hash.md5(filesize, 1)`, `not defined hash.md5(-1, 1)`, `defined hash.md5(0, 0)`,
	`defined hash.md5(1, filesize * 2)`, `hash.sha1(1, filesize) == hash.sha1(1, filesize - 1)`, `defined hash.md5(0, -1)`,
	`math.entropy(0, filesize) > 4.0`, `math.entropy(0, filesize) > 7.0`, `math.entropy("aabb") == 1.0`,
	`math.mean(0, filesize) < 100.0`, `math.mean("AB") == 65.5`, `math.deviation(0, filesize, math.MEAN_BYTES) > 60.0`,
	`math.deviation("AB", 65.0) == 0.5`, `math.serial_correlation(0, filesize) < 0.3`, `math.serial_correlation("BCAB") < 0.1`,
	`math.monte_carlo_pi(0, filesize) < 0.3`, `math.monte_carlo_pi("123456123456") < 0.3`, `not defined math.monte_carlo_pi("12345")`,
	`math.in_range(2.0, 1.0, 3.0)`, `math.in_range(2.0, 2.5, 3.0)`, `math.min(1, -1) == 1`, `math.max(1, -1) == -1`, `math.abs(-5) == 5`,
	`math.count(0, 0, filesize) > 100`, `math.count(0x41) > 10`, `math.percentage(0, 0, filesize) > 0.2`, `math.percentage(0x41) > 0.01`,
	`math.mode(0, filesize) == 0`, `math.mode() == 0x41`, `math.to_number(filesize > 1000) == 1`,
	`not defined math.entropy(filesize + 1, 1)`, `math.count(0x41, 2, 3) == 3`, `defined math.mode(0, 5)`, `defined math.mean(0, 0)`,
	`math.entropy(0, 0) == 0.0`, `math.serial_correlation("AAAA") == -100000.0`, `defined math.percentage(1, filesize - 4, 9)`,
	`time.now() > 1600000000`, `console.log("text")`, `console.hex("x", 5)`, `console.log(3.5)`,
	`pe.is_pe`, `pe.is_dll()`, `not defined pe.is_dll()`, `pe.is_32bit()`, `pe.is_64bit()`, `pe.imports("kernel32.dll")`,
	`pe.imports("KERNEL32.dll", "gettickcount")`, `pe.imports("ws2_32.dll", 111)`, `pe.imports(/kernel32/i, /./) >= 1`, `pe.imports(/kernel32/, /Tick/)`,
	`pe.imports(pe.IMPORT_ANY, "kernel32.dll", "GetTickCount")`, `pe.imports(pe.IMPORT_DELAYED, "kernel32.dll")`,
	`pe.exports("ticks")`, `pe.exports(2)`, `pe.exports(/^Wro/)`, `pe.exports_index("Wrong") == 1`, `pe.exports_index(1) == 0`, `not defined pe.exports_index("no")`,
	`pe.section_index(".idata") == 4`, `pe.section_index(pe.entry_point) == 0`, `not defined pe.section_index("no")`, `pe.rva_to_offset(0x1000) == 1024`,
	`pe.locale(0x0409)`, `pe.language(0x09)`, `pe.language(0x08)`, `pe.checksum == pe.calculate_checksum()`, `pe.calculate_checksum() > 1000`,
	`pe.signatures[0].valid_on(1800000000)`, `pe.signatures[0].valid_on(1000000000)`, `pe.characteristics & pe.DLL`, `pe.machine == pe.MACHINE_I386`,
	`for any s in pe.sections : (s.name == ".edata" and s.raw_data_size == 512)`, `for any i in (0..pe.number_of_sections - 1) : (math.entropy(pe.sections[i].raw_data_offset, pe.sections[i].raw_data_size) > 1.0)`,
	`for any k, v in pe.version_info : (k == "CompanyName" and v == "Acme")`, `pe.overlay.size > 0`, `pe.imphash() == "x"`,
	`elf.type == elf.ET_REL`, `elf.machine == elf.EM_X86_64`, `for any s in elf.symtab : (s.name == "ask" and s.shndx == 0)`, `for any s in elf.sections : (s.name == ".text" and s.flags & elf.SHF_EXECINSTR != 0)`,
	`elf.number_of_segments == 0`, `defined elf.entry_point`, `elf.dynamic_section_entries > 0`,
}

// Functions give what they give to YARA, over programs, texts and noise.
func TestFunctionsAgainstYara(t *testing.T) {
	command := tool(t)
	dir := t.TempDir()
	var text strings.Builder
	for _, m := range []string{"hash", "math", "time", "console", "pe", "elf"} {
		fmt.Fprintf(&text, "import %q\n", m)
	}
	for i, c := range functions {
		fmt.Fprintf(&text, "rule r%d { condition: %s }\n", i, c)
	}
	rules := filepath.Join(dir, "rules.yar")
	if err := os.WriteFile(rules, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	ours := compiled(t, text.String())
	for name, content := range contents(t) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(command, "-w", rules, path).Output()
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(string(out)) {
			if rule, ok := strings.CutSuffix(strings.TrimSpace(line), " "+path); ok {
				want = append(want, rule)
			}
		}
		got := scanned(t, ours, content)
		for i, c := range functions {
			r := fmt.Sprint("r", i)
			if slices.Contains(got, r) != slices.Contains(want, r) {
				t.Errorf("%s: %s is %v, and %v to yara", name, c, slices.Contains(got, r), slices.Contains(want, r))
			}
		}
	}
}

func contents(t *testing.T) map[string][]byte {
	list := map[string][]byte{
		"empty": nil, "one": []byte("A"), "dummy": []byte("dummy"), "as": []byte(strings.Repeat("A", 5000)),
		"text": []byte(strings.Repeat("The quick brown fox jumps over the lazy dog. ", 300)),
	}
	r := rand.New(rand.NewSource(1))
	noise := make([]byte, 70_000)
	r.Read(noise)
	list["noise"] = noise
	for i, p := range programs(t) {
		if b, err := os.ReadFile(p); err == nil && i < 12 {
			list[fmt.Sprint("program", i)] = b
		}
	}
	return list
}

// What is newer than the YARA that others have is held to what it says of
// itself.
func TestNewerFunctions(t *testing.T) {
	conditions := []string{
		`string.to_int("1234") == 1234`, `string.to_int("-0x1F") == -31`, `string.to_int("012") == 10`, `string.to_int("A", 16) == 10`,
		`not defined string.to_int("12x")`, `not defined string.to_int("")`, `string.to_int(" 7") == 7`, `string.length("abc") == 3`,
		`math.to_string(10) == "10"`, `math.to_string(-1, 16) == "ffffffffffffffff"`, `math.to_string(8, 8) == "10"`, `not defined math.to_string(1, 2)`,
		`math.index_of_coincidence("aa") == 1.0`, `not defined elf.import_md5()`, `not defined pe.rich_signature.version_data`,
		`time.now() == 1700000000`, `not defined math.count(256)`,
	}
	var text strings.Builder
	for _, m := range []string{"string", "math", "elf", "pe", "time"} {
		fmt.Fprintf(&text, "import %q\n", m)
	}
	for i, c := range conditions {
		fmt.Fprintf(&text, "rule r%d { condition: %s }\n", i, c)
	}
	names := scanned(t, compiled(t, text.String()), []byte("nothing"))
	for i, c := range conditions {
		if !slices.Contains(names, fmt.Sprint("r", i)) {
			t.Errorf("not so: %s", c)
		}
	}
}
