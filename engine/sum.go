package engine

import (
	"math"
	"math/big"
	"math/bits"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// A sum adds numbers or durations exactly, so that the result does not depend
// on the order in which goroutines found them.
type sum struct {
	typ    value.Type // of the first value; a float among them makes it float
	hi, lo uint64     // of whole numbers, in two's complement
	floats *big.Float // of all floats; nil for none
	odd    float64    // the infinities and NaN, which big.Float does not add
}

// exactBits is the precision at which adding floats rounds nothing off: from
// the least bit of the least float to the greatest of the sum of 2^64 of the
// greatest.
const exactBits = 1074 + 1024 + 64

func (s *sum) add(v value.Value) {
	if s.typ == value.Null || v.Type() == value.Float {
		s.typ = v.Type()
	}
	n := v.Int()
	switch v.Type() {
	case value.Float:
		s.addFloat(v.Float())
		return
	case value.Duration:
		n = int64(v.Duration())
	}
	s.addWhole(uint64(n>>63), uint64(n))
}

func (s *sum) addWhole(hi, lo uint64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, _ = bits.Add64(s.hi, hi, carry)
}

func (s *sum) addFloat(x float64) {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		s.odd += x
		return
	}
	if s.floats == nil {
		s.floats = new(big.Float).SetPrec(exactBits)
	}
	s.floats.Add(s.floats, new(big.Float).SetFloat64(x))
}

// exact gives the sum without rounding.
func (s *sum) exact() *big.Float {
	whole := new(big.Int).Lsh(big.NewInt(int64(s.hi)), 64)
	whole.Add(whole, new(big.Int).SetUint64(s.lo))
	total := new(big.Float).SetPrec(exactBits).SetInt(whole)
	if s.floats != nil {
		total.Add(total, s.floats)
	}
	return total
}

// float gives the nearest float to the sum divided by n; null where it is
// none.
func (s *sum) float(n int64) value.Value {
	f := s.odd
	if f == 0 {
		total := s.exact()
		f, _ = total.Quo(total, new(big.Float).SetInt64(n)).Float64()
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return value.Value{}
	}
	return value.NewFloat(f)
}

// total gives the sum: null for none, a float where it is too large for 64
// bits, and null for a duration that is.
func (s *sum) total() value.Value {
	fits := s.hi == uint64(int64(s.lo)>>63)
	switch {
	case s.typ == value.Null, s.typ == value.Duration && !fits:
		return value.Value{}
	case s.typ == value.Float, !fits:
		return s.float(1)
	case s.typ == value.Duration:
		return value.NewDuration(time.Duration(s.lo))
	case s.typ == value.Size:
		return value.NewSize(int64(s.lo))
	}
	return value.NewInt(int64(s.lo))
}

// mean gives the sum of n values divided by n, rounded towards zero for
// durations.
func (s *sum) mean(n int64) value.Value {
	switch {
	case n == 0:
		return value.Value{}
	case s.typ != value.Duration:
		return s.float(n)
	}
	total := s.exact()
	whole, _ := total.Quo(total, new(big.Float).SetInt64(n)).Int64()
	return value.NewDuration(time.Duration(whole))
}
