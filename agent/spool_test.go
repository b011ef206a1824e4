package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
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
		if err := o.put(t.Context(), fullWait, data, i == 3); err != nil {
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

// A head that ends anywhere, as a kill or a power failure leaves it, or has zeroes
// from there on, is none: nothing of it is left, and nothing of its chunks.
func TestTornHead(t *testing.T) {
	h := headFor(signing.NewID())
	whole := message.Marshal(h)
	for n := range len(whole) + 1 {
		for _, zeroes := range []int{0, len(whole) - n} {
			dir := t.TempDir()
			text := append(bytes.Clone(whole[:n]), make([]byte, zeroes)...)
			chunk := filepath.Join(dir, h.Plan.String()+".00000000"+segmentExt)
			if err := errors.Join(os.WriteFile(h.path(dir), text, 0o600), os.WriteFile(chunk, []byte("x"), 0o600)); err != nil {
				t.Fatal(err)
			}
			s := load(t, dir, 0, 1000)
			left, err := os.ReadDir(dir)
			if there := s.find(h.Plan) != nil; there != (n == len(whole)) || err != nil || len(left) != map[bool]int{true: 1}[there] {
				t.Fatalf("cut at %d of %d, %d zeroes: there %v, %v, %v", n, len(whole), zeroes, there, left, err)
			}
		}
	}
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
		if err := o.put(t.Context(), fullWait, data, false); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, io.ErrNoProgress)
	defer cancel()
	if err := o.put(ctx, fullWait, data, false); !errors.Is(err, errSpoolFull) || !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("beyond the bound: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- o.put(t.Context(), fullWait, data, false) }()
	o.ack(2)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := o.put(t.Context(), fullWait, data, false); err != nil {
		t.Error(err)
	}
	if err := o.put(t.Context(), fullWait, data, true); err != nil {
		t.Errorf("the end: %v", err)
	}
	if err := o.put(t.Context(), fullWait, data, false); !errors.Is(err, errEnded) {
		t.Errorf("after the end: %v", err)
	}
	o.abandon()
	if err := o.put(t.Context(), fullWait, data, true); !errors.Is(err, errGone) {
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
	if n := len(s.stale(time.Now().Add(retention))); n != 0 {
		t.Errorf("%d answers are too old too early", n)
	}
	for _, o := range s.stale(time.Now().Add(retention + 2*time.Hour)) {
		o.abandon()
	}
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
		signing.NewID().String() + headExt: `{}`, stray + headExt + wholefile.Ext: "",
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
		err = o.put(t.Context(), fullWait, []byte("x"), false)
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

// A file of chunks that the disk does not give back ends its answer. The agent
// starts all the same, and what was lost is not in the way of what comes.
func TestSegmentCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	h := headFor(signing.NewID())
	segment := filepath.Join(dir, h.Plan.String()+".00000000"+segmentExt)
	if err := errors.Join(h.write(dir), os.Mkdir(segment, 0o700)); err != nil { // nobody reads a folder
		t.Fatal(err)
	}
	s := load(t, dir, 0, 1000)
	defer s.close()
	o := s.find(h.Plan)
	if o == nil || !o.cut {
		t.Fatalf("%+v", o)
	}
	if err := o.put(t.Context(), fullWait, []byte("the end"), true); err != nil {
		t.Error(err)
	}
}
