//go:build unix

package repl

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A unixTTY is a terminal of Unix.
type unixTTY struct {
	fd    int
	saved *unix.Termios // nil: it is as it was
}

func openTTY(f *os.File) tty { return &unixTTY{fd: int(f.Fd())} }

// raw turns off what the system does with keys; what it does with output
// stays, since answers are written meanwhile.
func (t *unixTTY) raw() error {
	now, err := unix.IoctlGetTermios(t.fd, getTermios)
	if err != nil {
		return err
	}
	if t.saved == nil {
		saved := *now
		t.saved = &saved
	}
	now.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	now.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.IEXTEN | unix.ISIG
	now.Cflag &^= unix.CSIZE | unix.PARENB
	now.Cflag |= unix.CS8
	now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(t.fd, setTermios, now)
}

func (t *unixTTY) restore() error {
	if t.saved == nil {
		return nil
	}
	err := unix.IoctlSetTermios(t.fd, setTermios, t.saved)
	t.saved = nil
	return err
}

func (t *unixTTY) size() (rows, columns int) {
	ws, err := unix.IoctlGetWinsize(t.fd, unix.TIOCGWINSZ)
	if err != nil || ws.Row == 0 || ws.Col == 0 {
		return 24, 80
	}
	return int(ws.Row), int(ws.Col)
}

func (t *unixTTY) read(wait time.Duration) ([]byte, error) {
	fds := []unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(wait/time.Millisecond))
	if errors.Is(err, unix.EINTR) || err == nil && n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	switch n, err = unix.Read(t.fd, buf); {
	case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		return nil, nil
	case err != nil:
		return nil, err
	case n == 0:
		return nil, io.EOF
	}
	return buf[:n], nil
}

// resizes tells of changes of the terminal's size.
func resizes() chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGWINCH)
	return c
}
