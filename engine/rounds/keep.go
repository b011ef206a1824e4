package rounds

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// The form in which a state is kept between two lives of a program, version 1:
// the bytes "QRS1"; a byte, 1 where the state holds all rows of its round; then
// for each row how often it is there, its length, and its values, as varints
// and as package value writes them, the table first.
const magic = "QRS1"

// maxTimes bounds how often a row can be there.
const maxTimes = math.MaxInt32

// Append writes the state of a round that has ended.
func (s *State) Append(dst []byte) []byte {
	whole := byte(0)
	if s.whole {
		whole = 1
	}
	dst = append(append(dst, magic...), whole)
	keys := make([]string, 0, len(s.rows))
	for key := range s.rows {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return s.rows[a].order - s.rows[b].order })
	for _, key := range keys {
		dst = binary.AppendUvarint(dst, uint64(s.rows[key].before))
		dst = append(binary.AppendUvarint(dst, uint64(len(key))), key...)
	}
	return dst
}

// Resume makes the state that Append wrote. The error wraps ErrMalformed.
func Resume(shapes []Shape, bound int64, b []byte) (*State, error) {
	s := NewState(shapes, bound)
	if len(b) < len(magic)+1 || string(b[:len(magic)]) != magic || b[len(magic)] > 1 {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrMalformed)
	}
	s.first, s.whole = false, b[len(magic)] == 1
	for b = b[len(magic)+1:]; len(b) > 0; {
		times, n := binary.Uvarint(b)
		if n <= 0 || times == 0 || times > maxTimes {
			return nil, fmt.Errorf("%w: a row that is there %d times", ErrMalformed, times)
		}
		size, m := binary.Uvarint(b[n:])
		if m <= 0 || size > uint64(len(b)-n-m) {
			return nil, fmt.Errorf("%w: a row of %d bytes", ErrMalformed, size)
		}
		key := string(b[n+m : n+m+int(size)])
		b = b[n+m+int(size):]
		table, err := s.tableOf(key)
		if err != nil {
			return nil, err
		}
		if s.held += int64(len(key)) + overhead; s.held > s.bound || s.rows[key] != nil {
			return nil, fmt.Errorf("%w: more rows than are held, or one twice", ErrMalformed)
		}
		s.rows[key] = &seen{table: table, before: int(times), order: s.next}
		s.next++
	}
	return s, nil
}

// tableOf gives the table of a row that comes from elsewhere.
func (s *State) tableOf(key string) (int, error) {
	values, err := decode(key)
	if err != nil {
		return 0, err
	}
	for i := range s.shapes {
		if encode(i, values) == key {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%w: a row of a table that is not asked", ErrMalformed)
}

// Forgotten makes the state of a question whose rounds nobody remembers: of no
// row can be told whether it is new.
func Forgotten(shapes []Shape, bound int64) *State {
	s := NewState(shapes, bound)
	s.first, s.whole = false, false
	return s
}
