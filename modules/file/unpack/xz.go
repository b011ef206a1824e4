package unpack

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// An xz file is one or more streams, each followed by zeros in fours:
//
//	stream: fd "7zXZ" 00, flags (2), CRC32 of the flags;
//	        blocks; index; CRC32, size of the index, flags (2), "YZ"
//	block:  header, LZMA2 chunks, zeros to a multiple of 4, check
//	index:  00, number of blocks, for each block its unpadded and its
//	        uncompressed size, zeros to a multiple of 4, CRC32
//
// The container is read here and not by the library that decodes LZMA2,
// because that one takes as much memory as a block's header asks for, up to
// 4 GiB, and takes a file cut between two blocks for a whole one.

const (
	xzMagic      = "\xfd7zXZ\x00"
	xzFooter     = "YZ"
	xzLZMA2      = 0x21
	xzMinWindow  = 4096 // the smallest that LZMA2 knows
	xzHeaderSize = 12   // of a stream's header, and of its footer
	xzHasPacked  = 0x40 // a block's header gives the compressed size
	xzHasSize    = 0x80 // a block's header gives the uncompressed size
	xzOverhead   = 64 << 10
)

// An xzReader decompresses all streams of an xz file.
type xzReader struct {
	in     *byteCounter
	budget *Budget
	flags  [2]byte
	inside bool // in a stream

	block  *lzma.Reader2 // nil between blocks
	head   xzBlock
	begin  int64 // where the block's chunks begin
	out    int64 // what the block has given
	sum    hash.Hash
	held   int64
	index  hash.Hash // digests the sizes of the blocks, as the index must give them
	blocks uint64
}

// An xzBlock is what a block's header says.
type xzBlock struct {
	length       int64 // of the header
	packed, size int64 // -1 where it does not say
	window       int64
}

// A byteCounter counts what is taken from a buffered reader.
type byteCounter struct {
	*bufio.Reader
	n int64
}

// Read implements io.Reader.
func (c *byteCounter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// ReadByte implements io.ByteReader.
func (c *byteCounter) ReadByte() (byte, error) {
	b, err := c.Reader.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

func newXzReader(in *bufio.Reader, b *Budget) *xzReader {
	return &xzReader{in: &byteCounter{Reader: in}, budget: b}
}

func (x *xzReader) release() {
	x.budget.release(x.held)
	x.held, x.block = 0, nil
}

// Read implements io.Reader.
func (x *xzReader) Read(p []byte) (int, error) {
	for {
		if x.block == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := x.block.Read(p)
		x.out += int64(n)
		x.sum.Write(p[:n])
		if err == io.EOF && x.block.EOS() {
			err = x.endBlock()
		} else if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// next opens the next block, or ends the stream or the file.
func (x *xzReader) next() error {
	if !x.inside {
		return x.beginStream()
	}
	size, err := x.in.ReadByte()
	if err != nil {
		return unexpected(err)
	}
	if size == 0 {
		x.inside = false
		return x.endStream()
	}
	if x.head, err = x.readBlockHeader(size); err != nil {
		return err
	}
	return x.openBlock()
}

// beginStream reads padding and a stream's header; io.EOF is the end of the file.
func (x *xzReader) beginStream() error {
	first := x.in.n == 0
	var head [xzHeaderSize]byte
	for {
		if _, err := io.ReadFull(x.in, head[:4]); err != nil {
			return err
		}
		if first || head[0] != 0 || [4]byte(head[:4]) != [4]byte{} {
			break
		}
	}
	if _, err := io.ReadFull(x.in, head[4:]); err != nil {
		return unexpected(err)
	}
	if string(head[:6]) != xzMagic || crc32.ChecksumIEEE(head[6:8]) != binary.LittleEndian.Uint32(head[8:]) {
		return fmt.Errorf("%w: no header of a stream", ErrMalformed)
	}
	x.flags = [2]byte(head[6:8])
	sum, err := xzSum(x.flags)
	x.sum, x.index, x.blocks, x.inside = sum, sha256.New(), 0, true
	return err
}

// xzSum gives the check that a stream's flags name.
func xzSum(flags [2]byte) (hash.Hash, error) {
	if flags[0] == 0 {
		switch flags[1] {
		case 0:
			return noSum{crc32.NewIEEE()}, nil
		case 1:
			return crc32.NewIEEE(), nil
		case 4:
			return crc64.New(crc64.MakeTable(crc64.ECMA)), nil
		case 10:
			return sha256.New(), nil
		}
	}
	return nil, fmt.Errorf("%w: check %x", ErrUnsupported, flags)
}

// noSum is the check of a stream without one.
type noSum struct{ hash.Hash }

// Size implements hash.Hash.
func (noSum) Size() int { return 0 }

// Sum implements hash.Hash.
func (noSum) Sum(b []byte) []byte { return b }

func (x *xzReader) readBlockHeader(size byte) (xzBlock, error) {
	h := make([]byte, 4*(int(size)+1))
	h[0] = size
	if _, err := io.ReadFull(x.in, h[1:]); err != nil {
		return xzBlock{}, unexpected(err)
	}
	body := h[:len(h)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(h[len(body):]) {
		return xzBlock{}, fmt.Errorf("%w: checksum of a block's header", ErrMalformed)
	}
	block := xzBlock{length: int64(len(h)), packed: -1, size: -1}
	flags := body[1]
	if flags&^(xzHasPacked|xzHasSize) != 0 {
		return block, fmt.Errorf("%w: filters before LZMA2", ErrUnsupported)
	}
	r := bytes.NewReader(body[2:])
	for _, f := range []struct {
		bit byte
		to  *int64
	}{{xzHasPacked, &block.packed}, {xzHasSize, &block.size}} {
		if flags&f.bit == 0 {
			continue
		}
		n, err := binary.ReadUvarint(r)
		if err != nil || n > 1<<62 {
			return block, fmt.Errorf("%w: size in a block's header", ErrMalformed)
		}
		*f.to = int64(n)
	}
	err := block.filter(r)
	return block, err
}

// filter reads the one filter that is supported, and the padding after it.
func (h *xzBlock) filter(r *bytes.Reader) error {
	var f [3]byte
	if _, err := io.ReadFull(r, f[:]); err != nil {
		return fmt.Errorf("%w: filter", ErrMalformed)
	}
	if f[0] != xzLZMA2 || f[1] != 1 {
		return fmt.Errorf("%w: filter %x", ErrUnsupported, f[0])
	}
	window, err := lzma.DecodeDictCap(f[2])
	if err != nil {
		return fmt.Errorf("%w: window of %x", ErrMalformed, f[2])
	}
	h.window = window
	for r.Len() > 0 {
		if c, err := r.ReadByte(); err != nil || c != 0 {
			return fmt.Errorf("%w: padding of a block's header", ErrMalformed)
		}
	}
	return nil
}

func (x *xzReader) openBlock() error {
	window := x.head.window
	if x.head.size >= 0 {
		window = min(window, x.head.size) // no match reaches back further
	}
	window = max(window, xzMinWindow)
	x.release()
	if err := x.budget.hold(window + xzOverhead); err != nil {
		return err
	}
	x.held = window + xzOverhead
	x.sum.Reset()
	x.begin, x.out = x.in.n, 0
	block, err := lzma.Reader2Config{DictCap: int(window)}.NewReader2(x.in)
	if err != nil {
		return unexpected(err)
	}
	x.block = block
	return nil
}

func (x *xzReader) endBlock() error {
	x.block = nil
	packed := x.in.n - x.begin
	if x.head.packed >= 0 && x.head.packed != packed || x.head.size >= 0 && x.head.size != x.out {
		return fmt.Errorf("%w: size of a block", ErrMalformed)
	}
	if err := x.zeros(packed); err != nil {
		return err
	}
	check := make([]byte, x.sum.Size())
	if _, err := io.ReadFull(x.in, check); err != nil {
		return unexpected(err)
	}
	want := x.sum.Sum(nil)
	if _, ok := x.sum.(hash.Hash64); ok || len(want) == crc32.Size {
		reverse(want) // the format is little-endian, Go's sums are not
	}
	if !bytes.Equal(check, want) {
		return fmt.Errorf("%w: checksum", ErrMalformed)
	}
	x.blocks++
	x.record(x.index, uint64(x.head.length+packed)+uint64(len(check)), uint64(x.out))
	return nil
}

// record adds a block's sizes to a digest.
func (x *xzReader) record(h hash.Hash, unpadded, size uint64) {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], unpadded)
	binary.LittleEndian.PutUint64(b[8:], size)
	h.Write(b[:])
}

// endStream reads the index, after its first byte, and the footer.
func (x *xzReader) endStream() error {
	crc := crc32.NewIEEE()
	crc.Write([]byte{0})
	begin := x.in.n - 1
	r := &teeByteReader{r: x.in, h: crc}
	n, err := binary.ReadUvarint(r)
	if err != nil || n != x.blocks {
		return fmt.Errorf("%w: number of blocks in the index", ErrMalformed)
	}
	seen := sha256.New()
	for range n {
		unpadded, err := binary.ReadUvarint(r)
		if err != nil {
			return fmt.Errorf("%w: index: %w", ErrMalformed, unexpected(err))
		}
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return fmt.Errorf("%w: index: %w", ErrMalformed, unexpected(err))
		}
		x.record(seen, unpadded, size)
	}
	if !bytes.Equal(seen.Sum(nil), x.index.Sum(nil)) {
		return fmt.Errorf("%w: sizes in the index", ErrMalformed)
	}
	for (x.in.n-begin)%4 != 0 {
		if c, err := r.ReadByte(); err != nil || c != 0 {
			return fmt.Errorf("%w: padding of the index", ErrMalformed)
		}
	}
	return x.footer(crc.Sum32(), x.in.n-begin+4)
}

// footer reads the index's checksum and the stream's footer.
func (x *xzReader) footer(sum uint32, indexSize int64) error {
	var tail [4 + xzHeaderSize]byte
	if _, err := io.ReadFull(x.in, tail[:]); err != nil {
		return unexpected(err)
	}
	foot := tail[4:]
	if binary.LittleEndian.Uint32(tail[:]) != sum ||
		crc32.ChecksumIEEE(foot[4:10]) != binary.LittleEndian.Uint32(foot) ||
		4*(int64(binary.LittleEndian.Uint32(foot[4:]))+1) != indexSize ||
		[2]byte(foot[8:10]) != x.flags || string(foot[10:]) != xzFooter {
		return fmt.Errorf("%w: footer", ErrMalformed)
	}
	return nil
}

// zeros reads the padding after n bytes.
func (x *xzReader) zeros(n int64) error {
	for ; n%4 != 0; n++ {
		c, err := x.in.ReadByte()
		if err != nil {
			return unexpected(err)
		}
		if c != 0 {
			return fmt.Errorf("%w: padding of a block", ErrMalformed)
		}
	}
	return nil
}

// A teeByteReader digests the bytes that it reads.
type teeByteReader struct {
	r io.ByteReader
	h hash.Hash
}

// ReadByte implements io.ByteReader.
func (t *teeByteReader) ReadByte() (byte, error) {
	c, err := t.r.ReadByte()
	if err == nil {
		t.h.Write([]byte{c})
	}
	return c, err
}

// unexpected says that an end was none.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}
