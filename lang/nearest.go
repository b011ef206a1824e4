package lang

import (
	"strings"
	"unicode/utf8"
)

// maxNearest bounds the words that Nearest compares, in characters: longer
// ones are no misspelt names, and the cost grows with the square.
const maxNearest = 64

// Nearest finds the candidate that the word was probably meant to be, whatever
// their case: at most one letter in three added, dropped, changed or swapped,
// or a beginning of three letters or more. Among equals the one that shares the
// longer beginning wins, then the first.
func Nearest(word string, candidates []string) (string, bool) {
	w := []rune(strings.ToLower(word))
	best, bestScore := "", 0
	if len(w) == 0 || len(w) > maxNearest {
		return "", false
	}
	for _, c := range candidates {
		if utf8.RuneCountInString(c) > maxNearest {
			continue
		}
		r := []rune(strings.ToLower(c))
		shared := sharedPrefix(w, r)
		dist := editDistance(w, r)
		begins := shared == len(w) && shared >= 3
		if dist*3 > max(len(w), len(r)) && !begins {
			continue
		}
		if begins {
			dist = min(dist, 1)
		}
		// One edit outweighs any shared beginning.
		score := 1 + (maxNearest-dist)*(maxNearest+1) + shared
		if score > bestScore {
			best, bestScore = c, score
		}
	}
	return best, bestScore > 0
}

func sharedPrefix(a, b []rune) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours (Damerau-Levenshtein, optimal alignment).
func editDistance(a, b []rune) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
