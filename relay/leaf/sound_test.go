package leaf

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A chunk that the disk changed since it was put is not sent: a relay that is
// told nonsense hangs up on the whole site. Others are.
func TestChangedOnDisk(t *testing.T) {
	s := opened(t, t.TempDir(), room)
	k, other := key{signing.NewID(), signing.NewID()}, key{signing.NewID(), signing.NewID()}
	put(t, s, k, 0)
	put(t, s, other, 7)
	whole, err := os.ReadFile(s.path(k))
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		b := slices.Clone(whole)
		b[i] ^= 0x80
		if err := os.WriteFile(s.path(k), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s.again()
		var sent []uint32
		failed := 0
		for range 2 {
			at, body, err := s.take()
			if err != nil {
				if failed++; at != k {
					t.Errorf("byte %d: of another answer: %v", i, err)
				}
				continue
			}
			c, err := message.DecodeChunk(body)
			if err != nil {
				t.Fatalf("byte %d: %v", i, err)
			}
			sent = append(sent, c.Seq)
		}
		if failed != 1 || !slices.Equal(sent, []uint32{7}) {
			t.Errorf("byte %d: sent are %d, failed %d", i, sent, failed)
		}
	}
}

// What is in the spool and cannot be read keeps nobody from the rest.
func TestSpoolStrays(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, room)
	k, folder, link := key{signing.NewID(), signing.NewID()}, key{signing.NewID(), signing.NewID()}, key{signing.NewID(), signing.NewID()}
	put(t, s, k, 0)
	aside := []key{folder}
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, dirSpool, "notes.txt"), []byte("mine"), 0o600),
		os.WriteFile(filepath.Join(dir, dirSpool, k.name()+".123.new"), []byte("half"), 0o600),
		os.Mkdir(s.path(folder), 0o700),
	)
	if runtime.GOOS == "linux" { // it opens, and gives an error where it is read
		err = errors.Join(err, os.Symlink("/proc/self/mem", s.path(link)))
		aside = append(aside, link)
	}
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	again, err := openSpool(dir, room, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if got := drained(t, again); !slices.Equal(got, []uint32{0}) {
		t.Errorf("sent are %d", got)
	}
	for _, k := range aside {
		if _, err := os.Lstat(filepath.Join(dir, dirDamaged, k.name()+unread)); err != nil || !strings.Contains(log.String(), k.plan.String()) {
			t.Errorf("%v, said is %s", err, &log)
		}
	}
	if n := again.meters.damaged.Value(); n != uint64(len(aside)) {
		t.Errorf("%d are counted, want %d", n, len(aside))
	}
	names, err := os.ReadDir(filepath.Join(dir, dirSpool))
	if err != nil || len(names) != 2 || !strings.Contains(log.String(), "notes.txt") {
		t.Errorf("left are %s, %v, said is %s", names, err, &log)
	}
}

// Of a file that the disk does not give to the end, what it gave is sent.
func TestGiveUp(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, room)
	k := key{signing.NewID(), signing.NewID()}
	put(t, s, k, 0)
	put(t, s, k, 1)
	whole, err := os.ReadFile(s.path(k))
	if err != nil {
		t.Fatal(err)
	}
	record := len(whole) / 2
	fault := errors.New("a fault of the disk")
	h := &held{}
	if err := h.read(k, failing{bytes.NewReader(whole), int64(record), fault}); !errors.Is(err, fault) || len(h.chunks) != 1 {
		t.Fatalf("%v, %d chunks", err, len(h.chunks))
	}
	if err := s.giveUp(k, h, fault); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, dirDamaged, k.name()+unread)); err != nil || !bytes.Equal(kept, whole) {
		t.Errorf("set aside are %d bytes, %v", len(kept), err)
	}
	if got := drained(t, opened(t, dir, room)); !slices.Equal(got, []uint32{0}) {
		t.Errorf("sent are %d", got)
	}
}

// failing reads up to a place.
type failing struct {
	r   io.ReaderAt
	end int64
	err error
}

func (f failing) ReadAt(b []byte, at int64) (int, error) {
	if at+int64(len(b)) > f.end {
		return 0, f.err
	}
	return f.r.ReadAt(b, at)
}

// Where the centre has all before a chunk that the disk refused, what the agent
// sent behind it is not taken: it would be acknowledged, and the chunk lost.
func TestBehindWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t, t.TempDir(), room)
		k := key{signing.NewID(), signing.NewID()}
		put(t, s, k, 0)
		slow, fault := make(chan struct{}), errors.New("a fault")
		whole := s.syncFile
		s.syncFile = func(*os.File) error { <-slow; return fault }
		var work sync.WaitGroup
		work.Go(func() {
			if next, err := s.put(chunkOf(k, 1, false, "x")); next != 1 || !errors.Is(err, fault) {
				t.Errorf("up to %d: %v", next, err)
			}
		})
		synctest.Wait()
		if _, err := s.stored(message.Stored{Agent: k.agent, Ack: message.Ack{Plan: k.plan, Next: 1}}); err != nil {
			t.Fatal(err)
		}
		close(slow)
		work.Wait()
		s.syncFile = whole
		if next := put(t, s, k, 2); next != 1 {
			t.Errorf("up to %d is acknowledged, and chunk 1 is nowhere", next)
		}
		if next := put(t, s, k, 1); next != 2 {
			t.Errorf("then up to %d", next)
		}
	})
}

// While a file is removed, which a busy disk may take its time for, others are
// put and sent; who goes on with that answer begins it anew behind that.
func TestRemoveHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t, t.TempDir(), room)
		k, other := key{signing.NewID(), signing.NewID()}, key{signing.NewID(), signing.NewID()}
		put(t, s, k, 0)
		slow := make(chan struct{})
		s.unlink = func(name string) error { <-slow; return os.Remove(name) }
		var work sync.WaitGroup
		work.Go(func() {
			if _, err := s.stored(message.Stored{Agent: k.agent, Ack: message.Ack{Plan: k.plan, Next: 1}}); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		put(t, s, other, 3)
		if got := drained(t, s); !slices.Equal(got, []uint32{3}) {
			t.Errorf("sent are %d", got)
		}
		work.Go(func() { put(t, s, k, 1) })
		synctest.Wait()
		close(slow)
		work.Wait()
		if got := drained(t, s); !slices.Equal(got, []uint32{1}) {
			t.Errorf("then sent are %d", got)
		}
		if again := opened(t, s.dir, room); len(again.all) != 2 || s.bytes != again.bytes {
			t.Errorf("read back are %d answers and %d bytes, counted %d", len(again.all), again.bytes, s.bytes)
		}
	})
}

// While the line takes nothing of what an agent says, what comes for the agent is
// taken: who reads the line does so for the whole site.
func TestReaderIsNotHeld(t *testing.T) {
	near, far := wired(t)
	agent, there := wired(t)
	l := &Leaf{}
	s := &session{leaf: l, conn: agent.Conn(), stream: agent, welcome: true, out: l.outboxOf(agent)}
	n := &line{stream: near, channels: map[uint32]channel{}, members: map[message.ID]bool{}}
	s.join(n)
	for refused := 0; refused < 20; { // the network takes some yet
		if !near.Offer(message.TypeShut, make([]byte, 4)) {
			refused++
			time.Sleep(5 * time.Millisecond)
		}
	}
	var work sync.WaitGroup
	work.Go(func() {
		for range 20 { // more than waits for the wire
			if err := s.said(message.TypeWell, make([]byte, maxWord)); err != nil {
				t.Error(err)
			}
		}
	})
	time.Sleep(50 * time.Millisecond)
	took := make(chan struct{})
	go func() { s.carried(message.TypePolicy, []byte("policy")); close(took) }()
	select {
	case <-took:
	case <-time.After(30 * time.Second):
		t.Fatal("who reads the line waits until it can be written")
	}
	if kind, body := frameOf(t, there); kind != message.TypePolicy || string(body) != "policy" {
		t.Errorf("frame %d: %s", kind, body)
	}
	far.Conn().Close()
	work.Wait()
	l.wg.Wait()
}

// What an agent says of the release that it tries is said over each line, until
// a relay has heard it: else a good one would be rolled back.
func TestWellIsSaidAgain(t *testing.T) {
	_, out := wired(t)
	l := &Leaf{}
	s := &session{leaf: l, conn: out.Conn(), stream: out, welcome: true, out: l.outboxOf(out)}
	if err := s.said(message.TypeWell, []byte("well")); err != nil {
		t.Fatal(err)
	}
	over := func() (kinds []message.Type) {
		near, far := wired(t)
		s.line = nil
		s.join(&line{stream: near, channels: map[uint32]channel{}, members: map[message.ID]bool{}})
		if err := s.said(message.TypeIdle, nil); err != nil {
			t.Fatal(err)
		}
		for {
			kind, body := frameOf(t, far)
			if kind != message.TypeCarry {
				continue
			}
			c, err := message.DecodeCarried(body)
			if err != nil {
				t.Fatal(err)
			}
			if c.Type == message.TypeIdle {
				return kinds
			}
			kinds = append(kinds, c.Type)
		}
	}
	for range 2 {
		if got := over(); !slices.Equal(got, []message.Type{message.TypeHello, message.TypeWell}) {
			t.Errorf("said are %d", got)
		}
	}
	s.carried(message.TypeHeard, []byte(`""`))
	if got := over(); !slices.Equal(got, []message.Type{message.TypeHello}) {
		t.Errorf("after it was heard, said are %d", got)
	}
	l.wg.Wait()
}

// That there is no room is said once, however many try.
func TestFullIsSaidOnce(t *testing.T) {
	var log bytes.Buffer
	l := &Leaf{o: Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, spool: opened(t, t.TempDir(), 10)}
	s := &session{leaf: l, id: signing.NewID(), welcome: true, kept: true}
	var acks int
	for range 100 {
		_, body := chunkOf(key{signing.NewID(), s.id}, 0, true, "x")
		if err := s.chunk(body, func(message.Type, []byte) { acks++ }); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || acks != 100 || l.spool.meters.full.Value() != 100 {
		t.Errorf("%d lines, %d answers, counted %d: %.300s", n, acks, l.spool.meters.full.Value(), &log)
	}
}
