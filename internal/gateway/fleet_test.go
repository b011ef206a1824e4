package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/gateway"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// A pretence is a fleet of two agents, one of which is offline.
type pretence struct {
	id        signing.ID
	endless   bool  // the answer does not end by itself
	refuse    error // Run gives it
	cancelled chan signing.ID

	mu   sync.Mutex
	told client.RunOptions
	wait client.FollowOptions
}

func newPretence() *pretence {
	return &pretence{id: signing.NewID(), cancelled: make(chan signing.ID, 9)}
}

func (p *pretence) Run(ctx context.Context, c *quaestor.Compiled, o client.RunOptions) (*quaestor.Rows, error) {
	p.mu.Lock()
	p.told = o
	p.mu.Unlock()
	o.Submitted(0, message.Submitted{Plan: p.id, Online: 1, Offline: 1, Pending: errors.Is(p.refuse, client.ErrPending)})
	if p.refuse != nil {
		return nil, p.refuse
	}
	return quaestor.NewRows(c.Queries, nil, &answers{ctx: ctx, endless: p.endless}), nil
}

func (p *pretence) Follow(ctx context.Context, id signing.ID, o client.FollowOptions) (*quaestor.Rows, error) {
	p.mu.Lock()
	p.wait = o
	p.mu.Unlock()
	if id != p.id {
		return nil, fmt.Errorf("no plan %s", id)
	}
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		return nil, err
	}
	defer local.Close()
	made, err := local.Recompile("FROM fleet FIND host RETURN hostname", quaestor.Inputs{At: time.Now()})
	if err != nil {
		return nil, err
	}
	return quaestor.NewRows([]quaestor.Query{{Name: "query", Plan: made}}, nil, &answers{ctx: ctx}), nil
}

func (p *pretence) Cancel(_ context.Context, id signing.ID) error {
	p.cancelled <- id
	return nil
}

func (p *pretence) Fleet(context.Context) ([]client.FleetAgent, error) {
	return []client.FleetAgent{
		{ID: signing.NewID(), Host: "web-1", Online: true, Member: signing.Member{Tags: map[string]string{"team": "shop"}},
			Facts: plan.Facts{"os": value.NewText("linux"), "tags.team": value.NewText("shop")}},
		{ID: signing.NewID(), Host: "<b>evil</b>", Problem: errors.New("its chain does not hold")},
	}, nil
}

func (p *pretence) Investigations(context.Context) ([]client.Investigation, error) {
	return []client.Investigation{{Plan: p.id, Problem: errors.New("it cannot be read"), Agents: 2, Reached: 1, Done: 1, Expires: time.Now().Add(time.Hour)}}, nil
}

// answers is one row of one agent.
type answers struct {
	ctx     context.Context
	endless bool
}

func (a *answers) Answers(take func(quaestor.Answer) (int, error)) error {
	row := quaestor.Found{Values: []value.Value{value.NewText("web-1")}}
	if _, err := take(quaestor.Answer{Host: "web-1", Agent: "a1", Rows: []quaestor.Found{row}}); err != nil || !a.endless {
		return err
	}
	<-a.ctx.Done()
	return a.ctx.Err()
}

func (a *answers) Summaries() []answer.Summary {
	return []answer.Summary{{Outcome: answer.Partial, Reason: "1 of 2 agents did not answer"}}
}

func (a *answers) Coverage() quaestor.Coverage {
	return quaestor.Coverage{Agents: []quaestor.Agent{
		{Agent: "a1", Host: "web-1", State: quaestor.Matched, Rows: 1}, {Agent: "a2", Host: "web-2", State: quaestor.Offline},
	}}
}

func (a *answers) Progress() (map[string]int64, int64) { return nil, 1 }
func (a *answers) Close() error                        { return nil }

func pretend(t *testing.T, p *pretence) *site {
	t.Helper()
	return open(t, gateway.Options{Connect: func(context.Context) (gateway.Fleet, error) { return p, nil }})
}

func TestFleetQuery(t *testing.T) {
	p := newPretence()
	s := pretend(t, p)
	lines := s.lines("POST", "/v1/query", `{"query":"FROM fleet FIND host RETURN hostname AS host","wait":"10m","window":"2h","purpose":"a test"}`)
	if got := kinds(lines); got != "investigation tables row coverage summary" {
		t.Fatalf("the lines are %s", got)
	}
	if lines[0]["id"] != p.id.String() || lines[0]["online"] != 1.0 || lines[0]["offline"] != 1.0 {
		t.Errorf("the investigation is %s", quoted(lines[0]))
	}
	// The query's own "host" does not hide where the row comes from.
	if got := quoted(lines[2]["row"]); got != `{"agent":"a1","host":"web-1","host 2":"web-1"}` {
		t.Errorf("the row is %s", got)
	}
	if c := lines[3]; c["targeted"] != 2.0 || c["answered"] != 1.0 || len(c["agents"].([]any)) != 2 {
		t.Errorf("the coverage is %s", quoted(c))
	}
	if lines[4]["outcome"] != "partial" {
		t.Errorf("the summary is %s", quoted(lines[4]))
	}
	o := p.told
	if o.Follow.Wait != 10*time.Minute || o.Sign.Window != 2*time.Hour || o.Sign.Purpose != "a test" {
		t.Errorf("it was asked with %+v", o)
	}
	if len(p.cancelled) != 0 {
		t.Error("an answer that ended was cancelled")
	}
}

// Whoever leaves cancels the question on the agents, unless it is to be kept.
func TestFleetQueryIsCancelled(t *testing.T) {
	for _, keep := range []bool{false, true} {
		p := newPretence()
		p.endless = true
		s := pretend(t, p)
		resp, err := s.http.Do(s.request("POST", "/v1/query", fmt.Sprintf(`{"query":"FROM fleet FIND host RETURN hostname","keep":%t}`, keep)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if !keep {
			if id := <-p.cancelled; id != p.id {
				t.Errorf("%s was cancelled, not %s", id, p.id)
			}
			continue
		}
		// The gateway waits for its answers when it is closed.
		s.close()
		if len(p.cancelled) != 0 {
			t.Error("it was to be kept, and was cancelled")
		}
	}
}

func TestPending(t *testing.T) {
	p := newPretence()
	p.refuse = fmt.Errorf("%w: %s", client.ErrPending, p.id)
	lines := pretend(t, p).lines("POST", "/v1/query", `{"query":"FROM fleet FIND host"}`)
	if got := kinds(lines); got != "investigation error" || lines[1]["code"] != "pending" || lines[0]["pending"] != true {
		t.Errorf("%s", quoted(lines))
	}
}

func TestFleetList(t *testing.T) {
	s := pretend(t, newPretence())
	_, f := s.ask("GET", "/v1/fleet", "")
	agents := f["agents"].([]any)
	good, bad := agents[0].(map[string]any), agents[1].(map[string]any)
	if f["online"] != 1.0 || quoted(good["tags"]) != `{"team":"shop"}` || good["facts"].(map[string]any)["os"] != "linux" {
		t.Errorf("%s", quoted(f))
	}
	if bad["problem"] != "its chain does not hold" || quoted(bad["facts"]) != "{}" {
		t.Errorf("%s", quoted(bad))
	}
	// Completion knows them from now on.
	_, c := s.ask("POST", "/v1/complete", `{"query":"FROM fleet WHERE tags.team = sh","offset":31}`)
	if got := quoted(c); !strings.Contains(got, `"text":"shop"`) {
		t.Errorf("the candidates are %s", got)
	}
}

func TestInvestigations(t *testing.T) {
	p := newPretence()
	s := pretend(t, p)
	status, i := s.ask("GET", "/v1/investigations/"+p.id.String(), "")
	if status != 200 || i["state"] != "open" || i["problem"] != "it cannot be read" || i["done"] != 1.0 {
		t.Errorf("%d %s", status, quoted(i))
	}
	if status, e := s.ask("GET", "/v1/investigations/"+signing.NewID().String(), ""); status != 404 || e["code"] != "not-found" {
		t.Errorf("%d %s", status, quoted(e))
	}
	lines := s.lines("GET", "/v1/investigations/"+p.id.String()+"/results?follow=true&wait=5s", "")
	if got := kinds(lines); got != "tables row coverage summary" || p.wait.Stored || p.wait.Wait != 5*time.Second {
		t.Errorf("%s %+v", got, p.wait)
	}
	if status, e := s.ask("GET", "/v1/investigations/"+signing.NewID().String()+"/results", ""); status != 502 || e["kind"] != "error" || !p.wait.Stored {
		t.Errorf("%d %s", status, quoted(e))
	}
	if status, c := s.ask("POST", "/v1/investigations/"+p.id.String()+"/cancel", `{}`); status != 200 || c["cancelled"] != true || <-p.cancelled != p.id {
		t.Errorf("%d %s", status, quoted(c))
	}
}

// A fleet that could not be reached is tried again.
func TestConnectIsTriedAgain(t *testing.T) {
	tries := 0
	s := open(t, gateway.Options{Connect: func(context.Context) (gateway.Fleet, error) {
		if tries++; tries == 1 {
			return nil, errors.New("connection refused\nhint: is it on")
		}
		return newPretence(), nil
	}})
	if status, e := s.ask("GET", "/v1/fleet", ""); status != 502 || e["message"] != "the fleet cannot be asked: connection refused" || e["hint"] != "is it on" {
		t.Errorf("%d %s", status, quoted(e))
	}
	for range 2 {
		if status, _ := s.ask("GET", "/v1/fleet", ""); status != 200 {
			t.Errorf("%d", status)
		}
	}
	if tries != 2 {
		t.Errorf("it connected %d times", tries)
	}
}
