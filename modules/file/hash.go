package file

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"hash"
	"math"

	"github.com/zeebo/blake3"
)

// hashes is a set of the columns that are computed from the whole content:
// bit i is column colMD5+i.
type hashes uint32

// hashCount is how many they are; the last is the entropy.
const (
	hashCount   = colEntropy - colMD5 + 1
	entropyOnly = hashes(1 << (colEntropy - colMD5))
)

// hashOf gives the set of one column, empty if it is not of the kind.
func hashOf(column int) hashes {
	if column < colMD5 || column > colEntropy {
		return 0
	}
	return 1 << (column - colMD5)
}

// sums are what was computed of a content.
type sums struct {
	known   hashes
	digest  [hashCount][64]byte
	size    [hashCount]uint8
	entropy float64
}

func (s *sums) put(i int, digest []byte) {
	s.size[i] = uint8(copy(s.digest[i][:], digest))
	s.known |= 1 << i
}

// whole computes one column of a content in memory, without allocating.
func (s *sums) whole(column int, b []byte) {
	i := column - colMD5
	switch column {
	case colMD5:
		d := md5.Sum(b)
		s.put(i, d[:])
	case colSHA1:
		d := sha1.Sum(b)
		s.put(i, d[:])
	case colSHA224:
		d := sha256.Sum224(b)
		s.put(i, d[:])
	case colSHA256:
		d := sha256.Sum256(b)
		s.put(i, d[:])
	case colSHA384:
		d := sha512.Sum384(b)
		s.put(i, d[:])
	case colSHA512:
		d := sha512.Sum512(b)
		s.put(i, d[:])
	case colSHA3x224:
		d := sha3.Sum224(b)
		s.put(i, d[:])
	case colSHA3x256:
		d := sha3.Sum256(b)
		s.put(i, d[:])
	case colSHA3x384:
		d := sha3.Sum384(b)
		s.put(i, d[:])
	case colSHA3x512:
		d := sha3.Sum512(b)
		s.put(i, d[:])
	case colBLAKE3:
		d := blake3.Sum256(b)
		s.put(i, d[:])
	case colEntropy:
		var h histogram
		h.add(b)
		s.entropy = h.entropy()
		s.known |= entropyOnly
	}
}

// newHash makes the hash of a column.
func newHash(column int) hash.Hash {
	switch column {
	case colMD5:
		return md5.New()
	case colSHA1:
		return sha1.New()
	case colSHA224:
		return sha256.New224()
	case colSHA256:
		return sha256.New()
	case colSHA384:
		return sha512.New384()
	case colSHA512:
		return sha512.New()
	case colSHA3x224:
		return sha3.New224()
	case colSHA3x256:
		return sha3.New256()
	case colSHA3x384:
		return sha3.New384()
	case colSHA3x512:
		return sha3.New512()
	}
	return blake3.New()
}

// hashers compute several columns of a stream; one a worker.
type hashers struct {
	want  hashes
	made  [hashCount]hash.Hash
	bytes histogram
}

func (h *hashers) start(want hashes) {
	h.want, h.bytes = want, histogram{}
	for i := range h.made {
		if want&^entropyOnly&(1<<i) == 0 {
			continue
		}
		if h.made[i] == nil {
			h.made[i] = newHash(colMD5 + i)
		}
		h.made[i].Reset()
	}
}

func (h *hashers) write(b []byte) {
	for i, m := range h.made {
		if h.want&^entropyOnly&(1<<i) != 0 {
			m.Write(b)
		}
	}
	if h.want&entropyOnly != 0 {
		h.bytes.add(b)
	}
}

func (h *hashers) finish(s *sums) {
	var room [64]byte
	for i, m := range h.made {
		if h.want&^entropyOnly&(1<<i) != 0 {
			s.put(i, m.Sum(room[:0]))
		}
	}
	if h.want&entropyOnly != 0 {
		s.entropy = h.bytes.entropy()
		s.known |= entropyOnly
	}
}

// histogram counts bytes, four of each kind side by side, so that runs of one
// byte do not wait for their own counter.
type histogram [4][256]uint64

func (h *histogram) add(b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		h[0][b[0]]++
		h[1][b[1]]++
		h[2][b[2]]++
		h[3][b[3]]++
	}
	for _, c := range b {
		h[0][c]++
	}
}

// entropy gives bits a byte, from 0 to 8; 0 for nothing.
func (h *histogram) entropy() float64 {
	var total, sum float64
	for c := range h[0] {
		total += float64(h[0][c] + h[1][c] + h[2][c] + h[3][c])
	}
	for c := range h[0] {
		if n := float64(h[0][c] + h[1][c] + h[2][c] + h[3][c]); n > 0 {
			sum -= n / total * math.Log2(n/total)
		}
	}
	return max(0, sum)
}
