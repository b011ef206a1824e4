package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// What came of an attempt.
const (
	open        = "open"        // the connection was made, or the port answered
	answered    = "answered"    // the host, or the server, answered
	refused     = "refused"     // the host is there, and nobody at that port
	unreachable = "unreachable" // somebody on the way says that there is no way
	timeout     = "timeout"     // nothing came back in time
	blocked     = "blocked"     // a packet filter of this host, or one on the way that says so, forbids it
	unresolved  = "unresolved"  // no host has that name
)

// outcomeOf tells what an error says about the target; false where it says
// that it could not be asked.
func outcomeOf(err error) (string, bool) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return timeout, true
	}
	var call *os.SyscallError
	if errors.As(err, &call) && call.Syscall == "socket" {
		return "", false
	}
	var n syscall.Errno
	if errors.As(err, &n) {
		if outcome, ok := errno(n); ok {
			return outcome, true
		}
		// Of a connection it is also how a sandbox says that it asks nobody.
		if n == syscall.EACCES && call != nil && call.Syscall != "connect" {
			return blocked, true
		}
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return timeout, true
	}
	return "", false
}

// dialer makes connections that may not go to many, and of which nothing is
// left when they are closed.
func dialer(wait time.Duration) *net.Dialer {
	d := &net.Dialer{Timeout: wait, KeepAlive: -1, Control: prepare}
	d.SetMultipathTCP(false)
	return d
}

// connect makes a TCP connection and closes it, and gives how long it took.
func connect(ctx context.Context, t *target) (time.Duration, error) {
	begin := time.Now()
	c, err := dialer(t.wait).DialContext(ctx, "tcp", t.end().String())
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	return took, c.Close()
}

// knock sends an empty datagram and waits for whatever comes back.
func knock(ctx context.Context, t *target) (time.Duration, error) {
	c, err := dialer(t.wait).DialContext(ctx, "udp", t.end().String())
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return exchange(ctx, c, t.wait, nil, func([]byte) bool { return true })
}

// exchange sends a packet and waits for one that it accepts, which is valid
// until accept returns. It gives the time between the two.
func exchange(ctx context.Context, c net.Conn, wait time.Duration, packet []byte, accept func([]byte) bool) (time.Duration, error) {
	release := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer release()
	begin := time.Now()
	if err := c.SetDeadline(begin.Add(wait)); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if _, err := c.Write(packet); err != nil {
		return 0, err
	}
	const largest = 64 << 10 // bytes of a datagram
	buf := make([]byte, largest)
	for {
		n, err := c.Read(buf)
		took := time.Since(begin)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err != nil {
			return 0, err
		}
		if accept(buf[:n]) {
			return took, nil
		}
	}
}
