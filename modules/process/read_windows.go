package process

import (
	"errors"

	"golang.org/x/sys/windows"
)

// spans gives the parts of a mapping that are worth reading: all of it, since
// only what is committed is a mapping.
func (r *memoryRow) spans() ([]span, error) { return []span{{r.region.start, r.region.end}}, nil }

// readMemory reads from the memory of a process until something cannot be read.
func readMemory(p *proc, at uint64, buf []byte) ([]byte, error) {
	h, err := p.system.(*winLive).open(true)
	if err != nil {
		return nil, err
	}
	var n uintptr
	err = windows.ReadProcessMemory(h, uintptr(at), &buf[0], uintptr(len(buf)), &n)
	if errors.Is(err, windows.ERROR_PARTIAL_COPY) || errors.Is(err, windows.ERROR_NOACCESS) {
		err = errHole
	}
	return buf[:min(int(n), len(buf))], err
}

// remains is true for a process that is held by a handle: nobody gets its
// number.
func remains(*proc) error { return nil }
