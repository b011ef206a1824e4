package transport

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"pgregory.net/rapid"
)

// A readerConn is a connection of which reading alone is used.
type readerConn struct {
	net.Conn
	io.Reader
}

func (c readerConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }

// Whatever records come, in whatever pieces, and however much is asked for: all
// bytes are given, and no read goes past the record in which it begins.
func TestRecordConn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sent []byte
		ends := map[int]bool{}
		for range rapid.IntRange(0, 8).Draw(t, "records") {
			body := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "body")
			sent = binary.BigEndian.AppendUint16(append(sent, 23, 3, 3), uint16(len(body)))
			ends[len(sent)+len(body)] = true
			sent = append(sent, body...)
		}
		c := &recordConn{Conn: readerConn{Reader: &pieces{t, sent}}}
		var got []byte
		for {
			b := make([]byte, rapid.IntRange(1, 100).Draw(t, "room"))
			n, err := c.Read(b)
			for at := len(got) + 1; at < len(got)+n; at++ {
				if ends[at] {
					t.Fatalf("a read of %d bytes from %d goes past the record that ends at %d", n, len(got), at)
				}
			}
			got = append(got, b[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, sent) {
			t.Fatalf("%x came, %x was sent", got, sent)
		}
	})
}

// pieces gives bytes in pieces of drawn lengths.
type pieces struct {
	t    *rapid.T
	rest []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:rapid.IntRange(1, len(p.rest)).Draw(p.t, "piece")])
	p.rest = p.rest[n:]
	return n, nil
}
