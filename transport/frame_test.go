package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// readFrame is ReadFrame without a connection.
func readFrame(r io.Reader, limit func(byte) int) (byte, []byte, error) {
	var h [frameHead]byte
	n, _, err := readHead(r, &h, limit)
	if err != nil {
		return 0, nil, err
	}
	body, err := readBody(r, n)
	return h[0], body, err
}

func TestFrameExampleOfThePackage(t *testing.T) {
	got := append(appendFrame(nil, 1, 2), "{}"...)
	want := []byte{1, 0, 0, 0, 2, 0x7b, 0x7d}
	if !bytes.Equal(got, want) {
		t.Fatalf("% x", got)
	}
}

func TestFramesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(
			rapid.IntRange(0, 100),
			rapid.SampledFrom([]int{firstRead - 1, firstRead, firstRead + 1, growth*firstRead - 1, growth * firstRead, growth*firstRead + 1}),
			rapid.IntRange(0, 300_000)), 1, 6).Draw(t, "sizes")
		var wire []byte
		for i, n := range sizes {
			wire = append(appendFrame(wire, byte(i), n), bytes.Repeat([]byte{byte(i + 1)}, n)...)
		}
		r := bytes.NewReader(wire)
		for i, n := range sizes {
			typ, body, err := readFrame(r, atMost(n))
			if err != nil || typ != byte(i) || !bytes.Equal(body, bytes.Repeat([]byte{byte(i + 1)}, n)) {
				t.Fatalf("frame %d of %d bytes: type %d, %d bytes, %v", i, n, typ, len(body), err)
			}
		}
		if _, _, err := readFrame(r, atMost(0)); err != io.EOF {
			t.Fatalf("after the last: %v", err)
		}
	})
}

func TestFrameRefused(t *testing.T) {
	huge := binary.BigEndian.AppendUint32([]byte{7}, 1<<32-1)
	for name, c := range map[string]struct {
		wire  []byte
		limit int
		want  error
	}{
		"nothing":              {nil, 10, io.EOF},
		"a head that is cut":   {[]byte{1, 0, 0}, 10, io.ErrUnexpectedEOF},
		"a body that is cut":   {[]byte{1, 0, 0, 0, 3, 'a', 'b'}, 10, io.ErrUnexpectedEOF},
		"no body at all":       {[]byte{1, 0, 0, 0, 3}, 10, io.ErrUnexpectedEOF},
		"one byte too many":    {append(appendFrame(nil, 1, 11), make([]byte, 11)...), 10, ErrFrame},
		"four gigabytes":       {huge, 96 * megabyte, ErrFrame},
		"a type not wanted":    {[]byte{1, 0, 0, 0, 0}, -1, ErrFrame},
		"a claim and no bytes": {appendFrame(nil, 1, 96*megabyte), 96 * megabyte, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := readFrame(bytes.NewReader(c.wire), atMost(c.limit))
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

// A head that claims 96 MB costs what arrives, not what it claims.
func TestFrameClaimCostsNothing(t *testing.T) {
	for _, sent := range []int{0, 1, firstRead, 10 * firstRead, megabyte} {
		wire := append(appendFrame(nil, 5, 96*megabyte), make([]byte, sent)...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := readFrame(bytes.NewReader(wire), atMost(96*megabyte))
		runtime.ReadMemStats(&after)
		wantIs(t, err, io.ErrUnexpectedEOF)
		most := uint64(firstRead + 2*growth*sent + 64<<10)
		if got := after.TotalAlloc - before.TotalAlloc; got > most {
			t.Errorf("%d bytes sent: %d bytes allocated, over %d", sent, got, most)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 2, '{', '}'}, 10)
	f.Add(appendFrame(nil, 5, 96*megabyte), 96*megabyte)
	f.Add([]byte{1, 0, 0}, 3)
	f.Add([]byte{9, 0xff, 0xff, 0xff, 0xff}, -1)
	f.Fuzz(func(t *testing.T, wire []byte, limit int) {
		typ, body, err := readFrame(bytes.NewReader(wire), atMost(limit))
		if err != nil {
			return
		}
		if len(body) > limit || len(wire) < frameHead+len(body) {
			t.Fatalf("a body of %d bytes from %d, limit %d", len(body), len(wire), limit)
		}
		again := append(appendFrame(nil, typ, len(body)), body...)
		if !bytes.Equal(again, wire[:len(again)]) {
			t.Fatal("what was read is not what was written")
		}
	})
}

// FuzzGuard compares the guard, fed in any pieces, with itself fed byte by byte.
func FuzzGuard(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x03abc"), uint8(5))
	f.Add(bytes.Repeat([]byte("\x00\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"), 40), uint8(7))
	f.Fuzz(func(t *testing.T, wire []byte, piece uint8) {
		var one, some guard
		var ones, somes []string
		note := func(to *[]string) func(uint32, uint16, uint32, uint32) bool {
			return func(stream uint32, flags uint16, n, room uint32) bool {
				*to = append(*to, fmt.Sprint(stream, flags, n, room))
				return true
			}
		}
		one.saw, some.saw = note(&ones), note(&somes)
		good := true
		for i := range wire {
			good = good && one.pass(wire[i:i+1])
		}
		same := true
		for rest := wire; len(rest) > 0 && same; {
			n := min(int(piece)+1, len(rest))
			same = some.pass(rest[:n])
			rest = rest[n:]
		}
		if good != same || good && (one.inside() != some.inside() || one.skip != some.skip || one.pings != some.pings) {
			t.Fatalf("byte by byte %v %+v, in pieces %v %+v", good, one, same, some)
		}
		if good && !slices.Equal(ones, somes) {
			t.Fatalf("byte by byte %q were seen, in pieces %q", ones, somes)
		}
	})
}

func TestKind(t *testing.T) {
	for in, want := range map[string]string{
		"\x05agent":                       "agent",
		"\x05agent\x01":                   "agent",
		"\x00":                            "",
		"\x05agen":                        "",
		"":                                "",
		"\x21" + string(make([]byte, 40)): "",
		"\x20" + string(bytes.Repeat([]byte("k"), 32)): string(bytes.Repeat([]byte("k"), 32)),
	} {
		got, err := readKind(bytes.NewReader([]byte(in)))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}
