package value

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// Commands of build servers are broken by one sign, and what only looks like
// one stays: an address of IPv6, a heading.
func TestEscapeCommands(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"::set-output name=x::y", `\x3a:set-output name=x::y`},
		{" \t::add-mask::e", ` \t\x3a:add-mask::e`},
		{"::DEBUG::x", `\x3a:DEBUG::x`},
		{"::1", "::1"}, {"::", "::"}, {"::ffff:10.0.0.1", "::ffff:10.0.0.1"}, {"x ::error::", "x ::error::"},
		{"##[error]x", `#\x23[error]x`}, {"a ##vso[task.x]b", `a #\x23vso[task.x]b`}, {"###[x", `##\x23[x`},
		{"## a [b]", "## a [b]"}, {"##", "##"}, {"##vso", "##vso"},
	} {
		if got := EscapeText(c.in); got != c.want {
			t.Errorf("%q: %s", c.in, got)
		}
		if got := EscapeText(c.want); got != c.want {
			t.Errorf("escaped twice: %s", got)
		}
	}
	if got := EscapeLines("a\x1b\n::error::\n"); got != "a\\x1b\n\\x3a:error::\n" {
		t.Errorf("%q", got)
	}
}

// A document that is escaped means what it did, and shows nothing that it
// should not.
func TestEscapeJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := map[string]any{rapid.String().Draw(t, "key"): rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"##[x]", "##vso[y", "\u202e", "\u009b", "\U000e0041", "\u2028"}))).Draw(t, "list")}
		b, err := json.MarshalIndent(v, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		got := EscapeJSON(b)
		var before, after any
		if err := json.Unmarshal(b, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got, &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Fatalf("%s became %s: %v", b, got, err)
		}
		for i, r := range string(got) {
			if r != '\n' && r != '\t' && !isVisible(r) || r == '#' && obeyed(string(got), i) {
				t.Fatalf("%q is still in %s", r, got)
			}
		}
	})
}
