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
	idleHeap    = 16 << 20 // bytes
)

// Thrift makes a process that is nothing but a relay hold little memory: most
// of it is many small connections that are idle, so that a collector which
// lets the heap double holds them twice. It returns when ctx ends. Programs
// that are more than a relay do not call it.
func Thrift(ctx context.Context) {
	debug.SetGCPercent(40)
	t := time.NewTicker(thriftEvery)
	defer t.Stop()
	var last uint32
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		// After a storm of connections, once it is quiet again.
		if idle := m.HeapSys - m.HeapInuse - m.HeapReleased; idle > idleHeap && m.NumGC-last < 3 {
			debug.FreeOSMemory()
			runtime.ReadMemStats(&m)
		}
		last = m.NumGC
	}
}
