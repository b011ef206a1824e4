package file

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules"
)

func TestCapabilities(t *testing.T) {
	for form, want := range map[string]string{
		"0100000200200000000000000000000000000000":         "cap_net_raw=ep",
		"0000000200200000002000000000000000000000":         "cap_net_raw=ip",
		"010000030020000000000000000000000000000010270000": "cap_net_raw=ep [rootid=10000]",
		"0100000101000000":                                 "0x0100000101000000",
		"010000":                                           "0x010000",
	} {
		b, err := hex.DecodeString(form)
		if err != nil {
			t.Fatal(err)
		}
		if got := capabilities(b).Text(); got != want {
			t.Errorf("%s is %q, want %q", form, got, want)
		}
	}
}

func FuzzCapabilities(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) { capabilities(b) })
}

func TestXattrs(t *testing.T) {
	root := tree(t, map[string]string{"d/with": "", "d/without": ""})
	if err := unix.Setxattr(root+"/d/with", "user.origin", []byte("x"), 0); err != nil {
		t.Fatal(err) // the file system of the test must keep them
	}
	eachSystem(t, func(t *testing.T, m *module) {
		got := collect(t, m, ask(root+"/d/*"), func(r modules.Row) string {
			s := get(r, "name").Text()
			for _, v := range get(r, "xattrs").List() {
				s += " " + v.Text()
			}
			return s
		})
		same(t, got, []string{"with user.origin", "without"})
	})
}

// TestFewDirectoriesOpen lets no directory stay open for its children, as if
// the system allowed none.
func TestFewDirectoriesOpen(t *testing.T) {
	files := map[string]string{}
	for i := range 300 {
		files[fmt.Sprintf("%d/%d/%d/f", i%3, i%17, i)] = ""
	}
	root := tree(t, files)
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask(root)
		n := make(chan string, 1000)
		s, err := prepare([]*modules.Request{&q.Request}, m.portable, func(_ int, r modules.Row) error {
			n <- strings.Clone(pathOf(r))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.bound = 0
		if err := s.run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if want := len(find(t, root)); len(n) != want || s.open.Load() != 0 {
			t.Errorf("%d rows, want %d; %d directories are left open", len(n), want, s.open.Load())
		}
	})
}
