package file

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

const froms = "<?xml version='1.0'?><plist><array><string>https://x.example/a.dmg</string><string>https://x.example/</string></array></plist>"

func TestOrigin(t *testing.T) {
	utf16Of := func(s string) string {
		b := []byte{0xff, 0xfe}
		for _, u := range utf16.Encode([]rune(s)) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		return string(b)
	}
	for _, c := range []struct {
		attributes map[string]string
		want       string
	}{
		{map[string]string{"Zone.Identifier": "[ZoneTransfer]\r\nZoneId=3\r\nReferrerUrl=https://a.example/\r\nHostUrl=https://b.example/x.exe\r\n"}, "https://b.example/x.exe https://a.example/ null null 3 null"},
		{map[string]string{"user.Zone.Identifier": utf16Of("[ZoneTransfer]\nZoneId=4\n")}, "null null null null 4 null"},
		{map[string]string{"com.apple.quarantine": "0083;5f3e2a1b;Safari;8A5B", "com.apple.metadata:kMDItemWhereFroms": froms}, "https://x.example/a.dmg https://x.example/ Safari 2020-08-20T07:45:31Z null 0083;5f3e2a1b;Safari;8A5B"},
		{map[string]string{"osx.com.apple.quarantine": "0083;zz"}, "null null null null null 0083;zz"},
		{map[string]string{"user.xdg.origin.url": "https://c.example/y", "user.xdg.referrer.url": "https://c.example/", "user.other": "x"}, "https://c.example/y https://c.example/ null null null null"},
		{map[string]string{"Zone.Identifier": "ZoneId=three", "com.apple.metadata:kMDItemWhereFroms": "no list"}, "null null null null null null"},
	} {
		var names []string
		for name := range c.attributes {
			names = append(names, name)
		}
		o, err := readOrigin(names, func(name string) ([]byte, error) { return []byte(c.attributes[name]), nil })
		var got []string
		for _, i := range []int{colOriginURL, colOriginReferrer, colOriginAgent, colOriginTime, colOriginZone, colQuarantine} {
			text := "null"
			if v := o.column(i); !v.IsNull() {
				text = v.String()
			}
			got = append(got, text)
		}
		if got := strings.Join(got, " "); got != c.want || err != nil {
			t.Errorf("%q: %s, %v", c.attributes, got, err)
		}
	}
	refused := errors.New("refused")
	if _, err := readOrigin([]string{"Zone.Identifier"}, func(string) ([]byte, error) { return nil, refused }); err != refused {
		t.Errorf("%v", err)
	}
}

func TestMarks(t *testing.T) {
	if got := windowsMarks(0x2 | 0x4 | 0x20 | 0x400 | 0x10); !slices.Equal(got, []string{"hidden", "system", "archive", "reparse_point"}) {
		t.Errorf("%q", got)
	}
	if got := macMarks(0x2 | 0x8000 | 0x80000); !slices.Equal(got, []string{"uchg", "hidden", "restricted"}) {
		t.Errorf("%q", got)
	}
	if got := windowsMarks(0x80); len(got) != 0 || got == nil {
		t.Errorf("a file without a mark: %q", got)
	}
}

// A WIN32_FIND_STREAM_DATA: a size of 8 bytes and 296 characters.
func TestStreamName(t *testing.T) {
	for name, want := range map[string]string{"::$DATA": "", ":Zone.Identifier:$DATA": "Zone.Identifier", ":a b:$DATA": "a b", ":x:$BITMAP": "x:$BITMAP", "": ""} {
		data := make([]byte, 600)
		for i, u := range utf16.Encode([]rune(name)) {
			binary.LittleEndian.PutUint16(data[8+2*i:], u)
		}
		if got := streamName(data); got != want {
			t.Errorf("%q is %q", name, got)
		}
	}
	if streamName(nil) != "" {
		t.Error("nothing has a name")
	}
}

func FuzzOrigin(f *testing.F) {
	f.Add("Zone.Identifier", []byte("[ZoneTransfer]\r\nZoneId=3\r\nHostUrl=x"))
	f.Add("com.apple.quarantine", []byte("0083;5f3e2a1b;Safari;8A5B"))
	f.Add("com.apple.metadata:kMDItemWhereFroms", []byte(froms))
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		o, _ := readOrigin([]string{name}, func(string) ([]byte, error) { return b, nil })
		if len(o.url)+len(o.referrer) > 4*len(b) {
			t.Errorf("%d bytes make %+v", len(b), o)
		}
		streamName(b)
	})
}
