// Package fanout measures one end that sends the same to many and hears from
// each: a plan of 2 KB to every client, a reply of 200 bytes back, over TLS 1.3
// with certificates on both sides, and with nothing else; no signature, no
// store.
//
// A newcomer needs [Start], which gives a [Crowd] that is connected, and
// [Crowd.Turn], which sends plans to it. Whoever listens and those who connect
// are processes of their own, which are the program itself, started again: a
// program that calls Start calls [Child] first of all. It must not be used for
// more than to measure: who has the certificates may connect.
package fanout

import (
	"context"
	"errors"
	"time"
)

// What is sent, in bytes.
const (
	PlanSize  = 2 << 10
	ReplySize = 200
)

// A Way is how plans travel.
type Way string

// The ways there are.
const (
	// Ours is package transport, with one stream for each client that lives as
	// long as the connection, as relays have it for agents.
	Ours Way = "ours"
	// NATS is an embedded server of NATS with a subject that all clients listen
	// to. Who publishes and collects is in the server's process, as he would be
	// in a relay that is built on it, over a pipe without TLS.
	NATS Way = "NATS"
	// NATSApart is the same with who publishes and collects in a process of his
	// own: the server is spared what that one does, and has one connection more.
	NATSApart Way = "NATS, collector apart"
)

// Bounds of a measurement.
const (
	planWithin = 2 * time.Minute        // for the replies to one plan
	trail      = 100 * time.Millisecond // after the last reply, what is still done counts too
)

// Options say what crowd is wanted.
type Options struct {
	Way       Way
	Processes int // that the clients share
	Cast      *Cast
}

// A Crowd is one who listens and many who are connected to him.
type Crowd struct {
	server  *child
	teller  *child // sends plans: the server, where nobody else does
	clients []*child
	n       int
}

// Start starts a crowd, one client for each certificate of the cast. It ends
// with the context, or by Stop.
func Start(ctx context.Context, o Options) (c *Crowd, err error) {
	c = &Crowd{n: len(o.Cast.Clients)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	if c.server, err = start(ctx); err != nil {
		return nil, err
	}
	got, err := c.server.ask(order{Do: doListen, Way: o.Way, Cast: o.Cast.server(), Clients: c.n})
	if err != nil {
		return nil, err
	}
	connect := order{Do: doConnect, Way: o.Way, Addr: got.Addr}
	each := (c.n + o.Processes - 1) / o.Processes
	for first := 0; first < c.n; first += each {
		part, err := start(ctx)
		if err != nil {
			return nil, err
		}
		c.clients = append(c.clients, part)
		connect.Cast = o.Cast.clients(first, min(first+each, c.n))
		if err := part.send(connect); err != nil {
			return nil, err
		}
	}
	for _, part := range c.clients {
		if _, err := part.hear(); err != nil {
			return nil, err
		}
	}
	c.teller = c.server
	if o.Way == NATSApart {
		if c.teller, err = start(ctx); err != nil {
			return nil, err
		}
		if _, err := c.teller.ask(order{Do: doCollect, Addr: got.Addr, Cast: o.Cast.clients(0, 1), Clients: c.n}); err != nil {
			return nil, err
		}
	}
	_, err = c.server.ask(order{Do: doAwait})
	return c, err
}

// A Turn is what plans took that were sent one after the other, the mean of
// them. Processor times are user and system.
type Turn struct {
	Took    time.Duration // until the last reply was there
	Server  time.Duration // of who listens
	Clients time.Duration // of the clients together
}

// Turn sends plans, each when the one before has all its replies.
func (c *Crowd) Turn(plans int) (t Turn, err error) {
	before, err := c.spent()
	if err != nil {
		return t, err
	}
	got, err := c.teller.ask(order{Do: doPlan, Plans: plans})
	if err != nil {
		return t, err
	}
	time.Sleep(trail)
	after, err := c.spent()
	if err != nil {
		return t, err
	}
	of := func(d time.Duration) time.Duration { return d / time.Duration(plans) }
	return Turn{Took: of(got.Took), Server: of(after.Server - before.Server), Clients: of(after.Clients - before.Clients)}, nil
}

// spent is the processor time of the processes so far.
func (c *Crowd) spent() (t Turn, err error) {
	got, err := c.server.ask(order{Do: doSpent})
	if err != nil {
		return t, err
	}
	t.Server = got.Took
	for _, part := range c.clients {
		if got, err = part.ask(order{Do: doSpent}); err != nil {
			return t, err
		}
		t.Clients += got.Took
	}
	return t, nil
}

// A Memory is what a process holds, in bytes.
type Memory struct {
	Resident, Heap, Stacks int64
	Goroutines             int
}

// Memory is what who listens holds for one connection, after a collection if so
// wanted.
func (c *Crowd) Memory(collect bool) (per Memory, err error) {
	got, err := c.server.ask(order{Do: doMemory, Collect: collect})
	if err != nil {
		return per, err
	}
	n := int64(c.n)
	m, own := got.Memory, got.Before
	return Memory{
		Resident: (m.Resident - own.Resident) / n, Heap: (m.Heap - own.Heap) / n, Stacks: (m.Stacks - own.Stacks) / n,
		Goroutines: (m.Goroutines - own.Goroutines) / c.n,
	}, nil
}

// Profile has who listens and the first process of clients write where their
// processor time goes, for go tool pprof, until the crowd is stopped: into this
// file, and into one with ".clients" behind its name.
func (c *Crowd) Profile(name string) error {
	if _, err := c.server.ask(order{Do: doProfile, File: name}); err != nil {
		return err
	}
	_, err := c.clients[0].ask(order{Do: doProfile, File: name + ".clients"})
	return err
}

// Stop ends the processes.
func (c *Crowd) Stop() error {
	all := append([]*child{c.server}, c.clients...)
	if c.teller != c.server {
		all = append(all, c.teller)
	}
	var errs []error
	for _, part := range all {
		if part != nil {
			errs = append(errs, part.stop())
		}
	}
	return errors.Join(errs...)
}
