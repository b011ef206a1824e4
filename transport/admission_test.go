package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// silent connects and says nothing, for the duration of the test.
func (r *relay) silent(t *testing.T) net.Conn {
	c := must(net.Dial("tcp", r.l.Addr().String()))(t)
	t.Cleanup(func() { c.Close() })
	for r.l.Counts().Begun.Load() == 0 && soon(t).Err() == nil {
		time.Sleep(time.Millisecond)
	}
	return c
}

func TestBusyServerSaysWhenToComeAgain(t *testing.T) {
	r := newRelay(t, func(o *ListenOptions) { o.MaxPending = 2 })
	slow := r.silent(t) // of the room of two it has what one address may have
	_, err := r.dialer().Dial(soon(t))
	var busy *BusyError
	if !errors.As(err, &busy) || busy.Wait < 0 || busy.Wait > time.Second || !strings.Contains(err.Error(), "come again in 0.") {
		t.Fatalf("%v", err)
	}
	if c := r.l.Counts(); c.Busy.Load() != 1 || c.Crowded.Load() != 0 || c.Begun.Load() != 1 {
		t.Errorf("busy %d, crowded %d, begun %d", c.Busy.Load(), c.Crowded.Load(), c.Begun.Load())
	}
	slow.Close()
	for {
		c, err := r.dialer().Dial(soon(t))
		if err == nil {
			c.Close()
			return
		}
		if !errors.As(err, &busy) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// Who was turned away hears why though he goes on speaking, and one that hears
// nothing keeps the listener from nothing.
func TestTurnedAwayWhileItSpeaks(t *testing.T) {
	r := newRelay(t, func(o *ListenOptions) { o.MaxPending = 2 })
	r.silent(t)
	c := must(net.Dial("tcp", r.l.Addr().String()))(t)
	defer c.Close()
	must(c.Write(make([]byte, maxTold/2)))(t)
	c.SetReadDeadline(time.Now().Add(time.Minute))
	got := must(io.ReadAll(c))(t)
	if len(got) != 7 || string(got[:6]) != "\x15\x03\x03\x00\x02\x02" || got[6] <= alertBusy {
		t.Fatalf("% x", got)
	}
	deaf := must(net.Dial("tcp", r.l.Addr().String()))(t)
	defer deaf.Close()
	for r.l.Counts().Busy.Load() < 2 && soon(t).Err() == nil {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	if err := r.l.Close(); err != nil || time.Since(start) > tellTimeout {
		t.Errorf("closing: %v after %v", err, time.Since(start))
	}
}

// Whoever is on the line may send any alert: none keeps anyone away for longer
// than an alert can say, and the others say nothing of when to come.
func TestAlertsOfAnyone(t *testing.T) {
	for alert, most := range map[byte]time.Duration{alertBusy + 1: time.Second, 229: 5 * time.Second, 255: mostBusy * time.Second, 223: 0, 80: 0} {
		d := &Dialer{Pin: must(NewCA("test", time.Now()))(t).Pin(), Addrs: []string{tcpServer(t, func(c net.Conn) {
			c.Write([]byte{21, 3, 3, 0, 2, 2, alert})
			io.Copy(io.Discard, c)
		})}}
		_, err := d.Dial(soon(t))
		var busy *BusyError
		switch is := errors.As(err, &busy); {
		case err == nil || errors.Is(err, ErrFull) || is != (most > 0):
			t.Errorf("alert %d: %v", alert, err)
		case is && (busy.Wait < most-time.Second || busy.Wait > most):
			t.Errorf("alert %d: %v", alert, busy.Wait)
		}
	}
}

// A storm is agents that come to a server that ends so many handshakes a second,
// from moment to moment: one after the other, or all of them side by side.
type storm struct {
	agents    int
	over      time.Duration // within which they come
	pace      float64       // of the server
	addresses int
	abreast   bool
	silent    int // of those that are in the room, and say nothing
}

// play plays a storm, and gives when the last was in, how often one was turned
// away, and how long the longest handshake took.
func (s storm) play(t *testing.T) (all time.Duration, told int, longest time.Duration) {
	const step = time.Millisecond
	a := newAdmission(&ListenOptions{MaxPerAddress: s.agents + s.silent})
	begin := time.Now()
	address := func(i int) netip.Addr {
		return netip.AddrFrom4([4]byte{10, 0, byte(i % s.addresses >> 8), byte(i % s.addresses)})
	}
	for i := range s.silent {
		if a.enter(address(i), begin) != 0 {
			t.Fatal("there is no room for those who say nothing")
		}
	}
	due := map[time.Duration][]int{}
	for i := range s.agents {
		at := (time.Duration(i) * s.over / time.Duration(s.agents)).Truncate(step)
		due[at] = append(due[at], i)
	}
	type handshake struct {
		agent int
		since time.Duration
		work  float64 // that had been done of each that was under way
	}
	var under []handshake
	in, done, each := 0, 0.0, 0.0
	for at := time.Duration(0); in < s.agents; at += step {
		if at > time.Hour {
			t.Fatal("it never ends")
		}
		for _, i := range due[at] {
			alert := a.enter(address(i), begin.Add(at))
			if alert == 0 {
				under = append(under, handshake{i, at, each})
				continue
			}
			told++
			var busy *BusyError
			if !errors.As(turnedAway("tls: alert("+itoa(alert)+")"), &busy) {
				t.Fatalf("alert %d", alert)
			}
			again := (at + busy.Wait + step).Truncate(step)
			due[again] = append(due[again], i)
		}
		delete(due, at)
		ends := func() bool { return done >= 1 }
		if done = min(done+s.pace*step.Seconds(), float64(len(under))); s.abreast && len(under) > 0 {
			each += s.pace * step.Seconds() / float64(len(under))
			ends = func() bool { return len(under) > 0 && each-under[0].work >= 1 }
		}
		for ; ends(); done-- {
			longest = max(longest, at-under[0].since)
			a.settle(address(under[0].agent), true)
			under = under[1:]
			in++
			all = at
		}
	}
	return all, told, longest
}

func itoa(b byte) string { return string([]byte{'0' + b/100, '0' + b/10%10, '0' + b%10}) }

// However many come at once, and however slow the server is, nobody's handshake
// takes as long as it may, the server is hardly ever idle, and few are turned away
// more than a few times.
func TestStorm(t *testing.T) {
	for name, s := range map[string]storm{
		"ten thousand behind one address": {agents: 10_000, over: 8 * time.Second, pace: 480, addresses: 1},
		"ten thousand at once":            {agents: 10_000, over: time.Second, pace: 480, addresses: 5000},
		"a fast server":                   {agents: 10_000, over: 8 * time.Second, pace: 2000, addresses: 5000},
		"a slow server":                   {agents: 10_000, over: 8 * time.Second, pace: 150, addresses: 5000},
		"more than can be told when":      {agents: 30_000, over: 8 * time.Second, pace: 400, addresses: 5000},
		"among those who say nothing":     {agents: 10_000, over: 8 * time.Second, pace: 480, addresses: 5000, silent: 500},
	} {
		for _, abreast := range []bool{false, true} {
			s := s
			s.abreast = abreast
			t.Run(fmt.Sprintf("%s, abreast %v", name, abreast), func(t *testing.T) {
				t.Parallel()
				all, told, longest := s.play(t)
				least := max(time.Duration(float64(s.agents)/s.pace*float64(time.Second)), s.over)
				t.Logf("all in after %v, at least %v; turned away %.2f times an agent; the longest handshake took %v", all, least, float64(told)/float64(s.agents), longest)
				if all > least+least/10+2*time.Second {
					t.Errorf("the server was idle: %v, and could have been done after %v", all, least)
				}
				if told > 8*s.agents {
					t.Errorf("%d were turned away", told)
				}
				if longest >= handshakeTimeout {
					t.Errorf("a handshake took %v", longest)
				}
			})
		}
	}
}

// What was seen of handshakes long ago, or of those that nobody waited for, says
// nothing of how many there may be.
func TestPaceIsOfNow(t *testing.T) {
	a := newAdmission(&ListenOptions{})
	now := time.Now()
	from := netip.MustParseAddr("10.0.0.1")
	for range 100 { // one after the other, at one a second
		if a.enter(from, now) != 0 {
			t.Fatal("there is no room")
		}
		now = now.Add(time.Second)
		a.settle(from, true)
		a.leave(from)
	}
	if p := a.pace(now); p != 0 {
		t.Errorf("%v a second, seen of those that came one by one", p)
	}
	crowd := int(crowdAt * maxPending)
	for range 2 * crowd {
		a.enter(from, now)
	}
	for range 100 { // a hundred a second, for half a minute
		for range 30 {
			now = now.Add(10 * time.Millisecond)
			a.settle(from, true)
			a.enter(from, now)
			a.pace(now)
		}
	}
	if p := a.pace(now); p < 90 || p > 110 {
		t.Errorf("%v a second, and it was a hundred", p)
	}
	for range 300 { // ten a second from now on
		now = now.Add(100 * time.Millisecond)
		a.settle(from, true)
		a.enter(from, now)
	}
	if p := a.pace(now); p > 20 {
		t.Errorf("%v a second, half a minute after it was a hundred", p)
	}
}

// An address that was turned away is not remembered.
func TestTurnedAwayIsForgotten(t *testing.T) {
	a := newAdmission(&ListenOptions{MaxPending: 1})
	now := time.Now()
	a.enter(netip.MustParseAddr("10.0.0.1"), now)
	for i := range 200 {
		if a.enter(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}), now) == 0 {
			t.Fatal("there is room")
		}
	}
	if len(a.peers) != 1 {
		t.Errorf("%d addresses", len(a.peers))
	}
}
