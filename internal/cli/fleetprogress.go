package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/quaestor-engine/quaestor"
)

// fleetProgress is the line at the foot of the terminal while a fleet answers.
type fleetProgress struct {
	w     io.Writer
	width int
	tally func() quaestor.Tally
	start time.Time
	shown string
	pace  pace
}

// Update shows who has answered, where that changed.
func (p *fleetProgress) Update(now time.Time, rows int64, _ map[string]int64) {
	s := cutText(p.pace.line(now.Sub(p.start), p.tally(), rows), p.width-1)
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

// fleetLines is progress where there is no terminal: few lines, of answers that
// take long.
type fleetLines struct {
	w     io.Writer
	tally func() quaestor.Tally
	start time.Time
	told  time.Duration // when the last line came
	pace  pace
}

// The first line comes after firstLine, and each further one when twice as much
// time has passed, but at least every maxLines.
const (
	firstLine = 20 * time.Second
	maxLines  = 10 * time.Minute
)

// Update writes a line, where it is time for one.
func (p *fleetLines) Update(now time.Time, rows int64, _ map[string]int64) {
	took := now.Sub(p.start)
	p.pace.see(took, p.tally)
	if took < firstLine || p.told > 0 && took < min(2*p.told, p.told+maxLines) {
		return
	}
	p.told = took
	_, _ = fmt.Fprintln(p.w, p.pace.line(took, p.tally(), rows))
}

// Clear does nothing: lines stay.
func (p *fleetLines) Clear() {}

// A pace says how long a fleet may still take, by how fast the last answers
// came. The zero value has seen none.
type pace struct {
	seen []seen // one about every paceStep, the oldest first
}

type seen struct {
	at   time.Duration
	done int
}

// The pace is that of the last paceSteps·paceStep, and is not guessed from less
// than minPace.
const (
	paceStep  = time.Second
	paceSteps = 15
	minPace   = 3 * time.Second
)

// see notes how many agents are done, once in a while.
func (p *pace) see(took time.Duration, tally func() quaestor.Tally) {
	if n := len(p.seen); n > 0 && took-p.seen[n-1].at < paceStep {
		return
	}
	t := tally()
	if p.seen = append(p.seen, seen{took, done(&t)}); len(p.seen) > paceSteps {
		p.seen = p.seen[1:]
	}
}

// done is how many agents nothing more is expected of.
func done(t *quaestor.Tally) int {
	return t.Answered() + t.Count(quaestor.Failed) + t.Count(quaestor.Refused)
}

// line says how far it is, and how long it may take.
func (p *pace) line(took time.Duration, t quaestor.Tally, rows int64) string {
	p.see(took, func() quaestor.Tally { return t })
	s := took.Truncate(time.Second).String() + " · " + progressText(t, rows)
	first, last := p.seen[0], p.seen[len(p.seen)-1]
	left := t.Targeted() - t.Count(quaestor.Offline) - done(&t)
	if came := last.done - first.done; came > 0 && left > 0 && last.at-first.at >= minPace {
		s += " · about " + roughly(time.Duration(float64(last.at-first.at)*float64(left)/float64(came))) + " left"
	}
	return s
}

// roughly gives a time as exactly as a guess deserves.
func roughly(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return max(d.Round(time.Second), time.Second).String()
	case d < time.Minute:
		return d.Round(5 * time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

// cutText cuts a text of narrow characters to a width.
func cutText(s string, width int) string {
	r := []rune(s)
	return string(r[:max(0, min(len(r), width))])
}
