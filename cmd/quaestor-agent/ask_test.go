package main

import (
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/client"
)

// ask asks a fleet, and gives its rows by host and how many agents answered.
func ask(t *testing.T, s *client.Session, query string) (rows map[string][]string, answered int) {
	t.Helper()
	r, err := s.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows = map[string][]string{}
	for row, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		v := row.Values()
		rows[v[0].RawText()] = append(rows[v[0].RawText()], v[len(v)-1].RawText())
	}
	c, _ := r.Coverage()
	return rows, c.Answered()
}

// waitFacts waits until the relay knows so many agents with their facts.
func waitFacts(t *testing.T, s *client.Session, n int) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		list, err := s.Fleet(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ready := 0
		for _, a := range list {
			if a.Online && len(a.Facts) > 3 {
				ready++
			}
		}
		if ready == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d agents are there", ready, n)
		}
	}
}
