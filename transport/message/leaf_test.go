package message

import (
	"bytes"
	"testing"

	"github.com/quaestor-engine/quaestor/signing"
)

// What is said on a leaf's line is read back as it was written.
func TestLeafFrames(t *testing.T) {
	id := signing.NewID()
	o, err := DecodeOpened((&Opened{Channel: 7, Agent: id, Kind: KindAgent}).Append(nil))
	if err != nil || o != (Opened{7, id, KindAgent}) {
		t.Errorf("%+v, %v", o, err)
	}
	c, err := DecodeCarried((&Carried{Channel: 1 << 31, Type: TypeAck, Body: []byte("x")}).Append(nil))
	if err != nil || c.Channel != 1<<31 || c.Type != TypeAck || string(c.Body) != "x" {
		t.Errorf("%+v, %v", c, err)
	}
	if n, err := DecodeShut(AppendShut(nil, 9)); err != nil || n != 9 {
		t.Errorf("%d, %v", n, err)
	}
	want := []Stored{{id, Ack{Plan: id, Next: 3}}, {signing.NewID(), Ack{Plan: id, Gone: true}}}
	got, err := DecodeStored(AppendStored(AppendStored(nil, want[0]), want[1]))
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v, %v", got, err)
	}
	for name, err := range map[string]error{
		"no kind": second(DecodeOpened(make([]byte, openedHead))), "a long kind": second(DecodeOpened(make([]byte, openedHead+maxKind+1))),
		"no type": second(DecodeCarried(make([]byte, 4))), "no number": second(DecodeShut(nil)), "nothing stored": second(DecodeStored(nil)),
		"half": second(DecodeStored(make([]byte, storedSize+1))), "odd": second(DecodeStored(bytes.Repeat([]byte{2}, storedSize))),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func FuzzLeafFrames(f *testing.F) {
	f.Add((&Opened{Channel: 7, Kind: KindAgent}).Append(nil))
	f.Add(AppendStored(nil, Stored{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := DecodeOpened(b); err == nil && !bytes.Equal(o.Append(nil), b) {
			t.Error("a channel opened")
		}
		if c, err := DecodeCarried(b); err == nil && !bytes.Equal(c.Append(nil), b) {
			t.Error("a frame of a channel")
		}
		if n, err := DecodeShut(b); err == nil && !bytes.Equal(AppendShut(nil, n), b) {
			t.Error("a channel closed")
		}
		if all, err := DecodeStored(b); err == nil {
			var again []byte
			for _, s := range all {
				again = AppendStored(again, s)
			}
			if !bytes.Equal(again, b) {
				t.Error("acknowledgements")
			}
		}
	})
}
