package leaf

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"weak"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// While the disk takes its time with one answer, others are put, sent and let
// go, and the names of all that wait are synced once.
func TestSpoolTogether(t *testing.T) {
	const many = 50
	synctest.Test(t, func(t *testing.T) {
		s := opened(t, t.TempDir(), room)
		there := key{signing.NewID(), signing.NewID()}
		put(t, s, there, 0)
		var syncs atomic.Int32
		slow := make(chan struct{})
		s.syncDir = func(string) error {
			if syncs.Add(1) == 1 {
				<-slow
			}
			return nil
		}
		var acknowledged atomic.Int32
		var work sync.WaitGroup
		for n := range many {
			work.Go(func() {
				c, body := chunkOf(key{signing.NewID(), signing.NewID()}, 0, true, "x")
				if next, err := s.put(c, body); err != nil || next != 1 {
					t.Errorf("%d, %v", next, err)
				}
				acknowledged.Add(1)
			})
			if n == 0 {
				synctest.Wait() // the first is with the disk
			}
		}
		synctest.Wait()
		if n := acknowledged.Load(); n != 0 {
			t.Errorf("%d are acknowledged, and their names are not on the disk", n)
		}
		if got := drained(t, s); !slices.Equal(got, []uint32{0}) {
			t.Errorf("meanwhile chunks %d are sent", got)
		}
		if next, _ := s.next(there); next != 1 {
			t.Error(next)
		}
		if _, err := s.stored(message.Stored{Agent: there.agent, Ack: message.Ack{Plan: there.plan, Next: 1}}); err != nil {
			t.Error(err)
		}
		close(slow)
		work.Wait()
		if n := syncs.Load(); n != 2 {
			t.Errorf("the names of %d answers are synced %d times", many, n)
		}
		if got := drained(t, s); len(got) != many {
			t.Errorf("%d of %d are sent", len(got), many)
		}
	})
}

// Whatever the centre says of an answer while a chunk of it is being put: what
// is acknowledged is held, and nothing that nobody wants.
func TestSpoolWhilePut(t *testing.T) {
	fault := errors.New("a fault")
	for name, x := range map[string]struct {
		ack   message.Ack
		fails error
		next  uint32   // acknowledged
		sent  []uint32 // then
	}{
		"nothing":             {next: 2, sent: []uint32{0, 1}},
		"all before it":       {ack: message.Ack{Next: 1}, next: 2, sent: []uint32{1}},
		"nobody wants it":     {ack: message.Ack{Gone: true}, next: 2},
		"nothing, and fails":  {fails: fault, next: 1, sent: []uint32{0}},
		"all, and fails":      {ack: message.Ack{Next: 1}, fails: fault, next: 1},
		"unwanted, and fails": {ack: message.Ack{Gone: true}, fails: fault, next: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := opened(t, t.TempDir(), room)
				k := key{signing.NewID(), signing.NewID()}
				put(t, s, k, 0)
				slow := make(chan struct{})
				s.syncFile = func(f *os.File) error { <-slow; return errors.Join(x.fails, f.Sync()) }
				var work sync.WaitGroup
				twice := 2 // the second is the same one, and waits for the first
				if x.ack.Gone {
					twice = 1
				}
				for range twice {
					work.Go(func() {
						next, err := s.put(chunkOf(k, 1, true, "x"))
						if next != x.next || !errors.Is(err, x.fails) {
							t.Errorf("up to %d is acknowledged: %v", next, err)
						}
					})
				}
				synctest.Wait()
				if x.ack != (message.Ack{}) {
					x.ack.Plan = k.plan
					if _, err := s.stored(message.Stored{Agent: k.agent, Ack: x.ack}); err != nil {
						t.Fatal(err)
					}
				}
				close(slow)
				work.Wait()
				s.again()
				if got := drained(t, s); !slices.Equal(got, x.sent) {
					t.Errorf("chunks %d are sent, want %d", got, x.sent)
				}
				_, err := os.Stat(s.path(k))
				if (err == nil) != (len(x.sent) > 0) || (s.bytes > 0) != (err == nil) || len(s.all) > 0 != (err == nil) {
					t.Errorf("%d answers of %d bytes are held: %v", len(s.all), s.bytes, err)
				}
			})
		})
	}
}

// A keeper is a relay that answers about chunks when the line ends.
type keeper struct {
	fakeRelay
	answers []func(message.Ack)
}

func (k *keeper) Deposit(_ context.Context, _ message.ID, _ []byte, answer func(message.Ack)) error {
	k.answers = append(k.answers, answer)
	return nil
}

// What was taken of an agent is not held for as long as the line is up.
func TestChunkIsLetGo(t *testing.T) {
	k := &keeper{}
	c, _ := newCarrier(t, k)
	agent := signing.NewID()
	c.admit(agent)
	held := func() weak.Pointer[byte] {
		_, body := chunkOf(key{signing.NewID(), agent}, 0, true, string(make([]byte, 1<<20)))
		if err := c.take(t.Context(), message.TypeChunk, body); err != nil {
			t.Fatal(err)
		}
		return weak.Make(&body[0])
	}()
	runtime.GC()
	if held.Value() != nil {
		t.Error("the chunk is held")
	}
	if len(k.answers) != 1 {
		t.Error(len(k.answers))
	}
	runtime.KeepAlive(k)
}
