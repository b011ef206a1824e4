package sqlite

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// A journal is what a transaction that was not finished would take back: for
// each page that it may have changed, what stood there before. As long as it
// begins with its magic, and not with zeros, it counts. Its parts each begin
// with, in a sector of their own,
//
//	 0   8        d9d505f920a163d7
//	 8   4        how many pages follow: 0 until they are on the disk, before
//	              which none is changed; ffffffff where nobody waits for it
//	12   4        what checksums begin with
//	16   4        how many pages the database had
//	20   4        bytes of a sector
//	24   4        bytes of a page
//
// and for each page follow its number, the page, and the checksum: the sum of
// each 200th byte from the end of the page. A name at the end, behind which
// the magic stands again, is of a file that says whether a transaction over
// several databases was finished.
type journal struct {
	file  io.ReaderAt
	at    map[uint32]int64 // where a page is
	pages uint32           // of the database before
}

const (
	journalMagic = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
	journalHead  = 28
)

// readJournal reads a journal of a database with such pages. It is nil where it
// does not count.
func readJournal(file io.ReaderAt, size int64, pageSize int) (*journal, error) {
	var head [journalHead]byte
	if size < journalHead {
		return nil, nil
	}
	if err := readFull(file, head[:], 0); err != nil || string(head[:8]) != journalMagic {
		return nil, err
	}
	var tail [8]byte
	if err := readFull(file, tail[:], size-8); err != nil || string(tail[:]) == journalMagic {
		return nil, errors.Join(err, ErrUnfinished) // another file decides
	}
	j := &journal{file: file, at: map[uint32]int64{}, pages: binary.BigEndian.Uint32(head[16:])}
	record := make([]byte, 4+pageSize+4)
	for at := int64(0); at+journalHead <= size; {
		if err := readFull(file, head[:], at); err != nil {
			return nil, err
		}
		count, sum := int64(binary.BigEndian.Uint32(head[8:])), binary.BigEndian.Uint32(head[12:])
		sector, page := int64(binary.BigEndian.Uint32(head[20:])), int(binary.BigEndian.Uint32(head[24:]))
		if string(head[:8]) != journalMagic {
			break
		}
		if sector < 32 || sector > 64<<10 || sector&(sector-1) != 0 || page != pageSize && page != 0 {
			return nil, ErrUnfinished
		}
		at += sector
		if left := (size - at) / int64(len(record)); count > left {
			count = max(left, 0)
		}
		for range count {
			if err := readFull(file, record, at); err != nil {
				return nil, err
			}
			n := binary.BigEndian.Uint32(record)
			if n == 0 || journalSum(sum, record[4:4+pageSize]) != binary.BigEndian.Uint32(record[4+pageSize:]) {
				return j, nil // of what was not on the disk yet nothing was changed
			}
			if _, ok := j.at[n]; !ok && n <= j.pages {
				j.at[n] = at + 4
			}
			if at += int64(len(record)); len(j.at) > maxFrames {
				return nil, hostfs.ErrTooLarge
			}
		}
		at = (at + sector - 1) / sector * sector
	}
	return j, nil
}

func journalSum(sum uint32, page []byte) uint32 {
	for i := len(page) - 200; i > 0; i -= 200 {
		sum += uint32(page[i])
	}
	return sum
}
