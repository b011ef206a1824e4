package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

// What the standard library's own connections must do, ends of a pipe do.
func TestPipe(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		a, b = Pipe()
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}

// Two that write at once do not wait for each other, up to what a pipe holds;
// what was written is read though the writer has gone.
func TestPipeHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		text := bytes.Repeat([]byte("x"), pipeHolds)
		for _, end := range []net.Conn{a, b} {
			if n, err := end.Write(text); n != pipeHolds || err != nil {
				t.Fatal(n, err)
			}
		}
		var work sync.WaitGroup
		work.Go(func() {
			a.SetWriteDeadline(time.Now().Add(time.Minute))
			if n, err := a.Write([]byte("more")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
		work.Wait()
		a.(interface{ CloseWrite() error }).CloseWrite()
		if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		b.Close()
		if got, err := io.ReadAll(a); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes back, %v", len(got), err)
		}
		if _, err := b.Write(text); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}
