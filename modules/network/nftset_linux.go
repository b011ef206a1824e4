package network

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// An element is one of a set.
type element struct {
	key, end []byte
	verdict  string
	closes   bool // it ends the range that the one before began
}

func elementsOf(messages [][]byte) []element {
	var list []element
	for _, m := range messages {
		if len(m) < nfgenLength {
			continue
		}
		attributes(fields(m, nfgenLength)[elemList], 0, func(_ uint16, b []byte) {
			f := fields(b, 0)
			e := element{key: fields(f[1], 0)[1], end: fields(f[10], 0)[1], closes: number(f[3])&1 != 0}
			if v, ok := fields(f[2], 0)[2]; ok {
				e.verdict = verdictOf(v)
			}
			list = append(list, e)
		})
	}
	sort.SliceStable(list, func(i, j int) bool { return string(list[i].key) < string(list[j].key) })
	return list
}

// setText writes a set as nft does, and how many there are beyond the first.
func setText(list []element, parts []*loaded) string {
	var out []string
	for i := 0; i < len(list); i++ {
		e := list[i]
		if e.closes {
			continue
		}
		shown := keyText(e.key, parts)
		switch {
		case len(e.end) > 0:
			if end := keyText(e.end, parts); end != shown {
				shown += "-" + end
			}
		case i+1 < len(list) && list[i+1].closes && len(parts) == 1:
			shown = rangeText(parts[0], e.key, before(list[i+1].key))
		}
		if e.verdict != "" {
			shown += " : " + e.verdict
		}
		out = append(out, shown)
	}
	if len(out) > maxElements {
		out = append(out[:maxElements], fmt.Sprintf("<%d more>", len(out)-maxElements))
	}
	return "{ " + strings.Join(out, ", ") + " }"
}

// keyText writes the values of a key, each of which takes whole words.
func keyText(key []byte, parts []*loaded) string {
	if len(parts) == 1 {
		return parts[0].format(key)
	}
	var out []string
	for _, l := range parts {
		if len(key) < l.size {
			break
		}
		out = append(out, l.format(key[:l.size]))
		key = key[min(len(key), (l.size+3)&^3):]
	}
	return strings.Join(out, " . ")
}

// before is the number below that of a key.
func before(key []byte) []byte {
	b := append([]byte(nil), key...)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]--
		if b[i] != 0xff {
			break
		}
	}
	return b
}

// rangeText writes a range, as a network where it is one.
func rangeText(l *loaded, from, to []byte) string {
	if string(from) == string(to) {
		return l.format(from)
	}
	if strings.HasPrefix(l.kind, "address") && len(from) == len(to) {
		mask := make([]byte, len(from))
		for i := range mask {
			mask[i] = ^(from[i] ^ to[i])
		}
		if n := prefixOf(mask); n >= 0 && strings.Trim(string(and(from, mask, true)), "\x00") == "" {
			return l.format(from) + "/" + strconv.Itoa(n)
		}
	}
	return l.format(from) + "-" + l.format(to)
}

// and gives the bits of a that the mask has, or those that it has not.
func and(a, mask []byte, not bool) []byte {
	out := make([]byte, len(a))
	for i := range a {
		if out[i] = a[i] & mask[i]; not {
			out[i] = a[i] &^ mask[i]
		}
	}
	return out
}
