package probe

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// serverReply makes what a good server of stratum 2 says, whose clock is ahead
// of this one's.
func serverReply(question []byte, ahead time.Duration) []byte {
	b := make([]byte, ntpLength)
	b[0], b[1] = 4<<3|ntpServer, 2
	binary.BigEndian.PutUint32(b[4:], 1<<15) // half a second
	binary.BigEndian.PutUint32(b[8:], 1<<14)
	copy(b[12:], []byte{192, 0, 2, 1})
	copy(b[24:32], question[40:48])
	now := time.Now().Add(ahead)
	putTime(b[32:], now)
	putTime(b[40:], now)
	return b
}

func putTime(b []byte, t time.Time) {
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+2_208_988_800))
	binary.BigEndian.PutUint32(b[4:], uint32(int64(t.Nanosecond())<<32/int64(time.Second)))
}

// server answers with good replies that were tampered with.
func server(t testing.TB, ahead time.Duration, tamper func(b []byte) [][]byte) int {
	return speak(t, func(q []byte) [][]byte {
		if len(q) != ntpLength || q[0] != ntpRequest {
			t.Errorf("asked with %x", q)
			return nil
		}
		for _, c := range q[1:40] {
			if c != 0 {
				t.Errorf("the question tells of this host: %x", q)
			}
		}
		return tamper(serverReply(q, ahead))
	})
}

func honest(t testing.TB) int { return server(t, 0, func(b []byte) [][]byte { return [][]byte{b} }) }

func TestClock(t *testing.T) {
	set := func(i int, v ...byte) func([]byte) [][]byte {
		return func(b []byte) [][]byte {
			copy(b[i:], v)
			return [][]byte{b}
		}
	}
	good := set(1, 2)
	for name, x := range map[string]struct {
		ahead  time.Duration
		tamper func([]byte) [][]byte
		want   string
	}{
		"good":                   {0, good, "answered | 2 | 192.0.2.1 | 500ms | 250ms"},
		"an hour ahead":          {time.Hour, good, "answered | 2 | 192.0.2.1 | 500ms | 250ms"},
		"behind by two minutes":  {-2 * time.Minute, good, "answered | 2 | 192.0.2.1 | 500ms | 250ms"},
		"ahead by twenty years":  {20 * 365 * 24 * time.Hour, good, "answered | 2 | 192.0.2.1 | 500ms | 250ms"},
		"a clock of its own":     {0, func(b []byte) [][]byte { b[1] = 1; copy(b[12:], "GPS\x00"); return [][]byte{b} }, "answered | 1 | GPS | 500ms | 250ms"},
		"kiss of death":          {0, func(b []byte) [][]byte { b[1] = 0; copy(b[12:], "RATE"); return [][]byte{b} }, "kiss | null | RATE | null | null"},
		"kiss without times":     {0, func(b []byte) [][]byte { b[1] = 0; copy(b[12:], "DENY"); clear(b[32:]); return [][]byte{b} }, "kiss | null | DENY | null | null"},
		"its clock was not set":  {0, set(0, unsynchronized<<6|4<<3|ntpServer), "unset | 2 | 192.0.2.1 | null | null"},
		"stratum 16":             {0, set(1, 16), "unset | 16 | 192.0.2.1 | null | null"},
		"of a client":            {0, set(0, 4<<3|3), "malformed | null | null | null | null"},
		"another nonce":          {0, set(24, 1, 2, 3, 4, 5, 6, 7, 8), "malformed | null | null | null | null"},
		"too short":              {0, func(b []byte) [][]byte { return [][]byte{b[:47]} }, "malformed | null | null | null | null"},
		"empty":                  {0, func(b []byte) [][]byte { return [][]byte{{}} }, "malformed | null | null | null | null"},
		"no time":                {0, func(b []byte) [][]byte { clear(b[40:48]); return [][]byte{b} }, "malformed | null | null | null | null"},
		"it went before it came": {0, func(b []byte) [][]byte { putTime(b[40:], time.Now().Add(-time.Hour)); return [][]byte{b} }, "malformed | null | null | null | null"},
		"it held the question":   {0, func(b []byte) [][]byte { putTime(b[40:], time.Now().Add(time.Hour)); return [][]byte{b} }, "malformed | 2 | 192.0.2.1 | null | null"},
		"a stranger answers first": {0, func(b []byte) [][]byte {
			false := append([]byte(nil), b...)
			clear(false[24:32])
			return [][]byte{false, b}
		}, "answered | 2 | 192.0.2.1 | 500ms | 250ms"},
		"silence": {0, func([]byte) [][]byte { return nil }, "timeout | null | null | null | null"},
	} {
		t.Run(name, func(t *testing.T) {
			where := fmt.Sprintf("127.0.0.1:%d?count=1&wait=100ms", server(t, x.ahead, x.tamper))
			rows, rec := moduletest.Rows(t, named(t, "clock"), "", strings.Fields("outcome stratum reference root_delay root_dispersion"), []string{where})
			if len(rows) != 1 || rows[0] != x.want {
				t.Errorf("%q, not %q", rows, x.want)
			}
			if len(rec.Skips()) != 0 {
				t.Errorf("nobody asked for the drift: %+v", rec.Skips())
			}
			rows, rec = moduletest.Rows(t, named(t, "clock"), "", strings.Fields("drift round_trip"), []string{where})
			if told := strings.HasPrefix(x.want, answered); len(rows) != 1 || told != (rows[0] != "null | null") || told != (len(rec.Skips()) == 0) {
				t.Errorf("%q, %+v", rows, rec.Skips())
			}
		})
	}
}

// A server whose clock is ahead makes this one late: by that, and by half of
// the way at most.
func TestDrift(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Hour, -2 * time.Minute, 40 * 365 * 24 * time.Hour} {
		begin := time.Now()
		r := reply{received: begin.Add(ahead + 30*time.Millisecond), sent: begin.Add(ahead + 40*time.Millisecond)}
		drift, way := r.drift(begin, 50*time.Millisecond)
		if drift != -ahead-10*time.Millisecond || way != 40*time.Millisecond {
			t.Errorf("ahead %s: drift %s, way %s", ahead, drift, way)
		}
	}
}

// The number of seconds begins again in 2036.
func TestTimes(t *testing.T) {
	for _, want := range []time.Time{
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 30, 8, 0, 0, 5e8, time.UTC),
		time.Date(2036, 2, 7, 6, 28, 15, 0, time.UTC), time.Date(2036, 2, 7, 6, 28, 17, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		var b [8]byte
		putTime(b[:], want)
		if got := ntpTime(b[:]); !got.Equal(want) {
			t.Errorf("%s is read as %s", want, got)
		}
	}
}

func FuzzNTP(f *testing.F) {
	q := make([]byte, ntpLength)
	f.Add(serverReply(q, 0))
	f.Add([]byte{0x24, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseNTP(b, [8]byte{})
		if err != nil {
			return
		}
		if len(b) < ntpLength || b[0]&7 != ntpServer {
			t.Errorf("%x is taken for a reply", b)
		}
		w := watch{reply: r}
		w.judge(time.Now(), time.Second)
		if w.outcome == answered && (w.isKiss() || w.way < 0 || w.way > time.Second) {
			t.Errorf("%x: %+v", b, w)
		}
	})
}

func FuzzEcho(f *testing.F) {
	nonce := []byte("0123456789abcdef")
	good := echoRequest(false, 7, nonce)
	good[0] = reply4
	f.Add(good, false)
	f.Add(append([]byte{0x45, 19: 0}, good...), false)
	six := echoRequest(true, 7, nonce)
	six[0] = reply6
	f.Add(six, true)
	f.Add([]byte{0x4f, 1}, false)
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		if isReply(b, six, 7, nonce) && !strings.HasSuffix(string(b), string(nonce)) {
			t.Errorf("%x is taken for the reply", b)
		}
		if isReply(b, six, 8, nonce) && isReply(b, six, 7, nonce) {
			t.Errorf("%x answers two questions", b)
		}
	})
}
