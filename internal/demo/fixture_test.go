package demo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor"
)

// Each sample finds on the trees what the demo says it shows.
func TestFixture(t *testing.T) {
	want := []string{
		"ci-1:1 db-1:1 mail-1:1 web-1:1 web-2:1",
		"ci-1:0 db-1:0 mail-1:0 web-1:0 web-2:1",
		"ci-1:1 db-1:1 mail-1:1 web-1:1 web-2:1",
		"ci-1:0 db-1:0 mail-1:0 web-1:1 web-2:1",
		"ci-1:1 db-1:1 mail-1:1 web-1:1 web-2:1",
		"ci-1:0 db-1:1 mail-1:0 web-1:0 web-2:0",
	}
	for i, s := range Samples() {
		_, find, _ := strings.Cut(s.Query, "FIND")
		got := map[string]int{}
		for _, m := range machines() {
			root := t.TempDir()
			if err := m.plant(root); err != nil {
				t.Fatal(err)
			}
			got[m.name] = count(t, root, "FIND"+find)
		}
		var line []string
		for _, name := range []string{"ci-1", "db-1", "mail-1", "web-1", "web-2"} {
			line = append(line, fmt.Sprintf("%s:%d", name, got[name]))
		}
		if g := strings.Join(line, " "); g != want[i] {
			t.Errorf("%s\ngot  %s\nwant %s", s.Query, g, want[i])
		}
	}
}

func count(t *testing.T, root, query string) int {
	s, err := quaestor.LocalWith(quaestor.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for _, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
