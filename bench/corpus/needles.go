package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

// indicatorCount is the length of the list of indicators.
const indicatorCount = 1000

const (
	lower   = "abcdefghijklmnopqrstuvwxyz"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
	hexSet  = "0123456789abcdef"
	hexTail = "abcdef"
)

// indicators makes the list: names of hosts and files, addresses with ports,
// mutexes and prefixes of hashes, each 11 to 22 bytes, all different.
func indicators(seed uint64) []string {
	r := stream(seed, streamIOC)
	seen := map[string]bool{}
	out := make([]string, 0, indicatorCount)
	for len(out) < indicatorCount {
		s := indicator(r, len(out)%5)
		if len(s) < 11 || len(s) > 22 || seen[s] {
			continue
		}
		seen[s] = true
		out = append(out, s)
	}
	return out
}

func indicator(r *rand.Rand, form int) string {
	switch form {
	case 0:
		return word(r, lower+digits, 6+r.IntN(8)) + []string{".top", ".xyz", ".click", ".ru.net"}[r.IntN(4)]
	case 1:
		return fmt.Sprintf("%d.%d.%d.%d:%d", 100+r.IntN(100), r.IntN(256), r.IntN(256), r.IntN(256), 1024+r.IntN(60000))
	case 2:
		return "evil_" + word(r, lower+digits, 5+r.IntN(6)) + []string{".dll", ".exe", ".ps1", ".sh"}[r.IntN(4)]
	case 3:
		return "Mtx" + word(r, upper+digits, 8+r.IntN(10))
	default:
		return word(r, hexSet, 16+r.IntN(7))
	}
}

func word(r *rand.Rand, set string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = set[r.IntN(len(set))]
	}
	return string(b)
}

func needleText(r *rand.Rand, k kind, iocs []string) string {
	switch k {
	case kindLiteral:
		return planted.Literal
	case kindLiteralCase:
		return mixCase(r, planted.Literal)
	case kindRegex:
		return fmt.Sprintf("session=%s-%s;uid=0", word(r, hexSet, 8), word(r, digits, 4))
	case kindFreeRegex:
		return word(r, upper, 3) + word(r, digits, 5) + "x" + word(r, hexTail, 4)
	case kindIOC:
		return iocs[r.IntN(len(iocs))]
	case kindIOCCase:
		return mixCase(r, letterful(r, iocs))
	default:
		return decoy(r)
	}
}

// letterful picks an indicator whose case can be changed.
func letterful(r *rand.Rand, iocs []string) string {
	for {
		if s := iocs[r.IntN(len(iocs))]; strings.ContainsAny(s, lower) {
			return s
		}
	}
}

// mixCase changes the case of some letters, and at least of one.
func mixCase(r *rand.Rand, s string) string {
	b := []byte(s)
	for string(b) == s {
		for i, c := range b {
			letter := 'a' <= c|0x20 && c|0x20 <= 'z'
			if letter && r.IntN(2) == 0 {
				b[i] = c ^ 0x20
			}
		}
	}
	return string(b)
}

// decoy is almost a needle.
func decoy(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return planted.Literal[:len(planted.Literal)-1] + "_"
	case 1:
		return "session=" + word(r, hexSet, 7) + "-" + word(r, digits, 4) + ";uid=0" // one digit short
	case 2:
		return word(r, upper, 3) + word(r, digits, 5) + "X" + word(r, hexTail, 4)
	default:
		return "session=" + word(r, hexSet, 8) + "-" + word(r, digits, 3) + "x;uid=0"
	}
}
