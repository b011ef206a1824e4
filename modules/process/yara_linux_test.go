package process

import (
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/value"
)

// Rules are asked of each mapping beside patterns: strings over the edge of a
// chunk, a condition on two of them, on what stands at an address, and one
// that does not hold.
func TestRulesOfMemory(t *testing.T) {
	pid := child(t)
	m := newMemory()
	req, rec := moduletest.Request(t, m, "", []string{"yara.rule", "yara.tags", "yara.strings"})
	req.Keys = []value.Value{value.NewInt(pid)}
	req.Questions = []modules.Question{
		{Rules: &modules.Rules{Name: "test", Externals: map[string]any{"least": int64(1)}, Text: `
import "hash"
rule needles : test {
  strings:
    $first = { 71 75 61 65 73 74 6f 72 2d ff 2d [6] 2d ff 2d 66 69 72 73 74 }
    $last = /quaestor-\xff-needle-\xff-last/
  condition:
    all of them and #first >= least and uint8(@first[1]) == 0x71 and hash.md5(@first[1], 8) == "49deec1d6ec40ef73798547c3e3a1aeb"
}
rule absent { strings: $a = { 71 75 61 65 73 74 6f 72 2d ff 2d [6] 2d ff 2d 61 62 73 65 6e 74 } condition: $a }
rule sized { condition: filesize > 0 }`}, Show: true},
		{Pattern: search.Pattern{Literal: needle("second")}, Show: true},
		{Rules: &modules.Rules{Name: "other", Text: `rule never { strings: $a = "zqzqzqzqzqzqzq\x00\x01\x02" condition: $a }`}, Show: true},
	}
	var rows []string
	var answers [3]int
	err := m.Scan(t.Context(), req, func(r modules.Row) error {
		for q := range answers {
			v, err := r.(modules.Asker).Ask(t.Context(), q)
			if err != nil {
				return err
			}
			if v.Bool() {
				answers[q]++
			}
		}
		return r.(modules.Liner).Lines(t.Context(), func(row modules.Row) error {
			line, err := moduletest.Line(t.Context(), row, req.Columns)
			rows = append(rows, line)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if answers[0] == 0 || answers[1] == 0 || answers[2] != 0 {
		t.Errorf("answers %v, %+v", answers, rec.Skips())
	}
	if len(rows) == 0 || slices.ContainsFunc(rows, func(l string) bool {
		return !strings.HasPrefix(l, "needles | [test] | [0x") || !strings.Contains(l, `:$first: quaestor-`)
	}) {
		t.Errorf("rows %q", rows)
	}
}
