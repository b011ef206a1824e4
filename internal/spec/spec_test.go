package spec

import (
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/std"
)

// The scripts here specify the runner; those of the language are in the
// testdata of the repository's root.
func TestScripts(t *testing.T) { Run(t, "testdata", std.Modules()...) }

// A script that could not fail, or that says what nobody reads, is refused.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"-- query.qst --\nFIND host\n-- rows --\n", "it does not begin with a sentence"},
		{"what\n-- query.qst --\nFIND host\n", "nothing is expected"},
		{"what\n-- rows --\n(none)\n", "no section query.qst"},
		{"what\n-- raws --\n", "no such section"},
		{"what\n-- hots/etc/x --\n", "no such section"},
		{"what\n-- host/../x --\n", "no clean path"},
		{"what\n-- host/a --\n-- host/a --\n", "two sections"},
		{"what\n-- tree --\na\n", "is not PATH KEY"},
		{"what\n-- tree --\n../a dir\n", "is not PATH KEY"},
		{"what\n-- tree --\na colour=red\n", `no key "colour"`},
		{"what\n-- settings --\nspeed=1\n", `no setting "speed"`},
		{"what\n-- settings --\nnow=yesterday\n", "now:"},
		{"what\n-- facts --\nos linux\n", "is not key=value"},
		{"what\n-- module/x --\n", "no header"},
		{"what\n-- module/x --\na:colour\n", `no type "colour"`},
		{"what\n-- module/x --\na\n", "is not name:type"},
		{"what\n-- module/x --\na:int b:int\n1\n", "1 cells for 2 columns"},
		{"what\n-- module/x --\na:int\none\n", "one"},
	} {
		_, err := parse([]byte(c.script))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q gives %v, not %q", c.script, err, c.want)
		}
	}
}

// Each script expects something wrong, and the runner must say so.
func TestRunNotices(t *testing.T) {
	const front = "what\n-- host/a --\nx\n-- host/b --\ny\n-- module/m --\nn:int*@ t:text\n1  one\n2  two\n! permission /m/3\n"
	for _, c := range []struct{ script, want string }{
		{"-- query.qst --\nFIND m RETURN n\n-- rows --\nn\n1\n", "rows differ"},
		{"-- query.qst --\nFIND m RETURN n\n-- rows --\nk\n1\n2\n", "rows differ"},
		{"-- query.qst --\nFIND m RETURN n ORDER BY n\n-- rows --\nn\n2\n1\n", "rows differ"},
		{"-- query.qst --\nFIND m RETURN n\n-- rows --\n(none)\n", "rows differ"},
		{"-- query.qst --\nFIND m RETURN n\n-- summary --\ncomplete\n", "summary differ"},
		{"-- query.qst --\nFIND m RETURN n\n-- summary --\npartial\n", "summary differ"},
		{"-- query.qst --\nFIND m RETURN n\n-- summary --\npartial: permission 1 /m/3\nm 3\n", "summary differ"},
		{"-- query.qst --\nFIND m RETURN q\n-- rows --\n(none)\n", "the query is wrong"},
		{"-- query.qst --\nFIND m RETURN n\n-- diagnostics --\n", "there is no diagnostics"},
		{"-- query.qst --\nFIND m RETURN n\n-- explain --\nmagic\n", "explain differ"},
		{"-- query.qst --\nFIND m RETURN n AND FIND m RETURN t\n-- rows m --\nn\n1\n2\n", "came back, too"},
		{"-- query.qst --\nFIND m RETURN n\n-- rows x --\nn\n1\n2\n", "there is no rows x"},
	} {
		s, err := parse([]byte(front + c.script))
		if err != nil {
			t.Fatalf("%q: %v", c.script, err)
		}
		problems, err := s.run(t.Context(), std.Modules())
		if all := strings.Join(problems, "\n"); err != nil || !strings.Contains(all, c.want) {
			t.Errorf("%q gives %q (%v), not %q", c.script, all, err, c.want)
		}
	}
}
