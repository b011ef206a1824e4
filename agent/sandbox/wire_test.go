package sandbox

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	p := &pipe{w: &b}
	if err := errors.Join(p.write(frameRows, []byte("abc")), p.write(frameGo, nil)); err != nil {
		t.Fatal(err)
	}
	wire := b.Bytes()
	r := bytes.NewReader(wire)
	for _, want := range []string{"Rabc", "G"} {
		kind, body, err := readFrame(r, 3)
		if got := string(kind) + string(body); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, _, err := readFrame(r, 3); err != io.EOF {
		t.Error(err)
	}
	if _, _, err := readFrame(bytes.NewReader(wire), 2); !errors.Is(err, errFrame) {
		t.Error(err)
	}
	if _, _, err := readFrame(bytes.NewReader(wire[:6]), 9); !errors.Is(err, errFrame) {
		t.Error(err)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("R\x00\x00\x00\x03abc"), 2)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		kind, body, err := readFrame(bytes.NewReader(b), 1<<16)
		if err != nil {
			return
		}
		if again := appendFrame(nil, kind, body); !bytes.HasPrefix(b, again) {
			t.Errorf("%q %q", b, again)
		}
		parts, err := split(body, n&7)
		if size := len(slices.Concat(parts...)); err == nil && size > len(body) {
			t.Errorf("%d of %d bytes in parts of %q", size, len(body), body)
		}
	})
}
