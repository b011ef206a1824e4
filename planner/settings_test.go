package planner_test

import (
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/planner"
)

// What WITH says stands in the plan, and what it must not say is refused.
func TestSettings(t *testing.T) {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	compile := func(text string) (plan.Limits, error) {
		f, err := lang.Parse(lang.Source{Name: "query", Text: text})
		if err != nil {
			return plan.Limits{}, err
		}
		p, _, err := planner.Compile(f.Queries[0], cat, planner.Inputs{Now: time.Now()})
		if err != nil {
			return plan.Limits{}, err
		}
		return p.Limits, nil
	}
	for with, is := range map[string]func(plan.Limits) bool{
		"cpu = 10":            func(l plan.Limits) bool { return l.CPU == 10 },
		"cpu = 10%":           func(l plan.Limits) bool { return l.CPU == 10 },
		"cpu = 10%, rows = 3": func(l plan.Limits) bool { return l.CPU == 10 && l.Rows == 3 },
		"cpu = 10 % 4":        func(l plan.Limits) bool { return l.CPU == 2 }, // the rest of a division
		"io = low":            func(l plan.Limits) bool { return l.IO == plan.IOLow },
		`io = "normal"`:       func(l plan.Limits) bool { return l.IO == plan.IONormal },
		"sent = 1MiB":         func(l plan.Limits) bool { return l.Sent == 1<<20 },
		"open_files = 64":     func(l plan.Limits) bool { return l.OpenFiles == 64 },
	} {
		if l, err := compile("FROM fleet FIND file /etc/* WITH " + with); err != nil || !is(l) {
			t.Errorf("%s: %+v, %v", with, l, err)
		}
	}
	for text, says := range map[string]string{
		"FROM fleet FIND file /etc/* WITH io = best":       "idle, low, normal",
		"FROM fleet FIND file /etc/* WITH open_files = 1":  "32 to 1024",
		"FROM fleet FIND file /etc/* WITH cpu = 0%":        "1 to 6400",
		"FROM fleet FIND file /etc/* WITH depth = 10%":     "",
		"FROM fleet FIND file /etc/* WHERE size > 10%":     "",
		"FIND file /etc/* WITH io = low":                   "WITH io needs an agent",
		"FIND file /etc/* WITH sent = 1MiB":                "WITH sent needs an agent",
		"FIND file /etc/* WITH open_files = 64, cpu = 10%": "WITH open_files needs an agent",
	} {
		if l, err := compile(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v", text, l, err)
		}
	}
}
