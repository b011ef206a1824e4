package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/iotest"
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

// A pipe that is idle keeps nothing of what went through it.
func TestPipeKeepsNothing(t *testing.T) {
	a, b := Pipe()
	defer a.Close()
	defer b.Close()
	for _, size := range []int{1, 100, 40_000, pipeHolds} {
		text := bytes.Repeat([]byte{byte(size)}, size)
		if _, err := a.Write(text); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, size)
		if _, err := io.ReadFull(iotest.OneByteReader(b), got); err != nil || !bytes.Equal(got, text) {
			t.Fatal(err)
		}
		if f := b.(*pipeEnd).in; len(f.held) != 0 || cap(f.held) > 4<<10 {
			t.Errorf("after %d bytes %d of %d are kept", size, len(f.held), cap(f.held))
		}
	}
}
