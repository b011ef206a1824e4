package pretend

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// SummaryOf gives an account in the lines of a section: the outcome, all that
// was left out, and of what was looked at the kinds that the expected text
// names.
func SummaryOf(sum answer.Summary, expected string) string {
	var b strings.Builder
	b.WriteString(sum.Outcome.String() + "\n")
	wanted := map[string]bool{}
	for _, l := range summaryLines(expected) {
		wanted[strings.Fields(l)[0]] = true
	}
	if wanted["reason"] {
		b.WriteString("reason " + value.EscapeText(sum.Reason) + "\n")
	}
	if wanted["matched"] {
		b.WriteString("matched " + strconv.FormatInt(sum.Matched, 10) + "\n")
	}
	for _, kind := range sum.Kinds() {
		if wanted[kind] {
			fmt.Fprintf(&b, "%s %d\n", kind, sum.Looked[kind])
			delete(wanted, kind)
		}
	}
	for _, k := range sum.Skipped {
		fmt.Fprintf(&b, "%s %d", k.Kind, k.Count)
		for _, f := range k.First {
			b.WriteString(" " + value.EscapeText(f.Where))
		}
		b.WriteString("\n")
	}
	for _, l := range sum.Limits {
		b.WriteString("limit " + l + "\n")
	}
	return b.String()
}

// summaryLines gives the lines of the section, "partial: x" as two.
func summaryLines(text string) []string {
	var out []string
	for _, l := range Lines(text) {
		first, rest, ok := strings.Cut(l, ":")
		if rest = strings.TrimSpace(rest); ok && rest != "" && slices.Contains([]string{"complete", "partial", "refused", "failed"}, first) {
			out = append(out, first, rest)
			continue
		}
		out = append(out, l)
	}
	return out
}

// SameSummary says whether two texts of a summary mean the same: neither the
// order of lines nor that of places counts.
func SameSummary(a, b string) bool { return normalSummary(a) == normalSummary(b) }

// MeetsSummary is SameSummary, but that a line of what is expected which gives
// a number and names no places leaves open which they are.
func MeetsSummary(expected, got string) bool {
	bare := map[string]bool{}
	for _, l := range summaryLines(expected) {
		if words := strings.Fields(l); len(words) == 2 {
			bare[words[0]] = true
		}
	}
	lines := summaryLines(got)
	for i, l := range lines {
		if words := strings.Fields(l); len(words) > 2 && bare[words[0]] && words[0] != "reason" {
			lines[i] = words[0] + " " + words[1]
		}
	}
	return SameSummary(expected, strings.Join(lines, "\n"))
}

func normalSummary(text string) string {
	ls := summaryLines(text)
	for i, l := range ls {
		if words := strings.Fields(l); words[0] != "reason" && len(words) > 2 {
			slices.Sort(words[2:]) // places come in the order of the walk
			ls[i] = strings.Join(words, " ")
		}
	}
	slices.Sort(ls)
	return strings.Join(ls, "\n")
}
