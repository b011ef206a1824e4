package packages

import (
	"slices"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/value"
)

// A manager that a query does not want is not read: its database, which is
// malformed here, is not even named.
func TestWantedManagers(t *testing.T) {
	root := plant(t, map[string]string{
		"var/lib/dpkg/status":         "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
		"var/lib/dpkg/info/a.list":    "/usr/a\n",
		"var/lib/rpm/rpmdb.sqlite":    "what",
		"lib/apk/db/installed":        "what\n",
		"usr/lib/node_modules/x/y":    "",
		"usr/a":                       "",
		"var/lib/dpkg/info/a.md5sums": "",
	})
	for _, m := range []modules.Module{packageModule(), packageFileModule(), verifyModule()} {
		req, rec := moduletest.Request(t, m, root, []string{"manager"})
		manager, _ := m.Schema().Column("manager")
		req.Only = []modules.Restriction{{Column: manager, Values: []value.Value{value.NewText("dpkg"), value.NewText("pacman")}}}
		rows := 0
		if err := m.Scan(t.Context(), req, func(modules.Row) error { rows++; return nil }); err != nil {
			t.Fatal(err)
		}
		if m.Schema().Name != "verify" && rows != 1 || len(rec.Skips()) > 0 {
			t.Errorf("%s: %d rows, %v", m.Schema().Name, rows, rec.Skips())
		}
		all, rec := moduletest.Rows(t, m, root, []string{"manager"}, nil)
		if len(all) < rows || !slices.ContainsFunc(rec.Skips(), func(s modules.Skip) bool { return s.Where == "/var/lib/rpm/rpmdb.sqlite" }) {
			t.Errorf("%s: without a manager: %q, %v", m.Schema().Name, all, rec.Skips())
		}
	}
}
