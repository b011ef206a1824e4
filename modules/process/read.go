//go:build linux || windows

package process

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/quaestor-engine/quaestor/modules"
)

// chunk is how much is read at once, in bytes: it fits the second cache.
const chunk = 512 << 10

// errHole says that there is nothing at an address, and may be behind it.
var errHole = errors.New("nothing there")

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
			b, err := readMemory(p, at, r.buffer[:min(chunk, s.end-at)])
			total += int64(len(b))
			enough = len(b) > 0 && visit(at, b)
			at += uint64(len(b))
			switch {
			case enough || err == nil:
			case !errors.Is(err, errHole):
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
	if err := remains(p); err != nil {
		r.refused(err)
		return false, nil
	}
	return whole, nil
}

// A memoryReader reads a mapping again, at its addresses.
type memoryReader struct{ region *region }

// ReadAt implements io.ReaderAt. What is not there is its end.
func (m *memoryReader) ReadAt(b []byte, at int64) (int, error) {
	n := 0
	for n < len(b) {
		from := uint64(at) + uint64(n)
		if from < m.region.start || from >= m.region.end {
			return n, io.EOF
		}
		got, err := readMemory(m.region.proc, from, b[n:n+int(min(uint64(len(b)-n), m.region.end-from))])
		n += len(got)
		if errors.Is(err, errHole) || err == nil && len(got) == 0 {
			return n, io.EOF
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func pageBytes() uint64 { return uint64(os.Getpagesize()) }

// refused reports once for a process that its memory cannot be read.
func (r *memoryRow) refused(err error) {
	if p := r.region.proc; !p.closed {
		p.closed = true
		p.Fail(label(p.pid)+": memory", err)
	}
}
