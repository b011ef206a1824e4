package cases

import (
	"html"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// style is all that a page needs: it names nothing from elsewhere.
const style = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}` +
	`pre{padding:.75rem;border:1px solid #8886;border-radius:4px;overflow-x:auto}blockquote{margin:0;padding:.1rem 1rem;border-left:4px solid #8886;white-space:pre-wrap}` +
	`dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}` +
	`.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}th,td{border:1px solid #8886;padding:.2rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}` +
	`@media print{body{max-width:none;font-size:12px}}`

// hypertext writes one page. What hosts and others supplied is text in it.
type hypertext struct{ b *strings.Builder }

func (h *hypertext) head(title string, facts []fact) {
	h.b.WriteString("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width\">\n<title>" + htmlText(title) + "</title>\n<style>" + style + "</style>\n</head>\n<body>\n<h1>" + htmlText(title) + "</h1>\n")
	h.facts(facts)
}

func (h *hypertext) facts(facts []fact) {
	h.b.WriteString("<dl>\n")
	for _, f := range facts {
		h.b.WriteString("<dt>" + htmlText(f.label) + "</dt><dd>" + htmlText(f.text) + "</dd>\n")
	}
	h.b.WriteString("</dl>\n")
}

func (h *hypertext) note(title, text string) {
	h.b.WriteString("<section>\n<h2>" + htmlText(title) + "</h2>\n<blockquote>" + htmlLines(text) + "</blockquote>\n</section>\n")
}

func (h *hypertext) asked(a *asked) {
	h.b.WriteString("<section>\n<h2>" + htmlText(a.title) + "</h2>\n<pre>" + htmlLines(a.query) + "</pre>\n")
	h.facts(a.facts)
	for _, t := range a.tables {
		h.table(t)
	}
	h.b.WriteString("</section>\n")
}

func (h *hypertext) table(t shown) {
	h.b.WriteString("<h3>" + htmlText(t.name) + "</h3>\n")
	if len(t.rows) == 0 {
		h.b.WriteString("<p>No rows" + more(t.cut) + ".</p>\n")
		return
	}
	h.b.WriteString("<div class=\"scroll\"><table>\n<thead><tr>")
	for _, name := range t.columns {
		h.b.WriteString("<th scope=\"col\">" + htmlText(name) + "</th>")
	}
	h.b.WriteString("</tr></thead>\n<tbody>\n")
	for _, row := range t.rows {
		h.b.WriteString("<tr>")
		for _, cell := range row {
			h.b.WriteString("<td>" + htmlText(cell) + "</td>")
		}
		h.b.WriteString("</tr>\n")
	}
	h.b.WriteString("</tbody>\n</table></div>\n")
	if t.cut > 0 {
		h.b.WriteString("<p>The first " + counted(int64(len(t.rows)), "row", "rows") + more(t.cut) + ".</p>\n")
	}
}

func (h *hypertext) end() { h.b.WriteString("</body>\n</html>\n") }

func htmlText(s string) string { return html.EscapeString(value.EscapeText(s)) }

// htmlLines keeps the ends of lines.
func htmlLines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		text, ends := strings.CutSuffix(line, "\n")
		b.WriteString(htmlText(text))
		if ends {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
