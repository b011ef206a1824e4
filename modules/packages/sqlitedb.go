package packages

import (
	"encoding/binary"
	"io"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// A sqliteDB reads the rows of a table of a SQLite database: what rpm keeps
// its headers in, and no more of the format than that needs. It is not the
// library of that name, since a database of a suspected host is not to be
// given to a program that was made to trust its files; nor does that read
// what another process has open without writing beside it.
//
// The file is of pages. A table is a tree of them, of which the leaves hold
// rows; what does not fit goes on in a chain of further pages. A log beside
// the file has newer forms of pages.
type sqliteDB struct {
	file     io.ReaderAt
	pageSize int
	usable   int // of a page, in bytes
	pages    int
	log      map[uint32][]byte // newer pages
	left     int               // pages that may still be read: each is once in a tree
}

// Bounds of what is read of a database.
const (
	maxSqliteDepth = 24       // levels of a tree
	maxSqlitePages = 1 << 20  // pages of a database: 4 GB in most
	maxBlob        = 64 << 20 // bytes of a row; a package of 100,000 files has 16 MB
	sqliteHead     = 100      // bytes before the content of the first page
)

// openSqlite reads the head of a database and the log beside it, which may be
// nil.
func openSqlite(file io.ReaderAt, size int64, log []byte) (*sqliteDB, error) {
	var head [sqliteHead]byte
	if n, _ := file.ReadAt(head[:], 0); n < len(head) || string(head[:16]) != "SQLite format 3\x00" {
		return nil, hostfs.ErrMalformed
	}
	d := &sqliteDB{file: file, pageSize: int(binary.BigEndian.Uint16(head[16:]))}
	if d.pageSize == 1 {
		d.pageSize = 64 << 10
	}
	d.usable = d.pageSize - int(head[20])
	if d.pageSize < 512 || d.pageSize&(d.pageSize-1) != 0 || d.usable < 480 {
		return nil, hostfs.ErrMalformed
	}
	d.log = sqliteLog(log, d.pageSize)
	if size/int64(d.pageSize) > maxSqlitePages {
		return nil, hostfs.ErrTooLarge
	}
	d.pages = int(size/int64(d.pageSize)) + len(d.log)
	return d, nil
}

// page reads a page; the first has the number 1.
func (d *sqliteDB) page(n uint32) ([]byte, error) {
	if d.left--; n == 0 || d.left < 0 {
		return nil, hostfs.ErrMalformed
	}
	if p, ok := d.log[n]; ok {
		return p, nil
	}
	p := make([]byte, d.pageSize)
	if got, err := d.file.ReadAt(p, int64(n-1)*int64(d.pageSize)); got < len(p) {
		if err == io.EOF {
			err = hostfs.ErrMalformed
		}
		return nil, err
	}
	return p, nil
}

// blobs calls yield for the second column of each row of a table.
func (d *sqliteDB) blobs(table string, yield func([]byte) error) error {
	root := int64(0)
	d.left = d.pages
	err := d.tree(1, maxSqliteDepth, func(row []byte) error {
		if f, ok := sqliteRecord(row, 4); ok && string(f[0].bytes) == "table" && string(f[1].bytes) == table {
			root = f[3].number
		}
		return nil
	})
	if err != nil {
		return err
	}
	if root <= 1 || root > int64(d.pages) {
		return hostfs.ErrMalformed
	}
	d.left = d.pages
	return d.tree(uint32(root), maxSqliteDepth, func(row []byte) error {
		f, ok := sqliteRecord(row, 2)
		if !ok {
			return hostfs.ErrMalformed
		}
		return yield(f[1].bytes)
	})
}

// The kinds of pages of a table's tree.
const (
	sqliteInner = 0x05
	sqliteLeaf  = 0x0d
)

// tree calls yield for each row below a page.
func (d *sqliteDB) tree(n uint32, depth int, yield func(row []byte) error) error {
	p, err := d.page(n)
	if err != nil {
		return err
	}
	at := 0
	if n == 1 {
		at = sqliteHead
	}
	kind := p[at]
	headLen := map[byte]int{sqliteInner: 12, sqliteLeaf: 8}[kind]
	cells := int(binary.BigEndian.Uint16(p[at+3:]))
	first := at + headLen
	if headLen == 0 || depth == 0 || first+2*cells > len(p) {
		return hostfs.ErrMalformed
	}
	for i := range cells {
		cell := int(binary.BigEndian.Uint16(p[first+2*i:]))
		if cell+4 > d.usable {
			return hostfs.ErrMalformed
		}
		if kind == sqliteInner {
			err = d.tree(binary.BigEndian.Uint32(p[cell:]), depth-1, yield)
		} else {
			err = d.leaf(p[cell:d.usable], yield)
		}
		if err != nil {
			return err
		}
	}
	if kind == sqliteInner {
		return d.tree(binary.BigEndian.Uint32(p[at+8:]), depth-1, yield)
	}
	return nil
}

// leaf puts a row together from its cell and the pages on which it goes on.
func (d *sqliteDB) leaf(cell []byte, yield func(row []byte) error) error {
	size, n := sqliteVarint(cell)
	_, m := sqliteVarint(cell[n:])
	if n == 0 || m == 0 || size > maxBlob {
		return hostfs.ErrMalformed
	}
	cell = cell[n+m:]
	local := d.local(int(size))
	if local == int(size) && local <= len(cell) {
		return yield(cell[:local])
	}
	if local+4 > len(cell) {
		return hostfs.ErrMalformed
	}
	row := append([]byte(nil), cell[:local]...)
	next := binary.BigEndian.Uint32(cell[local:])
	for len(row) < int(size) {
		p, err := d.page(next)
		if err != nil {
			return err
		}
		next = binary.BigEndian.Uint32(p)
		row = append(row, p[4:min(d.usable, 4+int(size)-len(row))]...)
	}
	return yield(row)
}

// local is how much of a row stands in its cell.
func (d *sqliteDB) local(size int) int {
	most := d.usable - 35
	if size <= most {
		return size
	}
	least := (d.usable-12)*32/255 - 23
	if n := least + (size-least)%(d.usable-4); n <= most {
		return n
	}
	return least
}

// A sqliteField is a column of a row: a number, or the bytes of a text or blob.
type sqliteField struct {
	number int64
	bytes  []byte
}

// sqliteRecord reads the first columns of a row.
func sqliteRecord(row []byte, columns int) ([]sqliteField, bool) {
	headLen, n := sqliteVarint(row)
	if n == 0 || headLen > uint64(len(row)) || headLen < uint64(n) {
		return nil, false
	}
	head, body := row[n:headLen], row[headLen:]
	fields := make([]sqliteField, columns)
	for i := range fields {
		kind, n := sqliteVarint(head)
		if n == 0 {
			return nil, false
		}
		head = head[n:]
		size := uint64(0)
		switch {
		case kind >= 12:
			size = (kind - 12) / 2
		case kind <= 4:
			size = kind
		case kind == 5:
			size = 6
		case kind <= 7:
			size = 8
		}
		if size > uint64(len(body)) {
			return nil, false
		}
		if fields[i].bytes = body[:size]; kind < 7 {
			for _, b := range body[:size] {
				fields[i].number = fields[i].number<<8 | int64(b)
			}
		}
		if kind == 9 {
			fields[i].number = 1
		}
		body = body[size:]
	}
	return fields, true
}

// sqliteVarint reads a number of seven bits a byte, the highest first, of
// which a ninth byte has eight. The length 0 says that there is none.
func sqliteVarint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 9 {
		c := b[n]
		n++
		if n == 9 {
			return v<<8 | uint64(c), n
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, n
		}
	}
	return 0, 0
}

// Parts of a write-ahead log, in bytes.
const (
	sqliteLogHead   = 32
	sqliteFrameHead = 24
)

// sqliteLog gives the pages that a write-ahead log has, as of its last
// commit: frames of a page each, which count as long as their salts are those
// of the head and the checksum goes on.
func sqliteLog(log []byte, pageSize int) map[uint32][]byte {
	if len(log) < sqliteLogHead || binary.BigEndian.Uint32(log)&^1 != 0x377f0682 || int(binary.BigEndian.Uint32(log[8:])) != pageSize {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if log[3]&1 == 1 {
		order = binary.BigEndian
	}
	sum := sqliteSum([2]uint32{}, log[:24], order)
	pages, pending := map[uint32][]byte{}, map[uint32][]byte{}
	if sum != [2]uint32{binary.BigEndian.Uint32(log[24:]), binary.BigEndian.Uint32(log[28:])} {
		return nil
	}
	for rest := log[sqliteLogHead:]; len(rest) >= sqliteFrameHead+pageSize; rest = rest[sqliteFrameHead+pageSize:] {
		page := rest[sqliteFrameHead : sqliteFrameHead+pageSize]
		sum = sqliteSum(sqliteSum(sum, rest[:8], order), page, order)
		if string(rest[8:16]) != string(log[16:24]) ||
			sum != [2]uint32{binary.BigEndian.Uint32(rest[16:]), binary.BigEndian.Uint32(rest[20:])} {
			break
		}
		pending[binary.BigEndian.Uint32(rest)] = page
		if binary.BigEndian.Uint32(rest[4:]) != 0 { // a commit
			for n, p := range pending {
				pages[n] = p
			}
			clear(pending)
		}
	}
	return pages
}

// sqliteSum goes on with the checksum of a log.
func sqliteSum(s [2]uint32, b []byte, order binary.ByteOrder) [2]uint32 {
	for ; len(b) >= 8; b = b[8:] {
		s[0] += order.Uint32(b) + s[1]
		s[1] += order.Uint32(b[4:]) + s[0]
	}
	return s
}
