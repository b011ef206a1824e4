package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/cases"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// A caseRecord keeps an answer in a case while it is shown. A nil one keeps
// nothing. What goes wrong is said when the answer has ended: it is shown all
// the same.
type caseRecord struct {
	c       *cases.Case
	queries []quaestor.Query
	host    string // this machine's name; "": it is not what is asked
	// plans gives the IDs of the plans that a fleet was asked by, and envelope
	// each of them; nil: none was.
	plans    func() []signing.ID
	envelope func(context.Context, signing.ID) (*signing.Envelope, error)

	recordings []*cases.Recording
	table      []int // of the query, by table of the answer
	query      []int // likewise: the query
	errs       []error
}

// newRecord opens the case; nil where none is named.
func (a *app) newRecord(name string, k signing.Signer, compiled *quaestor.Compiled) (*caseRecord, error) {
	if name == "" {
		return nil, nil
	}
	c, err := a.openCase(name, k)
	if err != nil {
		return nil, err
	}
	return &caseRecord{c: c, queries: compiled.Queries}, nil
}

// recordHere opens the case for an answer of this machine, or of a case.
func (c *runCommand) recordHere(a *app, compiled *quaestor.Compiled) (*caseRecord, error) {
	if c.Case == "" {
		return nil, nil
	}
	if err := cases.CheckName(c.Case); err != nil {
		return nil, err
	}
	k, err := c.caseSigner(a)
	if err != nil {
		return nil, err
	}
	r, err := a.newRecord(c.Case, k, compiled)
	if err != nil {
		return nil, err
	}
	if name, err := os.Hostname(); err == nil && c.Root == "" {
		r.host = name
	}
	return r, nil
}

// begin adds the questions, each with its tables.
func (r *caseRecord) begin(ctx context.Context, rows *quaestor.Rows) {
	if r == nil {
		return
	}
	tables := make([][]quaestor.Table, len(r.queries))
	for _, t := range rows.Tables() {
		r.query, r.table = append(r.query, t.Query), append(r.table, len(tables[t.Query]))
		tables[t.Query] = append(tables[t.Query], t)
	}
	var plans []signing.ID
	if r.plans != nil {
		plans = r.plans()
	}
	for i, q := range r.queries {
		question := cases.Question{Name: q.Name, Text: q.Plan.Query, Source: q.Plan.Source, Tables: tables[i]}
		if q.Plan.Source == "local" {
			question.Host = r.host
		}
		if i < len(plans) {
			question.Investigation = plans[i].String()
			if e, err := r.envelope(ctx, plans[i]); err != nil {
				r.errs = append(r.errs, fmt.Errorf("the signed plan of %s is not in the case: %w", plans[i], err))
			} else {
				question.Envelope = e.Encode()
			}
		}
		rec, err := r.c.Begin(ctx, question)
		if err != nil {
			r.errs = append(r.errs, err)
		}
		r.recordings = append(r.recordings, rec)
	}
}

// add keeps a row.
func (r *caseRecord) add(row quaestor.Row) {
	if r == nil {
		return
	}
	if rec := r.recordings[r.query[row.Table()]]; rec != nil {
		if err := rec.Row(r.table[row.Table()], row.Values()); err != nil {
			r.errs = append(r.errs, err)
		}
	}
}

// end adds the accounts, and says where the answer is kept, or why not.
func (r *caseRecord) end(a *app, rows *quaestor.Rows, quiet bool) error {
	if r == nil {
		return nil
	}
	sums := rows.Summaries()
	var coverage *quaestor.Coverage
	if c, fleet := rows.Coverage(); fleet {
		coverage = &c
	}
	for i, rec := range r.recordings {
		if rec == nil {
			continue
		}
		sum := answer.Summary{Outcome: answer.Failed, Reason: "there is no account"}
		if i < len(sums) {
			sum = sums[i]
		} else if len(sums) == 1 {
			sum = sums[0] // of EXPLAIN, which is one account for all
		}
		if err := rec.End(context.WithoutCancel(a.ctx), sum, coverage); err != nil {
			r.errs = append(r.errs, err)
		} else if !quiet {
			fmt.Fprintf(a.Err, "kept in the case %s as entry %d\n", value.EscapeText(r.c.Name()), rec.Entry())
		}
	}
	return errors.Join(r.errs...)
}

// close lets go of the case.
func (r *caseRecord) close() error {
	if r == nil {
		return nil
	}
	return r.c.Close()
}
