package relay

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/relay/outbox"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A told is the stream of an agent that takes everything.
type told struct {
	mu    sync.Mutex
	words []string
}

func (s *told) WriteFrame(t message.Type, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words = append(s.words, fmt.Sprintf("%d %s", t, body))
	return nil
}

func (s *told) Offer(t message.Type, body []byte) bool { return s.WriteFrame(t, body) == nil }
func (*told) Kind() string                             { return message.KindAgent }
func (*told) Close() error                             { return nil }

// A lobby is a relay to which agents come, of plans that begin, end and are
// cancelled.
type lobby struct {
	*Relay
	at     time.Time
	agents []*agent
	all    []*investigation
}

// come has an agent come, and gives what it is told.
func (l *lobby) come(a *agent) []string {
	s := &told{}
	a.session = &agentSession{relay: l.Relay, agent: a, greeted: true}
	a.session.outbox = outbox.Box{Work: &l.wg, Stream: s, Most: maxOutbox, Waits: &l.meters.fanOut}
	l.offerAll(a)
	slices.Sort(s.words)
	return s.words
}

// Whoever comes is told what he would be if all plans were gone through, of
// which there are ten thousand: it took seconds of each return of a fleet.
func TestLivePlans(t *testing.T) {
	policy := modelPolicy(t)
	rapid.Check(t, func(rt *rapid.T) {
		l := &lobby{at: time.Unix(1_764_500_000, 0)}
		l.Relay = &Relay{
			log: slog.New(slog.DiscardHandler), now: func() time.Time { return l.at }, policy: policy, facts: newFactTable(), cfg: &Config{keepFor: time.Hour, KeepSize: 1 << 30},
			plans: map[message.ID]*investigation{}, live: map[message.ID]*investigation{}, followed: map[*investigation]struct{}{},
		}
		for n := range 3 {
			a := &agent{id: message.ID{byte(n + 1)}}
			l.agents = append(l.agents, a)
		}
		draw := func() (*agent, *investigation) {
			if len(l.all) == 0 {
				rt.Skip("no plan yet")
			}
			return rapid.SampledFrom(l.agents).Draw(rt, "agent"), rapid.SampledFrom(l.all).Draw(rt, "plan")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"plan": func(rt *rapid.T) {
				p := &investigation{
					id: signing.NewID(), payload: &signing.PlanPayload{Expires: l.at.Add(time.Duration(rapid.IntRange(1, 60).Draw(rt, "minutes")) * time.Minute)},
					compiled: &plan.Plan{Source: "fleet"}, agents: map[message.ID]*delivery{}, watchers: map[*watcher]struct{}{},
				}
				p.envelope = p.id[:]
				l.plans[p.id], l.all = p, append(l.all, p)
				l.revive(p)
			},
			"cancel": func(*rapid.T) {
				_, p := draw()
				l.change(p, planRecord{Cancelled: l.at, Secret: []byte("secret")}, 1)
			},
			"receipt": func(*rapid.T) {
				a, p := draw()
				l.reach(p, a.id)
			},
			"share": func(*rapid.T) {
				a, p := draw()
				l.share(p, "another", planShare{Reached: []message.ID{a.id}})
			},
			"end": func(*rapid.T) {
				a, p := draw()
				if d := p.agents[a.id]; d != nil {
					d.stands(delivery{next: 1, final: true, last: d.last + 1, reached: true})
				}
			},
			"clock": func(rt *rapid.T) {
				l.at = l.at.Add(time.Duration(rapid.IntRange(-30, 60).Draw(rt, "minutes")) * time.Minute)
				l.stale()
			},
			"": func(rt *rapid.T) {
				a := rapid.SampledFrom(l.agents).Draw(rt, "who comes")
				got := l.come(a)
				live := l.live
				l.live = l.plans
				want := l.come(a)
				if l.live = live; !slices.Equal(got, want) {
					rt.Fatalf("it is told %q, and of all plans %q", got, want)
				}
				l.retire()
				for id, p := range l.live {
					if p.over(l.at) && (p.record.Secret == nil || !p.busy()) {
						rt.Fatalf("plan %s is over", id)
					}
				}
			},
		})
	})
}
