package quaestor_test

import (
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/value"
)

func TestEvents(t *testing.T) {
	s := open(t, quaestor.Options{Root: tree(t, 50)})
	rows, err := s.Query(t.Context(), `FIND file /d/* WHERE name MATCHES '.*f' RETURN name`)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	seen := map[string]int{}
	for e, err := range rows.Events(time.Nanosecond) {
		if err != nil {
			t.Fatal(err)
		}
		kind := strings.TrimPrefix(reflect.TypeOf(e).String(), "quaestor.")
		if seen[kind]++; seen[kind] == 1 {
			kinds = append(kinds, kind)
		}
		if e, ok := e.(quaestor.RowEvent); ok && !strings.HasPrefix(e.Row.String("name"), "f") {
			t.Errorf("%q", e.Row.String("name"))
		}
	}
	if kinds[0] != "WarningEvent" || seen["RowEvent"] != 50 || seen["SummaryEvent"] != 1 || kinds[len(kinds)-1] != "SummaryEvent" {
		t.Errorf("%v, %v", kinds, seen)
	}
	for n := range 4 { // who stops in the middle leaves nothing behind: goleak looks
		rows, err := s.Query(t.Context(), `FIND file /d/* WHERE name MATCHES '.*f' RETURN name`)
		if err != nil {
			t.Fatal(err)
		}
		for range rows.Events(time.Nanosecond) {
			if n--; n < 0 {
				break
			}
		}
		rows.Close()
	}
}

// Who panics, or ends his goroutine, in the middle of an answer is not held by
// it, and nothing goes on behind him.
func TestPanicEndsAnAnswer(t *testing.T) {
	s := open(t, quaestor.Options{Root: tree(t, 50)})
	local := func() *quaestor.Rows {
		rows, err := s.Query(t.Context(), `FIND file /d/* RETURN name`)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	fleet := func() *quaestor.Rows {
		row := quaestor.Answer{Host: "a", Agent: "01", Rows: []quaestor.Found{{Values: []value.Value{value.NewText("/etc/a")}}}}
		c := planned(t, `FROM fleet FIND file /etc/** RETURN path`)
		return quaestor.NewRows(c.Queries, nil, &fakeFleet{answers: slices.Repeat([]quaestor.Answer{row}, 1000)})
	}
	for name, rows := range map[string]func() *quaestor.Rows{"local": local, "fleet": fleet} {
		for how, leave := range map[string]func(){"panic": func() { panic("enough") }, "goexit": runtime.Goexit} {
			for what, read := range map[string]func(*quaestor.Rows){
				"rows": func(r *quaestor.Rows) {
					for range r.All() {
						leave()
					}
				},
				"events": func(r *quaestor.Rows) {
					for range r.Events(0) {
						leave()
					}
				},
			} {
				r, over := rows(), make(chan struct{})
				go func() {
					defer close(over)
					defer func() { _ = recover() }()
					defer r.Close()
					read(r)
				}()
				select {
				case <-over:
				case <-time.After(time.Minute):
					t.Fatalf("%s in the %s of %s: it holds who reads", how, what, name)
				}
			}
		}
	}
}
