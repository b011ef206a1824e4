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
	// calmGarbage is the percentage while connections neither come nor go.
	calmGarbage = 60
	thriftRoom  = 24 << 20 // bytes
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
// among what a storm of handshakes leaves. While those who are there stay, what
// a question to all of them leaves is collected less often; and when it is quiet
// again, what is free is given back. Thrift returns when ctx ends. Programs that
// are more than a relay do not call it.
func Thrift(ctx context.Context) {
	t := time.NewTicker(thriftEvery)
	defer t.Stop()
	var m runtime.MemStats
	var before, collected uint64 // bytes ever allocated: at the last look, when it was last tidied
	percent, goroutines := 0, 0
	for {
		runtime.ReadMemStats(&m)
		n := runtime.NumGoroutine() // each connection has its own
		p := garbage(m.HeapAlloc, calm(goroutines, n))
		if goroutines = n; p != percent {
			percent = p
			debug.SetGCPercent(p)
		}
		if m.TotalAlloc-before < quiet && m.TotalAlloc-collected > litter {
			runtime.GC() // pools let go of what they hold at the second collection
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

// calm says whether hardly any connections came or went.
func calm(before, now int) bool {
	return max(before-now, now-before) <= now/32
}

// garbage is how many percent of so many bytes may be added to them.
func garbage(live uint64, calm bool) int {
	p := int(min(max(100*(thriftRoom+live/10)/max(live, 1), leastGarbage), mostGarbage))
	if calm {
		return max(p, calmGarbage)
	}
	return p
}
