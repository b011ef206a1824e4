package value

import (
	"fmt"
	"strings"
	"time"
)

// timeLayouts are the written forms, the shortest first. A zone may follow any but the first.
var timeLayouts = []string{
	"2006-01-02",
	"2006-01-02T15:04", "2006-01-02T15:04Z07:00", "2006-01-02T15:04 Z07:00",
	"2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05 Z07:00",
}

// maxTimeText bounds what ParseTime looks at, in bytes; the longest form has 36.
const maxTimeText = 64

// ParseTime reads "2026-11-23", "2026-11-23T10:00:00Z", "2026-11-23 10:00" and their like, with a zone as
// "Z" or "+02:00", or without one for UTC. Seconds may have up to nine digits of fraction.
// The years are 1 to 9999, in UTC too.
func ParseTime(s string) (time.Time, error) { return parseTime(s, "") }

// parseTime does so; also is what else may be written.
func parseTime(s, also string) (time.Time, error) {
	bad := fmt.Errorf("%q is not a time: write %s\"2026-11-23\", \"2026-11-23 10:00\" or \"2026-11-23T10:00:00Z\"", s, also)
	if len(s) > maxTimeText {
		return time.Time{}, bad
	}
	text := strings.ToUpper(s)
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	if _, frac, ok := strings.Cut(text, "."); ok && digitsIn(frac) > 9 {
		return time.Time{}, fmt.Errorf("time %q is finer than a nanosecond: write at most nine digits after the point", s)
	}
	for _, l := range timeLayouts {
		t, err := time.Parse(l, text)
		if err != nil {
			continue
		}
		if t = t.UTC(); t.Unix() < minSecond || t.Unix() > maxSecond {
			return time.Time{}, fmt.Errorf("time %q is outside the years 1 to 9999", s)
		}
		return t, nil
	}
	return time.Time{}, bad
}

// parseMoment reads what ParseTime does and what counts from now: "now", "now - 2d".
func parseMoment(s string, now time.Time) (time.Time, error) {
	rest, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(s)), "now")
	if !ok {
		return parseTime(s, "now - 2d, ")
	}
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return now, nil
	}
	sign := time.Duration(1)
	if rest[0] == '-' {
		sign = -1
	} else if rest[0] != '+' {
		return time.Time{}, fmt.Errorf("%q is not a time: write \"now - 2d\" or \"2026-11-23\"", s)
	}
	d, err := ParseDuration(strings.TrimSpace(rest[1:]))
	if err != nil {
		return time.Time{}, fmt.Errorf("time %q: %w", s, err)
	}
	return now.Add(sign * d), nil
}

func digitsIn(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}
