package meter

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// A reading is a number of Go's runtime, under the name that programs in Go
// give it everywhere.
type reading struct{ from, name, kind, help string }

var readings = [...]reading{
	{"/sched/goroutines:goroutines", "go_goroutines", TypeGauge, "Goroutines that exist."},
	{"/memory/classes/heap/objects:bytes", "go_memstats_heap_alloc_bytes", TypeGauge, "Bytes of objects on the heap, those that are not swept yet among them."},
	{"/memory/classes/heap/released:bytes", "go_memstats_heap_released_bytes", TypeGauge, "Bytes of the heap that were given back to the system."},
	{"/memory/classes/heap/stacks:bytes", "go_memstats_stack_inuse_bytes", TypeGauge, "Bytes of stacks of goroutines."},
	{"/memory/classes/total:bytes", "go_memstats_sys_bytes", TypeGauge, "Bytes that Go's runtime has from the system."},
	{"/gc/heap/goal:bytes", "go_memstats_next_gc_bytes", TypeGauge, "Bytes of the heap at which the next collection ends."},
	{"/gc/cycles/total:gc-cycles", "go_gc_cycles_total", TypeCounter, "Collections that were completed."},
}

// Runtime writes what Go's runtime and the system say of this process, which was
// started then. Where there is no /proc the system says nothing.
func Runtime(p *Page, started time.Time) {
	samples := make([]metrics.Sample, len(readings))
	for i, r := range readings {
		samples[i].Name = r.from
	}
	metrics.Read(samples)
	for i, r := range readings {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			p.Family(r.name, r.kind, r.help)
			p.Sample(r.name, float64(samples[i].Value.Uint64()))
		}
	}
	p.Family("go_info", TypeGauge, "The version of Go that this program was built with.")
	p.Sample("go_info", 1, "version", runtime.Version())
	p.Gauge("process_start_time_seconds", "When this program was started, in seconds since 1970.", float64(started.UnixMilli())/1000)
	process(p)
}

// ticks is how many of the kernel's ticks are a second, on every Linux.
const ticks = 100

// process writes what /proc says of this process.
func process(p *Page) {
	text, err := os.ReadFile("/proc/self/stat")
	i := bytes.LastIndexByte(text, ')') // of the name, which may hold anything
	if err != nil || i < 0 {
		return
	}
	fields := strings.Fields(string(text[i+1:])) // from the state on, which proc(5) counts as the third
	number := func(field int) float64 {
		if field-3 >= len(fields) {
			return math.NaN()
		}
		v, err := strconv.ParseFloat(fields[field-3], 64)
		if err != nil {
			return math.NaN()
		}
		return v
	}
	p.Family("process_cpu_seconds_total", TypeCounter, "Seconds of processors, of this program and of the system for it.")
	p.Sample("process_cpu_seconds_total", max(0, (number(14)+number(15))/ticks))
	p.Gauge("process_resident_memory_bytes", "Memory that is resident.", number(24)*float64(os.Getpagesize()))
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.Gauge("process_open_fds", "Open files and sockets.", float64(len(open)))
	}
	limits, _ := os.ReadFile("/proc/self/limits")
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				if v, err := strconv.ParseFloat(f[0], 64); err == nil {
					p.Gauge("process_max_fds", "Files and sockets that may be open.", v)
				}
			}
		}
	}
}
