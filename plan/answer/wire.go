package answer

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/quaestor-engine/quaestor/value"
)

// The wire form of an answer, version 1: records, one after the other.
//
//	row       byte 1, the table as zig-zag varint (-1: a host without rows),
//	          the number of its values as varint, each as value.AppendBinary
//	summary   byte 2, its length in bytes as varint, the Summary as JSON
//
// Rows are binary, since there are many; there is one summary, and what it
// says may grow.
const (
	recordRow     = 1
	recordSummary = 2
)

// Bounds of an answer that comes from elsewhere.
const (
	maxColumns = 4096      // of a row: a query names each of them
	maxTables  = 1024      // of a plan
	MaxSummary = 512 << 10 // bytes: skips named one by one, each a path
)

// ErrMalformed says that bytes are no answer.
var ErrMalformed = errors.New("answer: malformed")

// AppendRow appends a row of a table to dst.
func AppendRow(dst []byte, table int, values []value.Value) []byte {
	dst = binary.AppendVarint(append(dst, recordRow), int64(table))
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	for _, v := range values {
		dst = value.AppendBinary(dst, v)
	}
	return dst
}

// AppendSummary appends the account of an answer to dst. Where the skips that
// it names are too long to be sent, fewer are named; all stay counted.
func AppendSummary(dst []byte, s Summary) []byte {
	text, err := json.Marshal(s)
	for err == nil && len(text) > MaxSummary {
		most := 0
		for i, skip := range s.Skipped {
			s.Skipped[i].First = skip.First[:len(skip.First)/2]
			most = max(most, len(s.Skipped[i].First))
		}
		if most == 0 {
			s.Reason = s.Reason[:min(len(s.Reason), 1000)]
		}
		if text, err = json.Marshal(s); most == 0 {
			break
		}
	}
	if err != nil {
		panic("answer: a summary that JSON cannot hold: " + err.Error())
	}
	dst = binary.AppendUvarint(append(dst, recordSummary), uint64(len(text)))
	return append(dst, text...)
}

// Decode reads records and hands each to row or summary, whose errors end it.
// The values of a row share b's memory and each other's slice: who keeps them
// clones them. Other errors wrap ErrMalformed.
func Decode(b []byte, row func(table int, values []value.Value) error, summary func(Summary) error) error {
	var values []value.Value
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		var err error
		switch kind {
		case recordRow:
			var table int
			if table, values, b, err = decodeRow(b, values[:0]); err == nil {
				err = row(table, values)
			}
		case recordSummary:
			var s Summary
			if s, b, err = decodeSummary(b); err == nil {
				err = summary(s)
			}
		default:
			err = fmt.Errorf("%w: a record of kind %d", ErrMalformed, kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func decodeRow(b []byte, values []value.Value) (int, []value.Value, []byte, error) {
	table, n := binary.Varint(b)
	if n <= 0 || table < -1 || table >= maxTables {
		return 0, nil, nil, fmt.Errorf("%w: a row of table %d", ErrMalformed, table)
	}
	b = b[n:]
	count, n := binary.Uvarint(b)
	if n <= 0 || count > maxColumns {
		return 0, nil, nil, fmt.Errorf("%w: a row of %d columns", ErrMalformed, count)
	}
	b = b[n:]
	for range count {
		v, rest, err := value.DecodeBinary(b)
		if err != nil {
			return 0, nil, nil, fmt.Errorf("%w: column %d: %w", ErrMalformed, len(values), err)
		}
		values, b = append(values, v), rest
	}
	return int(table), values, b, nil
}

func decodeSummary(b []byte) (Summary, []byte, error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > MaxSummary || size > uint64(len(b)-n) {
		return Summary{}, nil, fmt.Errorf("%w: a summary of %d bytes", ErrMalformed, size)
	}
	var s Summary
	d := json.NewDecoder(bytes.NewReader(b[n : n+int(size)]))
	if err := d.Decode(&s); err != nil {
		return Summary{}, nil, fmt.Errorf("%w: a summary: %w", ErrMalformed, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Summary{}, nil, fmt.Errorf("%w: something follows a summary", ErrMalformed)
	}
	return s, b[n+int(size):], nil
}

// UnmarshalText reads the word that MarshalText gives. A word of a newer
// version is an error: what is not understood is not taken for complete.
func (o *Outcome) UnmarshalText(b []byte) error {
	for i, name := range outcomes {
		if i > 0 && name == string(b) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("%w: an outcome %.20q", ErrMalformed, b)
}
