package main

import (
	"fmt"

	"github.com/quaestor-engine/quaestor/relay"
)

type logCommand struct {
	Dir string `arg:"" type:"existingdir" help:"The folder that init made."`
}

func (c *logCommand) Run() error {
	key, err := relay.LogKey(c.Dir)
	if err == nil {
		fmt.Println(key)
	}
	return err
}
