package cli

import (
	"context"
	"errors"
	"io"

	"github.com/quaestor-engine/quaestor/internal/cases"
	"github.com/quaestor-engine/quaestor/internal/gateway"
	"github.com/quaestor-engine/quaestor/value"
)

// shelf shows the cases of a home through the gateway.
type shelf struct{ a *app }

// reportRows is how many rows of each table a report in the page has at most:
// quaestor case export writes more.
const reportRows = 1000

func (s shelf) List() ([]gateway.Case, error) {
	dir, err := s.a.caseDir()
	if err != nil {
		return nil, err
	}
	found, err := cases.List(dir)
	if err != nil {
		return nil, err
	}
	var list []gateway.Case
	for _, i := range found {
		c := gateway.Case{Name: i.Name, Opened: i.Opened, Last: i.Last, Questions: i.Questions, Notes: i.Notes, Size: i.Size}
		if i.Err != nil {
			c.Problem = value.EscapeText(i.Err.Error())
		}
		list = append(list, c)
	}
	return list, nil
}

func (s shelf) Report(ctx context.Context, w io.Writer, name string) (err error) {
	kept, err := s.a.findCase(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	check, nameOf := s.a.caseCheck()
	return kept.HTML(ctx, w, cases.Report{Rows: reportRows, Check: check, Name: nameOf})
}
