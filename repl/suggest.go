package repl

import (
	"slices"
	"strings"

	"github.com/c-bata/go-prompt"

	"github.com/quaestor-engine/quaestor/internal/complete"
)

// offers lists what may follow in a line behind others.
func (p *Prompt) offers(before, line string, cursor int) []prompt.Suggest {
	if before == "" {
		if list, ok := p.commandOffers(line[:cursor]); ok {
			return list
		}
	}
	if strings.TrimSpace(line) == "" {
		return nil // an empty line may be the end of the entry
	}
	text, at := before+line[:cursor], len(before)+cursor
	var out []prompt.Suggest
	for _, c := range complete.At(text, at, p.opts.Session.Known()) {
		if s, ok := suggestion(text, c); ok && s.Text != text[wordStart(text):] {
			out = append(out, s)
		}
	}
	return out
}

// wordStart gives where go-prompt sees the beginning of the word at the end
// of a text: it replaces from there.
func wordStart(text string) int { return strings.LastIndexAny(text, " \n") + 1 }

// suggestion puts a candidate into the form in which go-prompt replaces words.
func suggestion(text string, c complete.Candidate) (prompt.Suggest, bool) {
	start, whole := wordStart(text), c.Text
	switch {
	case c.Span.Start >= start:
		whole = text[start:c.Span.Start] + whole
	default:
		front := text[c.Span.Start:start]
		if len(whole) < len(front) || !strings.EqualFold(strings.TrimSpace(whole[:len(front)]), strings.TrimSpace(front)) {
			return prompt.Suggest{}, false
		}
		whole = whole[len(front):]
	}
	about := c.Detail
	if c.Kind == complete.Keyword || c.Kind == complete.Source {
		about = ""
	}
	if about != "" && c.Doc != "" {
		about += " · "
	}
	return prompt.Suggest{Text: whole, Description: about + c.Doc}, whole != ""
}

// commandOffers lists commands, or what may follow one.
func (p *Prompt) commandOffers(line string) ([]prompt.Suggest, bool) {
	typed := strings.TrimLeft(line, " ")
	name, args, behind := strings.Cut(typed, " ")
	if !behind && !strings.HasPrefix(typed, `\`) {
		return nil, false
	}
	var out []prompt.Suggest
	for _, c := range p.opts.Commands {
		switch {
		case !behind && strings.HasPrefix(c.Name, typed) && c.Name != typed:
			out = append(out, prompt.Suggest{Text: c.Name, Description: strings.TrimSpace(c.Args + "  " + c.Doc)})
		case behind && strings.EqualFold(c.Name, name):
			if c.Offers == nil {
				return nil, true
			}
			for _, o := range c.Offers() {
				if strings.HasPrefix(strings.ToLower(o), strings.ToLower(args)) && !strings.Contains(o, " ") {
					out = append(out, prompt.Suggest{Text: o})
				}
			}
			return out, true
		}
	}
	slices.SortFunc(out, func(a, b prompt.Suggest) int { return strings.Compare(a.Text, b.Text) })
	return out, !behind
}
