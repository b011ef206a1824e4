package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/signing"
)

// load opens a spool with small bounds.
func load(t interface{ Fatal(...any) }, dir string, memory, disk int64) *spool {
	s, err := openSpool(dir, memory, disk, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func headFor(plan signing.ID) head {
	return head{Plan: plan, Fleet: signing.NewID(), ReplyKey: []byte("a key"), Expires: time.Now().Add(time.Hour), Made: time.Now()}
}

// A model is what a spool should hold of one answer.
type model struct {
	out    *outgoing
	chunks [][]byte
	done   bool
	acked  int
	safe   int // chunks that a kill leaves: those on disk
}

// A machine is a spool and what should be in it.
type machine struct {
	dir    string
	spool  *spool
	models map[signing.ID]*model
}

// Whatever is put, acknowledged, taken offline and killed, in any order: a
// chunk that is given out is the one that was put under its number, what was on
// disk outlives a kill, and an acknowledged answer leaves nothing behind.
func TestSpoolAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "spool")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &machine{dir: dir, spool: load(rt, dir, 300, 1<<20), models: map[signing.ID]*model{}}
		rt.Repeat(rapid.StateMachineActions(m))
		for _, answer := range m.models {
			answer.out.abandon()
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 || m.spool.bytes() != 0 {
			rt.Fatalf("%d files are left, %d bytes", len(left), m.spool.bytes())
		}
	})
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

// Put adds a chunk.
func (x *machine) Put(rt *rapid.T) {
	m := x.pick(rt)
	if m == nil || m.done {
		return
	}
	data := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(rt, "data")
	m.done = rapid.IntRange(0, 5).Draw(rt, "final") == 0
	if err := m.out.put(context.Background(), data, m.done); err != nil {
		rt.Fatal(err)
	}
	m.chunks = append(m.chunks, data)
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
	if err := x.spool.setOnline(rapid.Bool().Draw(rt, "online")); err != nil {
		rt.Fatal(err)
	}
}

// Kill ends the process and opens what it left.
func (x *machine) Kill(rt *rapid.T) {
	for id, m := range x.models {
		m.safe = m.acked
		for i, p := range m.out.pieces {
			if p.seg != nil {
				m.safe = int(m.out.first) + i + 1
			}
		}
		if m.safe < len(m.chunks) {
			m.chunks, m.done = m.chunks[:m.safe], false
		}
		x.models[id] = m
	}
	for _, o := range x.spool.answers { // a dead process closes its files, and no more
		for _, g := range o.segs {
			g.file.Close()
		}
	}
	x.spool = load(rt, x.dir, 300, 1<<20)
	if len(x.spool.answers) != len(x.models) {
		rt.Fatalf("%d answers, want %d", len(x.spool.answers), len(x.models))
	}
	for id, m := range x.models {
		m.out = x.spool.find(id)
		if _, cut := m.out.holds(); cut == m.done {
			rt.Fatalf("cut is %v and done %v", cut, m.done)
		}
		m.out.skipTo(uint32(m.acked))
	}
	// Whoever begins again ends what was cut; here it may go on.
	for _, o := range x.spool.answers {
		o.cut = false
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
	if x.spool.bytes() != size || x.spool.held > 300+200 {
		rt.Fatalf("%d bytes counted, %d there; %d in memory", x.spool.bytes(), size, x.spool.held)
	}
}

// A file that ends anywhere, as a power failure leaves it, gives the chunks
// before that; one with a bit changed gives those before the bit.
func TestTornSegments(t *testing.T) {
	dir := t.TempDir()
	s := load(t, dir, 0, 1<<20)
	o, err := s.begin(headFor(signing.NewID()))
	if err != nil {
		t.Fatal(err)
	}
	ends := []int{0}
	for i := range 4 {
		data := bytes.Repeat([]byte{byte(i)}, 10*i+1)
		if err := o.put(t.Context(), data, i == 3); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, ends[i]+recordHead+len(data))
	}
	name := o.segs[0].file.Name()
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	headText, err := os.ReadFile(o.head.path(dir))
	if err != nil {
		t.Fatal(err)
	}
	check := func(b []byte, intact int, what string) {
		t.Helper()
		other := t.TempDir()
		if err := errors.Join(os.WriteFile(filepath.Join(other, filepath.Base(name)), b, 0o600),
			os.WriteFile(o.head.path(other), headText, 0o600)); err != nil {
			t.Fatal(err)
		}
		s := load(t, other, 0, 1<<20)
		got := s.find(o.head.Plan)
		if n := int(got.following()); ends[n] > intact || n < 4 && ends[n+1] <= intact || got.done != (n == 4) {
			t.Errorf("%s: %d chunks", what, n)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
	for n := range len(whole) + 1 {
		check(whole[:n], n, "cut")
	}
	for bit := range 8 * len(whole) {
		b := slices.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		check(b, bit/8, "changed")
	}
	s.close()
}

// A spool that is full makes who writes wait, until something is taken; the
// end of an answer waits for nothing.
func TestSpoolFull(t *testing.T) {
	s := load(t, t.TempDir(), 10, 100)
	o, err := s.begin(headFor(signing.NewID()))
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 30)
	for range 3 {
		if err := o.put(t.Context(), data, false); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, io.ErrNoProgress)
	defer cancel()
	if err := o.put(ctx, data, false); !errors.Is(err, errSpoolFull) || !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("beyond the bound: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- o.put(t.Context(), data, false) }()
	o.ack(2)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := o.put(t.Context(), data, false); err != nil {
		t.Error(err)
	}
	if err := o.put(t.Context(), data, true); err != nil {
		t.Errorf("the end: %v", err)
	}
	if err := o.put(t.Context(), data, false); !errors.Is(err, errEnded) {
		t.Errorf("after the end: %v", err)
	}
	o.abandon()
	if err := o.put(t.Context(), data, true); !errors.Is(err, errGone) {
		t.Errorf("abandoned: %v", err)
	}
}

func TestSpoolIsBounded(t *testing.T) {
	s := load(t, t.TempDir(), 10, 100)
	for range maxAnswers {
		if _, err := s.begin(headFor(signing.NewID())); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.begin(headFor(signing.NewID())); !errors.Is(err, errSpoolFull) {
		t.Errorf("one too many: %v", err)
	}
	s.sweep(time.Now().Add(retention))
	if len(s.answers) != maxAnswers {
		t.Errorf("%d answers are kept", len(s.answers))
	}
	s.sweep(time.Now().Add(retention + 2*time.Hour))
	left, err := os.ReadDir(s.dir)
	if len(s.answers) != 0 || len(left) != 0 || err != nil {
		t.Errorf("%d answers, %d files are left: %v", len(s.answers), len(left), err)
	}
}

// A folder with files that are no answers, and answers of long ago.
func TestSpoolOfOthers(t *testing.T) {
	dir := t.TempDir()
	old := headFor(signing.NewID())
	old.Expires = time.Now().Add(-retention - time.Hour)
	stray := signing.NewID().String()
	for name, text := range map[string]string{
		stray + ".00000000" + segmentExt: "x", stray + ".zz" + segmentExt: "x", "x" + headExt: "{", "keep": "x",
		signing.NewID().String() + headExt: `{}`, stray + headExt + tempExt: "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.write(dir); err != nil {
		t.Fatal(err)
	}
	s := load(t, dir, 10, 100)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "keep" || len(s.answers) != 0 {
		t.Errorf("%v %v, %d answers", left, err, len(s.answers))
	}
}

// Only the agent's user may read what waits.
func TestSpoolModes(t *testing.T) {
	if os.PathSeparator == '\\' {
		t.Skip("Windows has no modes")
	}
	s := load(t, filepath.Join(t.TempDir(), "spool"), 0, 1000)
	defer s.close()
	o, err := s.begin(headFor(signing.NewID()))
	if err == nil {
		err = o.put(t.Context(), []byte("x"), false)
	}
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil || len(names) != 2 {
		t.Fatalf("%q %v", names, err)
	}
	for _, name := range append(names, s.dir) {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func FuzzSegment(f *testing.F) {
	b := make([]byte, recordHead, 64)
	putRecordHead(b, 7, true, []byte("abc"))
	f.Add(append(b, "abc"...))
	f.Add(binary.BigEndian.AppendUint32(nil, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		seq, final, data, ok := nextRecord(b)
		if !ok {
			return
		}
		again := make([]byte, recordHead)
		putRecordHead(again, seq, final, data)
		if again = append(again, data...); !bytes.Equal(again, b[:len(again)]) {
			t.Errorf("%x is read as %x", b, again)
		}
	})
}
