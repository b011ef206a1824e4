package faults

import (
	"testing"
	"time"
)

// A relay whose disk was full for a moment keeps plans and answers again when
// there is room: it ends, and is started again. It went on and kept nothing.
func TestRelayDiskFull(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes")
	}
	f := newFleet(t, 1, 2, 0)
	if !f.mounted {
		t.Skip("it takes root to make a small disk")
	}
	f.wait(recovery)
	undo := f.fill(f.relays[0].dir)
	asked := make(chan error)
	go func() {
		_, err := f.submit(0)
		asked <- err
	}()
	time.Sleep(2 * time.Second) // the plan is on its way, and there is no room
	undo()
	if err := <-asked; err != nil {
		t.Error(err)
	}
	f.wait(recovery)
	f.last()
}
