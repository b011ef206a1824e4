package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// slowly is the answers to a plan that somebody reads slowly.
func slowly(t *testing.T, o FollowOptions) *following {
	key, err := signing.NewPrivateKey("Ada", "ada@example.org", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := signing.ParsePolicy([]byte(signing.NewPolicyText(signing.PolicySpec{
		Fleet: signing.NewID(), Name: "test",
		Administrators: []signing.PrincipalSpec{{Name: "Ada", Key: key.Public()}},
		Investigators:  []signing.PrincipalSpec{{Name: "Ada", Key: key.Public(), Weight: 1}},
	})))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := sealing.NewReplyKey()
	if err != nil {
		t.Fatal(err)
	}
	f := newFollowing(&Session{policy: policy, opts: options{now: time.Now, home: &Home{}}}, o)
	payload := &signing.PlanPayload{Fleet: policy.Fleet(), ID: signing.NewID(), ReplyKey: reply.Public(), Expires: time.Now().Add(time.Minute)}
	f.plans = []*followed{{payload: payload, compiled: &plan.Plan{}, key: reply, longest: policy.Ceilings().Timeout}}
	return f
}

// agent adds one that is connected, and gives what it sends: chunks of a row
// each, the last with the account.
func (f *following) agent(t *testing.T, chunks int) (id message.ID, bodies [][]byte) {
	p := f.plans[0]
	who, err := signing.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	s, err := sealing.NewSealer(p.payload.ReplyKey, sealing.Binding{Fleet: p.payload.Fleet, Plan: p.payload.ID, Agent: who.ID()},
		func(m []byte) []byte { return who.Sign(sealing.Kind, m) }, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range chunks {
		plain, final := answer.AppendRow(nil, 0, []value.Value{value.NewInt(int64(i))}), i == chunks-1
		if final {
			plain = answer.AppendSummary(plain, answer.Summary{Outcome: answer.Complete, Matched: int64(chunks)})
		}
		data, err := s.Seal(plain, final)
		if err != nil {
			t.Fatal(err)
		}
		c := message.Chunk{Agent: who.ID(), Plan: p.payload.ID, Seq: uint32(i), Final: final, Data: data}
		bodies = append(bodies, c.Append(nil))
	}
	l := f.laneOf(who.ID())
	l.mu.Lock()
	l.parts[0].agents[who.ID()] = &answering{token: &token{uses: 2}, public: who.Public(), online: true, since: f.clock.now()}
	l.mu.Unlock()
	return who.ID(), bodies
}

// TestPausesAreNotSilence: while somebody does not read on, nothing that waits
// behind it is given up, and nobody is called silent, however long that takes.
func TestPausesAreNotSilence(t *testing.T) {
	const chunks = 3 * laneJobs // more than may wait
	for name, c := range map[string]struct {
		o    FollowOptions
		late bool // everyone has been named after the answers only
	}{
		"stored":        {FollowOptions{Stored: true}, true},
		"not all named": {FollowOptions{}, true},
		"live":          {FollowOptions{}, false},
		"a time given":  {FollowOptions{Wait: 10 * time.Second}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := slowly(t, c.o)
				rows := make(chan int, 2*chunks)
				f.startWith(t.Context(), func(p *followed) {
					_, many := f.agent(t, chunks)
					second, few := f.agent(t, 1)
					err := error(nil)
					if !c.late {
						err = f.mark(p)
					}
					for _, body := range many {
						err = errors.Join(err, f.hand(p, message.TypeChunk, body))
					}
					err = errors.Join(err, f.hand(p, message.TypeState, (&message.State{Agent: second, Online: true, Reached: true}).Append(nil)))
					err = errors.Join(err, f.hand(p, message.TypeChunk, few[0]))
					if c.late {
						err = errors.Join(err, f.mark(p))
					}
					if err != nil {
						t.Errorf("what the relay sent was not taken: %v", err)
					}
					<-f.reading.Done()
				})
				err := f.Answers(func(a quaestor.Answer) (int, error) {
					time.Sleep(time.Minute)
					rows <- len(a.Rows)
					return len(a.Rows), nil
				})
				tally := f.Tally()
				if err != nil || len(rows) != chunks+1 || tally.Count(quaestor.Matched) != 2 {
					t.Errorf("%d rows, %v: %v", len(rows), tally, err)
				}
				if sums := f.Summaries(); sums[0].Outcome != answer.Complete {
					t.Errorf("%+v", sums[0])
				}
			})
		})
	}
}

// Who gives up while rows wait for him is let go at once.
func TestPausesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := slowly(t, FollowOptions{})
		f.startWith(ctx, func(p *followed) {
			_, many := f.agent(t, 3*laneJobs)
			for _, body := range many {
				if f.hand(p, message.TypeChunk, body) != nil {
					return
				}
			}
			t.Error("everything was taken, and nobody read")
		})
		begun := time.Now()
		time.AfterFunc(time.Minute, cancel)
		err := f.Answers(func(quaestor.Answer) (int, error) {
			<-f.ctx.Done()
			return 0, f.ctx.Err()
		})
		if took := time.Since(begun); !errors.Is(err, context.Canceled) || took > time.Minute {
			t.Errorf("%v after %s", err, took)
		}
	})
}

// An agent that says nothing is given up, though others have answered.
func TestSilenceIsNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := slowly(t, FollowOptions{})
		f.startWith(t.Context(), func(p *followed) {
			_, few := f.agent(t, 1)
			f.agent(t, 1)
			if err := errors.Join(f.mark(p), f.hand(p, message.TypeChunk, few[0])); err != nil {
				t.Error(err)
			}
			<-f.reading.Done()
		})
		begun := time.Now()
		err := f.Answers(func(a quaestor.Answer) (int, error) {
			time.Sleep(time.Hour)
			return len(a.Rows), nil
		})
		tally := f.Tally()
		if took := time.Since(begun); err != nil || took < time.Hour+patience || took > time.Hour+2*patience || tally.Count(quaestor.Silent) != 1 {
			t.Errorf("%v after %s: %v", tally, took, err)
		}
	})
}

// An agent that has not come to a question is waited for as long as the relay
// hears of it that it is busy with others.
func TestBusyIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := slowly(t, FollowOptions{})
		f.startWith(t.Context(), func(p *followed) {
			last, answer := f.agent(t, 1)
			if err := f.mark(p); err != nil {
				t.Error(err)
			}
			for range 10 {
				time.Sleep(patience - time.Second)
				if err := f.hand(p, message.TypeState, (&message.State{Agent: last, Online: true}).Append(nil)); err != nil {
					t.Error(err)
				}
			}
			if err := f.hand(p, message.TypeChunk, answer[0]); err != nil {
				t.Error(err)
			}
			<-f.reading.Done()
		})
		err := f.Answers(func(a quaestor.Answer) (int, error) { return len(a.Rows), nil })
		if tally := f.Tally(); err != nil || tally.Count(quaestor.Matched) != 1 {
			t.Errorf("%v: %v", tally, err)
		}
	})
}
