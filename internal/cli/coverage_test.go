package cli

import (
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/render"
)

func TestRequired(t *testing.T) {
	agents := func(states ...quaestor.State) quaestor.Coverage {
		var c quaestor.Coverage
		for _, s := range states {
			c.Agents = append(c.Agents, quaestor.Agent{State: s})
		}
		return c
	}
	m, e, o, p := quaestor.Matched, quaestor.Empty, quaestor.Offline, quaestor.Partial
	for _, test := range []struct {
		flag  string
		c     quaestor.Coverage
		whole bool
		met   bool
	}{
		{"", agents(), false, true},
		{"", agents(o), false, true},
		{"50%", agents(m, o), false, true},
		{"50.1%", agents(m, o), false, false},
		{"100%", agents(m, e, p), false, true},
		{"1%", agents(), true, false}, // nobody was asked
		{"complete", agents(m, e), true, true},
		{"complete", agents(m, p), false, false},
		{"complete", agents(m, o), true, false},
		{"complete", agents(), true, false},
		{"complete", quaestor.Coverage{Agents: agents(m).Agents, Doubts: []string{"an agent is missing"}}, true, false},
	} {
		r, err := parseRequired(test.flag)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.met(test.c, test.whole); got != test.met {
			t.Errorf("--require %s with %d of %d: %v", test.flag, test.c.Answered(), test.c.Targeted(), got)
		}
	}
	for _, flag := range []string{"most", "95", "0%", "-1%", "101%", "NaN%", "%", "complete%"} {
		if _, err := parseRequired(flag); err == nil || !strings.Contains(err.Error(), "such as 95%") {
			t.Errorf("--require %s: %v", flag, err)
		}
	}
}

func TestCoverageIsTold(t *testing.T) {
	c := quaestor.Coverage{Agents: []quaestor.Agent{
		{Host: "ci-1", State: quaestor.Refused, Reason: "not \x1b[31mallowed"},
		{Host: "db-1", State: quaestor.Offline}, {Host: "db-2", State: quaestor.Offline},
		{Agent: "0123456789abcdef0123456789abcdef", State: quaestor.Offline}, {Host: "db-4", State: quaestor.Offline},
		{Host: "mail-1", State: quaestor.Failed, Reason: "one"}, {Host: "mail-2", State: quaestor.Failed, Reason: "two"},
		{Host: "web-1", State: quaestor.Matched}, {Host: "web-2", State: quaestor.Empty},
	}, Doubts: []string{"the relay hid \"x\""}}
	var b strings.Builder
	if err := render.Coverage(&b, c); err != nil {
		t.Fatal(err)
	}
	const want = `2 of 9 agents answered: 1 matched, 1 empty
refused: 1 (ci-1): not \x1b[31mallowed
failed: 2 (mail-1, mail-2): one; and 1 other reason: --agents shows all
offline: 4 (db-1, db-2, 0123456789ab, …)
doubt: the relay hid "x"
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if got := progressText(c.Tally(), 1); got != "5 of 9 agents reached, 2 answered, 1 matched, 1 empty, 2 failed, 1 refused, 4 offline · 1 row" {
		t.Errorf("progress: %s", got)
	}
	b.Reset()
	if err := render.Coverage(&b, quaestor.Coverage{}); err != nil || b.String() != "the target names no agent: nobody was asked\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
