package hostile

import (
	"slices"
	"strings"
	"testing"
)

// The judges see what they are for, and let plain text pass.
func TestJudges(t *testing.T) {
	for _, v := range Values()[:23] {
		if !strings.HasPrefix(v, "w") && !strings.HasPrefix(v, "j") && Terminal(v) == nil {
			t.Errorf("a terminal would show %q", v)
		}
	}
	for _, v := range []string{"::error::x", "a\n  ::add-mask::x", "x ##[error]y", "##vso[x]"} {
		if Commands(v) == nil {
			t.Errorf("a build server would obey %q", v)
		}
	}
	for _, v := range []string{"::1", "::ffff:1.2.3.4", "x ::error::", "# ##", "## a [b]", "::"} {
		if err := Commands(v); err != nil {
			t.Error(err)
		}
	}
	for _, v := range []string{"=1", "-1", "＝1", "a\nb", "\x1b", "\t1", "a;=1", "a; \"-1"} {
		if Spreadsheet(v) == nil {
			t.Errorf("%q passes for a cell", v)
		}
	}
	for _, v := range []string{"", "plain", "żółw 日本語", "'=1", "a;'=1", "a; b"} {
		if err := Spreadsheet(v); err != nil {
			t.Error(err)
		}
	}
	td := func(name string) bool { return slices.Contains([]string{"td", "/td"}, name) }
	if err := Markup("<td>a &lt;b 1 < 2</td>", td); err != nil {
		t.Error(err)
	}
	for _, page := range []string{"<td><script>", "<td><!-- x", "<td></style>", "<IMG src=x>", "<?xml"} {
		if Markup(page, td) == nil {
			t.Errorf("%q passes", page)
		}
	}
	for _, page := range []string{"### a\n\n| `<b>` | ``a`b*`` | \\<b\\> @\u200beveryone |\n", "a https\\://b, www\\.c"} {
		if err := Markdown(page); err != nil {
			t.Error(err)
		}
	}
	for _, page := range []string{"*b*", "<b>", "`open", "https://evil.example", "www.evil.example", "an @everyone", "`a` b`c", "[x](y)", "`a\x1b`"} {
		if Markdown(page) == nil {
			t.Errorf("%q passes for text", page)
		}
	}
}
