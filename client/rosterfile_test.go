package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// rosterOf draws a roster.
func rosterOf(t *rapid.T) map[message.ID]known {
	some := func(n int, what string) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, what) }
	roster := map[message.ID]known{}
	for range rapid.IntRange(0, 5).Draw(t, "agents") {
		k := known{
			Membership: rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "membership"), Facts: rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "facts"),
			Seen: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seen"), 7).UTC(),
		}
		if rapid.Bool().Draw(t, "verified") {
			k.By = &verified{Policy: some(32, "policy"), Public: some(32, "public"), Token: message.ID(some(16, "token")), Host: rapid.String().Draw(t, "host"), Uses: rapid.IntRange(0, 1<<31).Draw(t, "uses")}
		}
		roster[message.ID(some(16, "id"))] = k
	}
	return roster
}

// What is written is read again, whatever it is.
func TestRosterFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rosterOf(t)
		got, err := decodeRoster(encodeRoster(want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, %v\nwant %+v", got, err, want)
		}
	})
}

// A file of which a bit was changed, or the end is missing, is no roster: an
// agent that is missing in it would not be missed.
func TestRosterFileDamaged(t *testing.T) {
	whole := encodeRoster(map[message.ID]known{{1}: {Membership: []byte("abc"), Facts: []byte("de"), Seen: time.Unix(1, 0)}})
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 4
		if _, err := decodeRoster(changed); !errors.Is(err, errRoster) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := decodeRoster(whole[:i]); !errors.Is(err, errRoster) {
			t.Errorf("%d of %d bytes: %v", i, len(whole), err)
		}
	}
}

// Whom one program takes off the roster is not put there again by another that
// had read it before, unless a relay has named him since.
func TestForgetBesideAnother(t *testing.T) {
	home, err := OpenHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	gone, stays, later := message.ID{1}, message.ID{2}, message.ID{3}
	at := time.Unix(1000, 0)
	home.roster[gone], home.roster[stays], home.changed = known{Seen: at}, known{Seen: at}, true
	if err := home.saveRoster(); err != nil {
		t.Fatal(err)
	}
	other, err := OpenHome(home.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := home.Forget(gone); err != nil {
		t.Fatal(err)
	}
	other.roster[later], other.changed = known{Seen: at}, true
	if err := other.saveRoster(); err != nil {
		t.Fatal(err)
	}
	has := func(want ...message.ID) {
		t.Helper()
		roster, err := home.readRoster()
		for _, id := range want {
			if _, ok := roster[id]; !ok {
				t.Errorf("%s is missing", id)
			}
		}
		if err != nil || len(roster) != len(want) {
			t.Errorf("%d agents, %v; want %d", len(roster), err, len(want))
		}
	}
	has(stays, later)
	other.roster[gone], other.changed = known{Seen: at.Add(time.Hour)}, true
	if err := other.saveRoster(); err != nil {
		t.Fatal(err)
	}
	has(gone, stays, later)
}

// The end of the file is made to fit, so that what is before it is read.
func FuzzRosterFile(f *testing.F) {
	whole := encodeRoster(map[message.ID]known{{1}: {Membership: []byte("abc"), By: &verified{Policy: make([]byte, 32), Public: make([]byte, 32)}}})
	f.Add(whole[len(rosterMagic) : len(whole)-crc32.Size])
	f.Fuzz(func(t *testing.T, records []byte) {
		b := append([]byte(rosterMagic), records...)
		roster, err := decodeRoster(binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
		if err != nil {
			if !errors.Is(err, errRoster) {
				t.Fatal(err)
			}
			return
		}
		if again, err := decodeRoster(encodeRoster(roster)); err != nil || !reflect.DeepEqual(again, roster) {
			t.Fatalf("%+v is read again as %+v, %v", roster, again, err)
		}
	})
}

// BenchmarkReadRoster is what a command pays before it begins, with 10,000
// agents.
func BenchmarkReadRoster(b *testing.B) {
	roster := map[message.ID]known{}
	for i := range 10_000 {
		var id message.ID
		binary.BigEndian.PutUint64(id[:], uint64(i)*0x9e3779b97f4a7c15)
		roster[id] = known{Membership: make([]byte, 1500), Facts: make([]byte, 500), Seen: time.Unix(1, 0), By: &verified{Policy: make([]byte, 32), Public: make([]byte, 32), Host: "web-1"}}
	}
	text := encodeRoster(roster)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := decodeRoster(text); err != nil {
			b.Fatal(err)
		}
	}
}
