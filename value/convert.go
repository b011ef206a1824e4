package value

import (
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Convert gives a literal the type of the column that it meets; now is what the text "now - 2d" counts from.
// Null stays Null, and a value of the type stays as it is. Texts become any type but a list; an int becomes a size
// or a float and back where nothing is lost, and so does a mode, but a number never becomes a mode: who writes 755
// means octal digits. Bytes of the right length become a hash; a single address becomes a cidr. A version that was a
// text is of AnyScheme.
// The error says which form is wanted, with an example.
func Convert(v Value, to Type, now time.Time) (Value, error) {
	switch {
	case v.typ == to || v.typ == Null:
		return v, nil
	case v.typ == Text && to != List:
		return convertText(v.text, to, now)
	}
	switch to {
	case Int, Float, Size, Mode:
		return convertNumber(v, to)
	case Bytes, Hash:
		if v.typ == Bytes && isHashLength(len(v.text)) {
			return NewHash([]byte(v.text)), nil
		}
		if v.typ == Hash {
			return NewBytes([]byte(v.text)), nil
		}
	case CIDR:
		if v.typ == IP && v.text == "" {
			return NewCIDR(netip.PrefixFrom(v.addr(), v.addr().BitLen())), nil
		}
	}
	return Value{}, wanted(v, to)
}

// examples shows each type as the query language writes it.
var examples = [typeCount]string{
	Null: `null`, Text: `"sshd"`, Bytes: `x"4d5a"`, Int: `42`, Float: `0.5`, Bool: `true`, Size: `10MB`,
	Duration: `90d or 1h30m`, Time: `2026-11-23, "2026-11-23T10:00:00Z" or now - 2d`, IP: `10.0.0.1 or ::1`,
	CIDR: `10.0.0.0/8`, Hash: `its 32, 40, 56, 64, 96 or 128 hex digits`, Version: `"1.2.3-4"`,
	Mode: `"0755" or "-rwxr-xr-x"`, List: `("a", "b")`,
}

func wanted(v Value, to Type) error {
	if int(to) >= typeCount {
		return fmt.Errorf("there is no type %d", to)
	}
	return fmt.Errorf("%s %s is not a %s: write %s", v.typ, v.Literal(), to, examples[to])
}

func convertText(s string, to Type, now time.Time) (Value, error) {
	switch to {
	case Bytes:
		return NewBytes([]byte(s)), nil
	case Version:
		return NewVersion(s, AnyScheme), nil
	case Size:
		n, err := ParseSize(s)
		return keep(NewSize(n), err)
	case Duration:
		d, err := ParseDuration(s)
		return keep(NewDuration(d), err)
	case Time:
		return convertMoment(s, now)
	case Mode:
		m, err := ParseMode(s)
		return keep(NewMode(m), err)
	case CIDR:
		return convertCIDR(s)
	case IP:
		if a, err := netip.ParseAddr(s); err == nil && len(a.Zone()) <= maxZone {
			return NewIP(a), nil
		}
	case Hash:
		if raw, err := hex.DecodeString(s); err == nil && isHashLength(len(raw)) {
			return NewHash(raw), nil
		}
	case Int:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return NewInt(n), nil
		}
	case Float:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return NewFloat(f), nil
		}
	case Bool:
		if strings.EqualFold(s, "true") || strings.EqualFold(s, "false") {
			return NewBool(len(s) == len("true")), nil
		}
	}
	return Value{}, wanted(NewText(s), to)
}

func keep(v Value, err error) (Value, error) {
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

func convertMoment(s string, now time.Time) (Value, error) {
	t, err := parseMoment(s, now)
	if err != nil {
		return Value{}, err
	}
	v := NewTime(t)
	if v.IsNull() {
		return Value{}, fmt.Errorf("time %q is outside the years 1 to 9999", s)
	}
	return v, nil
}

// convertCIDR refuses bits after the prefix: such a literal would equal no network, and silently so.
func convertCIDR(s string) (Value, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return NewCIDR(netip.PrefixFrom(a, a.BitLen())), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return Value{}, wanted(NewText(s), CIDR)
	}
	if m := p.Masked(); m != p {
		return Value{}, fmt.Errorf("cidr %q has bits after its prefix: write %s", s, m)
	}
	return NewCIDR(p), nil
}

func convertNumber(v Value, to Type) (Value, error) {
	n := int64(v.hi)
	switch v.typ {
	case Int, Size, Mode:
	case Float:
		f := v.Float()
		if c, ok := compareIntFloat(int64(f), f); !ok || c != 0 || math.Abs(f) >= 1<<63 {
			return Value{}, fmt.Errorf("float %s is not a whole number, as %s must be", v.Literal(), to)
		}
		n = int64(f)
	default:
		return Value{}, wanted(v, to)
	}
	switch {
	case to == Int:
		return NewInt(n), nil
	case to == Size:
		return NewSize(n), nil
	case to == Mode && v.typ == Int && n >= 0:
		if text := "0" + strconv.FormatInt(n, 10); strings.Trim(text, "01234567") == "" && n <= 177777 {
			return Value{}, fmt.Errorf("modes are octal, and %d is a decimal number: write %q", n, text)
		}
	case to == Float:
		if c, _ := compareIntFloat(n, float64(n)); c == 0 {
			return NewFloat(float64(n)), nil
		}
		return Value{}, fmt.Errorf("%d cannot be written as a float without rounding", n)
	}
	return Value{}, wanted(v, to)
}

// isHashLength knows the lengths of MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512, in bytes.
func isHashLength(n int) bool {
	switch n {
	case 16, 20, 28, 32, 48, 64:
		return true
	}
	return false
}
