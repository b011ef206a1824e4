package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A handshake is most of what a connection costs, and who has begun more of them
// than it can end in their time ends none. A listener therefore has no more under
// way than those that end within half of that time at the pace that it sees, and
// turns away who comes beyond them, before TLS begins and for a hundredth of what
// a handshake costs: with a fatal TLS alert out of the range that is left to
// private use (RFC 8447, 224 to 255), which says why, or when to come again:
//
//	15 03 03 00 02 02 e0    224: it has as many connections from this address as it takes
//	15 03 03 00 02 02 e5    229: busy; come again in the fifth second from now
//
// Seconds are handed out one after the other, as many as the pace has room for in
// each, so that a fleet that lost its relay comes back as a line and not as a herd.
//
// Nobody has proved by then who he is: whoever is on the line may send such an
// alert. It is a hint, it ends nothing but this attempt, and it cannot say more
// than 31 seconds, since there is no number for more. Who can send it could also
// swallow what is sent, after which an attempt takes 20 s and the next begins up
// to 8 s later: it gains nothing.

const (
	alertFull = 224
	alertBusy = 224 // and the second, from 1 to mostBusy
	// mostBusy is the last second that an alert can name.
	mostBusy = 255 - alertBusy
	// assumedPace is how many handshakes end in a second before enough was seen, for
	// who is to come again: of two cores that hold a fleet and investigators as well.
	assumedPace = 500
	// crowdAt is the part of the handshakes that may be under way at which their
	// pace is watched: fewer end as fast as they come.
	crowdAt = 1.0 / 16
	// leastRoom is the part that always may be, however slow they seem: who says
	// nothing in them must not shut out others.
	leastRoom = 1.0 / 4
	// paceAfter is how long they are watched before the pace is believed, and
	// paceSpan after how long half of what was seen is forgotten.
	paceAfter = time.Second
	paceSpan  = 8 * time.Second
	// early is the part of the wait that is named: who comes too early is turned
	// away again for little, and while who comes too late is waited for, nothing
	// is done.
	early = 0.75
	// maxTelling is how many are told at once; any beyond that are cut off.
	maxTelling = 2048
	// tellTimeout is how long one of them may take to hear it, and maxTold how many
	// bytes of what he meant to say are read: closed before, the socket would
	// reset, and take the alert from who has not read it.
	tellTimeout = 2 * time.Second
	maxTold     = 16 << 10
)

// A BusyError says that the server has more handshakes to make than it can, and
// has named a second in which to come again.
type BusyError struct {
	// Wait is until a moment in that second, by chance: at most 31 s. It may be the
	// word of anyone on the line.
	Wait time.Duration
}

// Error says when to come again.
func (e *BusyError) Error() string {
	return fmt.Sprintf("transport: the server is busy, and says to come again in %.1f s", e.Wait.Seconds())
}

// turnedAway gives what the words of a remote alert say of admission; nil where
// they say nothing of it. Alerts have no exported type, only these words.
func turnedAway(said string) error {
	for code := alertFull; code <= alertBusy+mostBusy; code++ {
		switch {
		case said != tls.AlertError(code).Error():
		case code == alertFull:
			return ErrFull
		default:
			second := time.Duration(code-alertBusy-1) * time.Second
			return &BusyError{Wait: second + rand.N(time.Second)}
		}
	}
	return nil
}

// An admission says who may begin a handshake.
type admission struct {
	within     time.Duration // that a handshake may take
	most       int           // handshakes under way
	perAddress int           // connections

	mu       sync.Mutex
	peers    map[netip.Addr]*crowd
	pending  int       // handshakes under way
	since    time.Time // since when their pace is watched; zero: it is not
	ended    float64   // handshakes, well, since then
	turned   bool      // as many of them as were under way
	promised time.Time // the moment that was handed out last
}

// A crowd is what came from one address.
type crowd struct{ conns, pending int }

func newAdmission(o *ListenOptions) *admission {
	return &admission{
		within: or(o.HandshakeTimeout, handshakeTimeout), most: or(o.MaxPending, maxPending), perAddress: or(o.MaxPerAddress, maxPerAddress),
		peers: make(map[netip.Addr]*crowd),
	}
}

// enter counts a connection in, or gives the alert with which it is turned away.
// One address may have half of the room.
func (a *admission) enter(from netip.Addr, now time.Time) (alert byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.peers[from]
	if p == nil {
		p = &crowd{}
	}
	pace := a.pace(now)
	room := a.room(pace)
	switch {
	case p.conns >= a.perAddress:
		return alertFull
	case a.pending >= room || p.pending >= max(room/2, 1):
		return alertBusy + a.second(now, pace)
	}
	a.peers[from] = p
	p.conns++
	p.pending++
	if a.pending++; a.since.IsZero() && a.crowded() {
		a.since, a.ended, a.turned = now, 0, false
	}
	return 0
}

// settle counts a handshake out, which went well or not.
func (a *admission) settle(from netip.Addr, well bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.peers[from]; p != nil { // the peer has not hung up
		p.pending--
	}
	a.pending--
	if well {
		a.ended++
	}
	a.turned = a.turned || a.ended >= float64(a.pending)
	if !a.crowded() {
		a.since = time.Time{}
	}
}

// leave counts a connection out.
func (a *admission) leave(from netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.peers[from]; p != nil {
		if p.conns--; p.conns == 0 {
			delete(a.peers, from)
		}
	}
}

// crowded says whether so many handshakes are under way that they end no faster
// than they can; mu is held.
func (a *admission) crowded() bool { return float64(a.pending) >= crowdAt*float64(a.most) }

// pace gives how many handshakes end in a second, as far as that was seen; mu is
// held.
func (a *admission) pace(now time.Time) float64 {
	watched := now.Sub(a.since)
	if a.since.IsZero() || watched < paceAfter {
		return 0
	}
	if watched > paceSpan {
		watched /= 2
		a.since, a.ended = now.Add(-watched), a.ended/2
	}
	return a.ended / watched.Seconds()
}

// room gives how many handshakes may be under way at a pace.
func (a *admission) room(pace float64) int {
	most := float64(a.most)
	return max(int(min(most, max(most*leastRoom, pace*a.within.Seconds()/2))), 1)
}

// second gives the second, from 1 on, in which one who is turned away is to come
// again: when those that are under way have ended, and those that were turned away
// before have come. Beyond the last that can be named it is one of the later half,
// by chance. Handshakes go on side by side, and the first ends when the last is
// nearly done: before as many have ended as are under way, their pace says nothing.
// mu is held.
func (a *admission) second(now time.Time, pace float64) byte {
	if a.since.IsZero() || !a.turned {
		pace = assumedPace
	}
	pace = max(pace, 1)
	each := time.Duration(early / pace * float64(time.Second))
	if free := now.Add(time.Duration(a.pending) * each); a.promised.Before(free) {
		a.promised = free
	}
	a.promised = a.promised.Add(each)
	n := 1 + a.promised.Sub(now)/time.Second
	if n > mostBusy {
		a.promised = now.Add(mostBusy * time.Second)
		n = mostBusy - rand.N[time.Duration](mostBusy/2+1)
	}
	return byte(n)
}

// turnAway tells a connection why it is turned away, and ends it.
func (l *Listener) turnAway(raw net.Conn, alert byte) {
	if alert == alertFull {
		l.counts.Crowded.Add(1)
	} else {
		l.counts.Busy.Add(1)
	}
	select {
	case l.telling <- struct{}{}:
	default:
		raw.Close()
		return
	}
	l.work.Go(func() {
		defer func() { <-l.telling }()
		defer raw.Close()
		defer context.AfterFunc(l.ctx, func() { raw.Close() })()
		raw.SetDeadline(time.Now().Add(tellTimeout))
		if _, err := raw.Write([]byte{21, 3, 3, 0, 2, 2, alert}); err != nil {
			return
		}
		if half, ok := raw.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			io.CopyN(io.Discard, raw, maxTold)
		}
	})
}
