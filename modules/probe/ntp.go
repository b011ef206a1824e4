package probe

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
)

// A packet of NTP, version 4 (RFC 5905), without extensions:
//
//	byte 0        leap indicator (2 bits), version (3), mode (3)
//	byte 1        stratum: 1 has a clock, 0 is a kiss of death
//	byte 2        poll, byte 3 precision
//	bytes 4–7     delay to the reference clock, 16 bits of a second and 16 below
//	bytes 8–11    dispersion, likewise
//	bytes 12–15   reference: of stratum 1 and 0 letters, of others an address
//	bytes 16–23   when the clock was set, seconds since 1900 and 32 bits below
//	bytes 24–31   origin: what the request had in the bytes 40–47
//	bytes 32–39   when the request came
//	bytes 40–47   when the reply went
const (
	ntpLength      = 48
	ntpRequest     = 0<<6 | 4<<3 | 3 // no warning, version 4, a client
	ntpServer      = 4               // the mode of a server
	unsynchronized = 3               // the leap indicator of a clock that was never set
	lastStratum    = 15
)

// A reply is what an NTP server says.
type reply struct {
	leap, stratum             byte
	rootDelay, rootDispersion time.Duration
	reference                 string // a source of time, an address, or the code of a kiss
	received, sent            time.Time
}

var errNoReply = errors.New("what came back is no reply of an NTP server")

// ntpAsk makes a packet that tells nothing about this host's clock: in the
// place of its time stands a nonce.
func ntpAsk(nonce [8]byte) []byte {
	b := make([]byte, ntpLength)
	b[0] = ntpRequest
	copy(b[40:], nonce[:])
	return b
}

// parseNTP reads a reply to the request with that nonce. What has another one
// comes from somebody who did not see the request.
func parseNTP(b []byte, nonce [8]byte) (reply, error) {
	if len(b) < ntpLength || b[0]&7 != ntpServer || b[0]>>3&7 == 0 || [8]byte(b[24:32]) != nonce {
		return reply{}, errNoReply
	}
	r := reply{
		leap: b[0] >> 6, stratum: b[1],
		rootDelay: shortTime(b[4:]), rootDispersion: shortTime(b[8:]),
		received: ntpTime(b[32:]), sent: ntpTime(b[40:]),
	}
	if r.stratum <= 1 {
		r.reference = letters(b[12:16])
	} else {
		r.reference = netip.AddrFrom4([4]byte(b[12:16])).String()
	}
	if r.stratum > 0 && (r.sent.IsZero() || r.received.IsZero() || r.sent.Before(r.received)) {
		return reply{}, errNoReply
	}
	return r, nil
}

// isKiss says that the server does not want to be asked.
func (r *reply) isKiss() bool { return r.stratum == 0 }

// isSet says whether the server's own clock was set.
func (r *reply) isSet() bool { return r.leap != unsynchronized && r.stratum <= lastStratum }

// drift gives how far a clock that said begin, and took so long for question
// and answer, is ahead of the server's, and what of that time was the way.
func (r *reply) drift(begin time.Time, took time.Duration) (ahead, way time.Duration) {
	there := r.received.Sub(begin) / 2
	back := r.sent.Sub(begin.Add(took)) / 2
	return -(there + back), took - r.sent.Sub(r.received)
}

// ntpTime reads a time. Seconds begin again in 2036: what would lie before
// 1968 is of the second run.
func ntpTime(b []byte) time.Time {
	const (
		to1970 = 2_208_988_800 // seconds from 1900
		run    = 1 << 32       // seconds until the number begins again
	)
	n, below := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	if n == 0 && below == 0 {
		return time.Time{}
	}
	if n < run/2 {
		n += run
	}
	return time.Unix(n-to1970, below*int64(time.Second)>>32).UTC()
}

func shortTime(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Second >> 16
}

// letters gives the printable ones of a code.
func letters(b []byte) string {
	var out []byte
	for _, c := range b {
		if c > ' ' && c < 0x7f {
			out = append(out, c)
		}
	}
	return string(out)
}
