package process

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// sparse is the size in bytes from which an anonymous mapping is asked
	// which of its pages were ever touched. Reading others would make page
	// tables for them, and a mapping of terabytes may be all holes.
	sparse = 1 << 20
	// pages is how many entries of a pagemap are read at once.
	pages = 8 << 10
)

// readMemory reads from the memory of a process until something cannot be read.
func readMemory(p *proc, at uint64, buf []byte) ([]byte, error) {
	local := unix.Iovec{Base: &buf[0]}
	local.SetLen(len(buf))
	n, err := unix.ProcessVMReadv(int(p.pid), []unix.Iovec{local}, []unix.RemoteIovec{{Base: uintptr(at), Len: len(buf)}}, 0)
	if errors.Is(err, unix.EFAULT) {
		return nil, errHole
	}
	if err != nil {
		return nil, err
	}
	if n < len(buf) {
		err = errHole
	}
	return buf[:n], err
}

// remains says whether the process is still the one that was found: if it
// ended, its number may have gone to another.
func remains(p *proc) error {
	_, err := p.dir.Append(nil, "stat", maxFile)
	return err
}

// spans gives the parts of a mapping that are worth reading.
func (r *memoryRow) spans() ([]span, error) {
	all := []span{{r.region.start, r.region.end}}
	if !r.region.anonymous() || r.region.size() < sparse {
		return all, nil
	}
	f, err := os.Open(r.region.proc.dir.Name() + "/pagemap")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var spans []span
	buf := make([]byte, 8*pages)
	page := pageBytes()
	for at := r.region.start; at < r.region.end; {
		n, err := f.ReadAt(buf[:min(uint64(len(buf)), (r.region.end-at)/page*8)], int64(at/page*8))
		if n < 8 {
			return all, err // this kernel does not say
		}
		spans = populated(spans, buf[:n/8*8], at)
		at += uint64(n/8) * page
	}
	return spans, nil
}

// populated adds the pages of a pagemap that are in memory or swapped out
// (bits 63 and 62, as pagemap.rst of the kernel has them).
func populated(spans []span, entries []byte, at uint64) []span {
	page := pageBytes()
	for ; len(entries) >= 8; entries = entries[8:] {
		if binary.NativeEndian.Uint64(entries)>>62 != 0 {
			if n := len(spans); n > 0 && spans[n-1].end == at {
				spans[n-1].end += page
			} else {
				spans = append(spans, span{at, at + page})
			}
		}
		at += page
	}
	return spans
}
