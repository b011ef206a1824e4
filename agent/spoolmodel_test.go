package agent

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/signing"
)

// Bounds of the spool of the model, in bytes; a chunk has at most modelChunk.
const (
	modelMemory = 300
	modelDisk   = 2000
	modelFile   = 250
	modelChunk  = 200
)

// Whatever is put, acknowledged, taken offline and killed, however full the
// disk is and wherever the power fails, in any order: a chunk that is given out
// is the one that was put under its number, none is missing before one that is
// given, what was on disk outlives a kill, the bounds hold, and an acknowledged
// answer leaves nothing behind.
func TestSpoolAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "spool")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &machine{dir: dir, room: 1 << 20, models: map[signing.ID]*model{}}
		m.open(rt)
		rt.Repeat(rapid.StateMachineActions(m))
		for _, answer := range m.models {
			answer.out.abandon()
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 || m.spool.bytes() != 0 || m.files != 0 {
			rt.Fatalf("%d files are left, %d are open, %d bytes", len(left), m.files, m.spool.bytes())
		}
	})
}

// A model is what a spool should hold of one answer.
type model struct {
	out    *outgoing
	chunks [][]byte
	done   bool
	acked  int
}

// A machine is a spool and what should be in it.
type machine struct {
	dir    string
	spool  *spool
	models map[signing.ID]*model
	room   int // bytes that the disk takes before it is full
	files  int // that the spool made and holds open
}

var errNoRoom = errors.New("no space left on device")

// A smallFile is on a disk that can be full: of a write that finds no room, a
// part is there.
type smallFile struct {
	chunkFile
	m *machine
}

func (f smallFile) WriteAt(b []byte, at int64) (int, error) {
	n := min(len(b), f.m.room)
	f.m.room -= n
	if _, err := f.chunkFile.WriteAt(b[:n], at); err != nil {
		return 0, err
	}
	if n < len(b) {
		return n, errNoRoom
	}
	return n, nil
}

func (f smallFile) Close() error {
	f.m.files--
	return f.chunkFile.Close()
}

func (x *machine) open(rt interface{ Fatal(...any) }) {
	x.spool = load(rt, x.dir, modelMemory, modelDisk)
	x.spool.perFile = modelFile
	x.spool.create = func(name string) (chunkFile, error) {
		f, err := createFile(name)
		if err != nil {
			return nil, err
		}
		x.files++
		return smallFile{f, x}, nil
	}
	x.files = 0
	for _, o := range x.spool.answers {
		for _, g := range o.segs {
			g.file = smallFile{g.file, x}
			x.files++
		}
	}
}

// pick draws one of the answers; nil where there is none.
func (x *machine) pick(rt *rapid.T) *model {
	ids := slices.SortedFunc(maps.Keys(x.models), func(a, b signing.ID) int { return bytes.Compare(a[:], b[:]) })
	if len(ids) == 0 {
		return nil
	}
	return x.models[rapid.SampledFrom(ids).Draw(rt, "which")]
}

// Begin begins an answer.
func (x *machine) Begin(rt *rapid.T) {
	o, err := x.spool.begin(headFor(signing.NewID()))
	if err != nil {
		rt.Fatal(err)
	}
	x.models[o.head.Plan] = &model{out: o}
}

// Put adds chunks.
func (x *machine) Put(rt *rapid.T) {
	m := x.pick(rt)
	for range rapid.IntRange(1, 4).Draw(rt, "chunks") {
		if m == nil || m.done {
			return
		}
		x.put(rt, m)
	}
}

// put adds one, for which the disk may have no room. It does not wait.
func (x *machine) put(rt *rapid.T, m *model) {
	if room := x.room; rapid.IntRange(0, 4).Draw(rt, "full") == 0 {
		x.room = min(room, 100)
		defer func() { x.room = room }()
	}
	size := rapid.SampledFrom([]int{1, 60, modelChunk}).Draw(rt, "size")
	data := bytes.Repeat([]byte{rapid.Byte().Draw(rt, "byte")}, size)
	final := rapid.IntRange(0, 5).Draw(rt, "final") == 0
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	x.spool.mu.Lock()
	fits := m.out.fits(int64(len(data)))
	x.spool.mu.Unlock()
	switch err := m.out.put(ctx, fullWait, data, final); {
	case err == nil:
		m.chunks, m.done = append(m.chunks, data), final
	case final, errors.Is(err, errSpoolFull) && fits, !errors.Is(err, errSpoolFull) && !errors.Is(err, errNoRoom):
		rt.Fatalf("final %v, fits %v: %v", final, fits, err)
	}
}

// Ack acknowledges chunks.
func (x *machine) Ack(rt *rapid.T) {
	m := x.pick(rt)
	if m == nil {
		return
	}
	next := rapid.IntRange(0, len(m.chunks)).Draw(rt, "next")
	whole := m.out.ack(uint32(next))
	m.acked = max(m.acked, next)
	if want := m.done && m.acked == len(m.chunks) && len(m.chunks) > 0; want {
		if !whole {
			rt.Fatal("an answer that was acknowledged is kept")
		}
		delete(x.models, m.out.head.Plan)
	} else if whole {
		rt.Fatal("an answer is forgotten too early")
	}
}

// Online has a relay come or go.
func (x *machine) Online(rt *rapid.T) {
	if err := x.spool.setOnline(rapid.Bool().Draw(rt, "online")); err != nil && !errors.Is(err, errNoRoom) {
		rt.Fatal(err)
	}
}

// Full has the disk take so many bytes more, and Room somebody make room.
func (x *machine) Full(rt *rapid.T) {
	x.room = rapid.SampledFrom([]int{0, 100, 2 * modelChunk}).Draw(rt, "room")
}

func (x *machine) Room(*rapid.T) { x.room = 1 << 20 }

// Kill ends the process and opens what it left: all that was on disk.
func (x *machine) Kill(rt *rapid.T) {
	for _, m := range x.models {
		safe := m.acked
		for i, p := range m.out.pieces {
			if p.seg != nil {
				safe = int(m.out.first) + i + 1
			}
		}
		if safe < len(m.chunks) {
			m.chunks, m.done = m.chunks[:safe], false
		}
	}
	x.die()
	x.open(rt)
	if len(x.spool.answers) != len(x.models) {
		rt.Fatalf("%d answers, want %d", len(x.spool.answers), len(x.models))
	}
	for id, m := range x.models {
		x.resume(rt, id, m)
		if n := int(m.out.following()); n != len(m.chunks) {
			rt.Fatalf("%d chunks, want %d", n, len(m.chunks))
		}
	}
}

// die closes files, as a process that ends does, and no more.
func (x *machine) die() {
	for _, o := range x.spool.answers {
		for _, g := range o.segs {
			g.file.Close()
		}
	}
}

// resume does with an answer of an earlier life what a session does when the
// relay has said what it has.
func (x *machine) resume(rt *rapid.T, id signing.ID, m *model) {
	m.out = x.spool.find(id)
	if _, cut := m.out.holds(); cut == m.done {
		rt.Fatalf("cut is %v and done %v", cut, m.done)
	}
	m.out.ack(uint32(m.acked))
	m.out.skipTo(uint32(m.acked))
	m.out.cut = false // whoever begins again ends what was cut; here it may go on
}

// Power fails: nothing of the spool is ever synced, so that each file ends
// anywhere, and then come zeroes, or it is not there at all.
func (x *machine) Power(rt *rapid.T) {
	x.die()
	entries, err := os.ReadDir(x.dir)
	if err != nil {
		rt.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Join(x.dir, e.Name())
		b, err := os.ReadFile(name)
		if err != nil {
			rt.Fatal(err)
		}
		switch n := rapid.IntRange(0, 9).Draw(rt, "what is left"); {
		case n == 0:
			err = os.Remove(name)
		case n < 5:
			cut := rapid.IntRange(0, len(b)).Draw(rt, "cut")
			zeroes := make([]byte, rapid.IntRange(0, len(b)-cut).Draw(rt, "zeroes"))
			err = os.WriteFile(name, append(b[:cut], zeroes...), 0o600)
		}
		if err != nil {
			rt.Fatal(err)
		}
	}
	x.open(rt)
	for id, m := range x.models {
		o := x.spool.find(id)
		if o == nil { // its head is gone
			delete(x.models, id)
			continue
		}
		first, cut := o.holds()
		n := int(o.following())
		if n > len(m.chunks) || !cut && n < len(m.chunks) {
			rt.Fatalf("%d chunks of %d, cut %v", n, len(m.chunks), cut)
		}
		if len(o.pieces) > 0 && int(first) > m.acked { // what would have to be sent next is gone
			o.abandon()
			delete(x.models, id)
			continue
		}
		m.chunks, m.done = m.chunks[:max(n, m.acked)], !cut
		x.resume(rt, id, m)
	}
}

// Check compares.
func (x *machine) Check(rt *rapid.T) {
	var size int64
	for _, m := range x.models {
		for i := m.acked; i < len(m.chunks); i++ {
			data, final, err := m.out.take(context.Background(), uint32(i))
			if err != nil || !bytes.Equal(data, m.chunks[i]) || final != (m.done && i == len(m.chunks)-1) {
				rt.Fatalf("chunk %d: %x %v %v, want %x", i, data, final, err, m.chunks[i])
			}
		}
		for _, p := range m.out.pieces {
			size += int64(p.size)
		}
	}
	// Ends alone go beyond the bounds.
	ends := int64(len(x.models)+1) * modelChunk
	if x.spool.bytes() != size || x.spool.held > modelMemory+ends || x.spool.kept > modelMemory+modelDisk+ends {
		rt.Fatalf("%d bytes counted, %d there; %d in memory, %d on disk", x.spool.bytes(), size, x.spool.held, x.spool.kept)
	}
}

// A write that found no room leaves a part of itself, which the next one does
// not always cover. It costs nothing that stands in later files.
func TestTornWriteBetweenFiles(t *testing.T) {
	x := &machine{dir: t.TempDir(), room: 1 << 20, models: map[signing.ID]*model{}}
	x.open(t)
	o, err := x.spool.begin(headFor(signing.NewID()))
	if err != nil {
		t.Fatal(err)
	}
	put := func(size, room int) error {
		x.room = room
		return o.put(t.Context(), fullWait, bytes.Repeat([]byte{byte(size)}, size), false)
	}
	if err := put(modelChunk, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := put(modelChunk, 100); !errors.Is(err, errNoRoom) {
		t.Fatal(err)
	}
	for _, size := range []int{60, 61} {
		if err := put(size, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	x.die()
	x.open(t)
	if n := x.spool.find(o.head.Plan).following(); n != 3 {
		t.Errorf("a kill left %d chunks of 3", n)
	}
}
