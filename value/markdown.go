package value

import "strings"

// markdownSigns are those that mean something in Markdown, and in what hosts of code and chats add to it. A mention
// is made of the text that Markdown leaves, where a backslash is gone: only a blank of no width parts it.
var markdownSigns = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "{", `\{`, "}", `\}`, "[", `\[`, "]", `\]`,
	"<", `\<`, ">", `\>`, "#", `\#`, "|", `\|`, "~", `\~`, "!", `\!`, "&", `\&`, "$", `\$`,
	"://", `\://`, "www.", `www\.`, "WWW.", `WWW\.`, "@", "@\u200b",
)

// EscapeMarkdown is EscapeText for Markdown, which shows the text as it is: no markup, no link, no mention.
func EscapeMarkdown(s string) string {
	s = markdownSigns.Replace(EscapeText(s))
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") || strings.HasPrefix(s, "=") {
		return `\` + s
	}
	return s
}

// MarkdownCode is EscapeText for a cell of a table of Markdown, as code: what is copied out of it is what stands in
// it, to the letter, and no address becomes a link and no :x: a picture. Words, numbers and times stand as they are.
func MarkdownCode(s string) string {
	s = EscapeText(s)
	if isWord(s) || isTime(s) {
		return s
	}
	if strings.Contains(s, `\|`) {
		return EscapeMarkdown(s) // code in a table cannot say it
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	// One blank at each end belongs to the fence, where there are two.
	if s[0] == '`' || s[len(s)-1] == '`' || s[0] == ' ' && s[len(s)-1] == ' ' && strings.Trim(s, " ") != "" {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", `\|`) + fence
}

// isWord says whether a text is letters and digits of ASCII, or nothing.
func isWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func isTime(s string) bool {
	if len(s) < len("2026-11-23") || s[4] != '-' {
		return false
	}
	_, err := ParseTime(s)
	return err == nil
}
