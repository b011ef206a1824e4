package plist

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// write gives a tree as a text of one line.
func write(v *Value) string {
	switch v.Kind {
	case List, Dict:
		var parts []string
		for i := range v.Len() {
			name, item := v.At(i)
			if v.Kind == Dict {
				name += "="
			}
			parts = append(parts, name+write(item))
		}
		return map[Kind]string{List: "(", Dict: "{"}[v.Kind] + strings.Join(parts, ",") + map[Kind]string{List: ")", Dict: "}"}[v.Kind]
	}
	return [...]string{"none", "null", "", "int ", "real ", "bool ", "date ", "data ", "uid "}[v.Kind] + v.String()
}

// bin makes a binary list of objects with offsets of two bytes and references
// of one. The first is at the top.
func bin(objects ...string) string {
	b := []byte("bplist00")
	var table []byte
	for _, o := range objects {
		table = binary.BigEndian.AppendUint16(table, uint16(len(b)))
		b = append(b, o...)
	}
	at := len(b)
	b = append(append(b, table...), 0, 0, 0, 0, 0, 0, 2, 1)
	for _, n := range []int{len(objects), 0, at} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return string(b)
}

// The example of the package comment.
const example = `
62 70 6c 69 73 74 30 30  d1 01 02  51 61  09  08 0b 0d
00 00 00 00 00 00  01  01  00 00 00 00 00 00 00 03
00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 0e`

func TestDecode(t *testing.T) {
	raw, err := hex.DecodeString(strings.Join(strings.Fields(example), ""))
	if err != nil {
		t.Fatal(err)
	}
	if source, err := os.ReadFile("plist.go"); err != nil || !strings.Contains(string(source), strings.ReplaceAll(example, "\n", "\n//\t")) {
		t.Errorf("the package comment has another example: %v", err)
	}
	x := func(body string) string {
		return "<?xml version='1.0'?><!DOCTYPE plist><plist version='1.0'>" + body + "</plist>\n"
	}
	for in, want := range map[string]string{
		string(raw): "{a=bool true}",
		bin("\xd2\x01\x02\x03\x04", "Q1", "R\xc3\xa9", "\xa8\x05\x06\x07\x08\x09\x0a\x0b\x0c", "\xa0",
			"\x00", "\x08", "\x10\xff", "\x13\xff\xff\xff\xff\xff\xff\xff\xfe", "\x22\x3f\x00\x00\x00", "\x33\x41\xc8\x5a\x28\x38\x00\x00\x00", "B\x00\xff", "\x81\x01\x00"): "{1=(null,bool false,int 255,int -2,real 0.5,date 2026-11-23T10:44:00Z,data AP8=,uid 256),é=()}",
		bin("\xa4\x01\x01\x02\x03", "_\x10\x0f123456789012345", "b\x20\xac\xd8\x3d", "\x14\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"):                   "(123456789012345,123456789012345,€\ufffd,int 18446744073709551615)",
		bin("\xc3\x01\x02\x03", "\x14\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x0cSx:y", "\x0e0123456789abcdef"):                                    "(int -1,x:y,30313233-3435-3637-3839-616263646566)",
		bin("\xa2\x01\x02", "\x33\xc2\x2d\x63\xc8\xc5\x00\x00\x00", "\x33\x7f\xf0\x00\x00\x00\x00\x00\x00"):                                                                    "(date 0000-12-30T00:00:00Z,date +Inf)",
		x("<dict><key>a</key><array><integer> 0x1F </integer><integer>-12</integer><integer>18446744073709551615</integer><real>1e3</real></array><key>a</key><true/></dict>"): "{a=(int 31,int -12,int 18446744073709551615,real 1000),a=bool true}",
		x("<array><string> a &lt;<!-- no -->b </string><string/><date>2026-11-23T10:44:00Z</date><data>\n\tAP\n\t8=\n</data><false/><dict/></array>"):                          "( a <b ,,date 2026-11-23T10:44:00Z,data AP8=,bool false,{})",
		"\ufeff<plist><string>x</string></plist>":                 "x",
		"<dict><key>no plist around it</key><true></true></dict>": "{no plist around it=bool true}",
		"\xff\xfe" + strings.Join(strings.Split("<?xml version='1.0' encoding='UTF-16'?><string>x</string>", ""), "\x00") + "\x00": "x",
		"// c\n{ a = b; /* c */ \"b c\" = (x, 'y', {}, ); c = <0fbd 77>; d; e = $(X)/a }":                                          "",
		"// c\n{ a = b; /* c */ \"b c\" = (x, 'y', {}, ); c = <0fbd 77>; d; e = $X/a-b.c:_ }":                                      "{a=b,b c=(x,y,{}),c=data D713,d=d,e=$X/a-b.c:_}",
		"{a=<*I-5>;b=<*R0.5>;c=<*BY>;d=<*BN>;e=<*D2026-11-23 10:00:00 +0200>}":                                                     "{a=int -5,b=real 0.5,c=bool true,d=bool false,e=date 2026-11-23T08:00:00Z}",
		`"a\"\101\n\U20ac\Ud83d\ude00\
" = "b"; c = d;`: "{a\"A\n€😀\n=b,c=d}",
		"\xfe\xff" + "\x00\"\x20\xac\x00\"\x00=\x00b\x00;": "{€=b}",
		"()": "()",
	} {
		v, err := Decode([]byte(in))
		switch {
		case want == "" && !errors.Is(err, hostfs.ErrMalformed):
			t.Errorf("%q: %v", in, err)
		case want != "" && err != nil:
			t.Errorf("%q: %v", in, err)
		case want != "" && write(v) != want:
			t.Errorf("%q: %s, not %s", in, write(v), want)
		}
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat
	for in, want := range map[string]error{
		"":                               hostfs.ErrMalformed,
		"hello":                          hostfs.ErrMalformed,
		"hello;":                         hostfs.ErrMalformed,
		`{"a": 1}`:                       hostfs.ErrMalformed,
		"{a = b":                         hostfs.ErrMalformed,
		"{a = b;} x":                     hostfs.ErrMalformed,
		"(a b)":                          hostfs.ErrMalformed,
		`("a\377")`:                      hostfs.ErrMalformed,
		`("a\U12`:                        hostfs.ErrMalformed,
		`("a\`:                           hostfs.ErrMalformed,
		"(<0f":                           hostfs.ErrMalformed,
		"(<0>)":                          hostfs.ErrMalformed,
		"(<*I>)":                         hostfs.ErrMalformed,
		"(\xff)":                         hostfs.ErrMalformed,
		"/* open":                        hostfs.ErrMalformed,
		"<html></html>":                  hostfs.ErrMalformed,
		"<plist/>":                       hostfs.ErrMalformed,
		"<plist><dict><true/></dict>":    hostfs.ErrMalformed,
		"<dict><key>a</key></dict>":      hostfs.ErrMalformed,
		"<dict><key>a</key><key>b</key>": hostfs.ErrMalformed,
		"<array><key>a</key></array>":    hostfs.ErrMalformed,
		"<array>x</array>":               hostfs.ErrMalformed,
		"<array>":                        hostfs.ErrMalformed,
		"<true/><true/>":                 hostfs.ErrMalformed,
		"<true>x</true>":                 hostfs.ErrMalformed,
		"<string>a<true/></string>":      hostfs.ErrMalformed,
		"<integer>1x</integer>":          hostfs.ErrMalformed,
		"<integer>--1</integer>":         hostfs.ErrMalformed,
		"<integer/>":                     hostfs.ErrMalformed,
		"<real>x</real>":                 hostfs.ErrMalformed,
		"<date>yesterday</date>":         hostfs.ErrMalformed,
		"<data>?</data>":                 hostfs.ErrMalformed,
		"<string>&x;</string>":           hostfs.ErrMalformed,
		"<plist><true/></plist><plist/>": hostfs.ErrMalformed,
		"<integer>1" + deep("0", 50) + "</integer>": hostfs.ErrMalformed,
		"<?xml version='1.0' encoding='EBCDIC'?>":   errors.ErrUnsupported,
		"bplist":                              hostfs.ErrMalformed,
		"bplist15" + deep("\x00", 40):         hostfs.ErrMalformed,
		"bplist00" + deep("\x00", 32):         hostfs.ErrMalformed,
		bin("\xa1\x00"):                       hostfs.ErrMalformed, // it contains itself
		bin("\xa1\x01", "\xd1\x02\x00", "Qa"): hostfs.ErrMalformed,
		bin("\xa1\x05"):                       hostfs.ErrMalformed,
		bin("\xa5\x00"):                       hostfs.ErrMalformed,
		bin("\xd1\x01\x01", "\x09"):           hostfs.ErrMalformed,
		bin("\x01"):                           hostfs.ErrMalformed,
		bin("\x90"):                           hostfs.ErrMalformed,
		bin("\x15"):                           hostfs.ErrMalformed,
		bin("\x21\x00\x00"):                   hostfs.ErrMalformed,
		bin("\x33\x00"):                       hostfs.ErrMalformed,
		bin("\x8fxxxxxxxxxxxxxxxx"):           hostfs.ErrMalformed,
		bin("\x5f\x13\xff\xff\xff\xff\xff\xff\xff\xff"): hostfs.ErrMalformed,
		bin("\x5f\x50"):                        hostfs.ErrMalformed,
		bin("\x0c\x09"):                        hostfs.ErrMalformed,
		bin("\x0e"):                            hostfs.ErrMalformed,
		bin("\x6a\x00"):                        hostfs.ErrMalformed,
		deep("(", 1<<20):                       hostfs.ErrTooLarge,
		deep("{a=", 1<<20):                     hostfs.ErrTooLarge,
		deep("<array>", 1<<20):                 hostfs.ErrTooLarge,
		"(" + deep("a,", maxValues) + ")":      hostfs.ErrTooLarge,
		"<array>" + deep("<true/>", maxValues): hostfs.ErrTooLarge,
		"<array>" + deep(" ", MaxFile):         hostfs.ErrTooLarge,
	} {
		if v, err := Decode([]byte(in)); v != nil || !errors.Is(err, want) {
			t.Errorf("%.60q: %v", in, err)
		}
	}
}

// Objects that are shared grow without bound where they are shared by what is
// shared again: 163 bytes are a hundred million values.
func TestSharedWithoutBound(t *testing.T) {
	var objects []string
	for i := range 7 {
		objects = append(objects, "\xae"+strings.Repeat(string(rune(i+1)), 14))
	}
	bomb := bin(append(objects, "Qx")...)
	if v, err := Decode([]byte(bomb)); v != nil || !errors.Is(err, hostfs.ErrTooLarge) {
		t.Errorf("%v", err)
	}
	few := bin("\xa3\x01\x01\x01", "\xa2\x02\x02", "\xd1\x03\x03", "Qx")
	if v, err := Decode([]byte(few)); err != nil || write(v) != "(({x=x},{x=x}),({x=x},{x=x}),({x=x},{x=x}))" {
		t.Errorf("what is shared within the bound: %v", err)
	}
	// A long text that many places have, and lists that lie over each other.
	text := "\x5f\x12\x00\x10\x00\x00" + strings.Repeat("x", 1<<20)
	many := "\xaf\x10\xff" + strings.Repeat("\x01", 255)
	for _, in := range []string{bin(many, text), over(false), over(true)} {
		if v, err := Decode([]byte(in)); v != nil || !errors.Is(err, hostfs.ErrTooLarge) {
			t.Errorf("%v", err)
		}
	}
	// A chain of lists that is reached from high up first, and then from so far
	// down that the whole is too deep.
	chain := func(lists int) (objects []string) {
		for i := range lists {
			objects = append(objects, fmt.Sprintf("\xa1%s", []byte{byte(i + 2)}))
		}
		return append(objects, "\xa0")
	}
	for lists, want := range map[int]error{maxDepth - 2: nil, maxDepth - 1: hostfs.ErrTooLarge} {
		objects := chain(lists)
		half := byte(lists/2 + 1)
		if _, err := Decode([]byte(bin(append([]string{string([]byte{0xa2, half, 1})}, objects...)...))); !errors.Is(err, want) {
			t.Errorf("%d lists in each other: %v", lists+2, err)
		}
	}
}

// over makes a list of lists, or of texts, whose bytes are the same.
func over(texts bool) string {
	const n, each = 2000, 60_000
	b := []byte("bplist00\xaf\x11\x07\xd0")
	for i := range n {
		b = binary.BigEndian.AppendUint16(b, uint16(i+1))
	}
	offsets := []int{8}
	for range n {
		offsets = append(offsets, len(b))
	}
	kind := byte(0xaf)
	if texts {
		kind = 0x5f
	}
	b = append(b, kind, 0x12, 0, 0, each>>8, each&0xff)
	b = append(b, bytes.Repeat([]byte{(n + 1) >> 8, (n + 1) & 0xff}, each)...)
	offsets = append(offsets, len(b))
	b = append(b, 9)
	at := len(b)
	for _, o := range offsets {
		b = binary.BigEndian.AppendUint32(b, uint32(o))
	}
	b = append(b, 0, 0, 0, 0, 0, 0, 4, 2)
	for _, x := range []int{n + 2, 0, at} {
		b = binary.BigEndian.AppendUint64(b, uint64(x))
	}
	return string(b)
}

func TestGet(t *testing.T) {
	v, err := Decode([]byte("{Label = x; Args = (a, <00>, b); Sub = {Deep = {On = <*BY>; N = <*I7>; D = <*D2026-11-23 10:00:00 +0000>; X = <00ff>}; }; Label = y;}"))
	if err != nil {
		t.Fatal(err)
	}
	deep := v.Get("Sub", "Deep")
	if n, ok := deep.Get("N").Int(); v.Get("Label").Text() != "y" || !slices.Equal(v.Get("Args").Texts(), []string{"a", "b"}) || !deep.Get("On").Bool() || n != 7 || !ok ||
		!deep.Get("N").Bool() || !deep.Get("D").Time().Equal(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)) || string(deep.Get("X").Data()) != "\x00\xff" {
		t.Errorf("%s", write(v))
	}
	none := v.Get("Label", "further", "down")
	if _, ok := none.Int(); none.Kind != None || none.Text() != "" || none.Texts() != nil || none.Bool() || ok || none.Data() != nil || !none.Time().IsZero() || none.String() != "" || none.Len() != 0 {
		t.Errorf("%s", write(none))
	}
	if v.Get("Sub").Texts() != nil {
		t.Error("a dictionary has texts")
	}
}

// What Python writes in both forms is what it says itself.
func TestAgainstPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("LEFT OUT: python3 is not installed")
	}
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), python, "testdata/random.py", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.plist"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(name, filepath.Ext(name)) + ".json")
		if err != nil {
			t.Fatal(err)
		}
		v, err := Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := json.Marshal(plain(v))
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if json.Unmarshal(got, &a) != nil || json.Unmarshal(want, &b) != nil || fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("%s:\n%s\nnot\n%s", name, got, want)
		}
	}
}

// plain gives a tree as testdata/random.py writes it: scalars with their kind
// in front.
func plain(v *Value) any {
	switch v.Kind {
	case Dict:
		m := map[string]any{}
		for i := range v.Len() {
			name, item := v.At(i)
			m[name] = plain(item)
		}
		return m
	case List:
		list := []any{}
		for i := range v.Len() {
			_, item := v.At(i)
			list = append(list, plain(item))
		}
		return list
	case Real:
		return fmt.Sprintf("real %x", v.bits)
	}
	return write(v)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(bin("\xd1\x01\x02", "Qa", "\xa2\x03\x04", "\x09", "b\x20\xac\xd8\x3d")))
	f.Add([]byte("<plist><dict><key>a</key><array><integer>1</integer><date>2026-11-23T10:44:00Z</date></array></dict></plist>"))
	f.Add([]byte("{a = (b, <00>, \"\\U20ac\"); c;}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Decode(data)
		if (v == nil) == (err == nil) {
			t.Fatalf("%v and %v", v, err)
		}
		if err != nil {
			if !errors.Is(err, hostfs.ErrMalformed) && !errors.Is(err, hostfs.ErrTooLarge) && !errors.Is(err, errors.ErrUnsupported) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		left := newBudget()
		walk(t, v, 0, &left)
	})
}

// walk goes through a tree and holds it to the bounds.
func walk(t *testing.T, v *Value, depth int, left *budget) {
	if err := left.take(1, len(v.text)); err != nil || depth > maxDepth {
		t.Fatal("a tree past the bounds")
	}
	if v.Kind == None || v.Kind == Dict && len(v.keys) != len(v.list) {
		t.Fatalf("%+v", v)
	}
	for _, item := range v.list {
		walk(t, item, depth+1, left)
	}
}
