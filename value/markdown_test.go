package value

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Evidence in a ticket is copied out of it as the host had it.
func TestMarkdownCode(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"root", "root"}, {"1234", "1234"}, {"2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z"},
		{"/etc/passwd", "`/etc/passwd`"}, {"https://evil.example/a", "`https://evil.example/a`"}, {"www.evil.example", "`www.evil.example`"},
		{"root:x:0:0:root", "`root:x:0:0:root`"}, {"ada@evil.example", "`ada@evil.example`"}, {"a|b", "`a\\|b`"}, {"a|", "`a\\|`"},
		{"grep 'a\\|b'", "grep 'a\\\\\\|b'"}, {"`id`", "`` `id` ``"}, {"a``b", "```a``b```"}, {" x ", "`  x  `"}, {" x", "` x`"}, {" ", "` `"},
		{"a\x1b[2J", "`a\\x1b[2J`"}, {"C:\\Users\\", "`C:\\Users\\`"}, {"-5", "`-5`"},
	} {
		if got := MarkdownCode(c.in); got != c.want {
			t.Errorf("%q: %s, not %s", c.in, got, c.want)
		}
	}
}

func TestEscapeMarkdown(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain text, 12%", "plain text, 12%"}, {"- item", `\- item`}, {"<b>_x_</b>", `\<b\>\_x\_\</b\>`},
		{"see https://evil.example and www.evil.example", `see https\://evil.example and www\.evil.example`}, {"@everyone", "@\u200beveryone"},
	} {
		if got := EscapeMarkdown(c.in); got != c.want {
			t.Errorf("%q: %s, not %s", c.in, got, c.want)
		}
	}
}

// Code ends where it should, and in a table no cell becomes two.
func TestMarkdownCodeIsOneCell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching("[`|\\\\ a*]{0,12}")).Draw(t, "text")
		got := MarkdownCode(s)
		if bars := strings.Count(strings.ReplaceAll(strings.ReplaceAll(got, `\\`, ""), `\|`, ""), "|"); bars > 0 {
			t.Fatalf("%q became %s", s, got)
		}
		fence := got[:len(got)-len(strings.TrimLeft(got, "`"))]
		if fence == "" {
			return
		}
		body := got[len(fence) : len(got)-len(fence)]
		if strings.Contains(body, fence) || strings.HasSuffix(body, "`") || !strings.HasSuffix(got, fence) {
			t.Fatalf("%q became %s", s, got)
		}
		if shown := strings.ReplaceAll(body, `\|`, "|"); strings.TrimSpace(shown) != strings.TrimSpace(EscapeText(s)) {
			t.Fatalf("%q is shown as %s", s, shown)
		}
	})
}
