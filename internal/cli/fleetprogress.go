package cli

import (
	"io"
	"time"

	"github.com/quaestor-engine/quaestor"
)

// fleetProgress is the line at the foot of the terminal while a fleet answers.
type fleetProgress struct {
	w     io.Writer
	width int
	rows  *quaestor.Rows
	start time.Time
	shown string
}

// Update shows who has answered, where that changed.
func (p *fleetProgress) Update(now time.Time, rows int64, _ map[string]int64) {
	c, _ := p.rows.Coverage()
	took := now.Sub(p.start).Truncate(time.Second)
	s := cutText(took.String()+" · "+progressText(c, rows), p.width-1)
	if s == p.shown {
		return
	}
	_, _ = io.WriteString(p.w, "\r\x1b[K"+s)
	p.shown = s
}

// Clear removes the line, if there is one.
func (p *fleetProgress) Clear() {
	if p.shown != "" {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.shown = ""
	}
}

// cutText cuts a text of narrow characters to a width.
func cutText(s string, width int) string {
	r := []rune(s)
	return string(r[:max(0, min(len(r), width))])
}
