package records

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// A journal is a file of systemd-journald, as JOURNAL_FILE_FORMAT of systemd
// describes it: objects that point to each other, of which chained arrays
// list the entries in the order in which they were written. Numbers have the
// small end first. A file that is being written may be read.
type journal struct {
	r       *blocks
	compact bool
	first   uint64 // the first array of entries
	fields  map[uint64]field
	zstd    *zstd.Decoder
}

// A field is a part of an entry: MESSAGE=….
type field struct{ name, value string }

// journalMagic begins each such file.
const journalMagic = "LPKSHHRH"

// What the format fixes: kinds of objects, their heads, flags.
const (
	journalHead = 208 // bytes of the header of the oldest version

	objectHead  = 16
	objectData  = 1
	objectEntry = 3
	objectArray = 6

	dataHead        = 64
	dataHeadCompact = 72
	entryHead       = 64
	arrayHead       = 24

	compressedXZ   = 1
	compressedLZ4  = 2
	compressedZSTD = 4

	fileXZ, fileLZ4, fileKeyed, fileZSTD, fileCompact = 1, 2, 4, 8, 16
)

// Bounds of a journal.
const (
	maxJournal  = 4 << 30  // bytes of a file; journald makes none over 128 MiB unless it is told to
	maxObject   = 64 << 20 // bytes of an object
	maxField    = 1 << 20  // bytes of a field that is decompressed
	maxFields   = 1024     // of one entry
	maxRemember = 1 << 14  // fields that are kept, since entries share them
	longField   = 256      // bytes from which a field is not kept
)

// openJournal reads the header of a file.
func openJournal(r io.ReaderAt, size int64) (*journal, error) {
	if size > maxJournal {
		return nil, hostfs.ErrTooLarge
	}
	j := &journal{r: &blocks{r: r, size: uint64(size), kept: map[uint64][]byte{}}, fields: map[uint64]field{}}
	head, err := j.r.bytes(0, journalHead)
	if err != nil {
		return nil, err
	}
	flags := binary.LittleEndian.Uint32(head[12:])
	if string(head[:8]) != journalMagic {
		return nil, hostfs.ErrMalformed
	}
	if flags&^uint32(fileXZ|fileLZ4|fileKeyed|fileZSTD|fileCompact) != 0 {
		return nil, fmt.Errorf("a newer form of journal: %w", errors.ErrUnsupported)
	}
	j.compact, j.first = flags&fileCompact != 0, binary.LittleEndian.Uint64(head[176:])
	return j, nil
}

func (j *journal) close() {
	if j.zstd != nil {
		j.zstd.Close()
	}
}

// object gives the kind, the flags and the size of what stands at an offset.
func (j *journal) object(at uint64) (kind, flags byte, size uint64, err error) {
	if at%8 != 0 || at < journalHead {
		return 0, 0, 0, hostfs.ErrMalformed
	}
	b, err := j.r.bytes(at, objectHead)
	if err != nil {
		return 0, 0, 0, err
	}
	size = binary.LittleEndian.Uint64(b[8:])
	if size < objectHead || size > maxObject || size > j.r.size-at {
		return 0, 0, 0, hostfs.ErrMalformed
	}
	return b[0], b[1], size, nil
}

// entries calls yield for each entry. An array that is not of the file's
// format ends it, and an entry that is not is told of and left out.
func (j *journal) entries(yield func(n int64, e *event) error, bad func(n int64, err error)) error {
	n := int64(0)
	for at := j.first; at != 0; {
		kind, _, size, err := j.object(at)
		if err == nil && (kind != objectArray || size < arrayHead) {
			err = hostfs.ErrMalformed
		}
		if err != nil {
			return err
		}
		items, err := j.r.copy(at+objectHead, size-objectHead)
		if err != nil {
			return err
		}
		next := binary.LittleEndian.Uint64(items)
		for items = items[8:]; len(items) >= j.width(); items = items[j.width():] {
			to := j.offset(items)
			if to == 0 {
				return nil // the rest is for entries to come
			}
			n++
			e, err := j.entry(to)
			if err != nil {
				bad(n, err)
				continue
			}
			if err := yield(n, e); err != nil {
				return err
			}
		}
		if next != 0 && next <= at {
			return hostfs.ErrMalformed // arrays are written one behind the other
		}
		at = next
	}
	return nil
}

// width is that of an offset in a list.
func (j *journal) width() int {
	if j.compact {
		return 4
	}
	return 8
}

func (j *journal) offset(b []byte) uint64 {
	if j.compact {
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// entry reads an entry with the fields that rows have columns for.
func (j *journal) entry(at uint64) (*event, error) {
	kind, _, size, err := j.object(at)
	if err == nil && (kind != objectEntry || size < entryHead) {
		err = hostfs.ErrMalformed
	}
	if err != nil {
		return nil, err
	}
	b, err := j.r.copy(at, size)
	if err != nil {
		return nil, err
	}
	e := &event{priority: -1, written: "journal", time: time.UnixMicro(int64(binary.LittleEndian.Uint64(b[24:])))}
	width := j.width()
	if !j.compact {
		width = 16 // a hash stands behind each offset
	}
	fields := map[string]string{}
	for items := b[entryHead:]; len(items) >= width && len(fields) < maxFields; items = items[width:] {
		to := j.offset(items)
		if to == 0 {
			continue
		}
		f, err := j.field(to)
		if err != nil {
			return nil, err
		}
		if _, ok := fields[f.name]; !ok {
			fields[f.name] = f.value
		}
	}
	e.fill(fields)
	return e, nil
}

// fill takes the columns from the fields of an entry. What journald found out
// itself begins with _ and counts more than what the program said.
func (e *event) fill(fields map[string]string) {
	first := func(names ...string) string {
		for _, name := range names {
			if v := fields[name]; v != "" {
				return v
			}
		}
		return ""
	}
	e.host, e.message = fields["_HOSTNAME"], fields["MESSAGE"]
	e.program = first("SYSLOG_IDENTIFIER", "_COMM")
	e.unit = first("_SYSTEMD_UNIT", "UNIT", "_SYSTEMD_USER_UNIT", "USER_UNIT")
	e.process, _ = strconv.ParseInt(first("_PID", "SYSLOG_PID"), 10, 32)
	if n, err := strconv.ParseUint(fields["PRIORITY"], 10, 3); err == nil {
		e.priority = int64(n)
	}
}

// field reads a data object. Those that are no more than a few bytes are
// kept, since most entries of a file share them.
func (j *journal) field(at uint64) (field, error) {
	if f, ok := j.fields[at]; ok {
		return f, nil
	}
	kind, flags, size, err := j.object(at)
	head := uint64(dataHead)
	if j.compact {
		head = dataHeadCompact
	}
	if err == nil && (kind != objectData || size < head) {
		err = hostfs.ErrMalformed
	}
	if err != nil {
		return field{}, err
	}
	b, err := j.r.copy(at+head, size-head)
	if err == nil {
		b, err = j.plain(b, flags)
	}
	if err != nil {
		return field{}, err
	}
	name, value, ok := strings.Cut(string(b), "=")
	if !ok {
		return field{}, hostfs.ErrMalformed
	}
	f := field{name, value}
	if len(b) < longField && len(j.fields) < maxRemember {
		j.fields[at] = f
	}
	return f, nil
}

// plain decompresses a field.
func (j *journal) plain(b []byte, flags byte) ([]byte, error) {
	switch flags & (compressedXZ | compressedLZ4 | compressedZSTD) {
	case 0:
		return b, nil
	case compressedZSTD:
		if j.zstd == nil {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxField))
			if err != nil {
				return nil, err
			}
			j.zstd = d
		}
		b, err := j.zstd.DecodeAll(b, nil)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", hostfs.ErrMalformed, err)
		}
		return b, nil
	case compressedXZ:
		r, err := xz.ReaderConfig{DictCap: maxField, SingleStream: true}.NewReader(bytes.NewReader(b))
		if err == nil {
			b, err = io.ReadAll(io.LimitReader(r, maxField))
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", hostfs.ErrMalformed, err)
		}
		return b, nil
	case compressedLZ4:
		return unpackLZ4(b)
	}
	return nil, hostfs.ErrMalformed // in two ways at once
}

// blocks reads a file in pieces, of which it keeps a few: objects are small
// and lie close together.
type blocks struct {
	r    io.ReaderAt
	size uint64
	kept map[uint64][]byte
}

const (
	blockBytes = 64 << 10
	maxBlocks  = 64
)

// block gives the piece with a number; the last one is shorter.
func (b *blocks) block(i uint64) ([]byte, error) {
	if p, ok := b.kept[i]; ok {
		return p, nil
	}
	if len(b.kept) >= maxBlocks {
		clear(b.kept)
	}
	p := make([]byte, min(blockBytes, b.size-i*blockBytes))
	if n, err := b.r.ReadAt(p, int64(i*blockBytes)); n < len(p) {
		if err == nil || err == io.EOF {
			err = hostfs.ErrMalformed // it was cut meanwhile
		}
		return nil, err
	}
	b.kept[i] = p
	return p, nil
}

// bytes gives a part of the file, which must not be changed.
func (b *blocks) bytes(at, n uint64) ([]byte, error) {
	if at > b.size || n > b.size-at {
		return nil, hostfs.ErrMalformed
	}
	p, err := b.block(at / blockBytes)
	if err != nil {
		return nil, err
	}
	if from := at % blockBytes; from+n <= uint64(len(p)) {
		return p[from : from+n], nil
	}
	return b.copy(at, n)
}

// copy gives a part of the file for good.
func (b *blocks) copy(at, n uint64) ([]byte, error) {
	if at > b.size || n > b.size-at {
		return nil, hostfs.ErrMalformed
	}
	out := make([]byte, 0, n)
	for uint64(len(out)) < n {
		p, err := b.block(at / blockBytes)
		if err != nil {
			return nil, err
		}
		p = p[at%blockBytes:]
		p = p[:min(uint64(len(p)), n-uint64(len(out)))]
		out = append(out, p...)
		at += uint64(len(p))
	}
	return out, nil
}
