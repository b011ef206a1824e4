package translog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// What a process left when it was killed, after any file that it wrote, is
// either taken or left out, and the log goes on.
func TestKilledBetweenFiles(t *testing.T) {
	w := newWorld(t)
	w.grow(255)
	for range 3 { // over the edge of a tile
		size := w.log.Size()
		e, envelope := entryOf(int(size))
		e.Sum = SumOf(envelope)
		tree := w.log.tree
		if err := tree.Add(e.Encode()); err != nil {
			t.Fatal(err)
		}
		next := &Log{dir: w.dir, hasty: true, signer: w.log.signer, tree: tree, entries: append(append([][]byte(nil), w.log.entries...), e.Encode())}
		for _, tile := range tilesFor(size, size+1) { // killed after each
			if err := next.put(next.path(tile.path()), must(next.tile(tile))(t)); err != nil {
				t.Fatal(err)
			}
			w.reopen()
			if w.log.Size() != size {
				t.Fatalf("after %s: %d entries", tile.path(), w.log.Size())
			}
		}
		w.grow(1)
		w.reopen()
		if w.log.Size() != size+1 {
			t.Fatalf("%d entries", w.log.Size())
		}
	}
}

// Tiles of hashes that are cut, changed or missing are written anew; entries
// that are not those of the checkpoint are refused, and so is a log without
// one: to begin anew would be a rollback.
func TestTruncatedTiles(t *testing.T) {
	w := newWorld(t)
	w.grow(300)
	tiles := append(tilesFor(0, 300), Tile{Level: -2})
	for _, tile := range tiles {
		name := w.log.path(tile.path())
		if tile.Level == -2 {
			name = w.log.path(fileCheckpoint)
		}
		whole := must(os.ReadFile(name))(t)
		for how, b := range map[string][]byte{"cut": whole[:len(whole)-1], "empty": {}, "gone": nil, "longer": append(bytes.Clone(whole), 7), "changed": append([]byte{whole[0], whole[1], whole[2] ^ 1}, whole[3:]...)} {
			os.Remove(name)
			if b != nil {
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			l, err := OpenLog(w.dir, w.private)
			if tile.Level >= 0 {
				if err != nil || !bytes.Equal(must(os.ReadFile(name))(t), whole) || l.Size() != 300 {
					t.Errorf("%s %s: %v", name, how, err)
				}
			} else if !errors.Is(err, ErrDamaged) {
				t.Errorf("%s %s: %v", name, how, err)
			}
			if err := os.WriteFile(name, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "tile", "*", "*.p", "*")); len(left) != 3 {
		t.Errorf("parts of tiles are left: %v", left)
	}
}

// Tiles are where C2SP puts them, hold what x/mod's reader of tiles expects,
// and there are no others.
func TestTiles(t *testing.T) {
	for want, tile := range map[string]Tile{
		"tile/0/x001/x234/067": {0, 1234067, 256}, "tile/1/000.p/5": {1, 0, 5}, "tile/entries/x001/000.p/255": {-1, 1000, 255},
	} {
		if got := tile.path(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	w := newWorld(t)
	w.grow(600)
	for _, tile := range []Tile{{0, 2, 89}, {1, 0, 3}, {-1, 2, 89}, {-2, 0, 1}, {0, 0, 0}, {0, 0, 257}, {0, -1, 1}, {0, 1 << 62, 256}, {1 << 40, 0, 1}, {3, 1 << 60, 1}} {
		if _, err := w.log.Tile(tile); !errors.Is(err, ErrMalformed) {
			t.Errorf("%v: %v", tile, err)
		}
	}
	s := must(w.keys.ReadCheckpoint(w.log.Checkpoint()))(t)
	r := tlog.TileHashReader(tlog.Tree{N: 600, Hash: s.Root}, tiles{w.log})
	for n := range 600 {
		_, envelope := entryOf(n)
		p := must(w.log.Prove(SumOf(envelope), s, nil, 0))(t)
		theirs := must(tlog.ProveRecord(600, int64(n), r))(t)
		if fmt.Sprint(p.Record) != fmt.Sprint(theirs) {
			t.Fatalf("entry %d: another proof of tiles", n)
		}
	}
}

type tiles struct{ log *Log }

func (tiles) Height() int { return tileHeight }
func (r tiles) ReadTiles(list []tlog.Tile) (out [][]byte, err error) {
	for _, t := range list {
		b, err := r.log.Tile(Tile{Level: t.L, Index: t.N, Width: t.W})
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// An envelope is added once, and kept; one that was changed is not given out.
func TestEnvelopes(t *testing.T) {
	w := newWorld(t)
	w.grow(3)
	e, envelope := entryOf(1)
	if i := must(w.log.Append(e, envelope))(t); i != 1 || w.log.Size() != 3 {
		t.Errorf("added again as %d", i)
	}
	if b := must(w.log.Envelope(SumOf(envelope)))(t); !bytes.Equal(b, envelope) {
		t.Errorf("%q", b)
	}
	if err := os.WriteFile(w.log.envelopePath(SumOf(envelope)), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.log.Envelope(SumOf(envelope)); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	for _, e := range []Entry{{Kind: "other", Name: "1"}, {Kind: KindPolicy, Name: "01"}, {Kind: KindPolicy, Name: "-1"}, {Kind: KindPlan, Name: "1"}, {Kind: KindPlan, Name: strings.Repeat("F", 32)}} {
		if e.At = noon; must1(w.log.Append(e, []byte("y"))) == nil {
			t.Errorf("%v is taken", e)
		}
	}
}

func must1(_ int64, err error) error { return err }
