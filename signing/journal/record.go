package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
)

// The kinds of records.
const (
	kindBegin  = 'B'
	kindRefuse = 'R'
	kindFinish = 'F'
	kindClock  = 'C'
	kindDeath  = 'D'
)

const (
	mark     = "\xfeQJ\xff"
	headSize = 13
	// maxBody is the largest body, in bytes. JSON writes a byte of text in at
	// most six: a query of maxText and all the rest of an Entry have room.
	maxBody = 640 << 10
)

type clock struct {
	At time.Time `json:"at"`
}

type finish struct {
	Plan signing.ID `json:"plan"`
	Finish
}

// A death is the end of a process that looked for a plan and was to live.
type death struct {
	Plan signing.ID `json:"plan"`
	At   time.Time  `json:"at"`
	Why  string     `json:"why"`
}

// A record has the one field set that its kind says.
type record struct {
	kind   byte
	entry  Entry // of 'B' and 'R'
	finish finish
	clock  clock
	death  death
}

// body gives the field that the kind says, for JSON to read or to write; nil
// for a kind that is not known.
func (r *record) body() any {
	switch r.kind {
	case kindBegin, kindRefuse:
		return &r.entry
	case kindFinish:
		return &r.finish
	case kindClock:
		return &r.clock
	case kindDeath:
		return &r.death
	}
	return nil
}

// encode makes the bytes of a record.
func encode(kind byte, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil || len(text) > maxBody {
		return nil, fmt.Errorf("journal: a record of %d bytes: %w", len(text), errors.Join(err, errBody))
	}
	b := append(make([]byte, 0, headSize+len(text)), mark...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = binary.BigEndian.AppendUint32(b, checksum(kind, text))
	return append(append(b, kind), text...), nil
}

var errBody = errors.New("it cannot be written")

func checksum(kind byte, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum([]byte{kind}, table), table, body)
}

// scan reads a log and gives its records to each, until that gives an error.
// Torn is the number of bytes in no whole record: after one that is damaged,
// reading goes on at the next mark.
func scan(r io.Reader, each func(rec *record) error) (torn int64, err error) {
	in := bufio.NewReaderSize(r, headSize+maxBody)
	for {
		b, err := peek(in)
		if err != nil {
			return torn, fmt.Errorf("journal: reading the log: %w", err)
		}
		if len(b) == 0 {
			return torn, nil
		}
		rec, n := decode(b)
		if rec == nil {
			torn += int64(skip(in, b))
			continue
		}
		if err := each(rec); err != nil {
			return torn, err
		}
		discard(in, n)
	}
}

// peek looks at as much as the next record may have. There is less only at the
// end of the log.
func peek(in *bufio.Reader) ([]byte, error) {
	b, err := in.Peek(headSize)
	if err == nil {
		if n := bodySize(b); n <= maxBody {
			b, err = in.Peek(headSize + n)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return b, err
}

func bodySize(head []byte) int { return int(binary.BigEndian.Uint32(head[len(mark):])) }

// decode reads the record that stands at the front of b, and says how long it
// is; nil if it is damaged, or its kind or body is none that is known.
func decode(b []byte) (*record, int) {
	if len(b) < headSize || !bytes.HasPrefix(b, []byte(mark)) {
		return nil, 0
	}
	n := headSize + bodySize(b)
	if n > len(b) || n > headSize+maxBody {
		return nil, 0
	}
	rec := &record{kind: b[headSize-1]}
	body := b[headSize:n]
	if binary.BigEndian.Uint32(b[8:]) != checksum(rec.kind, body) {
		return nil, 0
	}
	into := rec.body()
	if into == nil || json.Unmarshal(body, into) != nil {
		return nil, 0
	}
	return rec, n
}

// skip passes over a damaged record: at least one byte, up to the next mark or
// the end of what was looked at.
func skip(in *bufio.Reader, b []byte) int {
	n := len(b)
	if i := bytes.Index(b[1:], []byte(mark)); i >= 0 {
		n = i + 1
	} else if n > len(mark) {
		n -= len(mark) - 1 // a mark may have begun
	}
	discard(in, n)
	return n
}

// discard passes over bytes that were looked at, which cannot fail.
func discard(in *bufio.Reader, n int) {
	if _, err := in.Discard(n); err != nil {
		panic("journal: bytes that were seen are gone: " + err.Error())
	}
}
