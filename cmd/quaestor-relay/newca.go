package main

import (
	"fmt"

	"github.com/quaestor-engine/quaestor/relay"
)

type newCACommand struct {
	Dir string `arg:"" type:"existingdir" help:"The folder that init made; the relay does not run."`
}

// Run gives the relay another CA.
func (c *newCACommand) Run() error {
	pin, err := relay.NewCA(c.Dir)
	if err == nil {
		fmt.Println(pin)
	}
	return err
}
