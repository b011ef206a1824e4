package translog

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// A Tree is a log's hashes in memory. Whoever adds every entry of a log to one
// has proved all of it: its roots are those that the log must have shown. The
// zero tree is empty. It is not safe for several goroutines.
type Tree struct {
	size   int64
	hashes []tlog.Hash
}

// Size gives the number of entries.
func (t *Tree) Size() int64 { return t.size }

// Add adds an encoded entry at the end.
func (t *Tree) Add(entry []byte) error {
	if t.size >= MaxSize {
		return fmt.Errorf("translog: the log has %d entries, and can have no more", t.size)
	}
	more, err := tlog.StoredHashes(t.size, entry, t)
	if err != nil {
		return fmt.Errorf("translog: %w", err)
	}
	t.hashes = append(t.hashes, more...)
	t.size++
	return nil
}

// ReadHashes implements tlog.HashReader.
func (t *Tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(t.hashes)) {
			return nil, fmt.Errorf("translog: there is no hash %d in a tree of %d entries", x, t.size)
		}
		out[i] = t.hashes[x]
	}
	return out, nil
}

// Root gives the hash over the first entries, of which there are so many.
func (t *Tree) Root(size int64) (tlog.Hash, error) {
	if size < 0 || size > t.size {
		return tlog.Hash{}, fmt.Errorf("translog: the root of %d entries, where there are %d", size, t.size)
	}
	root, err := tlog.TreeHash(size, t)
	if err != nil {
		return root, fmt.Errorf("translog: %w", err)
	}
	return root, nil
}

// consistency proves that the tree of one size goes on from that of another.
func (t *Tree) consistency(from, to int64) (tlog.TreeProof, error) {
	if from <= 0 || from >= to {
		return nil, nil
	}
	if to > t.size {
		return nil, fmt.Errorf("translog: there are %d entries, and not %d", t.size, to)
	}
	return tlog.ProveTree(to, from, t)
}

// tileHeight is the height of tiles: 256 hashes each, as C2SP has it.
const tileHeight = 8

// TileWidth is how many hashes, or entries, a whole tile has.
const TileWidth = 1 << tileHeight

// A Tile names one: of hashes, at a level from 0, or of entries, at level -1.
// Width is less than TileWidth for the last of a level.
type Tile struct {
	Level int
	Index int64
	Width int
}

// path gives where C2SP tlog-tiles puts it.
func (t Tile) path() string {
	dir := "entries"
	if t.Level >= 0 {
		dir = fmt.Sprint(t.Level)
	}
	n := fmt.Sprintf("%03d", t.Index%1000)
	for rest := t.Index / 1000; rest > 0; rest /= 1000 {
		n = fmt.Sprintf("x%03d/%s", rest%1000, n)
	}
	if t.Width < TileWidth {
		n += fmt.Sprintf(".p/%d", t.Width)
	}
	return "tile/" + dir + "/" + n
}

// tilesFor lists the tiles that a log of a size has and one of an earlier size
// had not, those of entries last.
func tilesFor(before, size int64) []Tile {
	var out []Tile
	for _, t := range tlog.NewTiles(tileHeight, before, size) {
		out = append(out, Tile{Level: t.L, Index: t.N, Width: t.W})
	}
	for n := before / TileWidth; n*TileWidth < size; n++ {
		out = append(out, Tile{Level: -1, Index: n, Width: int(min(TileWidth, size-n*TileWidth))})
	}
	return out
}

// lastTiles lists the tiles of a log that are not whole.
func lastTiles(size int64) []Tile {
	var out []Tile
	add := func(level int, n int64) {
		if w := n % TileWidth; w > 0 {
			out = append(out, Tile{Level: level, Index: n / TileWidth, Width: int(w)})
		}
	}
	add(-1, size)
	for level, n := 0, size; n > 0; level, n = level+1, n/TileWidth {
		add(level, n)
	}
	return out
}

// check says whether a log of a size has a tile.
func (t Tile) check(size int64) error {
	unit := int64(1)
	for range max(0, t.Level) {
		unit *= TileWidth
		if unit > MaxSize {
			break
		}
	}
	if t.Level < -1 || t.Index < 0 || t.Index > MaxSize || t.Width < 1 || t.Width > TileWidth || (t.Index*TileWidth+int64(t.Width))*unit > size {
		return fmt.Errorf("%w: the log has no such tile", ErrMalformed)
	}
	return nil
}

// tile gives the bytes of a tile of hashes.
func (t *Tree) tile(of Tile) ([]byte, error) {
	return tlog.ReadTileData(tlog.Tile{H: tileHeight, L: of.Level, N: of.Index, W: of.Width}, t)
}

// MaxBundle is the size of a tile of entries, in bytes.
const MaxBundle = TileWidth * (2 + MaxEntry)

// appendBundle adds an entry to a tile of entries.
func appendBundle(b, entry []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(entry))), entry...)
}

// ParseBundle reads a tile of so many entries. They share b. The error wraps
// ErrMalformed; that each is an entry is for ParseEntry to say.
func ParseBundle(b []byte, width int) ([][]byte, error) {
	var out [][]byte
	for len(b) >= 2 && len(out) < width {
		n := int(binary.BigEndian.Uint16(b))
		if n > MaxEntry || n > len(b)-2 {
			break
		}
		out = append(out, b[2:2+n])
		b = b[2+n:]
	}
	if len(b) > 0 || len(out) != width || width < 1 || width > TileWidth {
		return nil, fmt.Errorf("%w: a tile of %d entries that holds %d whole ones", ErrMalformed, width, len(out))
	}
	return out, nil
}
