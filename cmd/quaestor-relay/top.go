package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/relay/watch"
)

// topEvery is how long the numbers of a screen are gathered.
const topEvery = time.Second

type topCommand struct {
	Dir     string `arg:"" optional:"" type:"existingdir" help:"The folder of a relay, or of a leaf, whose relay.toml names the address."`
	Address string `placeholder:"IP:PORT" help:"The address, for who may not read the folder."`
	Once    bool   `help:"Show it once, after a second, and end."`
	JSON    bool   `help:"As JSON; implies --once."`
}

// Run shows how a relay is, or a leaf, again and again.
func (c *topCommand) Run(ctx context.Context) error {
	addr, err := c.address()
	if err != nil {
		return err
	}
	before, err := watch.Read(ctx, addr)
	if err != nil {
		return err
	}
	for screen := term.IsTerminal(int(os.Stdout.Fd())); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(topEvery):
		}
		now, err := watch.Read(ctx, addr)
		if err != nil && (c.Once || c.JSON || ctx.Err() == nil && !errors.Is(err, watch.ErrNobody)) {
			return err
		}
		text := ""
		switch {
		case err != nil: // it may be started again
			text = err.Error() + "\n"
		case c.JSON:
			return json.NewEncoder(os.Stdout).Encode(watch.Compare(before, now))
		default:
			text = watch.Compare(before, now).Table()
			before = now
		}
		if screen && !c.Once {
			text = "\x1b[H\x1b[J" + text // from the top left, over what is there
		}
		if _, err := fmt.Print(text); err != nil || c.Once {
			return err
		}
	}
}

// address gives where the relay tells how it is.
func (c *topCommand) address() (string, error) {
	switch {
	case c.Address != "" && c.Dir != "":
		return "", errors.New("--address and a folder are two ways to say the same: give one")
	case c.Address != "":
		return c.Address, watch.CheckAddress(c.Address)
	case c.Dir == "":
		return "", errors.New("say which relay: its folder, as in quaestor-relay top /var/lib/quaestor-relay, or --address 127.0.0.1:7480")
	}
	return relay.MetricsAddress(c.Dir)
}
