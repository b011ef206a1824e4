package relay_test

import (
	"runtime"
	"testing"
	"time"
)

// Agents that are idle, and agents that have been offered a plan and have not
// answered, take no goroutine of the relay's: both ends of a connection have the
// four of their multiplexers, and one that reads for the test's agent none.
func TestAgentsTakeNoGoroutines(t *testing.T) {
	const many = 20
	f := newFleet(t)
	least := func() int {
		n := 1 << 30 // what was started ends soon
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			n = min(n, runtime.NumGoroutine())
		}
		return n
	}
	first := f.agent("web-0", "linux")
	first.settle()
	i := f.login(f.alice)
	few := least()
	agents := []*agent{}
	for range many {
		a := f.agent("web-1", "linux")
		a.settle()
		agents = append(agents, a)
	}
	idle := least()
	if each := float64(idle-few) / many; each > 4.2 {
		t.Errorf("%.1f goroutines for an idle agent, both ends counted: the multiplexers have 4", each)
	}
	for range 3 {
		p := f.plan("")
		i.submit(f.signed(p, f.alice))
		for _, a := range agents {
			a.wantPlan(p.ID)
		}
	}
	if asked := least(); asked > idle+many/2 {
		t.Errorf("%d goroutines while %d agents have three plans each, and %d when they had none", asked, many, idle)
	}
	for _, a := range agents {
		a.conn.Close()
	}
	waitFor(t, "those who left are forgotten", func() bool { return runtime.NumGoroutine() <= few+3 })
}
