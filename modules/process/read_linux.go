package process

import (
	"context"
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules"
)

const (
	// chunk is how much is read at once, in bytes: it fits the second cache.
	chunk = 512 << 10
	// sparse is the size in bytes from which an anonymous mapping is asked
	// which of its pages were ever touched. Reading others would make page
	// tables for them, and a mapping of terabytes may be all holes.
	sparse = 1 << 20
	// pages is how many entries of a pagemap are read at once.
	pages = 8 << 10
)

// A span is a part of an address space.
type span struct{ start, end uint64 }

// read calls visit for the chunks of a mapping in the order of addresses, and
// cut where what follows does not follow at once. Either ends it by true. It
// says whether everything that is there was read, or was not wanted.
func (r *memoryRow) read(ctx context.Context, visit func(at uint64, b []byte) bool, cut func() bool) (whole bool, err error) {
	p := r.region.proc
	if limit := r.req.Settings.MaxFileBytes; limit > 0 && r.region.size() > limit {
		r.skip(modules.SkipLimit, "the mapping is larger than the query allows")
		return false, nil
	}
	if p.closed {
		return false, nil // that it is, was reported
	}
	if r.buffer == nil {
		r.buffer = make([]byte, chunk)
	}
	whole, enough := true, false
	total := int64(0)
	defer func() { r.req.Report.Looked("bytes", total) }()
	spans, err := r.spans()
	if err != nil {
		r.refused(err)
		return false, nil
	}
	for _, s := range spans {
		for at := s.start; at < s.end && !enough; {
			if ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			b, err := readMemory(p.pid, at, r.buffer[:min(chunk, s.end-at)])
			total += int64(len(b))
			enough = len(b) > 0 && visit(at, b)
			at += uint64(len(b))
			switch {
			case enough || err == nil:
			case !errors.Is(err, unix.EFAULT):
				r.refused(err)
				return false, nil
			default: // a page behind which there is nothing: the next may be there
				r.skip(modules.SkipIO, "some of its pages cannot be read")
				whole = false
				at = (at/pageBytes() + 1) * pageBytes()
				enough = cut()
			}
		}
		if enough = cut() || enough; enough {
			break
		}
	}
	// If it ended, its number may have gone to another.
	if _, err := p.dir.Append(nil, "stat", maxFile); err != nil {
		r.refused(err)
		return false, nil
	}
	return whole, nil
}

func pageBytes() uint64 { return uint64(os.Getpagesize()) }

// refused reports once for a process that its memory cannot be read.
func (r *memoryRow) refused(err error) {
	if p := r.region.proc; !p.closed {
		p.closed = true
		p.Fail(label(p.pid)+": memory", err)
	}
}

// readMemory reads from the memory of a process until something cannot be read.
func readMemory(pid int64, at uint64, buf []byte) ([]byte, error) {
	local := unix.Iovec{Base: &buf[0]}
	local.SetLen(len(buf))
	n, err := unix.ProcessVMReadv(int(pid), []unix.Iovec{local}, []unix.RemoteIovec{{Base: uintptr(at), Len: len(buf)}}, 0)
	if err != nil {
		return nil, err
	}
	if n < len(buf) {
		err = unix.EFAULT
	}
	return buf[:n], err
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
