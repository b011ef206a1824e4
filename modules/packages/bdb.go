package packages

import (
	"encoding/binary"
	"io"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// A bdbHash reads the values of a hash table of Berkeley DB: the file Packages,
// in which rpm kept its headers up to RHEL 8. It is not that library, whose
// last free version is old and trusts its files.
//
// The file is of pages of one size, a power of two from 512 bytes to 64 KiB.
// Numbers have the order of bytes of the machine that wrote it, which the
// magic number tells. Each page begins with
//
//	 0  8  the place in a log, which rpm does not keep
//	 8  4  the page's own number
//	12  4  the previous page of its chain
//	16  4  the next page of its chain, or 0
//	20  2  how many items there are in it
//	22  2  where the items begin; of a page of a long value, its bytes there
//	24  1  a level
//	25  1  the type: 8 the first page of a hash table, 13 (2 up to version 8)
//	       one of items, 7 one of a long value, 0 one that is free
//
// and the first of them goes on with
//
//	12  4  the magic number 0x061561, in place of the previous page
//	16  4  the version, 5 to 10
//	20  4  the size of a page in bytes
//	24  1  how it is encrypted; 0: it is not
//	26  1  flags: 1, that pages have checksums
//	32  4  the number of the last page
//
// In a page of items the places of the items, two bytes each, follow the head.
// The items fill the page from its end, so that an item ends where the one
// before it begins. They are keys and values by turns: a byte that says 1,
// then the bytes of it; or one that says 3, three that say nothing, the number
// of the page where a long value begins, and its length, four bytes each. A
// long value fills the pages of a chain from behind their heads on.
//
// A key is the number of a package, of four bytes. That of 0 has no header
// for its value: it counts.
//
// The table itself, which says in which page a key would be, is not needed:
// all pages are looked at, in the order in which they lie.
type bdbHash struct {
	file  io.ReaderAt
	order binary.ByteOrder
	size  int    // of a page, in bytes
	head  int    // of a page, with its checksum, in bytes
	last  uint32 // number of the last page
	left  int64  // bytes of long values that may still be read: each page is in one
}

// What Berkeley DB fixes.
const (
	bdbMagic       = 0x061561
	bdbMeta        = 72 // bytes of the first page that are looked at
	bdbHead        = 26
	bdbHeadSummed  = 32 // with a checksum
	bdbMinPage     = 512
	bdbMaxPage     = 64 << 10
	bdbPageItems8  = 2
	bdbPageLong    = 7
	bdbPageFirst   = 8
	bdbPageItems   = 13
	bdbItemHere    = 1
	bdbItemLong    = 3
	bdbItemLongLen = 12
	bdbSummed      = 1 // a flag
)

// maxBdbPages is how many pages are looked at: 4 GB in most.
const maxBdbPages = 1 << 20

func openBdb(file io.ReaderAt) (*bdbHash, error) {
	var b [bdbMeta]byte
	if n, err := file.ReadAt(b[:], 0); n < len(b) {
		return nil, short(err)
	}
	d := &bdbHash{file: file, order: binary.LittleEndian, head: bdbHead}
	if d.order.Uint32(b[12:]) != bdbMagic {
		d.order = binary.BigEndian
	}
	d.size, d.last = int(d.order.Uint32(b[20:])), d.order.Uint32(b[32:])
	version := d.order.Uint32(b[16:])
	encrypted := b[24] != 0
	if b[26]&bdbSummed != 0 {
		d.head = bdbHeadSummed
	}
	switch {
	case d.order.Uint32(b[12:]) != bdbMagic, b[25] != bdbPageFirst, version < 5, version > 10, encrypted:
		return nil, hostfs.ErrMalformed
	case d.size < bdbMinPage, d.size > bdbMaxPage, d.size&(d.size-1) != 0:
		return nil, hostfs.ErrMalformed
	case d.last >= maxBdbPages:
		return nil, hostfs.ErrTooLarge
	}
	d.left = (int64(d.last) + 1) * int64(d.size)
	return d, nil
}

// short tells what kept a read from being whole: an error of the system, or
// that the file ends too early.
func short(err error) error {
	if err == nil || err == io.EOF {
		return hostfs.ErrMalformed
	}
	return err
}

// page reads a page into b, which has its size.
func (d *bdbHash) page(n uint32, b []byte) error {
	if n > d.last {
		return hostfs.ErrMalformed
	}
	if got, err := d.file.ReadAt(b, int64(n)*int64(d.size)); got < len(b) {
		return short(err)
	}
	return nil
}

// values calls yield for the value of each package.
func (d *bdbHash) values(yield func([]byte) error) error {
	b, long := make([]byte, d.size), make([]byte, d.size)
	for n := uint32(1); n <= d.last; n++ {
		if err := d.page(n, b); err != nil {
			return err
		}
		if b[25] != bdbPageItems && b[25] != bdbPageItems8 {
			continue
		}
		items, ok := d.items(b)
		if !ok || len(items)%2 != 0 {
			return hostfs.ErrMalformed
		}
		for ; len(items) > 0; items = items[2:] {
			key, value := items[0], items[1]
			switch {
			case len(key) != 5 || key[0] != bdbItemHere:
				return hostfs.ErrMalformed
			case d.order.Uint32(key[1:]) == 0:
				continue // the count
			}
			blob, err := d.value(value, long)
			if err == nil {
				err = yield(blob)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// items cuts a page into its items.
func (d *bdbHash) items(page []byte) ([][]byte, bool) {
	n := int(d.order.Uint16(page[20:]))
	places := page[d.head:]
	if 2*n > len(places) {
		return nil, false
	}
	items := make([][]byte, n)
	end := len(page)
	for i := range items {
		at := int(d.order.Uint16(places[2*i:]))
		if at < d.head+2*n || at >= end {
			return nil, false
		}
		items[i], end = page[at:end], at
	}
	return items, true
}

// value gives what an item holds, or the long value that it speaks of. That
// is read by the pages: what an item says of its length is believed only as
// far as they go.
func (d *bdbHash) value(item, page []byte) ([]byte, error) {
	if item[0] == bdbItemHere {
		return item[1:], nil
	}
	if item[0] != bdbItemLong || len(item) != bdbItemLongLen {
		return nil, hostfs.ErrMalformed
	}
	at, size := d.order.Uint32(item[4:]), int(d.order.Uint32(item[8:]))
	if size > maxBlob {
		return nil, hostfs.ErrTooLarge
	}
	var blob []byte
	for at != 0 {
		if d.left -= int64(d.size); d.left < 0 {
			return nil, hostfs.ErrMalformed
		}
		if err := d.page(at, page); err != nil {
			return nil, err
		}
		n := int(d.order.Uint16(page[22:]))
		if page[25] != bdbPageLong || d.head+n > len(page) || len(blob)+n > size {
			return nil, hostfs.ErrMalformed
		}
		blob = append(blob, page[d.head:d.head+n]...)
		at = d.order.Uint32(page[16:])
	}
	if len(blob) != size {
		return nil, hostfs.ErrMalformed
	}
	return blob, nil
}
