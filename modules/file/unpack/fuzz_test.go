package unpack

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
)

// small is a budget under which a fuzzer gets on.
func small() *Budget {
	b := NewBudget()
	b.MaxBytes, b.MaxMembers, b.MaxMemory, b.MaxBuffer = 1<<20, 100, 4<<20, 1<<20
	return b
}

func FuzzReader(f *testing.F) {
	for c := range compressors {
		f.Add(uint8(c), compress(f, c, sample(300)))
	}
	f.Add(uint8(Xz), compress(f, Xz, sample(300), "--block-size=100"))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		b := small()
		r, err := NewReader(bytes.NewReader(data), Format(kind%8), b)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil && !isOurs(err) {
			t.Errorf("%v is of no family", err)
		}
		if b.memory != 0 {
			t.Errorf("%d bytes of memory are still held", b.memory)
		}
	})
}

func FuzzWalk(f *testing.F) {
	jar := string(zipOf(f, zip.Deflate, file{"x", string(sample(100))}))
	plain := tarOf(f, file{"a.jar", jar}, file{"b", "b"})
	f.Add(plain)
	f.Add(zipOf(f, zip.Store, file{"a.jar", jar}))
	for c := range compressors {
		f.Add(compress(f, c, plain))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := small()
		skips := map[string]int{}
		err := Walk(context.Background(), section(data), b, func(m *Member) error {
			if r, err := m.Open(); err == nil {
				io.Copy(io.Discard, r)
			}
			return nil
		}, func(path string, err error) {
			if skips[path]++; !isOurs(err) && !errors.Is(err, errOnce) {
				t.Errorf("%q: %v is of no family", path, err)
			}
		})
		if err != nil && !isOurs(err) {
			t.Errorf("%v is of no family", err)
		}
		if b.memory != 0 {
			t.Errorf("%d bytes of memory are still held", b.memory)
		}
	})
}
