package relay_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/abreast"
	"github.com/quaestor-engine/quaestor/relay"
)

// A cluster is several relays of one fleet, each with its own spine, and a line
// between each two that can be cut.
type cluster struct {
	t      testing.TB
	relays []*fleet
	lines  map[[2]int]*wire // from one to another
}

// nowhere is what the relays of a test tell each other that they are reached by:
// they are to go over the lines that can be cut.
const nowhere = "127.0.0.1:9"

// newCluster starts relays that have the people of one fleet.
func newCluster(t testing.TB, n int, change func(string) string) *cluster {
	t.Helper()
	c := &cluster{t: t, lines: map[[2]int]*wire{}}
	ports := make([]string, n)
	for k := range ports {
		ports[k] = freeAddr(t)
	}
	first := people(t)
	if change != nil {
		first.policy = change(first.policy)
	}
	for k := range n {
		f := *first
		f.dir = t.TempDir()
		var routes []string
		for other := range n {
			if other != k {
				w := newWire(t, ports[other])
				c.lines[[2]int{k, other}] = w
				routes = append(routes, w.addr())
			}
		}
		o := relay.InitOptions{
			Name: string(rune('a' + k)), Listen: "127.0.0.1:0", Hosts: []string{"127.0.0.1"}, Policy: first.sealedPolicy(first.policy, first.admin),
			Cluster: relay.Cluster{Name: "test", Listen: ports[k], Routes: routes, Advertise: nowhere},
		}
		if k > 0 {
			o.Like, o.Policy = c.relays[0].dir, nil
		}
		if err := relay.Init(f.dir, o); err != nil {
			t.Fatal(err)
		}
		c.relays = append(c.relays, &f)
	}
	c.start(c.relays...)
	t.Cleanup(func() {
		for _, f := range c.relays {
			f.hangUp()
		}
		var wg sync.WaitGroup
		for _, f := range c.relays {
			wg.Go(f.halt)
		}
		wg.Wait()
	})
	return c
}

// start starts relays, which wait for each other.
func (c *cluster) start(which ...*fleet) {
	c.t.Helper()
	var wg sync.WaitGroup
	for _, f := range which {
		wg.Go(f.start)
	}
	wg.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
}

// cut cuts a relay off from all others, or joins it to them again.
func (c *cluster) cut(k int, off bool) {
	for pair, w := range c.lines {
		if pair[0] == k || pair[1] == k {
			w.cut(off)
		}
	}
}

// loopback has the ports that relays and leaves of a test are told to listen on.
var loopback abreast.Ports

func freeAddr(t testing.TB) string { return net.JoinHostPort("127.0.0.1", must(loopback.Next())(t)) }

// A wire passes connections on, until it is cut.
type wire struct {
	to    string
	l     net.Listener
	wg    sync.WaitGroup
	bytes atomic.Int64 // that passed, both ways

	mu   sync.Mutex
	off  bool
	open map[net.Conn]struct{}
}

func newWire(t testing.TB, to string) *wire {
	w := &wire{to: to, l: must(net.Listen("tcp", "127.0.0.1:0"))(t), open: map[net.Conn]struct{}{}}
	w.wg.Go(func() {
		for {
			c, err := w.l.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { w.pass(c) })
		}
	})
	t.Cleanup(func() { w.l.Close(); w.cut(true); w.wg.Wait() })
	return w
}

func (w *wire) addr() string { return w.l.Addr().String() }

func (w *wire) pass(c net.Conn) {
	defer c.Close()
	w.mu.Lock()
	to := w.to
	w.mu.Unlock()
	up, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer up.Close()
	w.mu.Lock()
	if w.off {
		w.mu.Unlock()
		return
	}
	w.open[c], w.open[up] = struct{}{}, struct{}{}
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { io.Copy(up, io.TeeReader(c, w)); up.Close(); c.Close() })
	both.Go(func() { io.Copy(c, io.TeeReader(up, w)); up.Close(); c.Close() })
	both.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
	delete(w.open, up)
}

// Write counts what passes.
func (w *wire) Write(b []byte) (int, error) {
	w.bytes.Add(int64(len(b)))
	return len(b), nil
}

// lead has connections from now on lead elsewhere.
func (w *wire) lead(to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

func (w *wire) cut(off bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off = off; !off {
		return
	}
	for c := range w.open {
		c.Close()
	}
}
