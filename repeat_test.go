package quaestor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A query with EVERY gives its rows, and then what has become of them.
func TestEvery(t *testing.T) {
	root := tree(t, 2)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(root, "d", name), []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := quaestor.LocalWith(quaestor.Options{Root: root})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		c, err := s.Compile(sourceOf(`FIND file /d/** RETURN path, size EVERY 10m`))
		if err != nil {
			t.Fatal(err)
		}
		var told []quaestor.Round
		start := time.Now()
		rows, err := s.Repeat(t.Context(), c, quaestor.Repeat{
			Every: 10 * time.Minute, Until: start.Add(35 * time.Minute),
			Told: func(r quaestor.Round) {
				told = append(told, r)
				switch r.Number {
				case 1:
					write("new", "n")
				case 2:
					write("f00001", "longer text")
					if err := os.Remove(filepath.Join(root, "d", "f00000")); err != nil {
						t.Error(err)
					}
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if names := rows.Columns(); len(names) != 3 || names[0].Name != "change" {
			t.Errorf("columns %v", names)
		}
		got, err := rowsOf(t, rows)
		want := []string{"file: new /d/f00000 4", "file: new /d/f00001 4", "file: new /d/new 1", "file: changed /d/f00001 11", "file: gone /d/f00000 4"}
		slices.Sort(got[:2])
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v\nwant %q", got, err, want)
		}
		if len(told) != 4 || told[3].Began.Sub(start) != 30*time.Minute || told[3].Same != 2 || told[3].Summary.Outcome != answer.Complete {
			t.Errorf("%+v", told)
		}
		if sum := rows.Summary(); sum.Outcome != answer.Complete || sum.Matched != 5 {
			t.Errorf("%+v", sum)
		}
	})
}

// EVERY lasts as long as its context, and ends without an error of its own.
func TestEveryEnds(t *testing.T) {
	root := tree(t, 1)
	synctest.Test(t, func(t *testing.T) {
		s, err := quaestor.LocalWith(quaestor.Options{Root: root})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
		defer cancel()
		rows, err := s.Query(ctx, `FIND file /d/** EVERY 1h`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if got, err := rowsOf(t, rows); len(got) != 1 || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
	s := open(t, quaestor.Options{Root: root})
	if _, err := s.Query(t.Context(), `FIND file /d/** EVERY 1h; FIND file /d/* EVERY 2h`); err == nil || !strings.Contains(err.Error(), "ask them apart") {
		t.Errorf("two periods: %v", err)
	}
}

// Rows of an agent that did not answer, or not for the place where they lie,
// are not gone.
func TestRepeatFleet(t *testing.T) {
	text := value.NewText
	row := func(host, path string) quaestor.Answer {
		return quaestor.Answer{Host: host, Agent: "id-" + host, Rows: []quaestor.Found{{Values: []value.Value{text(path)}}}}
	}
	agent := func(host string, state quaestor.State, skips ...string) quaestor.Agent {
		a := quaestor.Agent{Agent: "id-" + host, Host: host, State: state}
		if state == quaestor.Partial {
			a.Reason = answer.NotLookedAt
		}
		for _, s := range skips {
			a.Skipped = append(a.Skipped, answer.Skipped{Kind: modules.SkipPermission, Count: 1, First: []modules.Skip{{Where: s}}})
		}
		return a
	}
	fleets := []*fakeFleet{
		{answers: []quaestor.Answer{row("a", "/etc/1"), row("b", "/etc/1"), row("b", "/srv/1"), row("c", "/etc/1")},
			coverage: quaestor.Coverage{Agents: []quaestor.Agent{agent("a", quaestor.Matched), agent("b", quaestor.Matched), agent("c", quaestor.Matched)}}},
		{coverage: quaestor.Coverage{Agents: []quaestor.Agent{agent("a", quaestor.Empty), agent("b", quaestor.Partial, "/srv"), agent("c", quaestor.Offline)}}},
		nil, // it cannot be asked
		{answers: []quaestor.Answer{row("c", "/etc/1")}, coverage: quaestor.Coverage{Agents: []quaestor.Agent{agent("b", quaestor.Empty), agent("c", quaestor.Matched)}}},
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := quaestor.LocalWith(quaestor.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := planned(t, `FROM fleet FIND file /etc/**, /srv/** RETURN path`)
		n := 0
		var told []quaestor.Round
		rows, err := s.RepeatThrough(t.Context(), quaestor.Repeat{
			Every: time.Hour, Until: time.Now().Add(time.Hour * 7 / 2), Told: func(r quaestor.Round) { told = append(told, r) },
		}, func(context.Context) (*quaestor.Rows, error) {
			n++
			if fleets[n-1] == nil {
				return nil, errors.New("no relay answers")
			}
			fleets[n-1].sums = []answer.Summary{{Outcome: answer.Complete}}
			return quaestor.NewRows(c.Queries, nil, fleets[n-1]), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := rowsOf(t, rows)
		want := []string{
			"file: a id-a new /etc/1", "file: b id-b new /etc/1", "file: b id-b new /srv/1", "file: c id-c new /etc/1",
			"file: a id-a gone /etc/1", "file: b id-b gone /etc/1",
			"file: b id-b gone /srv/1",
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v\nwant %q", got, err, want)
		}
		if len(told) != 4 || told[1].Unknown != 2 || told[2].Err == nil || told[2].Unknown != 2 || told[3].Unknown != 0 {
			t.Errorf("%+v", told)
		}
		if sum := rows.Summary(); sum.Outcome == answer.Complete {
			t.Errorf("a round failed: %+v", sum)
		}
	})
}

func sourceOf(text string) lang.Source { return lang.Source{Name: "query", Text: text} }
