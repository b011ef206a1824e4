package transport

import (
	"encoding/binary"
	"errors"
	"net"
)

// recordHead is the head of a TLS record: its type, a version, and the length of
// what follows in two bytes (RFC 8446, section 5.1).
const recordHead = 5

// A recordConn gives TLS one record at a time. crypto/tls reads what there is
// into a buffer that it keeps, and where several records come at once it makes
// one of twice the size for each that begins in it: 7 KB for a peer who says
// nothing, of which a relay has ten thousand. With one record at a time it is as
// large as the largest that came, at the price of a second system call for each.
type recordConn struct {
	net.Conn
	head [recordHead]byte
	have int // bytes of the head that were given
	left int // bytes of the record that were not
}

// Read gives bytes of the head or of the body, and not of the record behind.
func (c *recordConn) Read(b []byte) (int, error) {
	if c.left > 0 {
		n, err := c.Conn.Read(b[:min(len(b), c.left)])
		c.left -= n
		return n, err
	}
	n, err := c.Conn.Read(b[:min(len(b), recordHead-c.have)])
	c.have += copy(c.head[c.have:], b[:n])
	if c.have == recordHead {
		c.have, c.left = 0, int(binary.BigEndian.Uint16(c.head[3:]))
	}
	return n, err
}

// CloseWrite is that of the connection below, where it has one.
func (c *recordConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
