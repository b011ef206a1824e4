package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/gateway"
	"github.com/quaestor-engine/quaestor/internal/hostile"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// An evil pretence is a fleet that says one thing wherever it may speak.
type evil struct {
	*pretence
	says string
}

func (e evil) Run(_ context.Context, c *quaestor.Compiled, _ client.RunOptions) (*quaestor.Rows, error) {
	return quaestor.NewRows(c.Queries, nil, evilAnswers(e)), nil
}

func (e evil) Fleet(context.Context) ([]client.FleetAgent, error) {
	return []client.FleetAgent{
		{ID: signing.NewID(), Host: e.says, Software: e.says, Online: true, Member: signing.Member{Tags: map[string]string{e.says: e.says}},
			Facts: plan.Facts{e.says: value.NewText(e.says), "tags.team": value.NewText(e.says)}},
		{ID: signing.NewID(), Host: e.says, Problem: errors.New(e.says)},
	}, nil
}

func (e evil) Investigations(context.Context) ([]client.Investigation, error) {
	signed := &client.Signed{Payload: &signing.PlanPayload{Query: e.says, Purpose: e.says, Params: map[string]string{"x": e.says}}}
	return []client.Investigation{{Plan: e.id, Problem: errors.New(e.says), Expires: time.Now()}, {Plan: e.id, Signed: signed, Expires: time.Now()}}, nil
}

func (e evil) Cancel(context.Context, signing.ID) error { return errors.New(e.says) }

type evilAnswers evil

func (e evilAnswers) Answers(take func(quaestor.Answer) (int, error)) error {
	row := quaestor.Found{Values: []value.Value{value.NewText(e.says)}}
	if _, err := take(quaestor.Answer{Host: e.says, Agent: e.says, Rows: []quaestor.Found{row}}); err != nil {
		return err
	}
	return errors.New(e.says)
}

func (e evilAnswers) Summaries() []answer.Summary {
	return []answer.Summary{{Outcome: answer.Partial, Reason: e.says, Skipped: []answer.Skipped{
		{Kind: modules.SkipPermission, Count: 1, First: []modules.Skip{{Kind: modules.SkipPermission, Where: e.says, Detail: e.says}}},
	}}}
}

func (e evilAnswers) Coverage() quaestor.Coverage {
	return quaestor.Coverage{Doubts: []string{e.says}, Agents: []quaestor.Agent{{Agent: e.says, Host: e.says, State: quaestor.Failed, Reason: e.says}}}
}

func (e evilAnswers) Progress() (map[string]int64, int64) { return nil, 1 }
func (e evilAnswers) Close() error                        { return nil }

// What a fleet says reaches a terminal behind curl as text, in lines of ours,
// whatever is asked: rows, accounts, lists, problems, what completion knows.
func TestNothingHostileIsServed(t *testing.T) {
	for _, v := range hostile.Values() {
		e := evil{newPretence(), v}
		s := open(t, gateway.Options{Connect: func(context.Context) (gateway.Fleet, error) { return e, nil }})
		for _, q := range []struct{ method, path, body string }{
			{"POST", "/v1/query", `{"query":"FROM fleet FIND host RETURN hostname"}`},
			{"GET", "/v1/fleet", ""},
			{"GET", "/v1/investigations", ""},
			{"GET", "/v1/investigations/" + e.id.String(), ""},
			{"POST", "/v1/investigations/" + e.id.String() + "/cancel", ""},
			{"POST", "/v1/complete", `{"query":"FROM fleet WHERE tags.","offset":22}`},
			{"POST", "/v1/complete", `{"query":"FROM fleet WHERE tags.team = ","offset":29}`},
			{"POST", "/v1/complete", `{"query":"FROM host ","offset":10}`},
		} {
			status, body := s.do(s.request(q.method, q.path, q.body))
			text := strings.ReplaceAll(string(body), "\ufffd", "?") // JSON's for bytes that are no UTF-8
			if err := errors.Join(hostile.Terminal(text), hostile.Commands(text)); err != nil {
				t.Errorf("%s %s, %.40q: %d: %v", q.method, q.path, v, status, err)
			}
			for line := range strings.Lines(text) {
				if !strings.HasPrefix(line, "{") {
					t.Errorf("%s %s, %.40q: a line %.60q", q.method, q.path, v, line)
				}
			}
		}
		s.close()
	}
}

// The same from this machine.
func TestNothingHostileIsServedFromHere(t *testing.T) {
	n := &nasty{rows: hostile.Values()}
	s := open(t, gateway.Options{Local: quaestor.Options{Modules: []modules.Module{n}}})
	status, body := s.do(s.request("POST", "/v1/query", `{"query":"FIND nasty"}`))
	if err := errors.Join(hostile.Terminal(string(body)), hostile.Commands(string(body))); err != nil || status != 200 {
		t.Errorf("%d: %v", status, err)
	}
	if got := strings.Count(string(body), "\n"); got != len(n.rows)+2 {
		t.Error(fmt.Sprint(got, " lines for ", len(n.rows), " rows"))
	}
}
