package value

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

type unit struct {
	name   string
	factor uint64
}

// sizeUnits is in ascending order; the formatters try it from the end.
var sizeUnits = []unit{
	{"B", 1},
	{"kB", 1e3}, {"KiB", 1 << 10},
	{"MB", 1e6}, {"MiB", 1 << 20},
	{"GB", 1e9}, {"GiB", 1 << 30},
	{"TB", 1e12}, {"TiB", 1 << 40},
	{"PB", 1e15}, {"PiB", 1 << 50},
}

// ParseSize reads a number of bytes with its unit: "10MB" is 10 000 000, "4KiB" is 4096, "1.5GB" is exact.
// The case of the unit does not matter. A size that is no whole number of bytes or needs more than 63 bits
// is an error, and so is one without a unit or with a bare "k".
func ParseSize(s string) (int64, error) {
	body, neg := cutSign(s)
	num, name := splitUnit(body)
	if num == "" {
		return 0, fmt.Errorf("%q is not a size: write a number and its unit, as \"10MB\" or \"4KiB\"", s)
	}
	if p := strings.ToUpper(name); len(p) == 1 && strings.Contains("KMGTP", p) {
		return 0, fmt.Errorf("size %q has the unit %q: write %s%sB (powers of 1000) or %s%siB (powers of 1024)", s, name, num, p, num, p)
	}
	if name == "" {
		return 0, fmt.Errorf("size %q has no unit: write %sB for bytes, or kB, MB, GB, KiB, MiB, GiB", s, num)
	}
	for _, u := range sizeUnits {
		if !strings.EqualFold(u.name, name) {
			continue
		}
		n, err := scale(num, u.factor, s)
		if err != nil {
			return 0, err
		}
		return signed(n, neg, s, "the largest size is 8191PiB")
	}
	return 0, fmt.Errorf("size %q has the unknown unit %q: use B, kB, MB, GB, TB, PB, KiB, MiB, GiB, TiB or PiB", s, name)
}

// FormatSize writes n bytes exactly, in the unit that gives the shortest text: "10MB", "4KiB", "123B".
// ParseSize reads it back.
func FormatSize(n int64) string {
	abs := magnitude(n)
	if abs == 0 {
		return "0B"
	}
	best := ""
	for _, u := range sizeUnits {
		if abs%u.factor != 0 {
			continue
		}
		if t := strconv.FormatUint(abs/u.factor, 10) + u.name; best == "" || len(t) <= len(best) {
			best = t
		}
	}
	return signText(n < 0) + best
}

// binarySize writes an exact binary unit if there is one, else the plain number.
func binarySize(n int64) string {
	abs := magnitude(n)
	for i := len(sizeUnits) - 1; i > 0; i-- {
		u := sizeUnits[i]
		if strings.HasSuffix(u.name, "iB") && abs != 0 && abs%u.factor == 0 {
			return signText(n < 0) + strconv.FormatUint(abs/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// durationUnits is in descending order, so that the formatter writes the largest first.
var durationUnits = []unit{
	{"w", uint64(7 * 24 * time.Hour)},
	{"d", uint64(24 * time.Hour)},
	{"h", uint64(time.Hour)},
	{"m", uint64(time.Minute)},
	{"s", uint64(time.Second)},
	{"ms", uint64(time.Millisecond)},
	{"us", uint64(time.Microsecond)},
	{"ns", 1},
}

// ParseDuration reads one or more numbers with units: "90d", "1h30m", "1.5s", "500ms". A day is 24 hours, a
// week 7 days. Months and years have no fixed length and are refused; so is what needs more than 63 bits of
// nanoseconds (292 years) or is no whole number of them.
func ParseDuration(s string) (time.Duration, error) {
	body, neg := cutSign(s)
	if body == "" {
		return 0, fmt.Errorf("%q is not a duration: write numbers with units, as \"90d\" or \"1h30m\"", s)
	}
	var sum uint64
	for body != "" {
		num, name := splitUnit(body)
		if num == "" {
			return 0, fmt.Errorf("%q is not a duration: write numbers with units, as \"90d\" or \"1h30m\"", s)
		}
		name = name[:unitLetters(name)]
		factor, err := durationFactor(s, num, name)
		if err != nil {
			return 0, err
		}
		n, err := scale(num, factor, s)
		if err != nil {
			return 0, err
		}
		if sum += n; sum < n {
			return 0, fmt.Errorf("%q is too long: the longest duration is 106751d (292 years)", s)
		}
		body = body[len(num)+len(name):]
	}
	n, err := signed(sum, neg, s, "the longest duration is 106751d (292 years)")
	return time.Duration(n), err
}

func durationFactor(s, num, name string) (uint64, error) {
	for _, u := range durationUnits {
		if u.name == name {
			return u.factor, nil
		}
	}
	switch name {
	case "":
		return 0, fmt.Errorf("duration %q has no unit after %s: write %ss, %sm, %sh or %sd", s, num, num, num, num, num)
	case "µs", "μs":
		return uint64(time.Microsecond), nil
	case "y", "Y":
		return 0, fmt.Errorf("duration %q counts in years, which differ in length: write 365d for a year", s)
	case "M", "mo":
		return 0, fmt.Errorf("duration %q counts in months, which differ in length: write 30d for a month, m for minutes", s)
	}
	return 0, fmt.Errorf("duration %q has the unknown unit %q: use ns, us, ms, s, m, h, d or w", s, name)
}

// FormatDuration writes d exactly in whole units from days down, as "1d12h", "1h30m", "500ms"; weeks are
// counted in days. ParseDuration reads it back.
func FormatDuration(d time.Duration) string {
	rest := magnitude(int64(d))
	if rest == 0 {
		return "0s"
	}
	b := []byte(signText(d < 0))
	for _, u := range durationUnits[1:] {
		if n := rest / u.factor; n > 0 {
			b = strconv.AppendUint(b, n, 10)
			b = append(b, u.name...)
			rest %= u.factor
		}
	}
	return string(b)
}

func cutSign(s string) (body string, neg bool) { return strings.CutPrefix(s, "-") }

func signText(neg bool) string {
	if neg {
		return "-"
	}
	return ""
}

// splitUnit cuts the decimal number in front; the rest may hold more than one unit.
func splitUnit(s string) (num, rest string) {
	i, point := 0, false
	for i < len(s) && (isDigit(s[i]) || s[i] == '.' && !point && i > 0) {
		point = point || s[i] == '.'
		i++
	}
	if i == 0 || s[i-1] == '.' {
		return "", s
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func unitLetters(s string) int {
	for i := 0; i < len(s); i++ {
		if isDigit(s[i]) || s[i] == '.' {
			return i
		}
	}
	return len(s)
}

// maxFraction is the number of digits after the point that scale reads: 10^18 is the last power in 63 bits.
const maxFraction = 18

// scale multiplies a decimal number by the factor in whole numbers, so that nothing is rounded.
func scale(num string, factor uint64, whole string) (uint64, error) {
	ip, fp, _ := strings.Cut(num, ".")
	n, err := strconv.ParseUint(ip, 10, 64)
	hi, lo := bits.Mul64(n, factor)
	if err != nil || hi != 0 {
		return 0, fmt.Errorf("%q is too large: more than 63 bits", whole)
	}
	fp = strings.TrimRight(fp, "0")
	if fp == "" {
		return lo, nil
	}
	var frac, pow uint64 = 0, 1
	for i := 0; i < len(fp) && i < maxFraction; i++ {
		frac, pow = frac*10+uint64(fp[i]-'0'), pow*10
	}
	hi, part := bits.Mul64(frac, factor)
	q, r := bits.Div64(hi, part, pow) // frac < pow, so the quotient is below factor and fits
	if r != 0 || len(fp) > maxFraction {
		return 0, fmt.Errorf("%q is no whole number of its smallest unit: write fewer digits after the point", whole)
	}
	if lo += q; lo < q {
		return 0, fmt.Errorf("%q is too large: more than 63 bits", whole)
	}
	return lo, nil
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func signed(n uint64, neg bool, s, limit string) (int64, error) {
	switch {
	case neg && n <= 1<<63:
		return int64(-n), nil
	case !neg && n < 1<<63:
		return int64(n), nil
	}
	return 0, fmt.Errorf("%q is too large: %s", s, limit)
}
