package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"text/tabwriter"

	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/value"
)

type leafCommand struct {
	Relays string   `arg:"" name:"relay" type:"existingdir" help:"The folder of a relay of the fleet, whose CA makes the leaf's certificate."`
	Dir    string   `arg:"" help:"The folder of the leaf; it is made. Where there is one the certificate alone is made anew."`
	Name   string   `required:"" help:"What people call it; each leaf of a fleet has its own name."`
	Listen string   `default:":7443" help:"Where to listen for the site's agents."`
	Host   []string `required:"" help:"A name or address by which the site's agents reach it; may be given several times."`
	Relay  []string `required:"" name:"to" placeholder:"HOST:PORT" help:"A relay that it is to have a line to; may be given several times, and any does."`

	Metrics string `placeholder:"IP:PORT" help:"The loopback address on which it tells how it is, such as 127.0.0.1:7480."`
}

func (c *leafCommand) Run() error {
	err := relay.NewLeaf(c.Relays, c.Dir, relay.LeafOptions{Name: c.Name, Listen: c.Listen, Hosts: c.Host, Relays: c.Relay, Metrics: c.Metrics})
	if err == nil {
		fmt.Printf("The leaf is set up in %s: bring it to the site, and run it there: quaestor-relay serve %s\n", c.Dir, c.Dir)
	}
	return err
}

// serveLeaf runs the leaf of a folder.
func serveLeaf(ctx context.Context, dir string, log *slog.Logger) error {
	l, err := relay.OpenLeaf(dir, log)
	if err != nil {
		return err
	}
	log.Info("a leaf listens", "on", l.Addr())
	return l.Serve(ctx)
}

type doctorCommand struct {
	Dir string `arg:"" type:"existingdir" help:"The folder of a relay, or of a leaf."`
}

// errIll is how doctor ends where something is wrong.
var errIll = errors.New("something is wrong: see above")

func (c *doctorCommand) Run(ctx context.Context) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	ill := false
	for _, f := range relay.Examine(ctx, c.Dir) {
		mark := ""
		if f.Wrong {
			mark, ill = "WRONG: ", true
		}
		fmt.Fprintf(w, "%s\t%s%s\n", f.What, mark, value.EscapeText(f.Says))
	}
	if err := w.Flush(); err != nil || !ill {
		return err
	}
	return errIll
}
