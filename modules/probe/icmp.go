package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"time"
)

// An echo request, and its reply, is
//
//	byte 0      type: 8 asks and 0 replies; of IPv6 128 and 129
//	byte 1      code: 0
//	bytes 2–3   checksum, RFC 1071; of IPv6 the system writes it
//	bytes 4–5   identifier, which a datagram socket's system chooses
//	bytes 6–7   sequence number
//	then        what is to come back: 16 random bytes, so that nobody who
//	            did not see the question can answer it
const (
	echoHead  = 8
	echoNonce = 16
)

// The types of messages.
const (
	echo4, reply4 = 8, 0
	echo6, reply6 = 128, 129
)

// ping sends an echo request and waits for its reply.
func ping(ctx context.Context, t *target, number int) (time.Duration, error) {
	c, err := openEcho(ctx, t)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	nonce := make([]byte, echoNonce)
	_, _ = rand.Read(nonce) // it never fails
	six := t.address.Is6()
	return exchange(ctx, c, t.wait, echoRequest(six, uint16(number), nonce), func(b []byte) bool {
		return isReply(b, six, uint16(number), nonce)
	})
}

// openEcho opens a socket for echoes to one host: one of datagrams, which
// needs no privilege where the system allows it, or else a raw one.
func openEcho(ctx context.Context, t *target) (net.Conn, error) {
	c, err := echoSocket(t.address)
	if err == nil {
		return c, nil
	}
	if _, told := outcomeOf(err); told {
		return nil, err // there is no way, whatever the socket
	}
	network := "ip4:icmp"
	if t.address.Is6() {
		network = "ip6:ipv6-icmp"
	}
	raw, rawErr := dialer(t.wait).DialContext(ctx, network, t.address.String())
	if _, told := outcomeOf(rawErr); told {
		return nil, rawErr
	}
	if rawErr != nil {
		return nil, fmt.Errorf("ICMP takes a group within net.ipv4.ping_group_range (%w), or the right to raw sockets (%w)", err, rawErr)
	}
	return raw, nil
}

func echoRequest(six bool, number uint16, nonce []byte) []byte {
	b := make([]byte, echoHead, echoHead+len(nonce))
	if b[0] = echo4; six {
		b[0] = echo6
	}
	binary.BigEndian.PutUint16(b[4:], binary.BigEndian.Uint16(nonce))
	binary.BigEndian.PutUint16(b[6:], number)
	b = append(b, nonce...)
	if !six {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// isReply says whether a message answers the request with that number and
// nonce. Raw sockets of IPv4 give it with the head of its packet.
func isReply(b []byte, six bool, number uint16, nonce []byte) bool {
	const headUnit = 4 // bytes that a head's length counts
	want := byte(reply6)
	if !six {
		want = reply4
		if len(b) > 0 && b[0]>>4 == 4 {
			n := int(b[0]&15) * headUnit
			if n > len(b) {
				return false
			}
			b = b[n:]
		}
	}
	return len(b) >= echoHead && b[0] == want && b[1] == 0 &&
		binary.BigEndian.Uint16(b[6:]) == number && bytes.Equal(b[echoHead:], nonce)
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
