package client_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
)

// A large list travels once: as a set of the plan where that says the same,
// else as it was given. Who compiles the query again finds the signed plan.
func TestLists(t *testing.T) {
	m := newMallory(t)
	t.Chdir(t.TempDir())
	var hashes, sized, names strings.Builder
	for i := range 300 {
		fmt.Fprintf(&hashes, "# comment %d\n%064x\n", i, i)
		fmt.Fprintf(&sized, "%064x %d\n", i, i)
		fmt.Fprintf(&names, "name of a file %d.exe\n", i)
	}
	for name, text := range map[string]string{"hashes.txt": hashes.String(), "sized.txt": sized.String(), "names.txt": names.String(), "small.txt": "a\nb\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	for _, c := range [...]struct {
		cond  string
		set   bool
		lines int
	}{
		{"sha256 IN @hashes.txt", true, 300},
		{"name IN @names.txt", true, 300},
		{"sha256 IN @sized.txt", false, 300},
		{"name IN @small.txt", false, 2},
		{"CONTAINS @names.txt", false, 300},
	} {
		compiled, err := s.Compile(lang.Source{Name: "query", Text: "FROM fleet FIND file /etc/** WHERE " + c.cond})
		if err != nil {
			t.Fatal(err)
		}
		e, err := s.Sign(t.Context(), compiled.Queries[0], client.SignOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := signing.DecodePlanPayload(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := plan.Decode(p.Compiled)
		if err != nil {
			t.Fatal(err)
		}
		lists, err := client.Lists(p, signed)
		if err != nil || len(lists) != 1 {
			t.Fatalf("%s: %d lists: %v", c.cond, len(lists), err)
		}
		if (p.Lists[0].Set > 0) != c.set || strings.Count(strings.ReplaceAll(string(lists[0].Data), "# comment", ""), "\n") < c.lines {
			t.Errorf("%s: set %d, %d bytes", c.cond, p.Lists[0].Set, len(lists[0].Data))
		}
		if err := s.Cosign(t.Context(), e); err != nil && !strings.Contains(err.Error(), "already") {
			t.Errorf("%s: %v", c.cond, err)
		}
		p.Lists[0] = signing.List{Name: p.Lists[0].Name, Set: 99}
		if _, err := client.Replan(p, local); !errors.Is(err, client.ErrDiffers) {
			t.Errorf("%s with a set that is not there: %v", c.cond, err)
		}
	}
}
