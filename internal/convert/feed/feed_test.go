package feed

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/converttest"
)

var (
	update  = flag.Bool("update", false, "rewrite what is expected")
	formats = Formats()
)

// samples are the files of testdata, by what each is recognised as.
var samples = map[string]string{"plain.txt": "list", "table.csv": "csv", "bundle.json": "stix", "event.json": "misp", "yeti.json": "yeti", "open.ioc": "openioc"}

func files() (names []string) {
	for name := range samples {
		names = append(names, filepath.Join("testdata", name))
	}
	return names
}

func TestGolden(t *testing.T) {
	converttest.Golden(t, formats, files(), *update)
	for name, want := range samples {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := converttest.Run(t, formats, name, data); err != nil || r.Format != want {
			t.Errorf("%s is taken for %v: %v", name, r, err)
		}
	}
}

func TestGuess(t *testing.T) {
	for _, c := range [...]struct{ text, want string }{
		{"d41d8cd98f00b204e9800998ecf8427e", "file.md5 d41d8cd98f00b204e9800998ecf8427e"},
		{"192[.]0[.]2(.)1", "socket.remote_address 192.0.2.1"},
		{"::ffff:192.0.2.1", "socket.remote_address 192.0.2.1"},
		{"10.1.2.3/8", "socket.remote_address 10.0.0.0/8"},
		{"[2001:db8::1]:80", "socket.(remote_address, remote_port) 2001:db8::1,80"},
		{"192.0.2.1:99999", ""},
		{"hxxps://EVIL[.]example/x", "text.content https://evil.example/x"},
		{"http://192.0.2.1:8080/x", "socket.(remote_address, remote_port) 192.0.2.1,8080; text.content http://192.0.2.1:8080/x"},
		{"a.exe", "file.name a.exe"},
		{"a.sh", "file.name a.sh; text.content a.sh"},
		{"b.a.sh", "text.content b.a.sh"},
		{"xn--bcher-kva.example", "text.content xn--bcher-kva.example"},
		{"bücher.example", "text.content bücher.example"},
		{"/", ""}, {"//comment", ""}, {"word", ""}, {"-.example", ""}, {"", ""},
		{`\\server\share\x`, `file.path \\server\share\x`},
	} {
		col := newCollector(convert.Input{})
		col.guess(indicator{value: c.text})
		var got []string
		for _, f := range [...]field{fileName, filePath, fileMD5, remote, endpoint, networkText} {
			for _, v := range col.sets[f] {
				got = append(got, string(f)+" "+v)
			}
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
	}
}

// A large feed becomes as few questions as a small one.
func TestLarge(t *testing.T) {
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, "%064x\nname-%d.exe\n10.%d.%d.%d\n", i, i, i>>16&255, i>>8&255, i&255)
	}
	r, err := converttest.Run(t, formats, "large.txt", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, x := range r.Rules {
		n += len(x.Queries)
		if x.Outcome != convert.Whole {
			t.Errorf("%s: %s %v", x.Name, x.Outcome, x.Notes)
		}
	}
	if n != 3 || len(r.Lists) != 3 {
		t.Errorf("%d queries with %d lists", n, len(r.Lists))
	}
}

func TestErrors(t *testing.T) {
	converttest.Errors(t, formats, [][3]string{
		{"x", "nothing here\nthat is one\n", "no format"},
		{"x.json", `{"type": "bundle", "objects": [`, "x.json:1: this is not JSON"},
		{"x.json", `{"Attribute": [}`, "x.json:1: this is not JSON"},
		{"x.json", `[{"value": "a", "type": "x"}, {"type": "y"}]`, "x.json:1: this is no observable"},
		{"x.ioc", "<ioc><definition>", "x.ioc:1: this is not OpenIOC"},
		{"x.ioc", "<ioc></ioc>", "x.ioc: there is no Indicator"},
		{"x.ioc", `<?xml version="1.0" encoding="utf-16"?><ioc></ioc>`, "iconv"},
		{"x.ioc", "<ioc>" + strings.Repeat("<Indicator operator='OR'>", 100), "over 50 times"},
		{"x.csv", "type,value\nmd5,d41d8cd98f00b204e9800998ecf8427e\n\xff,\xff\n", "x.csv: it is not UTF-8"},
	})
}

func FuzzFeed(f *testing.F) {
	converttest.Seeds(f, files())
	f.Fuzz(func(t *testing.T, name string, data []byte) { converttest.Laws(t, formats, name, data) })
}
