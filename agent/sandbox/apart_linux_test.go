package sandbox

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// senders are modules that send, or would.
func senders() []modules.Module {
	return []modules.Module{
		misfit{"sends_rows", func(_ context.Context, req *modules.Request, yield func(modules.Row) error) error {
			req.Report.Looked("sends_rows", 2000)
			for i := range 2000 { // more than a batch
				if err := yield(said(fmt.Sprint(req.Locators, i, strings.Repeat("x", 100)))); err != nil {
					return err
				}
			}
			for i := range 20 {
				req.Report.Skip(modules.Skip{Kind: modules.SkipPermission, Where: fmt.Sprint(i)})
			}
			return nil
		}},
		misfit{"sends_back", func(_ context.Context, req *modules.Request, yield func(modules.Row) error) error {
			return yield(said(req.Locators[0]))
		}},
		misfit{"sends_nothing", func(ctx context.Context, _ *modules.Request, yield func(modules.Row) error) error {
			if err := yield(said("before")); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}},
		misfit{"sends_crash", func(context.Context, *modules.Request, func(modules.Row) error) error {
			go func() { panic("the sender fell") }()
			select {}
		}},
	}
}

// A plan that sends and looks has a child for each, and neither can do what
// the other may.
func TestSplitDoors(t *testing.T) {
	s := newStage(t)
	tables := map[int][]string{}
	run := s.Start(t.Context(), Job{
		Plan:   s.plan(fmt.Sprintf("FIND hostile_process %q AND FIND hostile_sender %q", s.dir, s.dir)),
		Policy: s.policy, Facts: plan.Facts{}, Turn: &Turn{},
	})
	for row, err := range run.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		tables[row.Table] = append(tables[row.Table], row.Values[0].Text())
	}
	open := func(rows []string) (names []string) {
		for _, row := range rows {
			shut, name, _ := strings.Cut(row, " ")
			if name, _, _ = strings.Cut(name, ":"); shut == "false" {
				names = append(names, name)
			}
		}
		return names
	}
	if got := open(tables[0]); len(tables[0]) < 15 || slices.Contains(got, "reach other hosts") {
		t.Errorf("the child that looks: %q is open, of %d", got, len(tables[0]))
	}
	if got := open(tables[1]); len(tables[1]) < 15 || !slices.Equal(got, []string{"reach other hosts"}) {
		t.Errorf("the child that sends: %q is open, of %d", got, len(tables[1]))
	}
}

// What the child that sends finds, and what it leaves out, is in the answer as
// if there were one child.
func TestSplitRows(t *testing.T) {
	s := newStage(t)
	rows, sum := s.ask("FIND rows AND FIND sends_rows 'there'", Limits{}, nil)
	if len(rows) != 2005 || sum.Outcome != answer.Partial || sum.Looked["sends_rows"] != 2000 || sum.Matched != 2005 ||
		len(sum.Skipped) != 1 || sum.Skipped[0].Count != 20 || len(sum.Skipped[0].First) != 5 {
		t.Errorf("%d rows, %+v", len(rows), sum)
	}
	// Whom to ask is what the rows of another scan say.
	rows, sum = s.ask("FIND rows r, sends_back b WHERE b.text GLOB concat(r.text) RETURN b.text", Limits{}, nil)
	if slices.Sort(rows); strings.Join(rows, "") != "01234" || sum.Outcome != answer.Complete {
		t.Errorf("%q, %+v", rows, sum)
	}
	// The rest is not waited for when there are rows enough.
	began := time.Now()
	rows, sum = s.ask("FIND sends_nothing 'x' LIMIT 1 AND FIND rows", Limits{}, nil)
	if len(rows) == 0 || time.Since(began) > 30*time.Second {
		t.Errorf("%q, %+v after %s", rows, sum, time.Since(began))
	}
	rows, sum = s.ask("FIND rows AND FIND sends_crash 'x'", Limits{}, nil)
	if sum.Outcome != answer.Failed || !strings.Contains(sum.Reason, "the sender fell") {
		t.Errorf("%q, %+v", rows, sum)
	}
}

// The child that looks cannot have another one send what the plan does not.
func TestSplitAsksNoMore(t *testing.T) {
	s := newStage(t)
	p := s.plan("FIND rows AND FIND sends_back 'here'")
	b := newBroker(&childScan{children: s.Children, ctx: t.Context(), job: Job{Plan: p}})
	for _, c := range []struct {
		need need
		good bool
	}{
		{need{Module: "sends_back", Locators: []string{"here"}, Columns: []int{0}}, true},
		{need{Module: "sends_back", Locators: []string{"there"}, Columns: []int{0}}, false},
		{need{Module: "sends_back", Locators: nil, Columns: []int{0}}, false},
		{need{Module: "sends_back", Locators: []string{"here"}, Columns: []int{7}}, false},
		{need{Module: "sends_rows", Locators: []string{"here"}}, false},
		{need{Module: "rows", Locators: nil, Columns: []int{0}}, false},
	} {
		part, err := b.part(c.need)
		if (err == nil) != c.good {
			t.Errorf("%+v: %v", c.need, err)
		}
		if err == nil {
			if again, err := plan.Decode(part.Encode()); err != nil || len(again.Tables) != 1 {
				t.Errorf("%+v: %v", again, err)
			}
		}
	}
}

// Another host is reached, and a file is read, for one plan.
func TestSplitReach(t *testing.T) {
	s := newStage(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	rows, sum := s.ask(fmt.Sprintf("FIND reach 'tcp:%s' WHERE reachable RETURN outcome AND FIND file /etc/passwd RETURN name", l.Addr()), Limits{}, nil)
	if slices.Sort(rows); !slices.Equal(rows, []string{"open", "passwd"}) || sum.Outcome != answer.Complete {
		t.Errorf("%q, %+v", rows, sum)
	}
}
