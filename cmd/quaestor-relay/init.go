package main

import (
	"fmt"
	"os"

	"github.com/quaestor-engine/quaestor/relay"
)

type initCommand struct {
	Dir    string   `arg:"" help:"The folder; it is made."`
	Policy string   `xor:"fleet" required:"" type:"existingfile" help:"The signed policy of the fleet: quaestor policy sign."`
	Like   string   `xor:"fleet" required:"" type:"existingdir" placeholder:"FOLDER" help:"In the place of a policy: the folder of another relay of the same fleet, whose CA, log's key and policy this one is to have."`
	Listen string   `default:":7443" help:"Where to listen."`
	Host   []string `help:"A name or address by which the relay is reached; may be given several times."`
	Name   string   `default:"relay" help:"What people call it; each relay of a fleet has its own name."`

	Metrics string `placeholder:"IP:PORT" help:"The loopback address on which it tells how it is, such as 127.0.0.1:7480."`

	ClusterName      string   `placeholder:"NAME" help:"Keep everything together with other relays: what their cluster is called, at all of them the same."`
	ClusterListen    string   `placeholder:"HOST:PORT" help:"Where to listen for the other relays."`
	ClusterRoute     []string `placeholder:"HOST:PORT" help:"Where another relay listens for this one; given for each."`
	ClusterAdvertise string   `placeholder:"HOST:PORT" help:"What the others reach this one by, where it is another address than it comes from."`
	Replicas         int      `placeholder:"N" help:"How many copies there are of everything (default: one for each relay, and three at most)."`
}

func (c *initCommand) Run() error {
	o := relay.InitOptions{
		Name: c.Name, Listen: c.Listen, Hosts: c.Host, Like: c.Like, Replicas: c.Replicas, Metrics: c.Metrics,
		Cluster: relay.Cluster{Name: c.ClusterName, Listen: c.ClusterListen, Routes: c.ClusterRoute, Advertise: c.ClusterAdvertise},
	}
	if c.Policy != "" {
		var err error
		if o.Policy, err = os.ReadFile(c.Policy); err != nil {
			return err
		}
	}
	if err := relay.Init(c.Dir, o); err != nil {
		return err
	}
	pin, err := relay.Pin(c.Dir)
	if err != nil {
		return err
	}
	fmt.Printf("The relay is set up in %s.\nIts pin is %s\nRun it: quaestor-relay serve %s\n", c.Dir, pin, c.Dir)
	return nil
}
