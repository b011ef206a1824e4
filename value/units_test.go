package value

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseUnits(t *testing.T) {
	for s, want := range map[string]int64{"10MB": 10_000_000, "4KiB": 4096, "1kB": 1000, "0B": 0, "1.5GB": 1_500_000_000, "2pib": 2 << 50, "-3B": -3, "0.5KiB": 512, "9223372036854775807B": 1<<63 - 1} {
		if n, err := ParseSize(s); err != nil || n != want {
			t.Errorf("ParseSize(%q) = %d, %v", s, n, err)
		}
	}
	for s, hint := range map[string]string{"10k": "10kB", "10": "10B", "x": "10MB", "": "10MB", "8192PiB": "too large", "99999999999999999999B": "too large", "0.3B": "fewer digits", "1XB": "unknown unit", "1.B": "10MB"} {
		if n, err := ParseSize(s); err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(hint)) {
			t.Errorf("ParseSize(%q) = %d, %v", s, n, err)
		}
	}
	for s, want := range map[string]time.Duration{"90d": 90 * 24 * time.Hour, "36h": 36 * time.Hour, "1h30m": 90 * time.Minute, "2w": 336 * time.Hour, "500ms": 5e8, "1d12h": 36 * time.Hour, "1.5s": 1.5e9, "-2d": -48 * time.Hour, "3us": 3000, "7ns": 7, "3µs": 3000} {
		if d, err := ParseDuration(s); err != nil || d != want {
			t.Errorf("ParseDuration(%q) = %d, %v", s, d, err)
		}
	}
	for s, hint := range map[string]string{"1y": "365d", "1M": "30d", "5": "5s", "": "90d", "h": "90d", "1x": "unknown unit", "200000d": "106751d", "106751d106751d": "106751d", "0.5ns": "fewer digits"} {
		if d, err := ParseDuration(s); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("ParseDuration(%q) = %v, %v", s, d, err)
		}
	}
	for s, want := range map[string]string{"2026-11-23": "2026-11-23T00:00:00Z", "2026-11-23 10:00": "2026-11-23T10:00:00Z", "2026-11-23T10:00:00.5+02:00": "2026-11-23T08:00:00.5Z", "2026-11-23t10:00z": "2026-11-23T10:00:00Z", "2026-11-23 10:00:00 -01:00": "2026-11-23T11:00:00Z"} {
		if m, err := ParseTime(s); err != nil || m.Format(time.RFC3339Nano) != want {
			t.Errorf("ParseTime(%q) = %v, %v", s, m, err)
		}
	}
	for _, s := range []string{"", "yesterday", "2026-13-01", "2026-02-30", "23.11.2026", "0001-01-01T00:00:00+05:00", "2026-11-23T10:00:00.1234567891Z", strings.Repeat("2", 100)} {
		if m, err := ParseTime(s); err == nil {
			t.Errorf("ParseTime(%q) = %v", s, m)
		}
	}
}

func TestLiteralsRoundTrip(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		v := scalars().Draw(t, "v")
		switch v.Type() {
		case Size, Duration, Time, IP, CIDR, Mode, Int, Bool:
		default:
			return
		}
		if v.Type() == CIDR && v.CIDR() != v.CIDR().Masked() {
			return
		}
		got, err := Convert(NewText(strings.Trim(v.Literal(), `"`)), v.Type(), now)
		if err != nil || key(got) != key(v) {
			t.Fatalf("%s reads as %s, %v", v.Literal(), got.Literal(), err)
		}
	})
}

func TestConvert(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	md5 := strings.Repeat("aB", 16)
	for _, c := range []struct {
		v    Value
		to   Type
		want string // literal, or part of the error after !
	}{
		{NewText("now - 2d"), Time, "2026-11-21T10:00:00Z"}, {NewText("now"), Time, "2026-11-23T10:00:00Z"}, {NewText("nowhere"), Time, "!now - 2d"},
		{NewText(md5), Hash, `"` + strings.ToLower(md5) + `"`}, {NewText("abc"), Hash, "!hex digits"}, {NewBytes(make([]byte, 20)), Hash, `"` + strings.Repeat("0", 40) + `"`},
		{NewText("10.0.0.5/8"), CIDR, "!10.0.0.0/8"}, {NewText("10.0.0.5"), CIDR, "10.0.0.5/32"}, {NewText("::1"), IP, "::1"}, {NewText("300.1.1.1"), IP, "!10.0.0.1"},
		{NewInt(5), Duration, "!90d"}, {NewInt(5), Size, "5B"}, {NewSize(5), Int, "5"}, {NewInt(1<<53 + 1), Float, "!rounding"}, {NewFloat(2), Int, "2"}, {NewFloat(2.5), Int, "!whole"},
		{NewFloat(1e300), Int, "!whole"}, {NewText("-rwsr-xr-x"), Mode, `"0104755"`}, {NewText("u+s"), Mode, "!0755"}, {NewText("drwxrwxrwt"), Mode, `"041777"`}, {NewInt(-1), Mode, "!0755"}, {NewInt(755), Mode, `!write "0755"`}, {NewInt(999), Mode, "!0755"}, {NewFloat(755), Mode, "!0755"},
		{NewText("true"), Bool, "true"}, {NewText("1"), Bool, "!true"}, {NewInt(1), Text, "!\"sshd\""}, {NewText("a"), List, "!"}, {Value{}, Time, "null"}, {NewText("x"), Bytes, `x"78"`},
	} {
		got, err := Convert(c.v, c.to, now)
		hint, fails := strings.CutPrefix(c.want, "!")
		if fails != (err != nil) || fails && !strings.Contains(err.Error(), hint) || !fails && got.Literal() != c.want {
			t.Errorf("Convert(%s, %v) = %s, %v; want %s", c.v.Literal(), c.to, got.Literal(), err, c.want)
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, s := range []string{"10MB", "1h30m", "2026-11-23", "now - 2d", "-rwxr-xr-x", "10.0.0.0/8", "1.2-3", "ff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for to := Null; to <= List; to++ {
			v, err := Convert(NewText(s), to, time.Unix(0, 0))
			if err != nil {
				continue
			}
			if back, _, err := DecodeBinary(AppendBinary(nil, v)); err != nil || key(back) != key(v) {
				t.Fatalf("%q as %v: %s", s, to, v.Literal())
			}
		}
	})
}
