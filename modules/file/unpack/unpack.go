// Package unpack reads what is inside compressed files and archives, within
// bounds that hold against hostile ones.
//
// [NewReader] decompresses a stream, [Walk] visits the members of an archive
// and of the archives inside it; both spend from one [Budget], of which every
// outer file gets a new one. [Detect] recognises formats by their first bytes.
//
// Names of members are evidence and are handed on exactly as they are stored:
// absolute, with "..", backslashes or bytes that are not UTF-8. They must
// never be used as paths on a disk. This package writes nothing.
package unpack

import (
	"bytes"
	"errors"
)

// The families of errors. Each error of this package that is about the input
// wraps one of them; an error of the underlying reader is passed on wrapped.
var (
	// ErrBudget is a bound of the Budget that was reached; the text names it.
	ErrBudget = errors.New("over budget")
	// ErrMalformed is input that is damaged, cut short or followed by garbage.
	ErrMalformed = errors.New("malformed")
	// ErrUnsupported is a method or filter that this package cannot read.
	ErrUnsupported = errors.New("unsupported")
	// ErrEncrypted is content that needs a password.
	ErrEncrypted = errors.New("encrypted")
)

// A Format is a kind of compressed file or archive.
type Format uint8

// The formats.
const (
	None Format = iota
	Gzip
	Zstd
	Xz
	Bzip2
	Zip
	Tar
)

// headSize is how many bytes of content Detect wants: a tar says what it is
// in its first block.
const headSize = 512

// zstdSkipped is what stands behind the first byte, 50 to 5f, of a frame that is
// skipped, with which some tools begin: pzstd says in it how long the next is.
const zstdSkipped = "\x2a\x4d\x18"

// tarMagicAt is where a tar header says "ustar".
const tarMagicAt = 257

// magics are the first bytes of each format but tar.
var magics = [...]struct {
	format Format
	magic  string
}{
	{Gzip, "\x1f\x8b\x08"},
	{Zstd, "\x28\xb5\x2f\xfd"},
	{Xz, "\xfd7zXZ\x00"},
	{Zip, "PK\x03\x04"},
	{Zip, "PK\x05\x06"}, // no members
}

// The two blocks that may follow the four bytes of a bzip2 header.
const (
	bzip2Block = "1AY&SY"
	bzip2End   = "\x17\x72\x45\x38\x50\x90"
)

// Detect recognises a format by the first bytes of a file, of which it wants
// up to 512. What it does not know is None.
func Detect(head []byte) Format {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.format
		}
	}
	if len(head) >= 4 && head[0]&^0xf == 0x50 && string(head[1:4]) == zstdSkipped {
		return Zstd
	}
	if len(head) >= 10 && string(head[:3]) == "BZh" && head[3] >= '1' && head[3] <= '9' {
		if block := string(head[4:10]); block == bzip2Block || block == bzip2End {
			return Bzip2
		}
	}
	if len(head) > tarMagicAt && bytes.HasPrefix(head[tarMagicAt:], []byte("ustar")) || oldTar(head) {
		return Tar
	}
	return None
}

// oldTar knows a tar that does not say what it is, as those of Unix V7, by the
// sum of its first header, in which the sum itself counts as blanks.
func oldTar(head []byte) bool {
	const at, size = 148, 8
	if len(head) < headSize || head[0] == 0 {
		return false
	}
	digits := bytes.Trim(head[at:at+size], " \x00")
	if len(digits) < 3 {
		return false
	}
	want, sum := 0, size*int(' ')
	for _, c := range digits {
		if c < '0' || c > '7' {
			return false
		}
		want = want<<3 | int(c-'0')
	}
	for i, c := range head[:headSize] {
		if i < at || i >= at+size {
			sum += int(c)
		}
	}
	return sum == want
}

// Archive reports whether the format holds members.
func (f Format) Archive() bool { return f == Zip || f == Tar }

// Compressed reports whether the format is a stream that NewReader can open.
func (f Format) Compressed() bool { return f >= Gzip && f <= Bzip2 }

// String gives the name of the format in lower case, "none" for None.
func (f Format) String() string {
	return [...]string{"none", "gzip", "zstd", "xz", "bzip2", "zip", "tar"}[min(f, Tar)]
}
