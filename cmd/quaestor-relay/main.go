// Command quaestor-relay carries signed plans to agents and sealed answers
// back. It is trusted with nothing.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/quaestor-engine/quaestor/internal/manpage"
	"github.com/quaestor-engine/quaestor/internal/nocore"
	"github.com/quaestor-engine/quaestor/relay"
)

type commands struct {
	Manual manpage.Flag `name:"man" hidden:"" help:"Print the manual page, as man -l reads it."`

	Init  initCommand   `cmd:"" help:"Set a relay up in a folder: its CA, its configuration, the fleet's policy."`
	Serve serveCommand  `cmd:"" help:"Run the relay of a folder, until Ctrl-C or SIGTERM."`
	Leaf  leafCommand   `cmd:"" help:"Set up the leaf of a site, from a relay's folder: it joins the site's agents to the relays over one thin line."`
	Check doctorCommand `cmd:"" name:"doctor" help:"Say how a relay, or a leaf, is set up, and what is wrong."`
	Top   topCommand    `cmd:"" help:"Show how a running relay, or leaf, is: agents, rates, slow plans, memory, disk, other relays, the line, and what is wrong."`
	Log   logCommand    `cmd:"" help:"Print the key of the relay's log, for the policy to name."`
	Pin   pinCommand    `cmd:"" help:"Print what agents and investigators know the relay by."`
	NewCA newCACommand  `cmd:"" name:"new-ca" help:"Make another CA, where others have the keys of this one; print its pin."`
}

type serveCommand struct {
	Dir     string `arg:"" type:"existingdir" help:"The folder that init made."`
	Nats    string `placeholder:"URL" help:"Keep everything in this NATS cluster, whatever relay.toml says."`
	Verbose bool   `short:"v" help:"Say more."`
}

func (c *serveCommand) Run(ctx context.Context) error {
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if relay.IsLeaf(c.Dir) {
		return serveLeaf(ctx, c.Dir, log)
	}
	r, err := relay.Open(ctx, c.Dir, relay.Options{Logger: log, NATS: c.Nats})
	if err != nil {
		return err
	}
	go relay.Thrift(ctx)
	log.Info("listening", "on", r.Addr().String(), "pin", r.Pin())
	return r.Serve(ctx)
}

type pinCommand struct {
	Dir string `arg:"" type:"existingdir" help:"The folder that init made."`
}

func (c *pinCommand) Run() error {
	pin, err := relay.Pin(c.Dir)
	if err == nil {
		fmt.Println(pin)
	}
	return err
}

func main() {
	_ = nocore.Guard() // where there is none, nothing here can make one
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k := kong.Parse(&commands{}, kong.Name("quaestor-relay"), kong.UsageOnError(),
		kong.Description("Carries signed plans to agents and sealed answers back, and is trusted with nothing."),
		kong.BindTo(ctx, (*context.Context)(nil)))
	k.FatalIfErrorf(k.Run())
}
