package modules_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
)

// What is dear is made once, by however many it is asked for at once.
func TestMemory(t *testing.T) {
	var m modules.Memory
	var made atomic.Int32
	get := func() any { return m.Get("key", func() any { return made.Add(1) }) }
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got := get(); got != int32(1) {
				t.Errorf("it is %v", got)
			}
		})
	}
	all.Wait()
	if got := m.Get("other", func() any { return made.Add(1) }); got != int32(2) {
		t.Errorf("another key has %v", got)
	}
	var none *modules.Memory
	if none.Get("key", func() any { return 7 }) != 7 {
		t.Error("none keeps nothing, and makes it all the same")
	}
}
