package watch

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// Table writes the view for a person.
func (v View) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "relay %s, up %s\n\n", value.EscapeText(v.Relay), span(v.Up))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%s\t"+format+"\n", append([]any{what}, args...)...)
	}
	line("agents", "%s connected here, %s at other relays, of %s", count(v.Agents.Connected), count(v.Agents.Elsewhere), count(v.Agents.Known))
	line("plans", "%s open, %s kept, %s wait for signatures", count(v.Plans.Open), count(v.Plans.Kept), count(v.Plans.Pending))
	r := &v.Rates
	line("a second", "%s plans, %s answers, %s chunks of %s", rate(r.Plans), rate(r.Answers), rate(r.Chunks), size(r.ChunkBytes))
	line("", "%s in, %s out, %s handshakes, %s refused", size(r.Received), size(r.Sent), rate(r.Handshakes), rate(r.Refused))
	line("plan to agent", "%s", v.FanOut)
	line("to the disk", "%s; %s refused, %s failed", v.Store, count(v.Spine.Refused), count(v.Spine.Failures))
	o := &v.Outbox
	line("outboxes", "%s frames, at most %s for one agent, of %s; %s agents cut off", count(o.Frames), count(o.Deepest), count(o.Limit), count(o.CutOff))
	m := &v.Memory
	line("memory", "%s resident, %s heap, %s stacks, %s goroutines", size(m.Resident), size(m.Heap), size(m.Stacks), count(m.Goroutines))
	line("processors", "%s busy; %s of %s files open", rate(r.Processors), count(m.Files), count(m.FilesLimit))
	d := &v.Disk
	line("disk", "%s free of %s; answers %s of %s, the spine %s", size(d.Free), size(d.Size), size(d.Answers), size(d.AnswersLimit), size(d.Spine))
	s := &v.Spine
	line("other relays", "%s of %s alive; %s messages behind, %s copies behind", count(s.Alive), count(s.Peers), count(s.Lag), count(s.Behind))
	switch l := &v.Log; {
	case l.On == nil:
		line("log", unknown)
	case *l.On == 0:
		line("log", "the fleet has none")
	default:
		line("log", "%s entries, %s witnessed, the checkpoint %s old", count(l.Entries), count(l.Witnessed), span(l.Age))
	}
	_ = w.Flush()
	v.tablePlans(&b)
	tableWrong(&b, v.Wrong)
	return b.String()
}

// tableWrong writes what is wrong.
func tableWrong(b *strings.Builder, wrong []string) {
	if len(wrong) == 0 {
		b.WriteString("\nnothing is wrong\n")
		return
	}
	b.WriteString("\nwrong:\n")
	for _, text := range wrong {
		b.WriteString("  " + text + "\n")
	}
}

func (v *View) tablePlans(b *strings.Builder) {
	if len(v.Plans.Slowest) == 0 {
		return
	}
	b.WriteByte('\n')
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "age\tleft\tagents\treached\tdone\twaiting\tstored\t  slowest plans")
	for _, p := range v.Plans.Slowest {
		bytes := float64(p.Bytes)
		note := ""
		if p.Unlogged {
			note = ", waits for the log"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t  %s%s\n", span(&p.Age), span(&p.Left), p.Agents, p.Reached, p.Done, p.Waiting, size(&bytes), value.EscapeText(p.Plan), note)
	}
	_ = w.Flush()
}

// String writes a latency.
func (l Latency) String() string {
	when := ""
	if l.Ever {
		when = " since the start"
	}
	if l.Count == 0 {
		return "nothing" + when
	}
	return fmt.Sprintf("half %s, 99 %% %s, of %s%s", within(l.Half), within(l.Hundred), count(&l.Count), when)
}

// within writes the upper end of a bucket.
func within(n Number) string {
	if n == nil {
		return "longer than a minute"
	}
	return "within " + value.FormatDuration(time.Duration(math.Round(*n*1e9)))
}

// unknown stands for what the relay did not say.
const unknown = "?"

// count writes a whole number, with its thousands apart.
func count(n Number) string {
	if n == nil {
		return unknown
	}
	digits := strconv.FormatFloat(math.Abs(math.Round(*n)), 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if *n <= -0.5 {
		return "-" + digits
	}
	return digits
}

// rate writes what there is of something a second: small ones with a decimal.
func rate(n Number) string {
	if n == nil || math.Abs(*n) >= 10 || *n == 0 {
		return count(n)
	}
	return strconv.FormatFloat(*n, 'f', 1, 64)
}

// size writes bytes in three digits or so.
func size(n Number) string {
	if n == nil {
		return unknown
	}
	v := *n
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if math.Abs(v) < 999.5 || unit == "TB" {
			if math.Abs(v) < 9.95 && unit != "B" {
				return strconv.FormatFloat(v, 'f', 1, 64) + " " + unit
			}
			return strconv.FormatFloat(v, 'f', 0, 64) + " " + unit
		}
		v /= 1000
	}
	return unknown // a number that is none
}

// span writes seconds in their two largest units.
func span(n Number) string {
	if n == nil {
		return unknown
	}
	d := time.Duration(*n * float64(time.Second))
	switch {
	case d >= 48*time.Hour:
		d = d.Truncate(time.Hour)
	case d >= time.Hour:
		d = d.Truncate(time.Minute)
	default:
		d = d.Truncate(time.Second)
	}
	return value.FormatDuration(d)
}
