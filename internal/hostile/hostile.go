// Package hostile holds what a host could write into a name or a file to harm
// whoever looks at it, and says what may come out where it is shown.
//
// [Values] go in, at every place where evidence is shown, and [Terminal],
// [Commands], [Spreadsheet], [Markup] and [Markdown] judge what came out. It is
// for tests; no program links it.
package hostile

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// long is more than any terminal, cell or line is made for.
const long = 1 << 16 // bytes

// Values gives the texts. Each begins in a way of its own, so that what is
// left of it can be found.
func Values() []string {
	return []string{
		"a\x1b[2J\x1b[1;1Hcleared", "b\x1b]0;title\x07", "c\x1b]8;;https://evil.example/\x1b\\link\x1b]8;;\x1b\\",
		"d\x1b]52;c;cm0gLXJmIC8=\x07", "e\x1bP$q\"p\x1b\\", "f\x1b[6n", "g\x9b31m\x9d0;x\x9c", "h\u009b31m\u009d0;x\u009c",
		"i\rroot", "j\nFAKE: complete", "k\r\nX-Header: 1", "l\b\b\b\b\x7f", "m\x00after", "n\x0e\x0f\x05",
		"o\u202egpj.exe", "p\u2066\u2067\u2068\u2069", "q\u061c\u200e\u200f", "r\u200b\u200c\u200d\u2060\ufeff", "s\u2028line\u2029paragraph",
		"t\U000e0041\U000e007f", "u\u00ad\u180e\ufff9\ufffb", "v\xff\xfe\xc0\xaf\xed\xa0\x80", "w\ufffd\ufffe",
		"=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201",
		"<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='x", "</style></title>", "<!--", "]]>", "&lt;b&gt;", "javascript:alert(1)",
		"{{.Secret}}${7*7}<%= 1 %>#{1}", "[x](https://evil.example)", "![x](https://evil.example/a.png)", "a|b|c", "`code`", "**b** _i_ ~~s~~", "# title", "> quote", "- item",
		"@everyone #1 https://evil.example/", "<https://evil.example>", "```\nfence", "::error file=x::gone", "%0A::set-output",
		"www.evil.example", "eve@evil.example", "grep 'a\\|b' `id`", "a;=1+1", "b; \"=1+1;@SUM(1)",
		"::set-output name=x::y", " \t::stop-commands::x", "##[error]x", "x ##vso[task.setvariable variable=PATH]y", "##teamcity[buildStop]",
		"x y=z level=ERROR msg=\"forged\"", "\"quoted\",\"cells\"\n\"more\"", "{\"json\":true}", strings.Repeat("w\u0301", 40), "z" + strings.Repeat("long", long/4),
	}
}

// Terminal says what in a text could steer a terminal, hide, or turn what
// stands around it: controls but for the end of a line, invisible and
// reversing characters, bytes that are no UTF-8. Nil is none.
func Terminal(text string) error {
	for i, r := range text {
		if r == '\n' {
			continue
		}
		if err := seen(text, i, r); err != nil {
			return err
		}
	}
	return nil
}

// command is what servers that build take for one in their log: GitHub's at the
// beginning of a line, those of others anywhere. What has only hexadecimal
// digits is an address.
var command = regexp.MustCompile(`(?mi)^\s*::[a-f]*[g-z-][a-z-]*|##[a-z]*\[`)

// Commands says what in a text a build server would obey, where it is a line
// of a build's log. Nil is none.
func Commands(text string) error {
	if at := command.FindStringIndex(text); at != nil {
		return fmt.Errorf("a build server obeys %.80q", text[at[0]:])
	}
	return nil
}

// Spreadsheet is Terminal for one cell that was read back from CSV: it may
// hold no line, and may begin no formula, as little as what stands behind a
// semicolon: in half of the world a spreadsheet parts cells there.
func Spreadsheet(cell string) error {
	for i, part := range strings.Split(cell, ";") {
		if i > 0 {
			part = strings.TrimLeft(part, " \"")
		}
		if r, _ := utf8.DecodeRuneInString(part); strings.ContainsRune("=+-@\t\r\uff0b\uff0d\uff1d\uff20", r) && part != "" {
			return fmt.Errorf("%.40q begins a formula", part)
		}
	}
	if strings.ContainsAny(cell, "\r\n") {
		return fmt.Errorf("%.40q has lines", cell)
	}
	return Terminal(cell)
}

func seen(text string, i int, r rune) error {
	_, n := utf8.DecodeRuneInString(text[i:])
	bad := unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) ||
		r == utf8.RuneError && n == 1
	if bad {
		return fmt.Errorf("%q came through, in %.60q", text[i:i+n], text[max(0, i-20):])
	}
	return nil
}

// tag is what a browser could take for markup.
var tag = regexp.MustCompile(`<[A-Za-z!/?]`)

// Markup says whether HTML holds a tag or a comment that is none of the
// allowed ones, each as the page writes it: "td", "/td", "!doctype".
func Markup(page string, allowed func(tag string) bool) error {
	for _, at := range tag.FindAllStringIndex(page, -1) {
		rest := page[at[0]+1:]
		name := rest[:max(1, strings.IndexAny(rest, " >\n\t"))]
		if !allowed(strings.ToLower(name)) {
			return fmt.Errorf("<%s came through, in %.80q", name, page[max(0, at[0]-20):])
		}
	}
	return nil
}

// live is what Markdown, or a host of code that shows it, would make more of
// than text.
var live = regexp.MustCompile("[`*_\\[\\]~$]|<[A-Za-z!/?]|://|(?i:www)\\.|[^\u200b]@[A-Za-z0-9]")

// Markdown is Terminal for Markdown, in which signs with a backslash and code
// are text. What a page says itself must be free of markup in a line.
func Markdown(page string) error {
	var text strings.Builder
	for i := 0; i < len(page); i++ {
		switch page[i] {
		case '\\':
			i++ // the sign behind it is itself
		case '`':
			rest := strings.TrimLeft(page[i:], "`")
			fence := page[i : len(page)-len(rest)]
			code, _, closed := strings.Cut(rest, fence)
			if !closed {
				return fmt.Errorf("code has no end, in %.60q", page[i:])
			}
			i += len(fence) + len(code) + len(fence) - 1
		default:
			text.WriteByte(page[i])
		}
	}
	if at := live.FindStringIndex(text.String()); at != nil {
		return fmt.Errorf("%q is more than text, in %.60q", text.String()[at[0]:at[1]], text.String()[max(0, at[0]-20):])
	}
	return Terminal(strings.ReplaceAll(page, "@\u200b", "@"))
}
