package render

import "strings"

// The colours of what a plan's steps cost.
var costs = map[string]string{"free": "\x1b[32m", "stat": "\x1b[36m", "read": "\x1b[33m", "scan": "\x1b[31m"}

// branches are what the tree of a plan is drawn with.
const branches = "│├└─ "

// Plan gives the drawing of a plan, as EXPLAIN makes it, for a screen: with
// colour its branches step back, and what a condition costs stands out.
func Plan(drawing string, o Options) string {
	if !o.Colour {
		return drawing
	}
	var b strings.Builder
	for line := range strings.Lines(drawing) {
		line = strings.TrimSuffix(line, "\n")
		text := strings.TrimLeft(line, branches)
		if tree := line[:len(line)-len(text)]; tree != "" {
			b.WriteString(dim + tree + plain)
		}
		text, measured, _ := strings.Cut(text, "   · ")
		head, rest, _ := strings.Cut(text, " ")
		switch colour, isCost := costs[head]; {
		case isCost && strings.HasPrefix(rest, " "):
			b.WriteString(colour + head + plain + " " + rest)
		case rest != "":
			b.WriteString(bold + head + plain + " " + rest)
		default:
			b.WriteString(head)
		}
		if measured != "" {
			b.WriteString("   " + dim + "· " + measured + plain)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
