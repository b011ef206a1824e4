//go:build !amd64

package search

const vectorMin = 32

func hasVector() bool { return false }

func pairVector(b []byte, n int, k pair) int { return pairPortable(b, n, k) }
