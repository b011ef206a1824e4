package host

import (
	"bytes"
	"encoding/hex"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lines gives the lines of a text, without their ends and outer blanks.
func lines(b []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range bytes.Lines(b) {
			if !yield(string(bytes.TrimSpace(line))) {
				return
			}
		}
	}
}

// osRelease gives the value of a key in an os-release file: KEY=value, with
// the quotes and backslashes of a shell.
func osRelease(b []byte, key string) (string, bool) {
	found, ok := "", false
	for line := range lines(b) {
		if k, v, is := strings.Cut(line, "="); is && k == key {
			found, ok = unquote(v), true // as in a shell, the last one holds
		}
	}
	return found, ok && found != ""
}

// unquote takes the quotes of a shell off a word.
func unquote(s string) string {
	var out strings.Builder
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			out.WriteByte(s[i])
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// field gives the value of the first line "key: value" or "key<tab>: value".
func field(b []byte, key string) (string, bool) {
	for line := range lines(b) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

// memoryIn gives the bytes that a line of /proc/meminfo says.
func memoryIn(b []byte, key string) (int64, bool) {
	v, ok := field(b, key)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(v, " kB"), 10, 64)
	return n << 10, err == nil && n >= 0 && n < 1<<50
}

// uptimeOf gives the first number of /proc/uptime, seconds with hundredths.
func uptimeOf(b []byte) (time.Duration, bool) {
	word, _, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	whole, part, _ := strings.Cut(word, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || n > 1<<33 {
		return 0, false
	}
	d := time.Duration(n) * time.Second
	if part == "" {
		return d, true
	}
	frac, err := strconv.ParseUint(part, 10, 32)
	if err != nil || len(part) > 9 {
		return 0, false
	}
	for range 9 - len(part) {
		frac *= 10
	}
	return d + time.Duration(frac), true
}

// bootTimeOf gives the line btime of /proc/stat.
func bootTimeOf(b []byte) (time.Time, bool) {
	for line := range lines(b) {
		if v, ok := strings.CutPrefix(line, "btime "); ok {
			n, err := strconv.ParseInt(v, 10, 64)
			return time.Unix(n, 0), err == nil
		}
	}
	return time.Time{}, false
}

// countCPUs counts the processors in /proc/cpuinfo, one "processor : 0" (on
// s390x "processor 0: …") for each.
func countCPUs(b []byte) int64 {
	var n int64
	for line := range lines(b) {
		k, _, ok := strings.Cut(line, ":")
		k = strings.TrimSpace(k)
		if ok && (k == "processor" || strings.HasPrefix(k, "processor ")) {
			n++
		}
	}
	return n
}

// cpuModel gives the processor's name in /proc/cpuinfo, under the first key
// that an architecture uses.
func cpuModel(b []byte) (string, bool) {
	for _, key := range [...]string{"model name", "cpu model", "uarch", "Hardware", "cpu", "Processor"} {
		if v, ok := field(b, key); ok && v != "" {
			return v, true
		}
	}
	return "", false
}

// fibTrie gives the addresses of a machine in /proc/net/fib_trie: those that
// are followed by "/32 host LOCAL". The file has them once for each table.
func fibTrie(b []byte) []netip.Addr {
	var out []netip.Addr
	var last netip.Addr
	for line := range lines(b) {
		if word, ok := strings.CutPrefix(line, "|-- "); ok {
			last, _ = netip.ParseAddr(word)
			continue
		}
		if line == "/32 host LOCAL" && last.Is4() && !slices.Contains(out, last) {
			out = append(out, last)
		}
	}
	return out
}

// ifInet6 gives the addresses in /proc/net/if_inet6: 32 hex digits, index,
// prefix length, scope, flags, interface. A link-local one gets its zone.
func ifInet6(b []byte) []netip.Addr {
	var out []netip.Addr
	for line := range lines(b) {
		words := strings.Fields(line)
		if len(words) != 6 {
			continue
		}
		raw, err := hex.DecodeString(words[0])
		if err != nil || len(raw) != 16 {
			continue
		}
		a := netip.AddrFrom16([16]byte(raw))
		if a.IsLinkLocalUnicast() {
			a = a.WithZone(words[5])
		}
		out = append(out, a)
	}
	return out
}

// loopbackLast puts addresses in order, those of the loopback at the end.
func loopbackLast(as []netip.Addr) {
	slices.SortStableFunc(as, func(a, b netip.Addr) int {
		switch {
		case a.IsLoopback() == b.IsLoopback():
			return 0
		case a.IsLoopback():
			return 1
		}
		return -1
	})
}
