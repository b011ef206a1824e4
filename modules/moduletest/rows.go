package moduletest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// Rows scans a tree and gives each row as a line, in the order in which rows
// came: the named columns as people read them, with " | " between them and
// "null" for what has no value. Locators may be nil. Root "" is the live
// machine.
func Rows(t testing.TB, m modules.Module, root string, columns, locators []string) ([]string, *Recorder) {
	t.Helper()
	req, rec := Request(t, m, root, columns)
	req.Locators = locators
	var lines []string
	err := m.Scan(t.Context(), req, func(r modules.Row) error {
		line, err := Line(t.Context(), r, req.Columns)
		lines = append(lines, line)
		return err
	})
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	return lines, rec
}

// Request makes a request for the named columns, and the report that takes
// its account.
func Request(t testing.TB, m modules.Module, root string, columns []string) (*modules.Request, *Recorder) {
	t.Helper()
	rec := &Recorder{}
	now := time.Now()
	req := &modules.Request{
		Host:     modules.Host{Root: root, Now: func() time.Time { return now }},
		Settings: modules.Settings{Depth: -1},
		Workers:  1,
		Report:   rec,
	}
	for _, name := range columns {
		i, ok := m.Schema().Column(name)
		if !ok {
			t.Fatalf("module %s has no column %q", m.Schema().Name, name)
		}
		req.Columns = append(req.Columns, i)
	}
	return req, rec
}

// Line gives columns of a row as people read them.
func Line(ctx context.Context, r modules.Row, columns []int) (string, error) {
	parts := make([]string, len(columns))
	for i, c := range columns {
		v, err := r.Column(ctx, c)
		if err != nil {
			return "", err
		}
		if parts[i] = v.String(); v.Type() == value.Null {
			parts[i] = "null"
		}
	}
	return strings.Join(parts, " | "), nil
}
