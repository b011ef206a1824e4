package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

type investigationsCommand struct {
	List    investigationsListCommand    `cmd:"" default:"withargs" help:"List the investigations that the relay keeps (without a command)."`
	Show    investigationsShowCommand    `cmd:"" help:"Show what was asked, by whom and of how many."`
	Results investigationsResultsCommand `cmd:"" help:"Show the answers that have come so far."`
	Follow  investigationsFollowCommand  `cmd:"" help:"Show answers as they come, until all have."`
	Cancel  investigationsCancelCommand  `cmd:"" help:"Stop an investigation on the agents."`
	Delete  investigationsDeleteCommand  `cmd:"" help:"Have the relay forget an investigation and its answers."`
}

type investigationsListCommand struct {
	Format      string `default:"table" placeholder:"FORMAT" help:"table, jsonl, json or csv (default: ${default})."`
	signerFlags `embed:""`
}

// oneInvestigation names one.
type oneInvestigation struct {
	ID          string `arg:"" name:"id" help:"The investigation, or the front of its ID."`
	signerFlags `embed:""`
}

type investigationsShowCommand struct {
	oneInvestigation `embed:""`
}

type investigationsResultsCommand struct {
	oneInvestigation `embed:""`
	showFlags        `embed:""`
}

type investigationsFollowCommand struct {
	oneInvestigation `embed:""`
	showFlags        `embed:""`
	Wait             duration `placeholder:"10m" help:"Wait so long for agents, those that are offline included (default: for all that are connected)."`
}

type investigationsCancelCommand struct {
	oneInvestigation `embed:""`
}

type investigationsDeleteCommand struct {
	oneInvestigation `embed:""`
}

// open connects and finds the investigation.
func (o *oneInvestigation) open(a *app) (*link, signing.ID, error) {
	s, err := a.dial(o.signerFlags)
	if err != nil {
		return nil, signing.ID{}, err
	}
	id, err := o.find(a, s)
	if err != nil {
		return nil, signing.ID{}, errors.Join(err, s.Close())
	}
	return s, id, nil
}

func (o *oneInvestigation) find(a *app, s *link) (signing.ID, error) {
	if id, err := signing.ParseID(o.ID); err == nil {
		return id, nil
	}
	all, err := s.Investigations(a.ctx)
	if err != nil {
		return signing.ID{}, err
	}
	var found []signing.ID
	for _, i := range all {
		if o.ID != "" && strings.HasPrefix(i.Plan.String(), strings.ToLower(o.ID)) {
			found = append(found, i.Plan)
		}
	}
	switch len(found) {
	case 0:
		return signing.ID{}, fmt.Errorf("no investigation %q\nhint: quaestor investigations lists them", o.ID)
	case 1:
		return found[0], nil
	}
	return signing.ID{}, fmt.Errorf("%d investigations begin with %q\nhint: write more of it", len(found), o.ID)
}

// Run lists investigations.
func (c *investigationsListCommand) Run(a *app) error {
	s, err := a.dial(c.signerFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	all, err := s.Investigations(a.ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 && c.Format == "table" {
		fmt.Fprintln(a.Err, "the relay keeps no investigations")
	}
	return a.list(investigationList(all, c.Format), c.Format)
}

// investigationList makes a list of what relays keep.
func investigationList(all []client.Investigation, format string) list {
	l := list{name: "investigations"}
	l.column("investigation", value.Version)
	l.column("submitted", value.Time)
	l.column("state", value.Version)
	for _, name := range []string{"agents", "reached", "done"} {
		l.column(name, value.Int)
	}
	l.column("bytes", value.Size)
	l.column("query", value.Text)
	for _, i := range all {
		_, query := asked(i, format)
		l.row(value.NewText(i.Plan.String()), seconds(i.Submitted), value.NewText(stateOf(i, time.Now())),
			value.NewInt(int64(i.Agents)), value.NewInt(int64(i.Reached)), value.NewInt(int64(i.Done)),
			value.NewSize(i.Bytes), value.NewText(query))
	}
	return l
}

// asked gives the purpose and the query of a plan, which a table has on one
// line and programs as it is; or why there is none.
func asked(i client.Investigation, format string) (purpose, query string) {
	if i.Signed == nil {
		return "", "(" + i.Problem.Error() + ")"
	}
	if query = i.Signed.Payload.Query; format == "table" {
		query = strings.Join(strings.Fields(query), " ")
	}
	return i.Signed.Payload.Purpose, query
}

// stateOf says how far an investigation is.
func stateOf(i client.Investigation, now time.Time) string {
	switch {
	case i.Cancelled:
		return "cancelled"
	case !now.Before(i.Expires):
		return "expired"
	case i.Agents > 0 && i.Done >= i.Agents:
		return "done"
	}
	return "open"
}

// Run shows what was asked.
func (c *investigationsShowCommand) Run(a *app) error {
	s, id, err := c.open(a)
	if err != nil {
		return err
	}
	defer s.Close()
	all, err := s.Investigations(a.ctx)
	if err != nil {
		return err
	}
	for _, i := range all {
		if i.Plan != id {
			continue
		}
		if i.Signed == nil {
			return i.Problem
		}
		e, err := s.Envelope(a.ctx, id)
		if err != nil {
			return err
		}
		if err := showPlan(a.Out, e, i.Signed, s.Policy()); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.Out, "submitted      %s\nstate          %s: of %s %d were reached, and %d are done\n",
			i.Submitted.UTC().Format(time.RFC3339), stateOf(i, time.Now()), agents(i.Agents), i.Reached, i.Done)
		return err
	}
	return fmt.Errorf("no investigation %s\nhint: quaestor investigations lists them", id)
}

// Run shows what has come.
func (c *investigationsResultsCommand) Run(a *app) error {
	need, err := c.check(a)
	if err != nil {
		return err
	}
	s, id, err := c.oneInvestigation.open(a)
	if err != nil {
		return err
	}
	defer s.Close()
	ask := func() (*quaestor.Rows, error) { return s.Follow(a.ctx, id, client.FollowOptions{Stored: true}) }
	return c.answer(a, need, ask, time.Now())
}

// Run shows what comes.
func (c *investigationsFollowCommand) Run(a *app) error {
	need, err := c.check(a)
	if err != nil {
		return err
	}
	s, id, err := c.oneInvestigation.open(a)
	if err != nil {
		return err
	}
	defer s.Close()
	return a.follow(s, &c.showFlags, need, func(ctx context.Context) (*quaestor.Rows, *inquiries, error) {
		rows, err := s.Follow(ctx, id, client.FollowOptions{Wait: time.Duration(c.Wait)})
		return rows, &inquiries{ids: []signing.ID{id}}, err
	})
}

// Run stops an investigation.
func (c *investigationsCancelCommand) Run(a *app) error {
	s, id, err := c.open(a)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Cancel(a.ctx, id); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "%s is cancelled; what was found before is kept\n", id)
	return err
}

// Run has the relay forget.
func (c *investigationsDeleteCommand) Run(a *app) error {
	s, id, err := c.open(a)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Delete(a.ctx, id); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "%s is forgotten by the relay; the agents' journals keep that it was asked\n", id)
	return err
}
