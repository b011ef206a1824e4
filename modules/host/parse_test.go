package host

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestOSRelease(t *testing.T) {
	tests := []struct{ in, want string }{
		{"ID=debian\n", "debian"},
		{"ID=\"red hat\"", "red hat"},
		{"ID='a\\b'", `a\b`},
		{`ID="a\"b\\c\$d"`, `a"b\c$d`},
		{"ID=first\nID=last\n", "last"},
		{"  ID=x\r\n", "x"},
		{"XID=y\n#ID=z\n", ""},
		{"ID=\n", ""},
		{"ID=\"open", "open"},
		{`ID=end\`, `end\`},
	}
	for _, tt := range tests {
		got, ok := osRelease([]byte(tt.in), "ID")
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("osRelease(%q) is %q, %v; want %q", tt.in, got, ok, tt.want)
		}
	}
}

func TestUptime(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
		ok   bool
	}{
		{"3600.25 12.5\n", time.Hour + 250*time.Millisecond, true},
		{"12\n", 12 * time.Second, true},
		{"0.01 0", 10 * time.Millisecond, true},
		{"1.000000001 0", time.Second + 1, true},
		{"", 0, false},
		{"-1.0", 0, false},
		{"1.-5", 0, false},
		{"99999999999999", 0, false},
		{"1.0000000000001", 0, false},
	}
	for _, tt := range tests {
		if got, ok := uptimeOf([]byte(tt.in)); got != tt.want || ok != tt.ok {
			t.Errorf("uptimeOf(%q) is %v, %v", tt.in, got, ok)
		}
	}
}

func TestMemTotal(t *testing.T) {
	for in, want := range map[string]int64{
		"MemTotal:       16 kB\n": 16384, "MemFree: 1 kB\nMemTotal:\t2 kB": 2048,
		"MemTotal: -5 kB": -1, "MemTotal: 99999999999999999 kB": -1, "": -1, "MemTotal: x kB": -1,
	} {
		got, ok := memoryIn([]byte(in), "MemTotal")
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("memoryIn(%q) is %d, %v", in, got, ok)
		}
	}
}

func TestCountCPUs(t *testing.T) {
	for in, want := range map[string]int64{
		"processor\t: 0\n\nprocessor\t: 1\n":              2,
		"processor 0: version = FF\nprocessor 1: version": 2,
		"Processor : ARMv7\nprocessor : 0\n":              1,
		"":                                                0,
	} {
		if got := countCPUs([]byte(in)); got != want {
			t.Errorf("countCPUs(%q) is %d", in, got)
		}
	}
}

func FuzzOSRelease(f *testing.F) {
	f.Add([]byte("ID=\"a\\\"b\"\nVERSION_ID='12'\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, ok := osRelease(b, "ID"); ok && (v == "" || len(v) > len(b)) {
			t.Errorf("%q", v)
		}
	})
}

func FuzzMeminfo(f *testing.F) {
	f.Add([]byte("MemTotal:       16384 kB\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, ok := memoryIn(b, "MemTotal"); ok && n < 0 {
			t.Errorf("%d bytes of memory", n)
		}
	})
}

func FuzzUptime(f *testing.F) {
	f.Add([]byte("3600.25 7000.10\n"))
	f.Add([]byte("8589934592.999999999"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, ok := uptimeOf(b); ok && d < 0 {
			t.Errorf("up for %v", d)
		}
	})
}

func FuzzFibTrie(f *testing.F) {
	f.Add([]byte("  |-- 10.0.0.1\n     /32 host LOCAL\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		as := fibTrie(b)
		loopbackLast(as)
		seen := map[netip.Addr]bool{}
		for i, a := range as {
			if !a.Is4() || seen[a] || i > 0 && as[i-1].IsLoopback() && !a.IsLoopback() {
				t.Errorf("%v", as)
			}
			seen[a] = true
		}
	})
}

func FuzzIfInet6(f *testing.F) {
	f.Add([]byte("fe8000000000000000fc00fffe000001 02 40 20 80     ens3\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if slices.ContainsFunc(ifInet6(b), func(a netip.Addr) bool { return !a.Is6() }) {
			t.Error("an address that is not of IPv6")
		}
	})
}
