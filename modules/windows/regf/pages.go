package regf

import "io"

const (
	pageSize   = 16 << 10 // bytes that are read at once
	keptPages  = 256      // of them are remembered: 4 MB
	sectorSize = 512      // bytes that a log speaks of at least
)

// pages reads a hive behind its base block, over which logs may have laid
// what was to be written.
type pages struct {
	r     io.ReaderAt
	size  int64
	kept  map[int64][]byte
	order []int64          // of what is kept, the oldest first
	laid  map[int64][]byte // by the number of the sector
	buf   []byte
}

func newPages(r io.ReaderAt, size int64) *pages {
	return &pages{r: r, size: max(size, 0), kept: map[int64][]byte{}}
}

// lay puts bytes over what the file holds. Offset and length are whole
// sectors.
func (p *pages) lay(at int64, b []byte) {
	if p.laid == nil {
		p.laid = map[int64][]byte{}
	}
	for i := 0; i+sectorSize <= len(b); i += sectorSize {
		p.laid[(at+int64(i))/sectorSize] = b[i : i+sectorSize]
	}
	p.size = max(p.size, at+int64(len(b)))
}

// bytes gives n bytes, which are valid until the next call.
func (p *pages) bytes(at int64, n int) ([]byte, error) {
	if at < 0 || at+int64(n) > p.size {
		return nil, bad(at+headSize, "beyond the end")
	}
	first, in := at/pageSize, int(at%pageSize)
	if in+n <= pageSize {
		b, err := p.page(first)
		if err != nil {
			return nil, err
		}
		return b[in : in+n], nil
	}
	p.buf = p.buf[:0]
	for number := first; n > 0; number++ {
		b, err := p.page(number)
		if err != nil {
			return nil, err
		}
		part := b[in:min(pageSize, in+n)]
		p.buf = append(p.buf, part...)
		n, in = n-len(part), 0
	}
	return p.buf, nil
}

// page gives a page, with zeros where the file ends.
func (p *pages) page(number int64) ([]byte, error) {
	if b, ok := p.kept[number]; ok {
		return b, nil
	}
	var b []byte
	if len(p.order) >= keptPages {
		oldest := p.order[0]
		b = p.kept[oldest]
		delete(p.kept, oldest)
		p.order = append(p.order[:0], p.order[1:]...)
	} else {
		b = make([]byte, pageSize)
	}
	n, err := p.r.ReadAt(b, headSize+number*pageSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	clear(b[n:])
	if p.laid != nil {
		const sectors = pageSize / sectorSize
		for i := range int64(sectors) {
			if s, ok := p.laid[number*sectors+i]; ok {
				copy(b[i*sectorSize:], s)
			}
		}
	}
	p.kept[number] = b
	p.order = append(p.order, number)
	return b, nil
}
