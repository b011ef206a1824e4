package agent

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A relay that sends what comes to nothing is listened to more slowly, and as
// before when it has left off for a while.
func TestRelayThatSendsInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Agent{log: slog.New(slog.DiscardHandler)}
		judged := func(n int) time.Duration {
			s := &session{agent: a, ctx: t.Context(), offers: make(chan frame, n)}
			for range n {
				s.offers <- frame{message.TypeCancel, []byte("no cancel")}
			}
			close(s.offers)
			start := time.Now()
			s.judge()
			return time.Since(start)
		}
		if got := judged(vainFree); got != 0 {
			t.Errorf("what may come so waits for %v", got)
		}
		if got := judged(50); got != 50*vainEvery {
			t.Errorf("50 more took %v", got)
		}
		time.Sleep(vainFree * vainEvery)
		if got := judged(vainFree); got != 0 {
			t.Errorf("after a pause: %v", got)
		}
	})
}

// A relay that says again and again that it has not stored a small answer has it
// sent again by one goroutine, and not by as many as it likes.
func TestRelayThatStoresNothing(t *testing.T) {
	f := newFleet(t)
	f.relay.mute = true
	a := f.open(f.enroll(), numbers{rows: 1})
	f.run(a)
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	eventually(t, "it has ended", func() bool { return !endedAt(a, q).IsZero() })
	s := a.current()
	before := runtime.NumGoroutine()
	for range 1000 {
		if err := s.acked(message.Marshal(message.Ack{Plan: q.payload.ID})); err != nil {
			t.Fatal(err)
		}
	}
	if more := runtime.NumGoroutine() - before; more > 100 {
		t.Errorf("%d goroutines more", more)
	}
	f.relay.set(func() { f.relay.mute = false })
	f.relay.answerOf(q.payload.ID)
}

// Who signs nothing does not say how long a disk keeps that he was refused.
func TestRefusalIsNotKeptForEver(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{})
	defer a.Close()
	q := f.ask("FROM fleet FIND number")
	q.payload.Expires = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
	raw := f.sign(q)
	_, err := a.admit(t.Context(), arrived(raw))
	if err == nil {
		t.Fatal("it is permitted")
	}
	a.refuse(raw, err)
	if a.spool.find(q.payload.ID) == nil {
		t.Fatal("the refusal does not wait for a relay")
	}
	if n := len(a.spool.stale(time.Now().Add(signing.MaxWindow + retention + time.Hour))); n != 1 {
		t.Errorf("of what nobody takes %d go", n)
	}
}

// lossy has the files of an agent's spool give back so many chunks and no more.
func lossy(a *Agent, chunks int64) {
	var read atomic.Int64
	a.spool.create = func(name string) (chunkFile, error) {
		f, err := createFile(name)
		return lossyFile{f, func() bool { return read.Add(1) > chunks }}, err
	}
}

type lossyFile struct {
	chunkFile
	lost func() bool
}

func (f lossyFile) ReadAt(b []byte, at int64) (int, error) {
	if f.lost() {
		return 0, io.ErrUnexpectedEOF
	}
	return f.chunkFile.ReadAt(b, at)
}

// A disk that does not give back a part of an answer costs that answer, which
// says so at its end, and not the agent its relay. What the relay may have, and
// may not, it is asked again.
func TestDiskLosesAPartOfAnAnswer(t *testing.T) {
	for _, c := range []struct {
		chunks int64
		stays  bool // the scan is at work until it is told to end
	}{{0, false}, {3, false}, {0, true}, {3, true}} {
		f := newFleet(t)
		a := f.open(f.enroll(), numbers{rows: 30_000, before: func(ctx context.Context, i int) error {
			if c.stays && i == 29_000 {
				<-ctx.Done()
			}
			return nil
		}})
		a.spool.memory = 0 // all of it goes to the disk
		lossy(a, c.chunks)
		f.run(a)
		q, next := f.ask("FROM fleet FIND number"), f.ask("FROM fleet FIND host")
		f.relay.offer(f.sign(q, f.asker))
		got := q.open(t, a, f.relay.answerOf(q.payload.ID))
		if got.sum.Reason != errUnread.Error() || (len(got.rows) > 0) != (c.chunks > 0) {
			t.Errorf("%+v: %d rows, %+v", c, len(got.rows), got.sum)
		}
		eventually(t, "it has ended", func() bool { return !endedAt(a, q).IsZero() })
		a.spool.mu.Lock()
		a.spool.memory = defaultMemory
		a.spool.mu.Unlock()
		f.relay.offer(f.sign(next, f.asker))
		if got := next.open(t, a, f.relay.answerOf(next.payload.ID)); len(got.rows) != 1 {
			t.Errorf("%+v: the next plan has %d rows, %+v", c, len(got.rows), got.sum)
		}
		eventually(t, "nothing waits", func() bool { return len(a.spool.open()) == 0 })
	}
}
