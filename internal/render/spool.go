package render

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/quaestor-engine/quaestor/value"
)

// spoolMemory is how many bytes of one table's rows wait in memory before
// they go to a temporary file: an answer has few tables, and the whole process
// is to stay within 32 MB.
const spoolMemory = 2 << 20

// A spool holds rows until it is their turn, each as its length and the wire
// form of its values.
type spool struct {
	mem  []byte
	file *os.File
	row  []byte
}

func (s *spool) add(values []value.Value) error {
	s.row = s.row[:0]
	for _, v := range values {
		s.row = value.AppendBinary(s.row, v)
	}
	s.mem = binary.AppendUvarint(s.mem, uint64(len(s.row)))
	s.mem = append(s.mem, s.row...)
	if len(s.mem) < spoolMemory {
		return nil
	}
	return s.spill()
}

func (s *spool) spill() error {
	if s.file == nil {
		f, err := os.CreateTemp("", "quaestor-rows-*")
		if err != nil {
			return fmt.Errorf("rows that wait for their turn: %w", err)
		}
		s.file = f
	}
	if _, err := s.file.Write(s.mem); err != nil {
		return fmt.Errorf("rows that wait for their turn: %w", err)
	}
	s.mem = s.mem[:0]
	return nil
}

// each gives the rows in the order in which they came.
func (s *spool) each(row func([]value.Value) error) error {
	if s.file == nil {
		return s.read(nil, row)
	}
	if err := s.spill(); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rows that wait for their turn: %w", err)
	}
	return s.read(bufio.NewReaderSize(s.file, outBuffer), row)
}

func (s *spool) read(r *bufio.Reader, row func([]value.Value) error) error {
	var values []value.Value
	for {
		b, err := s.next(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("rows that wait for their turn: %w", err)
		}
		values = values[:0]
		for len(b) > 0 {
			var v value.Value
			if v, b, err = value.DecodeBinary(b); err != nil {
				return fmt.Errorf("rows that wait for their turn: %w", err)
			}
			values = append(values, v)
		}
		if err := row(values); err != nil {
			return err
		}
	}
}

// next gives the next row's bytes, from memory where r is nil.
func (s *spool) next(r *bufio.Reader) ([]byte, error) {
	if r == nil {
		if len(s.mem) == 0 {
			return nil, io.EOF
		}
		n, k := binary.Uvarint(s.mem)
		b := s.mem[k : k+int(n)]
		s.mem = s.mem[k+int(n):]
		return b, nil
	}
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	s.row = append(s.row[:0], make([]byte, n)...)
	_, err = io.ReadFull(r, s.row)
	return s.row, err
}

// close removes what the spool left on disk. That fails only where somebody
// else removed it first.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
		s.file = nil
	}
}
