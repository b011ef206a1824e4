package cli

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/hostile"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// evilAgents are a fleet whose every word is a hostile one: an agent that is a
// member, and one that is not.
func evilAgents(v string) []client.FleetAgent {
	facts := plan.Facts{v: value.NewText(v), "tags." + v: value.NewText(v), "addresses": value.NewList([]value.Value{value.NewText(v)})}
	for _, name := range []string{"os", "arch", "distro", "version", "agent_version", "hostname"} {
		facts[name] = value.NewText(v)
	}
	return []client.FleetAgent{
		{ID: signing.NewID(), Host: v, Software: v, Facts: facts, Seen: time.Unix(0, 0), Member: signing.Member{Hostname: v, Tags: map[string]string{"team": v, v: v}}},
		{ID: signing.NewID(), Host: v, Problem: errors.New(v), Seen: time.Unix(0, 0)},
	}
}

// evilCoverage has an agent in each state, with that reason.
func evilCoverage(v string) quaestor.Coverage {
	c := quaestor.Coverage{Doubts: []string{v}}
	for _, s := range quaestor.States() {
		c.Agents = append(c.Agents, quaestor.Agent{Agent: v, Host: v, State: s, Reason: v}, quaestor.Agent{Agent: v, Host: "", State: s, Reason: v + "2", Round: 1})
	}
	return c
}

// Whatever agents and relays say, where a command shows it, is text: lists of
// the fleet, what is known of an agent, who answered and who did not, the line
// of progress, what was asked, errors.
func TestNothingHostileIsShown(t *testing.T) {
	doors := map[string]func(a *app, v string) error{
		"fleet summary": func(a *app, v string) error { return a.summarise(evilAgents(v)) },
		"fleet show": func(a *app, v string) error {
			return errors.Join(a.showAgent(evilAgents(v)[0]), a.showAgent(evilAgents(v)[1]))
		},
		"coverage": func(a *app, v string) error { return render.Coverage(a.Err, evilCoverage(v)) },
		"agents":   func(a *app, v string) error { return a.writeAgents(a.Out, evilCoverage(v)) },
		"progress": func(a *app, v string) error {
			_, err := fmt.Fprintln(a.Err, progressText(evilCoverage(v).Tally(), 1))
			return err
		},
		"investigations": func(a *app, v string) error {
			signed := &client.Signed{Payload: &signing.PlanPayload{}}
			signed.Payload.Query, signed.Payload.Purpose = v, v
			return a.list(investigationList([]client.Investigation{{Problem: errors.New(v)}, {Signed: signed}}, "table"), "table")
		},
		"submitted": func(a *app, v string) error { return a.tellSubmitted(message.Submitted{Waits: []string{v}}) },
		"failure": func(a *app, v string) error {
			report(a.IO, fmt.Errorf("the relay says: %w", errors.New(v)))
			report(a.IO, &exit{ExitWrong, fmt.Errorf("the relay says: %w", errors.New(v))})
			return nil
		},
	}
	for _, format := range []string{"table", "jsonl", "json"} {
		doors["fleet list, "+format] = func(a *app, v string) error {
			return (&fleetListCommand{Format: format}).show(a, evilAgents(v))
		}
	}
	for door, show := range doors {
		for _, v := range hostile.Values() {
			var out, errs bytes.Buffer
			a := newApp(t.Context(), IO{Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
			if err := show(a, v); err != nil {
				t.Errorf("%s, %.40q: %v", door, v, err)
			}
			for _, text := range []string{out.String(), errs.String()} {
				if err := errors.Join(hostile.Terminal(text), hostile.Commands(text)); err != nil {
					t.Errorf("%s, %.40q: %v", door, v, err)
				}
				// No line is invented, but where an error has lines.
				for line := range strings.Lines(text) {
					if strings.HasPrefix(line, "FAKE") && door != "failure" {
						t.Errorf("%s, %.40q: a line of its own", door, v)
					}
				}
			}
		}
	}
}

// A spreadsheet runs nothing of what a fleet says of itself.
func TestNothingHostileIsCalculated(t *testing.T) {
	for _, v := range hostile.Values() {
		var out bytes.Buffer
		a := newApp(t.Context(), IO{Out: &out, Err: &bytes.Buffer{}, Getenv: func(string) string { return "" }})
		if err := (&fleetListCommand{Format: "csv"}).show(a, evilAgents(v)); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(records) != 3 {
			t.Errorf("%.40q: %d records, %v", v, len(records), err)
		}
		for _, r := range records {
			for _, cell := range r {
				if err := hostile.Spreadsheet(cell); err != nil {
					t.Errorf("%.40q: %v", v, err)
				}
			}
		}
	}
}
