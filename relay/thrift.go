package relay

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// Bounds of what a process keeps that has no use for it.
const (
	thriftEvery = 5 * time.Second
	// mostGarbage and leastGarbage are percent of what lives that may be
	// allocated before a collection, and thriftRoom what is always allowed
	// beside a tenth of it.
	mostGarbage  = 40
	leastGarbage = 15
	thriftRoom   = 24 << 20 // bytes
	// quiet is how many bytes a relay allocates in thriftEvery that has nothing
	// to do, of ten thousand agents that are asked now and then whether they
	// live; litter is what is worth a collection then.
	quiet  = 4 << 20
	litter = 12 << 20
)

// Thrift makes a process that is nothing but a relay hold little memory. Most
// of it is many small connections that are idle, 30 KB each: a collector that
// lets the heap double holds them twice. So the more there is the less may be
// added before it is collected, which also keeps what lives from being strewn
// among what a storm of handshakes leaves; and when it is quiet again, what is
// free is given back. Thrift returns when ctx ends. Programs that are more than
// a relay do not call it.
func Thrift(ctx context.Context) {
	t := time.NewTicker(thriftEvery)
	defer t.Stop()
	var m runtime.MemStats
	var before, collected uint64 // bytes ever allocated: at the last look, when it was last tidied
	percent := 0
	for {
		runtime.ReadMemStats(&m)
		if p := garbage(m.HeapAlloc); p != percent {
			percent = p
			debug.SetGCPercent(p)
		}
		if m.TotalAlloc-before < quiet && m.TotalAlloc-collected > litter {
			debug.FreeOSMemory()
			collected = m.TotalAlloc
		}
		before = m.TotalAlloc
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// garbage is how many percent of so many bytes may be added to them.
func garbage(live uint64) int {
	return int(min(max(100*(thriftRoom+live/10)/max(live, 1), leastGarbage), mostGarbage))
}
