package lsp

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor"
)

// What could not be checked does not look right.
func TestUnchecked(t *testing.T) {
	s := &server{opts: Options{Log: slog.New(slog.DiscardHandler), Session: func(string) (*quaestor.LocalSession, error) {
		return nil, errors.New("no session today")
	}}}
	d := &document{}
	d.set("FIND host")
	if found := s.check(d); len(found) != 1 || !strings.Contains(found[0].Message, "could not be checked: no session today") {
		t.Errorf("%+v", found)
	}
	p := placed{}
	p.Context.Only = []string{"source.organizeImports"}
	if all, err := s.actions(d, p); err != nil || all == nil {
		t.Errorf("%v %v", all, err)
	}
}
