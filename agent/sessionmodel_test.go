package agent

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/plan/answer"
)

// Whatever becomes of connections, relays, the agent's process and its clock:
// no plan runs twice, no row is lost, doubled or changed in an answer that is
// complete, an agent that found no relay asks again within the back-off, and
// soon after everything is quiet each plan has its one answer.
func TestSessionsAgainstModel(t *testing.T) {
	// A run takes a third of a second: there are few, unless more are asked for.
	if runs := flag.Lookup("rapid.checks"); runs.Value.String() == runs.DefValue {
		defer runs.Value.Set(runs.DefValue)
		runs.Value.Set("20")
	}
	f := newFleet(t)
	f.relay.certFor = 100_000 * time.Hour
	home := f.enroll()
	now := time.Now()
	empty := func() { runtime.GC(); runtime.GC() } // timers that the multiplexer pools
	empty()
	defer empty() // Test does not return where the model failed
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now)) // a bubble begins in the year 2000, and keys do not
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			x := &sessions{t: t, fleet: *f, home: home, dir: t.TempDir(), wire: newWire()}
			x.fleet.t = t
			x.fleet.relay = newFakeRelayOn(t, f.relay.ca, x.wire)
			x.fleet.relay.gaps, x.fleet.relay.fair = true, true
			x.copy(home)
			x.start()
			defer x.end()
			rt.Repeat(rapid.StateMachineActions(x))
			x.quiet(rt)
		})
	})
}

// modelRows is how many rows a plan of the model gives: each takes a while, so
// that the answer has several chunks.
const modelRows = 6

// A sessions is an agent, a relay and what was asked.
type sessions struct {
	t     *testing.T
	fleet fleet
	home  string // of the agent when it was enrolled
	dir   string
	lives int
	wire  *wire
	agent *Agent
	stop  func()
	asked []*question

	mu      sync.Mutex
	off     time.Duration // of the agent's clock
	begun   int           // scans
	refused []time.Time   // attempts that found no relay, one after the other
	slow    error         // an attempt that came too late
}

// copy makes the folder of the next life.
func (x *sessions) copy(from string) {
	x.lives++
	to := filepath.Join(x.dir, string(rune('a'+x.lives%26))+time.Now().Format("150405.000000000"))
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		x.t.Fatal(err)
	}
	x.home = to
}

// start begins a life of the agent.
func (x *sessions) start() {
	o := x.fleet.options(x.home, numbers{rows: modelRows, before: func(ctx context.Context, i int) error {
		if i == 0 {
			x.mu.Lock()
			x.begun++
			x.mu.Unlock()
		}
		select {
		case <-time.After(chunkAfter * 3 / 4):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}})
	o.Now = func() time.Time {
		x.mu.Lock()
		defer x.mu.Unlock()
		return time.Now().Add(x.off)
	}
	a, err := Open(o)
	if err != nil {
		x.t.Fatal(err)
	}
	own := &ownWire{x: x}
	a.connect = own.connect
	x.mu.Lock()
	x.refused = nil
	x.mu.Unlock()
	stop := x.fleet.run(a)
	x.agent, x.stop = a, func() { own.cut(); stop() }
}

func (x *sessions) end() {
	x.stop()
	x.fleet.relay.close()
	os.RemoveAll(x.dir)
}

// An ownWire is one life's way to the wire: it is cut when that life ends.
type ownWire struct {
	x    *sessions
	mu   sync.Mutex
	gone bool
	all  []net.Conn
}

func (o *ownWire) connect(ctx context.Context, addr string) (net.Conn, error) {
	o.mu.Lock()
	gone := o.gone
	o.mu.Unlock()
	if gone {
		return nil, errDown
	}
	c, err := o.x.wire.connect(ctx, addr)
	o.x.attempt(err)
	if err == nil {
		o.mu.Lock()
		o.all = append(o.all, c)
		o.mu.Unlock()
	}
	return c, err
}

func (o *ownWire) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone = true
	for _, c := range o.all {
		c.Close()
	}
}

// attempt notes an attempt to connect, and whether it came in time.
func (x *sessions) attempt(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	if n := len(x.refused); n > 0 {
		if most := min(time.Second<<min(n, 20), 5*time.Minute); now.Sub(x.refused[n-1]) > most {
			x.slow = errors.New("an attempt came after " + now.Sub(x.refused[n-1]).String() + ", and at most " + most.String() + " are allowed")
		}
	}
	if x.refused = append(x.refused, now); err == nil {
		x.refused = nil
	}
}

// Ask hands in a plan.
func (x *sessions) Ask(*rapid.T) {
	q := x.fleet.ask("FROM fleet FIND number")
	x.asked = append(x.asked, q)
	x.fleet.relay.offer(x.fleet.sign(q, x.fleet.asker))
}

// Wait lets time pass.
func (x *sessions) Wait(rt *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{
		time.Millisecond, 250 * time.Millisecond, time.Second, 10 * time.Second, 10 * time.Minute,
	}).Draw(rt, "wait"))
}

// Drop breaks the connection.
func (x *sessions) Drop(*rapid.T) { x.fleet.relay.dropAll() }

// Down has the relay take no connections, or take them again.
func (x *sessions) Down(rt *rapid.T) {
	down := rapid.Bool().Draw(rt, "down")
	x.wire.setDown(down)
	if down {
		x.fleet.relay.dropAll()
	}
}

// Flaky has the relay drop the connection at every so many chunks, before it
// keeps one or before it says so, or fail to keep every so many.
func (x *sessions) Flaky(rt *rapid.T) {
	every := rapid.IntRange(2, 5).Draw(rt, "every")
	count := func() func() bool {
		n := 0
		return func() bool { n++; return n%every == 0 }
	}
	drops, loses := rapid.Bool().Draw(rt, "drops"), rapid.Bool().Draw(rt, "loses")
	x.fleet.relay.set(func() {
		x.fleet.relay.drop, x.fleet.relay.unstored = nil, nil
		if drops {
			x.fleet.relay.drop = count()
		}
		if loses {
			x.fleet.relay.unstored = count()
		}
	})
}

// Step sets the agent's clock.
func (x *sessions) Step(rt *rapid.T) {
	step := rapid.SampledFrom([]time.Duration{time.Minute, -time.Minute, -4 * time.Minute, -30 * time.Minute, 30 * time.Minute}).Draw(rt, "step")
	x.mu.Lock()
	defer x.mu.Unlock()
	x.off += step
}

// Kill ends the agent's process, and starts it again over what is on its disk.
func (x *sessions) Kill(*rapid.T) {
	synctest.Wait()
	x.copy(x.home)
	x.stop() // over its own folder, which nobody reads, and without a network
	x.start()
}

// Stop ends the agent in order, and starts it again.
func (x *sessions) Stop(*rapid.T) {
	x.stop()
	x.start()
}

// Check is done after each step.
func (x *sessions) Check(rt *rapid.T) {
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.begun > len(x.asked) {
		rt.Fatalf("%d plans were asked, and %d ran", len(x.asked), x.begun)
	}
	if x.slow != nil {
		rt.Fatal(x.slow)
	}
}

// quiet has nothing go wrong any more.
func (x *sessions) quiet(rt *rapid.T) {
	x.fleet.relay.set(func() { x.fleet.relay.drop, x.fleet.relay.unstored = nil, nil })
	x.wire.setDown(false)
	time.Sleep(5*time.Minute + 10*time.Second)
	if !x.agent.Connected() {
		rt.Fatal("five minutes after the relay is back the agent is not")
	}
	time.Sleep(time.Minute)
	x.Check(rt)
	for i, q := range x.asked {
		x.fleet.relay.mu.Lock()
		chunks := x.fleet.relay.chunks[q.payload.ID]
		x.fleet.relay.mu.Unlock()
		if n := len(chunks); n == 0 || !chunks[n-1].Final {
			rt.Fatalf("plan %d has no answer, but %d chunks; the spool has %d answers", i, n, len(x.agent.spool.open()))
		}
		got := q.open(x.t, x.agent, chunks)
		seen := map[int64]bool{}
		for _, r := range got.rows {
			n := r[0].Int()
			if seen[n] || n >= modelRows || r[1].Text() != textOf(int(n)) {
				rt.Fatalf("plan %d: row %v came twice, or is none", i, r)
			}
			seen[n] = true
		}
		switch got.sum.Outcome {
		case answer.Complete:
			if len(seen) != modelRows {
				rt.Fatalf("plan %d is complete with %d rows", i, len(seen))
			}
		case answer.Failed, answer.Refused:
			if got.sum.Reason == "" || got.sum.Outcome == answer.Refused && len(seen) > 0 {
				rt.Fatalf("plan %d: %d rows, %+v", i, len(seen), got.sum)
			}
		default:
			rt.Fatalf("plan %d: %+v", i, got.sum)
		}
	}
	if left := x.agent.spool.open(); len(left) > 0 {
		first, cut := left[0].holds()
		rt.Fatalf("%d answers wait for a relay that has them, the first from chunk %d, cut %v", len(left), first, cut)
	}
}
