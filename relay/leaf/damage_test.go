package leaf

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
)

// What was acknowledged and cannot be read is set aside and said; a record that
// was being written is cut off. What stands before is sent in either case.
func TestDamage(t *testing.T) {
	made := opened(t, t.TempDir(), room)
	k := key{signing.NewID(), signing.NewID()}
	for seq := range uint32(3) {
		put(t, made, k, seq)
	}
	whole, err := os.ReadFile(made.path(k))
	if err != nil {
		t.Fatal(err)
	}
	record := len(whole) / 3
	for _, x := range []struct {
		name   string
		change func(b []byte) []byte
		left   int // chunks
		aside  bool
	}{
		{"nothing", func(b []byte) []byte { return b }, 3, false},
		{"the last is cut", func(b []byte) []byte { return b[:len(b)-3] }, 2, false},
		{"the last's head is cut", func(b []byte) []byte { return b[:2*record+5] }, 2, false},
		{"the last is changed", func(b []byte) []byte { b[len(b)-1]++; return b }, 2, false},
		{"the file had grown", func(b []byte) []byte { return append(b, make([]byte, 5000)...) }, 3, false},
		{"the middle is changed", func(b []byte) []byte { b[2*record-1]++; return b }, 1, true},
		{"the first is changed", func(b []byte) []byte { b[record-1]++; return b }, 0, true},
		{"the middle says that it is longer", func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[record:], uint32(2*record-recordHead))
			return b
		}, 1, true},
		{"the middle says that it is far longer", func(b []byte) []byte { binary.BigEndian.PutUint32(b[record:], 1<<20); return b }, 1, true},
		{"the middle's head is none", func(b []byte) []byte { binary.BigEndian.PutUint32(b[record:], 1<<31); return b }, 1, true},
		{"the middle is missing", func(b []byte) []byte { return slices.Delete(b, record, 2*record) }, 1, true},
		{"half of the middle is missing", func(b []byte) []byte { return slices.Delete(b, record+20, 2*record) }, 1, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, dirSpool), 0o700); err != nil {
				t.Fatal(err)
			}
			b := x.change(slices.Clone(whole))
			if err := os.WriteFile(filepath.Join(dir, dirSpool, k.name()), b, 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s, err := openSpool(dir, room, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if got := drained(t, s); len(got) != x.left {
				t.Errorf("%d chunks are left, want %d", len(got), x.left)
			}
			rest := b[x.left*record:]
			if said := strings.Contains(log.String(), k.plan.String()) && strings.Contains(log.String(), k.agent.String()); said != (len(rest) > 0) {
				t.Errorf("of %d bytes it says %q", len(rest), log.String())
			}
			all, _ := filepath.Glob(filepath.Join(dir, dirDamaged, k.name()+".*"))
			if !x.aside {
				if len(all) != 0 {
					t.Errorf("it was never acknowledged, and is in %s", all)
				}
				return
			}
			if len(all) != 1 {
				t.Fatalf("set aside are %q", all)
			}
			if got, err := os.ReadFile(all[0]); err != nil || !bytes.Equal(got, rest) {
				t.Errorf("%d bytes are set aside, want %d: %v", len(got), len(rest), err)
			}
			if !strings.Contains(log.String(), "ERROR") {
				t.Error(log.String())
			}
			if next := put(t, s, k, uint32(x.left)); next != uint32(x.left)+1 {
				t.Errorf("it does not go on: %d", next)
			}
		})
	}
}

// A first chunk that was not kept leaves no file behind: the next try makes it
// and its name anew, and both are on the disk before they are acknowledged.
func TestFirstAppendFails(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, room)
	k := key{signing.NewID(), signing.NewID()}
	sound := filepath.Join(dir, dirSpool)
	if err := os.Rename(sound, sound+".away"); err != nil {
		t.Fatal(err)
	}
	if next, err := s.put(chunkOf(k, 0, false, "x")); err == nil || next != 0 || len(s.all) != 0 {
		t.Errorf("without a folder: %d, %v", next, err)
	}
	if err := os.Rename(sound+".away", sound); err != nil {
		t.Fatal(err)
	}
	s.syncDir = func(string) error { return os.ErrPermission }
	if next, err := s.put(chunkOf(k, 0, false, "x")); err == nil || next != 0 {
		t.Errorf("without its name on the disk: %d, %v", next, err)
	}
	if files, _ := os.ReadDir(sound); len(files) != 0 || s.bytes != 0 {
		t.Errorf("%s is left, and %d bytes", files, s.bytes)
	}
	synced := 0
	s.syncDir = func(dir string) error { synced++; return wholefile.Sync(dir) }
	if next := put(t, s, k, 0); next != 1 || synced != 1 {
		t.Errorf("tried again: %d, synced %d times", next, synced)
	}
}
