package client_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
)

// letStand is a policy that lets plans about files stand.
func letStand(policy string) string {
	return strings.Replace(policy, "[module.file]\n", "[module.file]\nstanding = \"1s\"\nwatch = true\n", 1)
}

// askStanding asks a query that stands, calls step with the number of rows that
// came until that has enough, and gives the rows as "host change path".
func (f *fleet) askStanding(s *client.Session, query string, step func(rows int) (more bool)) ([]string, *quaestor.Rows) {
	f.t.Helper()
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := local.Compile(lang.Source{Name: "query", Text: query})
	if err != nil {
		f.t.Fatal(err)
	}
	rows, err := s.Run(f.t.Context(), c, client.RunOptions{Sign: client.SignOptions{Window: time.Minute}})
	if err != nil {
		f.t.Fatal(err)
	}
	var got []string
	for row, err := range rows.All() {
		if err != nil {
			f.t.Fatal(err)
		}
		if row.Time("at").IsZero() {
			f.t.Errorf("a row without a time: %v", row.Values())
		}
		got = append(got, row.Text("host")+" "+row.Text("change")+" "+row.Text("path"))
		if !step(len(got)) {
			break
		}
	}
	return got, rows
}

// Agents repeat a plan by themselves and tell what has changed, and the
// coverage is that of their last round.
func TestEveryOverAFleet(t *testing.T) {
	f := newFleetWith(t, letStand)
	f.startAgent("web-0", map[string]string{"/etc/app/a": "1"})
	f.startAgent("web-1", map[string]string{})
	s := f.dial()
	f.waitOnline(s, 2)
	got, rows := f.askStanding(s, `FROM fleet FIND file /etc/app/* RETURN path, size EVERY 1s`, func(rows int) bool {
		root := f.path("root-web-0")
		switch rows {
		case 1:
			if err := os.WriteFile(root+"/etc/app/b", []byte("2"), 0o600); err != nil {
				t.Error(err)
			}
		case 2:
			if err := os.Remove(root + "/etc/app/a"); err != nil {
				t.Error(err)
			}
		}
		return rows < 3
	})
	defer rows.Close()
	if want := []string{"web-0 new /etc/app/a", "web-0 new /etc/app/b", "web-0 gone /etc/app/a"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if c, _ := rows.Coverage(); c.Agents[0].State != quaestor.Matched || c.Agents[0].Round < 2 || c.Agents[0].At.IsZero() {
		t.Errorf("%+v", c)
	}
}

// A plan that stands needs a policy that lets it, and a window with room for
// two rounds.
func TestEveryIsRefused(t *testing.T) {
	f := newFleet(t)
	f.startAgent("web-0", map[string]string{})
	s := f.dial()
	f.waitOnline(s, 1)
	_, c := f.ask(s, `FROM fleet FIND file /etc/* EVERY 1m`)
	if c.Count(quaestor.Refused) != 1 || !strings.Contains(c.Agents[0].Reason, "lets none stand") {
		t.Errorf("%+v", c)
	}
	if _, err := s.Query(t.Context(), `FROM fleet FIND file /etc/* EVERY 1h`); err == nil || !strings.Contains(err.Error(), "holds one round") {
		t.Errorf("a window of one round: %v", err)
	}
}

// Agents tell of changes as they happen.
func TestWatchOverAFleet(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system cannot be watched")
	}
	f := newFleetWith(t, letStand)
	f.startAgent("web-0", map[string]string{"/etc/app/a": "1"})
	f.startAgent("web-1", map[string]string{})
	s := f.dial()
	f.waitOnline(s, 2)
	root := f.path("root-web-0")
	ended := make(chan struct{})
	var making sync.WaitGroup
	making.Go(func() { // until somebody watches
		for i := 0; ; i++ {
			if err := os.WriteFile(fmt.Sprintf("%s/etc/app/new%d", root, i), nil, 0o600); err != nil {
				t.Error(err)
			}
			select {
			case <-ended:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	got, rows := f.askStanding(s, `FROM fleet WATCH file /etc/app/** WHERE change = "created" RETURN path`, func(int) bool { return false })
	close(ended)
	making.Wait()
	defer rows.Close()
	if len(got) == 0 || !strings.HasPrefix(got[0], "web-0 created /etc/app/new") {
		t.Errorf("%q", got)
	}
}
