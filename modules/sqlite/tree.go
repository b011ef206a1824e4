package sqlite

import (
	"context"
	"encoding/binary"
	"math"
	"unicode/utf16"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// The kinds of pages of trees.
const (
	innerTable = 0x05
	leafTable  = 0x0d
	innerIndex = 0x02
	leafIndex  = 0x0a
)

// A walk goes through the tree of a table.
type walk struct {
	*DB
	ctx   context.Context
	table *Table
	yield func(*Row) error
	some  bool  // a row came,
	last  int64 // whose rowid this was
	rows  Row
}

// visit reads a page into the buffer of a level. A page is in a tree once.
func (w *walk) visit(n uint32, level int) ([]byte, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	if n > 0 && n <= w.pages {
		if bit := uint64(1) << (n % 64); w.seen[n/64]&bit != 0 {
			return nil, malformed("page %d is in a tree twice", n)
		}
		w.seen[n/64] |= 1 << (n % 64)
	}
	if w.pageOf[level] == nil {
		w.pageOf[level] = make([]byte, w.pageSize)
	}
	return w.pageOf[level], w.page(n, w.pageOf[level])
}

// tree gives the rows at and below a page, in order.
func (w *walk) tree(n uint32, level int) error {
	if level >= maxDepth {
		return malformed("a tree of more than %d levels", maxDepth)
	}
	p, err := w.visit(n, level)
	if err != nil {
		return err
	}
	at := 0
	if n == 1 {
		at = headSize
	}
	kind := p[at]
	inner := kind == innerTable || kind == innerIndex
	if index := kind == innerIndex || kind == leafIndex; !inner && kind != leafTable && kind != leafIndex || index == w.table.rowid {
		return malformed("page %d is of kind %#x", n, kind)
	}
	first := at + 8
	if inner {
		first += 4
	}
	end := first + 2*int(binary.BigEndian.Uint16(p[at+3:]))
	if end > w.usable {
		return malformed("page %d has more cells than fit it", n)
	}
	for ; first < end; first += 2 {
		cell := int(binary.BigEndian.Uint16(p[first:]))
		if cell < end || cell+4 > w.usable {
			return malformed("a cell at byte %d of page %d", cell, n)
		}
		body := p[cell:w.usable]
		if inner {
			if err := w.tree(binary.BigEndian.Uint32(body), level+1); err != nil {
				return err
			}
			if kind == innerTable {
				continue
			}
			body = body[4:]
		}
		if err := w.cell(n, body); err != nil {
			return err
		}
	}
	if inner {
		return w.tree(binary.BigEndian.Uint32(p[at+8:]), level+1)
	}
	return nil
}

// cell gives the row of a cell.
func (w *walk) cell(page uint32, cell []byte) error {
	size, n := varint(cell)
	if n == 0 {
		return malformed("a cell of page %d is cut short", page)
	}
	if size > maxRow {
		return hostfs.ErrTooLarge
	}
	cell = cell[n:]
	id := int64(0)
	if w.table.rowid {
		u, n := varint(cell)
		if n == 0 {
			return malformed("a cell of page %d is cut short", page)
		}
		id, cell = int64(u), cell[n:]
		if w.some && id <= w.last {
			return malformed("row %d comes after %d, on page %d", id, w.last, page)
		}
		w.some, w.last = true, id
	}
	row, err := w.whole(page, cell, int(size))
	if err != nil {
		return err
	}
	if w.fields, err = w.record(row, w.fields[:0]); err != nil {
		return err
	}
	w.rows.ID = id
	if w.rows.Values, err = w.table.values(w.rows.Values[:0], w.fields, id); err != nil {
		return err
	}
	return w.yield(&w.rows)
}

// whole puts a row together from its cell and the pages on which it goes on.
func (w *walk) whole(page uint32, cell []byte, size int) ([]byte, error) {
	local := w.local(size)
	if local > len(cell) || local < size && local+4 > len(cell) {
		return nil, malformed("a cell of page %d is cut short", page)
	}
	if local == size {
		return cell[:size], nil
	}
	w.row = append(w.row[:0], cell[:local]...)
	next := binary.BigEndian.Uint32(cell[local:])
	for len(w.row) < size {
		p, err := w.visit(next, maxDepth)
		if err != nil {
			return nil, err
		}
		next = binary.BigEndian.Uint32(p)
		w.row = append(w.row, p[4:min(w.usable, 4+size-len(w.row))]...)
	}
	return w.row, nil
}

// local is how much of a row stands in its cell.
func (w *walk) local(size int) int {
	most := w.usable - 35
	if !w.table.rowid {
		most = (w.usable-12)*64/255 - 23
	}
	if size <= most {
		return size
	}
	least := (w.usable-12)*32/255 - 23
	if n := least + (size-least)%(w.usable-4); n <= most {
		return n
	}
	return least
}

// Kind says what a value is.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Int
	Real
	Text
	Blob
)

// A Value is one of a row. It is valid until the next row.
type Value struct {
	Kind  Kind
	Int   int64
	Real  float64
	Bytes []byte // of a text, in UTF-8 if its file is right, and of a blob
}

// record adds the fields of a row.
func (d *DB) record(row []byte, fields []Value) ([]Value, error) {
	size, n := varint(row)
	if n == 0 || size > uint64(len(row)) || size < uint64(n) {
		return nil, malformed("a row whose head has %d bytes, and it %d", size, len(row))
	}
	head, body := row[n:size], row[size:]
	for len(head) > 0 {
		kind, n := varint(head)
		if n == 0 {
			return nil, malformed("a row whose head is cut short")
		}
		head = head[n:]
		size := fieldSize(kind)
		if size > uint64(len(body)) {
			return nil, malformed("a field of %d bytes where %d are left", size, len(body))
		}
		v, ok := d.field(kind, body[:size])
		if !ok {
			return nil, malformed("a field of kind %d", kind)
		}
		fields, body = append(fields, v), body[size:]
	}
	if len(body) > 0 {
		return nil, malformed("%d bytes behind the last field of a row", len(body))
	}
	return fields, nil
}

// fieldSize is how many bytes a field has.
func fieldSize(kind uint64) uint64 {
	if kind >= 12 {
		return (kind - 12) / 2
	}
	return uint64([...]uint8{0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0}[kind])
}

func (d *DB) field(kind uint64, b []byte) (Value, bool) {
	switch {
	case kind == 0:
		return Value{}, true
	case kind <= 6:
		n := int64(int8(b[0]))
		for _, c := range b[1:] {
			n = n<<8 | int64(c)
		}
		return Value{Kind: Int, Int: n}, true
	case kind == 7:
		r := math.Float64frombits(binary.BigEndian.Uint64(b))
		if math.IsNaN(r) {
			return Value{}, true // as SQLite has it
		}
		return Value{Kind: Real, Real: r}, true
	case kind <= 9:
		return Value{Kind: Int, Int: int64(kind) - 8}, true
	case kind < 12:
		return Value{}, false
	case kind&1 == 0:
		return Value{Kind: Blob, Bytes: b}, true
	case d.encoding == 2:
		b = utf8Of(b, binary.LittleEndian)
	case d.encoding == 3:
		b = utf8Of(b, binary.BigEndian)
	}
	return Value{Kind: Text, Bytes: b}, true
}

func utf8Of(b []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

// varint reads a number of seven bits a byte, the highest first, of which a
// ninth byte has eight. The length 0 says that there is none.
func varint(b []byte) (v uint64, n int) {
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
