package docs

import (
	"strings"
)

// A Block is a fenced block of a page.
type Block struct {
	Line int    // of its text, from 1
	Info string // what follows the opening fence: a language, then marks
	Text string
}

// Marked reports whether one of the words of the info is the mark.
func (b Block) Marked(mark string) bool {
	for word := range strings.FieldsSeq(b.Info) {
		if word == mark {
			return true
		}
	}
	return false
}

// Value gives what stands behind key= among the words of the info, or "".
func (b Block) Value(key string) string {
	for word := range strings.FieldsSeq(b.Info) {
		if v, ok := strings.CutPrefix(word, key+"="); ok {
			return v
		}
	}
	return ""
}

// Blocks finds the fenced blocks of a page of Markdown. A fence is a line that
// begins with three backquotes.
func Blocks(page string) []Block {
	var list []Block
	inside := false
	n := 0
	for line := range strings.Lines(page) {
		n++
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && inside:
			inside = false
		case fence:
			list = append(list, Block{Line: n + 1, Info: strings.TrimSpace(info)})
			inside = true
		case inside:
			list[len(list)-1].Text += line
		}
	}
	return list
}

// Replace puts texts in the place of those of the blocks with the indexes of
// the map.
func Replace(page string, texts map[int]string) string {
	var b strings.Builder
	inside, block := false, -1
	for line := range strings.Lines(page) {
		fence := strings.HasPrefix(line, "```")
		if fence {
			if inside = !inside; inside {
				block++
			}
		}
		text, replaced := texts[block]
		if inside && replaced && !fence {
			continue
		}
		b.WriteString(line)
		if fence && inside && replaced {
			b.WriteString(text)
		}
	}
	return b.String()
}
