package search

import (
	"encoding/binary"
	"unsafe"
)

// The two innermost loops, over list positions and automaton lanes, read
// tables whose size the compiler cannot know. There, and only there, these
// readers leave its bounds checks out; what holds the index in bounds is said
// where they are called.

// peekBit reads bit i of a table that begins at p.
func peekBit(p *uint64, i uint64) bool {
	return *(*uint64)(unsafe.Add(unsafe.Pointer(p), i>>6<<3))>>(i&63)&1 != 0
}

// peek32 reads the word at i of a table that begins at p.
func peek32(p *uint32, i uint32) uint32 {
	return *(*uint32)(unsafe.Add(unsafe.Pointer(p), uintptr(i)*4))
}

// peek64 reads the eight little-endian bytes at i of bytes that begin at p.
func peek64(p *byte, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(p), i))[:])
}
