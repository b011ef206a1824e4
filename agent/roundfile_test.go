package agent

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// A file of a round that lost or changed a single bit is no file of a round:
// its rows would be told as new or gone.
func TestRoundFile(t *testing.T) {
	f := roundFile{number: 7, began: time.Unix(0, 1_764_500_000_000_000_001), next: 300, told: 1 << 40, rows: []byte("QRS1 rows")}
	text := f.encode()
	got, err := decodeRoundFile(text)
	if err != nil || got.number != f.number || !got.began.Equal(f.began) || got.next != f.next || got.told != f.told || !bytes.Equal(got.rows, f.rows) {
		t.Fatalf("%+v, %v", got, err)
	}
	for n := range len(text) {
		if _, err := decodeRoundFile(text[:n]); !errors.Is(err, errRoundLost) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	for bit := range 8 * len(text) {
		flipped := bytes.Clone(text)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, err := decodeRoundFile(flipped); !errors.Is(err, errRoundLost) {
			t.Errorf("bit %d flipped: %v", bit, err)
		}
	}
}

func FuzzRoundFile(f *testing.F) {
	whole := roundFile{number: 7, began: time.Unix(1, 2), next: 300, told: 9, rows: []byte("rows")}
	f.Add(whole.encode())
	f.Add([]byte(roundMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := decodeRoundFile(b)
		if err != nil {
			if !errors.Is(err, errRoundLost) {
				t.Fatal(err)
			}
			return
		}
		again, err := decodeRoundFile(read.encode())
		if err != nil || again.number != read.number || again.next != read.next || again.told != read.told || !bytes.Equal(again.rows, read.rows) {
			t.Fatalf("%+v became %+v: %v", read, again, err)
		}
	})
}
