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
	rate  rate
}

// A rate is how fast the last second went.
type rate struct {
	at           time.Time
	files, bytes int64
	text         string
}

// update takes what was looked at until now.
func (r *rate) update(now time.Time, files, bytes int64) {
	took := now.Sub(r.at).Seconds()
	if took < 1 {
		return
	}
	read, seen := float64(bytes-r.bytes)/took, float64(files-r.files)/took
	switch r.text = ""; {
	case read >= 1:
		r.text = " · " + Bytes(int64(read)) + "/s"
	case seen >= 1:
		r.text = " · " + count(int64(seen), "file") + "/s"
	}
	r.at, r.files, r.bytes = now, files, bytes
}

// NewProgress makes a progress line for a terminal of that width in columns,
// for work that began at start.
func NewProgress(w io.Writer, width int, start time.Time) *Progress {
	return &Progress{w: w, width: width, start: start, rate: rate{at: start}}
}

// Update shows what was looked at, unless it is too early or too soon after
// the last time. Errors of the terminal are not worth stopping for.
func (p *Progress) Update(now time.Time, rows int64, looked map[string]int64) {
	if now.Sub(p.start) < progressAfter || p.shown && now.Sub(p.last) < progressEvery {
		return
	}
	s := now.Sub(p.start).Truncate(100*time.Millisecond).String() + " · " + count(rows, "row")
	p.rate.update(now, looked["files"], looked["bytes"])
	s += p.rate.text
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
