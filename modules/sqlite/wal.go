package sqlite

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// Parts of a log, in bytes.
const (
	logHead   = 32
	frameHead = 24
)

// A log is what counts of a write-ahead log.
type log struct {
	file  io.ReaderAt
	head  [logHead]byte
	at    map[uint32]int64 // where the newest form of a page is
	pages uint32           // of the database as of the last commit; 0 for none
	end   int64            // of the frames that hold, in bytes
	sum   [2]uint32        // up to there
	order binary.ByteOrder
}

// readLog reads a log of a database with such pages. It is nil where its head
// is not whole, as while it is being made: then nothing in it counts.
func readLog(file io.ReaderAt, size int64, pageSize int) (*log, error) {
	l := &log{file: file, at: map[uint32]int64{}, end: logHead, order: binary.LittleEndian}
	if size < logHead {
		return nil, nil
	}
	if err := readFull(file, l.head[:], 0); err != nil {
		return nil, err
	}
	magic := binary.BigEndian.Uint32(l.head[:])
	if magic&1 == 1 {
		l.order = binary.BigEndian
	}
	l.sum = checksum([2]uint32{}, l.head[:24], l.order)
	switch version := binary.BigEndian.Uint32(l.head[4:]); {
	case magic&^1 != 0x377f0682 || l.sum != sumAt(l.head[24:]):
		return nil, nil
	case version != 3007000:
		return nil, fmt.Errorf("version %d: %w", version, errors.ErrUnsupported)
	case int(binary.BigEndian.Uint32(l.head[8:])) != pageSize:
		return nil, malformed("pages of %d bytes, and the database has %d", binary.BigEndian.Uint32(l.head[8:]), pageSize)
	case size/int64(pageSize) > maxFrames:
		return nil, hostfs.ErrTooLarge
	}
	return l, l.frames(size, pageSize, func(page uint32, at int64) { l.at[page] = at })
}

// frames goes on through the frames that hold, and gives those of commits.
func (l *log) frames(size int64, pageSize int, yield func(page uint32, at int64)) error {
	r := bufio.NewReaderSize(io.NewSectionReader(l.file, l.end, max(0, size-l.end)), 256<<10)
	frame := make([]byte, frameHead+pageSize)
	type place struct {
		page uint32
		at   int64
	}
	var pending []place
	sum := l.sum
	for at := l.end; ; at += int64(len(frame)) {
		if _, err := io.ReadFull(r, frame); err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		} else if err != nil {
			return err
		}
		sum = checksum(checksum(sum, frame[:8], l.order), frame[frameHead:], l.order)
		page := binary.BigEndian.Uint32(frame)
		if string(frame[8:16]) != string(l.head[16:24]) || sum != sumAt(frame[16:]) || page == 0 {
			return nil
		}
		if pending = append(pending, place{page, at + frameHead}); len(pending) > maxFrames {
			return hostfs.ErrTooLarge
		}
		if pages := binary.BigEndian.Uint32(frame[4:]); pages != 0 {
			for _, p := range pending {
				yield(p.page, p.at)
			}
			pending = pending[:0]
			l.pages, l.end, l.sum = pages, at+int64(len(frame)), sum
		}
	}
}

// same says whether the log is still the one that was read, and whether there
// were commits since.
func (l *log) same() (same, commits bool) {
	if l == nil {
		return true, false
	}
	var head [logHead]byte
	if readFull(l.file, head[:], 0) != nil || head != l.head {
		return false, false
	}
	err := l.frames(1<<62, int(binary.BigEndian.Uint32(head[8:])), func(uint32, int64) { commits = true })
	return err == nil, commits
}

// checksum goes on with the checksum of a log.
func checksum(s [2]uint32, b []byte, order binary.ByteOrder) [2]uint32 {
	for ; len(b) >= 8; b = b[8:] {
		s[0] += order.Uint32(b) + s[1]
		s[1] += order.Uint32(b[4:]) + s[0]
	}
	return s
}

func sumAt(b []byte) [2]uint32 {
	return [2]uint32{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
}
