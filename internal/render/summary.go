package render

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// Summary writes the closing account of an answer, in at most a few lines:
//
//	12 rows · 3,401 files in 212 directories looked at, 3,390 opened, 41.2 MB read · 0.08 s
//	not looked at: 2 permission (/etc/shadow, /etc/gshadow), 1 vanished (/etc/x)
//	the answer is partial: …
func Summary(w io.Writer, s answer.Summary, took time.Duration, o Options) error {
	parts := []string{count(s.Matched, "row")}
	if looked := lookedAt(s.Looked); looked != "" {
		parts = append(parts, looked)
	}
	if took > 0 {
		digits := 2
		if took < 100*time.Millisecond {
			digits = 3
		}
		parts = append(parts, strconv.FormatFloat(took.Seconds(), 'f', digits, 64)+" s")
	}
	var b strings.Builder
	b.WriteString(strings.Join(parts, " · ") + "\n")
	warn := func(line string) {
		if o.Colour {
			line = yellow + line + plain
		}
		b.WriteString(line + "\n")
	}
	var left, absent, own []string
	for _, k := range s.Skipped {
		switch {
		case k.Kind == modules.SkipSelf:
			own = append(own, skipped(k, o.Width))
		case k.Kind.Informative():
			absent = append(absent, skipped(k, o.Width))
		default:
			left = append(left, skipped(k, o.Width))
		}
	}
	if len(left) > 0 {
		warn("not looked at: " + strings.Join(left, ", "))
	}
	if len(absent) > 0 {
		warn("looked for and not there: " + strings.Join(absent, ", "))
	}
	if len(own) > 0 {
		warn("left out as one's own: " + strings.Join(own, ", "))
	}
	if s.Outcome != answer.Complete {
		reason := value.EscapeText(s.Reason)
		if reason == "" {
			reason = "something was left out"
		}
		warn("the answer is " + s.Outcome.String() + ": " + reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lookedAt puts what was looked at into a sentence: files, directories, what
// was opened and read, then what other modules counted.
func lookedAt(looked map[string]int64) string {
	var parts []string
	files, dirs := looked["files"], looked["directories"]
	switch {
	case dirs > 0:
		parts = append(parts, count(files, "file")+" in "+countOf(dirs, "directory", "directories")+" looked at")
	case files > 0:
		parts = append(parts, count(files, "file")+" looked at")
	}
	if n := looked["opened"]; n > 0 {
		parts = append(parts, Number(n)+" opened")
	}
	if n := looked["bytes"]; n > 0 {
		parts = append(parts, Bytes(n)+" read")
	}
	var others []string
	for kind := range looked {
		if !slices.Contains([]string{"files", "directories", "opened", "bytes"}, kind) {
			others = append(others, kind)
		}
	}
	slices.Sort(others)
	for _, kind := range others {
		parts = append(parts, Number(looked[kind])+" "+value.EscapeText(answer.KindName(kind, looked[kind])))
	}
	return strings.Join(parts, ", ")
}

// shownPlaces is how many of the places that were left out a line names.
const shownPlaces = 3

func skipped(k answer.Skipped, width int) string {
	s := Number(k.Count) + " " + strings.ReplaceAll(value.EscapeText(string(k.Kind)), "_", " ")
	var names []string
	for _, f := range k.First[:min(len(k.First), shownPlaces)] {
		names = append(names, place(f, width))
	}
	if len(names) == 0 {
		return s
	}
	if int64(len(names)) < k.Count {
		names = append(names, "…")
	}
	return s + " (" + strings.Join(names, ", ") + ")"
}

func place(f modules.Skip, width int) string {
	s := value.EscapeText(f.Where)
	if width > 0 {
		s = shorten(s, max(width/2, 20))
	}
	return s
}

func count(n int64, one string) string { return countOf(n, one, one+"s") }

func countOf(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Number writes a number with commas between thousands.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(s, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return s[:len(s)-len(strings.TrimPrefix(s, "-"))] + digits
}

// Bytes writes a number of bytes with one digit after the point, in units of
// a thousand.
func Bytes(n int64) string {
	if n < 1000 {
		return countOf(n, "byte", "bytes")
	}
	f := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB", "PB"} {
		f /= 1000
		if f < 999.95 {
			return strconv.FormatFloat(f, 'f', 1, 64) + " " + unit
		}
	}
	return strconv.FormatFloat(f/1000, 'f', 1, 64) + " EB"
}
