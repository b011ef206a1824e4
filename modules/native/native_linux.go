package native

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Option reads an option of a socket into b, and says how much of b it filled.
// The length of b is part of the question. It may only ask for options whose
// reading changes nothing.
func Option(socket, level, name int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, errors.New("native: no room for an option")
	}
	n := uint32(len(b))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(socket), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(min(n, uint32(len(b)))), nil
}
