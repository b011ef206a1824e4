package message_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

func TestChunk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var c message.Chunk
		copy(c.Agent[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "agent"))
		copy(c.Plan[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "plan"))
		c.Seq, c.Final = rapid.Uint32().Draw(rt, "seq"), rapid.Bool().Draw(rt, "final")
		c.Data = rapid.SliceOf(rapid.Byte()).Draw(rt, "data")
		wire := c.Append([]byte("before"))
		got, err := message.DecodeChunk(wire[len("before"):])
		if err != nil || got.Agent != c.Agent || got.Plan != c.Plan || got.Seq != c.Seq || got.Final != c.Final || !bytes.Equal(got.Data, c.Data) {
			rt.Fatalf("%+v, %v, want %+v", got, err, c)
		}
	})
	for name, b := range map[string][]byte{
		"empty": nil, "short": make([]byte, 36), "long": make([]byte, message.MaxChunk+38),
		"neither last nor not": append(make([]byte, 36), 2),
	} {
		if _, err := message.DecodeChunk(b); !errors.Is(err, message.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What holds the largest policy, or the largest envelope, has room for it.
func TestRoomForEnvelopes(t *testing.T) {
	in64 := base64.StdEncoding.EncodedLen
	policy := in64(signing.MaxPolicy) + signing.MaxSignatures*(in64(signing.MaxSignature)+100) // its envelope
	const beside = 1 << 10                                                                     // what is said with it
	for what, c := range map[string]struct {
		t    message.Type
		size int
	}{
		"policy":   {message.TypePolicy, policy},
		"granted":  {message.TypeGranted, in64(policy) + beside},
		"enrolled": {message.TypeEnrolled, in64(policy) + beside + 4<<10},
		"item":     {message.TypeItem, in64(signing.MaxEnvelope) + beside},
	} {
		if have := message.Limit(c.t); have < c.size {
			t.Errorf("%s: %d bytes have no room in %d", what, c.size, have)
		}
	}
}

func TestControl(t *testing.T) {
	plan, err := signingID("000102030405060708090a0b0c0d0e0f")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []any{
		&message.Hello{Version: 1, Agent: plan, Membership: []byte{1, 2}, Open: []message.Open{{Plan: plan}}},
		&message.Ack{Plan: plan, Next: 7, Gone: true},
		&message.Request{Op: message.OpFollow, Plan: plan, Stored: true},
		&message.Request{Op: message.OpFleet},
		&message.Investigation{Plan: plan, Envelope: []byte("x"), Submitted: time.Unix(1, 0).UTC()},
	} {
		got := reflect.New(reflect.TypeOf(body).Elem()).Interface()
		if err := message.Unmarshal(message.Marshal(body), got); err != nil || !reflect.DeepEqual(got, body) {
			t.Errorf("%+v, %v\nwant %+v", got, err, body)
		}
	}
	for _, text := range []string{``, `{`, `{} {}`, `[]`, `{"plan":"xyz"}`, `{"plan":"00"}`} {
		var a message.Ack
		if err := message.Unmarshal([]byte(text), &a); !errors.Is(err, message.ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
	// What a newer peer adds is passed over.
	var a message.Ack
	if err := message.Unmarshal([]byte(`{"next":3,"newer":true}`), &a); err != nil || a.Next != 3 {
		t.Errorf("%+v, %v", a, err)
	}
}

func signingID(hex string) (id message.ID, err error) {
	err = id.UnmarshalText([]byte(hex))
	return id, err
}

// The largest plan fits a frame, and small things have small frames.
func TestLimits(t *testing.T) {
	if message.Limit(message.TypePlan) < 64<<20/3*4 {
		t.Error("a plan of 64 MiB in base64 does not fit")
	}
	if message.Limit(message.TypeAck) > 1<<20 {
		t.Error("an acknowledgement may be larger than it needs")
	}
}

func FuzzDecodeChunk(f *testing.F) {
	f.Add((&message.Chunk{Seq: 1, Final: true, Data: []byte("x")}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := message.DecodeChunk(b)
		if err != nil {
			if !errors.Is(err, message.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(c.Append(nil), b) {
			t.Fatal("two encodings of one chunk")
		}
	})
}

// What is said about agents and what is read are the same, and there is one
// way to say it.
func TestAbout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOfN(rapid.Byte(), 0, 40)
		a := message.Agent{
			Membership: bytes.Draw(t, "membership"), Facts: bytes.Draw(t, "facts"), Software: rapid.String().Draw(t, "software"),
			Online: rapid.Bool().Draw(t, "online"), Policy: rapid.Int64().Draw(t, "policy"),
		}
		copy(a.Agent[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "agent"))
		if rapid.Bool().Draw(t, "was seen") {
			a.Seen = time.Unix(rapid.Int64Range(-1<<33, 1<<33).Draw(t, "seen"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		}
		got, err := message.DecodeAgent(a.Append(nil))
		if err != nil || !reflect.DeepEqual(got, a) {
			t.Fatalf("%+v, %v\nwant %+v", got, err, a)
		}
		s := message.State{Agent: a.Agent, Reached: a.Online, Done: rapid.Bool().Draw(t, "done"), Online: rapid.Bool().Draw(t, "up"), Chunks: rapid.Uint32().Draw(t, "chunks")}
		if got, err := message.DecodeState(s.Append(nil)); err != nil || got != s {
			t.Fatalf("%+v, %v\nwant %+v", got, err, s)
		}
	})
	whole := (&message.Agent{Membership: []byte("abc"), Facts: []byte("de"), Software: "1"}).Append(nil)
	for n := range whole {
		if _, err := message.DecodeAgent(whole[:n]); !errors.Is(err, message.ErrMalformed) {
			t.Errorf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	if _, err := message.DecodeAgent(append(whole, 0)); !errors.Is(err, message.ErrMalformed) {
		t.Errorf("a byte too many: %v", err)
	}
}

func FuzzAbout(f *testing.F) {
	f.Add((&message.Agent{Membership: []byte("x"), Software: "1.0.0"}).Append(nil))
	f.Add((&message.State{Reached: true, Chunks: 2}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := message.DecodeAgent(b)
		if err != nil && !errors.Is(err, message.ErrMalformed) {
			t.Fatal(err)
		}
		if err == nil && !bytes.Equal(a.Append(nil), b) {
			t.Fatal("two encodings of one agent")
		}
		s, err := message.DecodeState(b)
		if err != nil && !errors.Is(err, message.ErrMalformed) {
			t.Fatal(err)
		}
		if err == nil && !bytes.Equal(s.Append(nil), b) {
			t.Fatal("two encodings of one state")
		}
	})
}

// What releases are spoken of with is read as it was written, or not at all.
func FuzzRelease(f *testing.F) {
	f.Add(message.Marshal(message.Upgrade{Release: []byte("a"), RollOut: []byte("b")}))
	f.Add(message.Marshal(message.PieceQuery{Index: 3}))
	f.Add(message.Marshal(message.Missing{Programs: []message.PieceQuery{{Index: 1}}}))
	f.Add(message.Marshal(message.Release{Envelope: []byte("a"), RollOuts: [][]byte{{1}}, Complete: true}))
	f.Add(message.Marshal(message.Well{Release: "1.1.0"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []any{&message.Upgrade{}, &message.PieceQuery{}, &message.Missing{}, &message.Release{}, &message.RolledOut{}, &message.Well{}} {
			if err := message.Unmarshal(b, v); err != nil {
				if !errors.Is(err, message.ErrMalformed) {
					t.Fatal(err)
				}
				continue
			}
			again := reflect.New(reflect.TypeOf(v).Elem()).Interface()
			if err := message.Unmarshal(message.Marshal(v), again); err != nil || !bytes.Equal(message.Marshal(again), message.Marshal(v)) {
				t.Fatalf("%+v is read again as %+v, %v", v, again, err)
			}
		}
	})
}
