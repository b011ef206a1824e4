package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// realSpine is a spine on a disk, as one relay has it.
func realSpine(t *testing.T) *spine {
	t.Helper()
	s, err := openSpine(t.Context(), &Config{dir: t.TempDir(), Replicas: 1}, nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	if !s.chunks.together || !s.records.together {
		t.Fatal("a relay that is alone stores nothing together")
	}
	return s
}

func chunkMessage(agent int, after uint64, text string) *nats.Msg {
	msg := nats.NewMsg(fmt.Sprintf("answer.p.a%d", agent))
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, fmt.Sprint(after))
	msg.Data = []byte(text)
	return msg
}

// Whatever is stored together is stored as it would be alone: each message with
// the sequence that is told, and one that is not the next is refused and takes
// no other with it.
func TestCommitTogether(t *testing.T) {
	const agents, rounds = 300, 3
	s := realSpine(t)
	var mu sync.Mutex
	last := map[int]uint64{}
	for round := range rounds {
		stale := map[int]bool{}
		if round > 0 {
			stale[7], stale[200] = true, true
		}
		var told, refused atomic.Int32
		for i := range agents {
			mu.Lock()
			after := last[i]
			mu.Unlock()
			if stale[i] {
				after = 0 // somebody has stored one since
			}
			msg := chunkMessage(i, after, fmt.Sprintf("agent %d, chunk %d", i, round))
			err := s.chunks.put(commitment{msg, func(sequence uint64, err error) {
				told.Add(1)
				switch {
				case stale[i] && isSwapped(err):
					refused.Add(1)
				case stale[i] || err != nil:
					t.Errorf("agent %d, round %d: %v", i, round, err)
				default:
					mu.Lock()
					last[i] = sequence
					mu.Unlock()
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		s.storing.Wait()
		if told.Load() != agents || int(refused.Load()) != len(stale) {
			t.Fatalf("round %d: %d of %d were told, %d refused of %d", round, told.Load(), agents, refused.Load(), len(stale))
		}
		for i := range agents {
			if stale[i] {
				continue
			}
			m, err := s.answers.GetMsg(t.Context(), last[i])
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("agent %d, chunk %d", i, round); m.Subject != fmt.Sprintf("answer.p.a%d", i) || string(m.Data) != want {
				t.Fatalf("message %d is %q of %s, want %q", last[i], m.Data, m.Subject, want)
			}
		}
	}
}

// A relay that was started over an older folder stores together, too, and one of
// several never does: their spine has its own way.
func TestWhoStoresTogether(t *testing.T) {
	s := realSpine(t)
	for _, stream := range []jetstream.Stream{s.answers, s.agents.stream} {
		cfg := stream.CachedInfo().Config
		cfg.AllowAtomicPublish = false
		if _, err := s.js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Info(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for replicas, want := range map[int]bool{1: true, 3: false} {
		if err := s.allowBatches(t.Context(), &Config{Replicas: replicas, Cluster: Cluster{Listen: "x"}}); err != nil {
			t.Fatal(err)
		}
		if s.chunks.together != want || s.records.together != want {
			t.Errorf("%d copies: together %v", replicas, s.chunks.together)
		}
	}
}

// A spine that ends in the middle tells everybody, and stores no half of what it
// said that it stored.
func TestCommitToASpineThatEnds(t *testing.T) {
	s := realSpine(t)
	var told atomic.Int32
	for i := range 200 {
		msg := chunkMessage(i, 0, "x")
		err := s.chunks.put(commitment{msg, func(uint64, error) { told.Add(1) }})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.conn.Close()
	s.storing.Wait()
	if told.Load() != 200 {
		t.Fatalf("%d of 200 were told", told.Load())
	}
	if _, err := s.chunks.store(context.Background(), chunkMessage(0, 0, "x")); err == nil {
		t.Fatal("stored where nothing is")
	}
}

// A spine that is closed says first of everything that it was given that it is
// stored; it was told to nobody, and a relay took ten seconds to end.
func TestCloseHearsWhatIsStored(t *testing.T) {
	s, err := openSpine(t.Context(), &Config{dir: t.TempDir(), Replicas: 1}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	const few, many = fewTogether - 1, 10 * fewTogether // one by one, and together
	var stored, failed atomic.Int32
	for i := range few + many {
		by := s.records
		if i < many {
			by = s.chunks
		}
		msg := chunkMessage(i, 0, "x")
		err := by.put(commitment{msg, func(_ uint64, err error) {
			if stored.Add(1); err != nil {
				failed.Add(1)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.close()
	if stored.Load() != few+many || failed.Load() != 0 {
		t.Errorf("%d of %d were told, and %d that they are not stored", stored.Load(), few+many, failed.Load())
	}
}

func TestReadBatch(t *testing.T) {
	for text, want := range map[string]uint64{
		`{"stream":"A","seq":1002,"batch":"b","count":2}`:                    1002,
		`{"stream":"A","seq":1002,"batch":"b","count":3}`:                    0,
		`{"stream":"A","seq":1,"batch":"b","count":2}`:                       0,
		`{"stream":"A","seq":1002}`:                                          0,
		`{"error":{"code":400,"err_code":10071,"description":"wrong last"}}`: 0,
		``:  0,
		`x`: 0,
	} {
		last, err := readBatch([]byte(text), 2)
		if last != want || (err == nil) != (want > 0) || err != nil && !errors.Is(err, errBatch) {
			t.Errorf("%s: %d, %v", text, last, err)
		}
	}
}

// Where many come, what comes is gathered until it is worth it, and no longer.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommitter(&spine{})
		c.together, c.running = true, true // this is who stores
		put := func(n int) {
			for i := range n {
				if err := c.put(commitment{msg: chunkMessage(i, 0, "x")}); err != nil {
					t.Error(err)
				}
			}
		}
		for name, x := range map[string]struct {
			before int           // that wait
			each   time.Duration // between those that come; 0: none does
			want   time.Duration
		}{
			"none":           {0, 0, gatherStep},
			"some, no more":  {fewTogether, 0, gatherStep},
			"enough already": {mostTogether + 3, 0, 0},
			"enough soon":    {mostTogether - 1, gatherStep / 2, gatherStep / 2},
			"more and more":  {1, gatherStep / 2, gatherFor},
			"slowly":         {1, 3 * gatherStep, gatherStep},
		} {
			c.waiting = nil
			put(mostTogether)
			c.waiting = nil // they were stored
			put(x.before)
			over := make(chan struct{})
			if x.each > 0 {
				go func() {
					for {
						select {
						case <-over:
							return
						case <-time.After(x.each):
							put(1)
						}
					}
				}()
			}
			begun := time.Now()
			c.gather()
			if took := time.Since(begun); took != x.want {
				t.Errorf("%s: it took %s, want %s", name, took, x.want)
			}
			close(over)
			synctest.Wait()
		}
	})
}
