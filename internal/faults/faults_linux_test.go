package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

var (
	length = flag.Duration("for", 30*time.Second, "how long there are faults")
	relays = flag.Int("relays", 3, "how many relays")
	agents = flag.Int("agents", 24, "how many agents")
	plans  = flag.Int("plans", 40, "how many plans")
	every  = flag.Duration("every", 400*time.Millisecond, "the mean time from one fault to the next")
	seed   = flag.Uint64("seed", 0, "what the faults are drawn from; 0: the time")
	only   = flag.String("kinds", "", "the kinds of faults, separated by commas (default: all)")
)

// recovery is how long a fleet may take until all of it is connected and has
// answered: the longest pause between two attempts to connect, and more on a
// slow machine.
const recovery = 4 * time.Minute

const question = `FROM fleet FIND file /data/** WHERE type = "file" RETURN path, name, sha256 LIMIT 1000000`

// TestFleetUnderFaults asks a fleet while it is struck. No row that was given
// out is lost later, none comes twice, each is one of its machine's as it was
// planted, an agent that says that it looked at everything did, what is missing
// has a reason, and when the faults are over all answer again.
func TestFleetUnderFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	w := weather{seed: *seed, length: *length, relays: *relays, agents: *agents, disks: min(3, *agents), every: *every}
	if w.seed == 0 {
		w.seed = uint64(time.Now().UnixNano())
	}
	t.Logf("%d relays, %d agents, %d plans, faults for %s: go test ./internal/faults -run TestFleetUnderFaults -for %s -relays %d -agents %d -plans %d -every %s -seed %d",
		*relays, *agents, *plans, *length, *length, *relays, *agents, *plans, *every, w.seed)
	f := newFleet(t, *relays, *agents, w.disks)
	if w.kinds = f.kinds(); len(w.kinds) == 0 {
		t.Fatalf("-kinds %s names none of %v", *only, kinds)
	}
	f.wait(recovery)

	ctx, cancel := context.WithTimeout(t.Context(), w.length)
	defer cancel()
	var wg sync.WaitGroup
	begun := time.Now()
	for _, s := range w.schedule() {
		wg.Go(func() {
			select {
			case <-time.After(time.Until(begun.Add(s.at))):
				f.strike(ctx, s)
			case <-ctx.Done():
			}
		})
	}
	asked := f.ask(begun, w)
	<-ctx.Done()
	wg.Wait()
	f.heal()

	t.Logf("the faults are over after %s", time.Since(begun).Round(time.Second))
	f.wait(recovery)
	f.last()
	for _, q := range asked {
		f.examine(q)
	}
	f.tell(asked)
}

// kinds gives those that were asked for and are possible here.
func (f *fleet) kinds() []kind {
	var out []kind
	for k, name := range kinds {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), name) {
			continue
		}
		if kind(k) == fill && !f.mounted {
			f.t.Log("no disk is filled: it takes root to make small ones")
			continue
		}
		out = append(out, kind(k))
	}
	return out
}

// A query is one that was asked, and what was shown of its answer.
type query struct {
	number int
	id     signing.ID
	at     time.Time
	shown  map[string]bool // rows
	final  map[string]quaestor.State
	counts map[quaestor.State]int
}

// ask asks one plan after the other, and looks at some answers early.
func (f *fleet) ask(begun time.Time, w weather) []*query {
	rng := rand.New(rand.NewPCG(w.seed, 2))
	var asked []*query
	var looks sync.WaitGroup
	defer looks.Wait()
	for n := range *plans {
		time.Sleep(time.Until(begun.Add(w.length * time.Duration(n) / time.Duration(*plans))))
		look, after := rng.IntN(4), time.Duration(rng.IntN(4000))*time.Millisecond
		q, err := f.submit(n)
		if err != nil {
			f.t.Errorf("plan %d: %v", n, err)
			return asked
		}
		asked = append(asked, q)
		looks.Go(func() {
			switch look {
			case 0:
				time.Sleep(after)
				f.glance(q)
			case 1:
				f.die(q, after)
			}
		})
	}
	return asked
}

// submit signs a plan and hands it in as often as it takes.
func (f *fleet) submit(n int) (*query, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), recovery)
	defer cancel()
	c, err := f.session.Compile(lang.Source{Name: fmt.Sprint("plan ", n), Text: question})
	if err != nil {
		return nil, err
	}
	e, err := f.session.Sign(ctx, c.Queries[0], client.SignOptions{Window: time.Hour, Purpose: fmt.Sprint("plan ", n)})
	if err != nil {
		return nil, err
	}
	payload, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		return nil, err
	}
	for {
		_, err := f.session.Submit(ctx, e)
		var no *message.Failure
		if err == nil || errors.As(err, &no) && no.Code == message.FailExists {
			return &query{number: n, id: payload.ID, at: time.Now(), shown: map[string]bool{}}, nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// glance takes what is there of an answer. What it shows must be there for
// good.
func (f *fleet) glance(q *query) {
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	rows, err := f.session.Follow(ctx, q.id, client.FollowOptions{Stored: true})
	if err != nil {
		return // the relay is down
	}
	defer rows.Close()
	for row, err := range rows.All() {
		if err != nil {
			return
		}
		q.shown[key(row)] = true
	}
}

// die has somebody follow an answer, and kills him.
func (f *fleet) die(q *query, after time.Duration) {
	env := append(slices.Clone(f.relays[0].env), roleVar+"=investigator", dirVar+"="+f.path("home"), planVar+"="+q.id.String())
	cmd, err := start(env, f.relays[0].log)
	if err != nil {
		f.t.Error(err)
		return
	}
	time.Sleep(after)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func key(r quaestor.Row) string {
	return r.Text("host") + " " + r.Text("path") + " " + r.Text("sha256")
}
