package search

import "golang.org/x/sys/cpu"

// vectorMin is the number of positions below which the vector kernel cannot
// be called: it reads whole vectors of 32 bytes.
const vectorMin = 32

// hasVector tells whether this processor runs pairVector.
func hasVector() bool { return cpu.X86.HasAVX2 }

//go:noescape
func pairAVX2(p *byte, n, d int, c1, m1, c2, m2 byte) int

// pairVector is pairPortable in AVX2; n is at least vectorMin and b holds at
// least n+k.d bytes.
func pairVector(b []byte, n int, k pair) int {
	_ = b[n+k.d-1]
	return pairAVX2(&b[0], n, k.d, k.c1, k.m1, k.c2, k.m2)
}
