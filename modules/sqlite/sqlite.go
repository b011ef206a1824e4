// Package sqlite reads the rows of SQLite databases.
//
// [Open] opens a file with the log beside it, [DB.Tables] says what is in it,
// [DB.Rows] gives the rows of a table, and [DB.Check], called at the end, says
// whether what was read was one state of the database. That is the whole of
// it: there is no SQL, and nothing is ever written, locked or recovered.
//
// It is not the library of that name, for two reasons: a database of a
// suspected host is not to be given to a program that was made to trust its
// files; and that library writes beside a file that another process has open.
// The package must not be used to answer questions that need an index: it
// reads tables from their beginning to their end, a page at a time, and holds
// no more than the pages on the way to a row.
//
// # The format
//
// Numbers are big endian. The file is of pages of one size, counted from 1. It
// begins with
//
//	 0  16 bytes  "SQLite format 3" and a zero
//	16   2        bytes of a page: a power of two from 512 to 32768; 1 for 65536
//	18   1, 1     versions for writing and reading: 1, or 2 with a log
//	20   1        bytes at the end of each page that are not used
//	21   3        64, 32, 32
//	24   4        how often it was changed
//	28   4        how many pages it has, if 92 has what 24 has
//	56   4        texts are: 1 UTF-8, 2 UTF-16 little endian, 3 big endian
//	92   4        the number at 24 when 28 was written
//
// A page of a tree begins, on the first page behind these 100 bytes, with
//
//	0   1         05 or 02 on the way, 0d or 0a at the leaves; 05 and 0d are
//	              of a table, 02 and 0a of one WITHOUT ROWID
//	3   2         how many cells it has
//	8   4         on the way: the page right of all cells
//	..  2 each    where each cell is, in the order of their keys
//
// and a cell is, of these, what its kind of page has:
//
//	4 bytes       the page left of it (05, 02)
//	varint        bytes of the row (0d, 0a, 02)
//	varint        the rowid (0d, 05)
//	the row       as much as is kept here (0d, 0a, 02)
//	4 bytes       the page on which it goes on, if it does
//
// A varint has seven bits a byte, the highest first; a ninth byte has eight. A
// page on which a row goes on begins with the number of the next one.
//
// A row is the length of its head, the kinds of its fields as varints, and the
// fields: 0 is null; 1 to 6 integers of 1, 2, 3, 4, 6 and 8 bytes; 7 a real;
// 8 and 9 are the numbers 0 and 1; an even kind n from 12 is a blob of
// (n-12)/2 bytes, an odd one a text of (n-13)/2.
//
// The table at page 1 lists the others: type, name, tbl_name, rootpage, and
// sql, the statement that made it, which says what the columns are. A column
// that is INTEGER PRIMARY KEY is the rowid. A row that was written before a
// column was added ends early, and has its default. WITHOUT ROWID, the
// columns of the key come first.
//
// The log, a file of the same name with -wal, has newer forms of pages:
//
//	 0   4        377f0682, or 83 where the checksums are big endian
//	 4   4        3007000
//	 8   4        bytes of a page
//	16   8        salts, other ones each time that the log begins anew
//	24   8        the checksum of what stands before
//
// and for each page 24 bytes and the page:
//
//	 0   4        its number
//	 4   4        of the last page of a commit: how many pages there are
//	 8   8        the salts
//	16   8        the checksum of the head, and of all so far
//
// What comes behind the last commit whose salts and checksums hold is of a
// transaction that is not over, or old.
package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// Bounds of a database.
const (
	maxPages  = 1 << 26  // of which a bit each is kept: 8 MB
	maxFrames = 1 << 21  // of a log, of which 16 bytes each are kept
	maxDepth  = 24       // levels of a tree; a page has two below it at least
	maxRow    = 64 << 20 // bytes of a row; one of rpm for a package of 100,000 files has 16 MB
	maxTables = 1 << 14

	maxAllColumns = 1 << 18 // of all tables: 30 MB

	headSize = 100 // bytes before the content of the first page
)

var (
	// ErrChanged says that the database changed while it was read, so that
	// rows may be of different moments.
	ErrChanged = errors.New("it changed while it was read")
	// ErrUnfinished says that somebody was in the middle of a change, now or
	// before he crashed, which cannot be taken back here.
	ErrUnfinished = errors.New("a transaction was not finished, and its journal cannot be read")
)

// A DB is a database that is being read, by one goroutine.
type DB struct {
	files    files
	file     io.ReaderAt
	pageSize int
	usable   int    // of a page, in bytes
	pages    uint32 // how many there are
	encoding uint32
	log      *log
	journal  *journal
	head     [headSize]byte
	tables   []*Table

	pageOf [maxDepth + 1][]byte // of each level, and of a row that goes on
	seen   []uint64             // a bit for each page of the tree that is being read
	row    []byte
	fields []Value
}

// begin reads the heads and the list of tables.
func (d *DB) begin(s source) error {
	if s.size == 0 {
		return nil // the log beside it, if any, is of a database that is gone
	}
	d.file = s.file
	if err := readFull(s.file, d.head[:], 0); err != nil {
		return err
	}
	if err := d.readHead(d.head[:]); err != nil {
		return err
	}
	pages := s.size / int64(d.pageSize)
	var err error
	if s.log != nil {
		if d.log, err = readLog(s.log, s.logSize, d.pageSize); err != nil {
			return fmt.Errorf("the log: %w", err)
		}
	}
	if s.journal != nil {
		if d.journal, err = readJournal(s.journal, s.journalSize, d.pageSize); err != nil {
			return err
		}
	}
	switch {
	case d.log != nil && d.log.pages > 0:
		pages = int64(d.log.pages)
	case d.journal != nil && d.journal.pages == 0:
		return nil // it was not made yet
	case d.journal != nil:
		pages = int64(d.journal.pages)
	}
	if pages > maxPages {
		return hostfs.ErrTooLarge
	}
	d.pages = uint32(pages)
	first := make([]byte, d.pageSize)
	if err := d.page(1, first); err != nil {
		return err
	}
	if err := d.readHead(first[:headSize]); err != nil {
		return err
	}
	said := binary.BigEndian.Uint32(first[28:])
	if (d.log == nil || d.log.pages == 0) && d.journal == nil && said > 0 && bytes.Equal(first[24:28], first[92:96]) {
		if said > maxPages {
			return hostfs.ErrTooLarge
		}
		d.pages = said // what is behind is left over; what is missing will be missed
	}
	return d.readTables()
}

// readHead takes what the head of the first page says, and refuses what
// SQLite would.
func (d *DB) readHead(head []byte) error {
	if string(head[:16]) != "SQLite format 3\x00" {
		return malformed("it does not begin as a database does")
	}
	size := int(binary.BigEndian.Uint16(head[16:]))
	if size == 1 {
		size = 64 << 10
	}
	if d.pageSize != 0 && size != d.pageSize {
		return malformed("pages of %d and of %d bytes", d.pageSize, size)
	}
	d.pageSize, d.usable = size, size-int(head[20])
	if size < 512 || size&(size-1) != 0 || d.usable < 480 || string(head[21:24]) != "\x40\x20\x20" {
		return malformed("pages of %d bytes, of which %d are used", size, d.usable)
	}
	if head[19] > 2 {
		return fmt.Errorf("version %d of the format: %w", head[19], errors.ErrUnsupported)
	}
	if d.encoding = binary.BigEndian.Uint32(head[56:]); d.encoding > 3 {
		return malformed("an encoding %d", d.encoding)
	}
	return nil
}

// readFull reads what must be there.
func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		return malformed("it ends before byte %d", at+int64(len(p)))
	}
	return err
}

// page reads a page; the first has the number 1.
func (d *DB) page(n uint32, p []byte) error {
	if n == 0 || n > d.pages {
		return malformed("page %d of %d", n, d.pages)
	}
	if d.log != nil {
		if at, ok := d.log.at[n]; ok {
			return readFull(d.log.file, p, at)
		}
	}
	if d.journal != nil {
		if at, ok := d.journal.at[n]; ok {
			return readFull(d.journal.file, p, at)
		}
	}
	return readFull(d.file, p, int64(n-1)*int64(d.pageSize))
}

// Rows calls yield for each row of a table, in the order in which they stand,
// up to where something is malformed. An error of yield is returned as it is.
func (d *DB) Rows(ctx context.Context, t *Table, yield func(*Row) error) error {
	if t.err != nil {
		return t.err
	}
	d.seen = make([]uint64, d.pages/64+1)
	w := walk{DB: d, ctx: ctx, table: t, yield: yield}
	return w.tree(t.root, 0)
}

// malformed says what is wrong and where.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{hostfs.ErrMalformed}, args...)...)
}
