package translog

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzEntry(f *testing.F) {
	e, envelope := entryOf(3)
	e.Sum = SumOf(envelope)
	f.Add(e.Encode())
	f.Add(Entry{Kind: KindPolicy, Name: "7", At: noon}.Encode())
	f.Add(Entry{Kind: KindRelease, Name: "1.4.0-rc.1", At: noon}.Encode())
	f.Add(Entry{Kind: KindRollOut, Name: "1.4.0/2", At: noon}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParseEntry(b); err == nil && !bytes.Equal(e.Encode(), b) {
			t.Errorf("%q is read and written as %q", b, e.Encode())
		}
		var sum Sum
		if err := sum.UnmarshalText(b); err == nil && !bytes.EqualFold([]byte(sum.String()), b) {
			t.Errorf("%q is read as %s", b, sum)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	w := newWorld(f)
	w.grow(3)
	f.Add(w.log.Checkpoint())
	f.Add(w.cosigned())
	signed := w.log.Checkpoint()
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := w.keys.ReadCheckpoint(b); err == nil && !bytes.HasPrefix(b, []byte(s.text())) {
			t.Errorf("%q is read as %q", b, s.text())
		}
		if out, err := w.keys.Merge(signed, b); err == nil {
			if _, err := w.keys.ReadCheckpoint(out); err != nil {
				t.Errorf("merged to what cannot be read: %v", err)
			}
		}
		if c, err := parseCheckpoint(string(b)); err == nil && c.text() != string(b) {
			t.Errorf("%q", b)
		}
	})
}

func FuzzProof(f *testing.F) {
	w := newWorld(f)
	w.grow(5)
	good, err := json.Marshal(w.prove(2, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	_, envelope := entryOf(2)
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Proof
		if json.Unmarshal(b, &p) != nil {
			return
		}
		e, s, err := w.keys.Check(&p, SumOf(envelope))
		if err == nil && (e.Sum != SumOf(envelope) || p.Index != 2 || s.Size != 5) {
			t.Errorf("%q proves entry %d", b, p.Index)
		}
		_ = p.Follows(Checkpoint{Size: 1}, s)
	})
}

func FuzzBundle(f *testing.F) {
	e, _ := entryOf(1)
	f.Add(appendBundle(appendBundle(nil, e.Encode()), []byte("x")), 2)
	f.Fuzz(func(t *testing.T, b []byte, width int) {
		list, err := ParseBundle(b, width)
		if err != nil {
			return
		}
		var again []byte
		for _, e := range list {
			again = appendBundle(again, e)
		}
		if !bytes.Equal(again, b) || len(list) != width {
			t.Errorf("%q is read as %q", b, list)
		}
	})
}
