package render

import (
	"io"
	"time"
)

const (
	progressAfter = time.Second            // quick answers are not disturbed
	progressEvery = 100 * time.Millisecond // a line that changes faster cannot be read
)

// Progress keeps one line at the foot of a terminal that says how far the
// work is. The zero value is not usable; one goroutine at a time may use it.
type Progress struct {
	w     io.Writer
	width int
	start time.Time
	last  time.Time
	shown bool
}

// NewProgress makes a progress line for a terminal of that width in columns,
// for work that began at start.
func NewProgress(w io.Writer, width int, start time.Time) *Progress {
	return &Progress{w: w, width: width, start: start}
}

// Update shows what was looked at, unless it is too early or too soon after
// the last time. Errors of the terminal are not worth stopping for.
func (p *Progress) Update(now time.Time, rows int64, looked map[string]int64) {
	if now.Sub(p.start) < progressAfter || p.shown && now.Sub(p.last) < progressEvery {
		return
	}
	s := now.Sub(p.start).Truncate(100*time.Millisecond).String() + " · " + count(rows, "row")
	if l := lookedAt(looked); l != "" {
		s += " · " + l
	}
	if p.width > 1 {
		s = cutFront(s, p.width-1)
	}
	_, _ = io.WriteString(p.w, "\r\x1b[K"+s)
	p.shown, p.last = true, now
}

// Clear removes the line, if there is one.
func (p *Progress) Clear() {
	if p.shown {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.shown = false
	}
}
