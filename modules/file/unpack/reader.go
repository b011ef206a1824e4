package unpack

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Pools hold decoders between files: the tables of a decoder cost more than
// to read a small file. They carry no data from one user to the next.
var (
	gzipPool  sync.Pool // *gzip.Reader
	zstdPool  sync.Pool // *zstd.Decoder
	flatePool sync.Pool // io.ReadCloser of package flate
)

// inputBuffer is how many bytes are read from a source at once.
const inputBuffer = 16 << 10

// NewReader gives what is inside the compressed stream r. Streams that follow
// one another are read as one, to the end of r; a stream that is cut short,
// damaged or followed by garbage ends in an error that wraps ErrMalformed, one
// that passes a bound of b in an error that wraps ErrBudget. An error of r is
// passed on. What was read before an error is what the file holds.
//
// The reader is an io.Closer too: who does not read to the end closes it, so
// that its decoder can be used again.
func NewReader(r io.Reader, f Format, b *Budget) (io.Reader, error) {
	return newMeter(r, f, b)
}

// A meter is a decoder that pays for what it makes.
type meter struct {
	format Format
	budget *Budget
	src    *source
	dec    io.Reader
	free   func() // gives the decoder and its memory back
	out    int64
	err    error
}

func newMeter(r io.Reader, f Format, b *Budget) (*meter, error) {
	m := &meter{format: f, budget: b, src: &source{r: r}, free: func() {}}
	if b.spent != nil {
		return nil, b.spent
	}
	if err := m.open(); err != nil {
		err = m.explain(err)
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *meter) open() error {
	in := bufio.NewReaderSize(m.src, inputBuffer)
	switch m.format {
	case Gzip:
		return m.openGzip(in)
	case Zstd:
		return m.openZstd(in)
	case Xz:
		x := newXzReader(in, m.budget)
		m.dec, m.free = x, x.release
		return nil
	case Bzip2:
		if err := m.budget.hold(bzip2Memory); err != nil {
			return err
		}
		m.dec = bzip2.NewReader(in)
		m.free = func() { m.budget.release(bzip2Memory) }
		return nil
	}
	return fmt.Errorf("%w: %s is not compressed", ErrUnsupported, m.format)
}

func (m *meter) openGzip(in *bufio.Reader) error {
	z, ok := gzipPool.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	m.free = func() { gzipPool.Put(z) }
	g := &gzipReader{in: in, z: z}
	m.dec = g
	return unexpected(g.begin())
}

// A gzipReader reads one gzip after the other. The library would do that too,
// but takes a file that is cut in the name of a later one for a whole file.
type gzipReader struct {
	in *bufio.Reader
	z  *gzip.Reader
}

func (g *gzipReader) begin() error {
	err := g.z.Reset(g.in)
	g.z.Multistream(false)
	return err
}

// Read implements io.Reader.
func (g *gzipReader) Read(p []byte) (int, error) {
	for {
		n, err := g.z.Read(p)
		if err != io.EOF {
			return n, err
		}
		if _, end := g.in.Peek(1); end != nil {
			return n, end
		}
		if err := unexpected(g.begin()); err != nil || n > 0 {
			return n, err
		}
	}
}

func (m *meter) openZstd(in *bufio.Reader) error {
	head, _ := in.Peek(zstd.HeaderMaxSize)
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return err
	}
	window := int64(min(h.WindowSize, 1<<40))
	if h.SingleSegment {
		window = int64(min(h.FrameContentSize, 1<<40))
	}
	// What later frames want is bounded by what is free now.
	limit := max(m.budget.MaxMemory-m.budget.memory, 1)
	if err := m.budget.hold(window); err != nil {
		return err
	}
	d, ok := zstdPool.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)); err != nil {
			m.budget.release(window)
			return err
		}
	}
	m.dec = d
	m.free = func() {
		m.budget.release(window)
		if d.Reset(nil) == nil {
			zstdPool.Put(d)
		}
	}
	return d.ResetWithOptions(in, zstd.WithDecoderMaxMemory(uint64(limit)))
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	if room := m.budget.room(); int64(len(p)) > room {
		p = p[:max(room, 0)]
	}
	n, err := m.dec.Read(p)
	m.out += int64(n)
	if over := m.budget.charge(int64(n), m.src.n, m.out); over != nil {
		m.fail(over)
		return 0, m.err
	}
	if err != nil {
		m.fail(err)
	}
	return n, m.err
}

// Close implements io.Closer.
func (m *meter) Close() error {
	if m.err == nil {
		m.err = errClosed
	}
	m.free()
	m.free, m.dec = func() {}, nil
	return nil
}

var errClosed = errors.New("unpack: read after close")

func (m *meter) fail(err error) {
	m.err = m.explain(err)
	m.Close()
}

// explain says what an error of a decoder means. The end is the end only
// where the decoder says so, not where its source fell short.
func (m *meter) explain(err error) error {
	switch {
	case err == io.EOF && m.dec != nil && (m.src.n > 0 || m.dec == io.Reader(m.src)): // what is only stored may be nothing
		return io.EOF
	case m.src.err != nil:
		return fmt.Errorf("%s: %w", m.format, m.src.err)
	case isOurs(err):
		return fmt.Errorf("%s: %w", m.format, err)
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("%s: %w: MaxMemory, %d bytes: %w", m.format, ErrBudget, m.budget.MaxMemory, err)
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: %w: %w", m.format, ErrMalformed, err)
}

func isOurs(err error) bool {
	for _, e := range [...]error{ErrBudget, ErrMalformed, ErrUnsupported, ErrEncrypted} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// A source counts what is read from it and remembers why that ended, if not
// by its end.
type source struct {
	r   io.Reader
	n   int64
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// newFlate gives a decoder of raw deflate, and what gives it back.
func newFlate(r io.Reader) (io.Reader, func()) {
	d, ok := flatePool.Get().(io.ReadCloser)
	if !ok {
		d = flate.NewReader(r)
	} else if d.(flate.Resetter).Reset(r, nil) != nil {
		d = flate.NewReader(r)
	}
	return d, func() { flatePool.Put(d) }
}
