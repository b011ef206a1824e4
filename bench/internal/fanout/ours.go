package fanout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/transport"
)

// Types of frames.
const (
	typePlan  = 1
	typeReply = 2
)

// connectWithin is for all clients to come.
const connectWithin = 5 * time.Minute

// ours is who listens by package transport. As in package relay a client that
// says nothing takes no goroutine, and a plan waits for nobody.
type ours struct {
	listener *transport.Listener
	body     []byte
	came     sync.WaitGroup // clients that are to come
	replied  *replied

	mu   sync.Mutex
	held []*transport.Stream
}

func listenOurs(c *Cast, n int) (*ours, error) {
	cert, err := c.Server.TLS()
	if err != nil {
		return nil, err
	}
	ca, err := c.authority()
	if err != nil {
		return nil, err
	}
	o := &ours{body: make([]byte, PlanSize), replied: newReplied()}
	o.listener, err = transport.Listen(host+":0", transport.ListenOptions{Certificate: cert, CA: ca, MaxPerAddress: n})
	if err != nil {
		return nil, err
	}
	o.came.Add(n)
	go o.accept(n)
	return o, nil
}

func (o *ours) addr() string { return o.listener.Addr().String() }

// accept takes n clients, each with the stream that it opens.
func (o *ours) accept(n int) {
	ctx, cancel := context.WithTimeout(context.Background(), connectWithin)
	defer cancel()
	for range n {
		c, err := o.listener.Accept(ctx)
		if err != nil {
			return // await says so
		}
		go func() {
			s, err := c.Accept(context.Background())
			if err != nil {
				return
			}
			o.mu.Lock()
			o.held = append(o.held, s)
			o.mu.Unlock()
			o.came.Done()
			o.take(s)
		}()
	}
}

func (o *ours) await() error {
	all := make(chan struct{})
	go func() { o.came.Wait(); close(all) }()
	select {
	case <-all:
		return nil
	case <-time.After(connectWithin):
		return fmt.Errorf("not all clients came within %v", connectWithin)
	}
}

// take takes what a client says, and waits for more without a goroutine.
func (o *ours) take(s *transport.Stream) {
	for s.Await(func() { go o.take(s) }) {
		t, body, err := s.ReadFrame(func(byte) int { return ReplySize })
		if err == nil && (t != typeReply || len(body) != ReplySize) {
			err = errors.New("a client replies what it should not")
		}
		if err != nil {
			o.replied.end(err)
			return
		}
		o.replied.one()
	}
}

func (o *ours) plan() error {
	o.replied.begin(len(o.held))
	for _, s := range o.held {
		if !s.Offer(typePlan, o.body) {
			return errors.New("a client that is idle takes no plan")
		}
	}
	return o.replied.wait()
}

// connectOurs connects clients that reply to each plan.
func connectOurs(c *Cast, addr string) (held []*transport.Conn, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectWithin)
	defer cancel()
	for _, pair := range c.Clients {
		cert, err := pair.TLS()
		if err != nil {
			return nil, err
		}
		d := transport.Dialer{Addrs: []string{addr}, Pin: c.Pin, Certificate: &cert}
		conn, err := d.Dial(ctx)
		if err != nil {
			return nil, err
		}
		s, err := conn.Open(ctx, "agent")
		if err != nil {
			return nil, err
		}
		held = append(held, conn)
		go reply(s)
	}
	return held, nil
}

// reply replies to plans until the stream ends.
func reply(s *transport.Stream) {
	body := make([]byte, ReplySize)
	for {
		t, plan, err := s.ReadFrame(func(byte) int { return PlanSize })
		if err != nil || t != typePlan || len(plan) != PlanSize || s.WriteFrame(typeReply, body) != nil {
			_ = s.Close() // who listens hears of it
			return
		}
	}
}
