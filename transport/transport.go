// Package transport carries frames between agents, investigators and relays:
// TLS 1.3 with the ALPN name "quaestor/1", and many streams over each
// connection.
//
// A newcomer needs [Dialer] and [Listen], which give a [Conn], and
// [Conn.Open] and [Conn.Accept], which give a [Stream] of frames. A stream
// begins with its kind, one byte of length and then its name; after that come
// frames, each one byte of type, four bytes of length in big-endian, and a
// body:
//
//	05 61 67 65 6e 74           kind "agent"
//	01 00 00 00 02 7b 7d        type 1, two bytes, "{}"
//
// The two ends know each other by keys and not by names that others vouch for:
// a server sends its [CA] along and is known by that CA's pin, a client shows
// a certificate of the same CA or none. Neither says anything about who may ask
// or what is true: a relay is trusted with nothing, and what matters is signed
// and sealed by others. The package must not learn what frames hold.
package transport

import (
	"errors"
	"time"
)

// ALPN is the name of the protocol in the TLS handshake; both ends insist on it.
const ALPN = "quaestor/1"

// Errors that callers tell apart.
var (
	// ErrPin says that a server has no certificate of the pinned CA for the
	// host that was dialled, or none that is valid now.
	ErrPin = errors.New("transport: the server is not the pinned one")
	// ErrProtocol says that the peer does not speak this protocol.
	ErrProtocol = errors.New("transport: the peer does not speak " + ALPN)
	// ErrProxy says that a proxy could not be used or refused the connection.
	ErrProxy = errors.New("transport: proxy")
	// ErrFull says that the server has as many connections from this address as
	// it takes from one; see BusyError for one that has too much to do.
	ErrFull = errors.New("transport: the server has as many connections from this address as it takes from one")
	// ErrFrame says that a frame is larger than its type allows.
	ErrFrame = errors.New("transport: frame too large")
	// ErrClosed says that the connection, the stream or the listener is closed.
	ErrClosed = errors.New("transport: closed")
	// ErrFlood says that the peer opened more or pinged more than any peer needs.
	ErrFlood = errors.New("transport: the peer floods")
	// ErrDead says that the peer no longer answers, or no longer takes what is
	// written to it.
	ErrDead = errors.New("transport: the peer is dead")
)

// Bounds of this door. What a caller may set is in ListenOptions and Dialer.
const (
	// maxKind is the length of a kind's name in bytes; the longest in use has 7.
	maxKind = 32
	// kindTimeout is how long an opened stream may take to say its kind. It comes
	// with the opening, but of a machine that is short of processor seconds later,
	// and the whole connection hangs on it.
	kindTimeout = 30 * time.Second
	// handshakeTimeout is for everything between TCP accept and the end of the
	// TLS handshake; ten seconds let satellites and full machines through.
	handshakeTimeout = 10 * time.Second
	// attemptTimeout is for one address of a Dialer, with proxy and handshake.
	attemptTimeout = 20 * time.Second
	// attemptAmong is for one that others come after: who lost a machine that
	// does not even refuse is with another relay within 30 s.
	attemptAmong = 8 * time.Second
	// writeTimeout is how long the network may take no byte before the
	// connection counts as dead; it also bounds the wait for a ping's answer.
	writeTimeout = 30 * time.Second
	// frameTimeout is how long the peer may be inside one frame of the
	// multiplexer, 64 KiB at most from this package: 1 KB/s.
	frameTimeout = time.Minute
	// closeTimeout bounds what closing a stream still tries to send. It is as long
	// as writing may take, since the connection hangs on it: this end, too, may be
	// short of processor for seconds.
	closeTimeout = writeTimeout
	// hangUpTimeout is how long a closed connection waits for the peer to hang
	// up too: a round trip, or nothing is lost by not waiting.
	hangUpTimeout = 2 * time.Second
	// lingerTimeout is how long a stream that this end closed waits for the
	// peer's close; an investigator may read what waits for him that long.
	lingerTimeout = 5 * time.Minute
	// keepAlive is the silence after which a peer is asked whether it lives.
	// Longer and NATs forget the connection, shorter and big fleets chatter.
	keepAlive = 75 * time.Second
	// backlog is how many streams may be opened and not yet accepted.
	backlog = 32
	// maxStreams is how many streams a peer may have open at once.
	maxStreams = 32
	// maxPerAddress is how many connections one address may hold: whole offices
	// come from one behind NAT.
	maxPerAddress = 4096
	// maxPending is how many handshakes may be under way at most, about 30 KB each:
	// see admission.go. One address may have half of them.
	maxPending = 4096
	// minWindow and maxWindow are bytes in flight on one stream; the smaller is
	// what the multiplexer starts with, the larger fills 1 Gbit/s at 500 ms.
	minWindow = 256 << 10
	maxWindow = 64 << 20
	// maxPings is how many pings a peer may send in pingSpan: each costs a
	// goroutine until it is answered, and two a minute are usual.
	maxPings = 32
	pingSpan = 10 * time.Second
)

// clampWindow gives a window that the multiplexer takes.
func clampWindow(n int) uint32 {
	return uint32(min(max(n, minWindow), maxWindow))
}

// or gives v, or otherwise where v is not positive.
func or[T ~int | ~int64](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
