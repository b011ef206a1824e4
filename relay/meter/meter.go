// Package meter counts what happens, writes counts down in the text format of
// Prometheus (version 0.0.4), and reads them back.
//
// A newcomer needs [Counter], [Histogram] and [Page], and on the other side
// [Parse]. A page is lines: what a family of numbers is about, its type, and
// its samples.
//
//	# HELP quaestor_relay_connected_agents Agents that are connected here.
//	# TYPE quaestor_relay_connected_agents gauge
//	quaestor_relay_connected_agents 17
//	# HELP quaestor_relay_refusals_total Who was refused.
//	# TYPE quaestor_relay_refusals_total counter
//	quaestor_relay_refusals_total{what="agent"} 2
//
// Counting takes one or two atomic additions and no lock. A label must not be
// given values that others choose, or that there is no end of: who scrapes
// keeps each of them for ever.
package meter

import (
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A Counter is a count that only grows. The zero one is ready.
type Counter struct{ n atomic.Uint64 }

// Add counts n more.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Inc counts one more.
func (c *Counter) Inc() { c.n.Add(1) }

// Value gives the count.
func (c *Counter) Value() uint64 { return c.n.Load() }

// bounds are the upper ends of a histogram's buckets: from what a memory takes
// to what nobody waits for.
var bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second, time.Minute,
}

// A Histogram counts how long things took, in buckets. The zero one is ready.
type Histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64 // the last is what took longer
	nanos   atomic.Int64
}

// Observe counts something that took d.
func (h *Histogram) Observe(d time.Duration) {
	i := sort.Search(len(bounds), func(i int) bool { return d <= bounds[i] })
	h.buckets[i].Add(1)
	h.nanos.Add(int64(max(d, 0)))
}

// Count gives how many things were counted.
func (h *Histogram) Count() (n uint64) {
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

// The types of families.
const (
	TypeCounter   = "counter"
	TypeGauge     = "gauge"
	TypeHistogram = "histogram"
)

// A Page is counts as they are written down. The zero one is empty.
type Page struct{ b []byte }

// Bytes gives the page as text.
func (p *Page) Bytes() []byte { return p.b }

// Family begins a family. Its samples follow, and no other's.
func (p *Page) Family(name, kind, help string) {
	help = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
	p.b = append(p.b, "# HELP "+name+" "+help+"\n# TYPE "+name+" "+kind+"\n"...)
}

// Sample writes one sample; labels are names and values by turns.
func (p *Page) Sample(name string, v float64, labels ...string) {
	p.b = append(p.b, name...)
	for i := 0; i+1 < len(labels); i += 2 {
		p.b = append(p.b, "{,"[min(i, 1)])
		p.b = append(p.b, labels[i]+`="`+escape.Replace(labels[i+1])+`"`...)
	}
	if len(labels) > 0 {
		p.b = append(p.b, '}')
	}
	p.b = append(p.b, ' ')
	p.b = strconv.AppendFloat(p.b, v, 'g', -1, 64)
	p.b = append(p.b, '\n')
}

// escape writes the value of a label.
var escape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// Gauge writes a family of one number that goes up and down.
func (p *Page) Gauge(name, help string, v float64) {
	p.Family(name, TypeGauge, help)
	p.Sample(name, v)
}

// Counter writes a family of one count.
func (p *Page) Counter(name, help string, v uint64) {
	p.Family(name, TypeCounter, help)
	p.Sample(name, float64(v))
}

// Histogram writes the samples of a histogram in a family that was begun.
// Buckets are read one after the other while others count: each is as high as
// those below it, and the count is that of the last.
func (p *Page) Histogram(name string, h *Histogram, labels ...string) {
	labels = append(labels[:len(labels):len(labels)], "le", "")
	total := uint64(0)
	for i := range h.buckets {
		total += h.buckets[i].Load()
		end := "+Inf"
		if i < len(bounds) {
			end = strconv.FormatFloat(bounds[i].Seconds(), 'g', -1, 64)
		}
		labels[len(labels)-1] = end
		p.Sample(name+"_bucket", float64(total), labels...)
	}
	labels = labels[:len(labels)-2]
	p.Sample(name+"_sum", time.Duration(h.nanos.Load()).Seconds(), labels...)
	p.Sample(name+"_count", float64(total), labels...)
}
