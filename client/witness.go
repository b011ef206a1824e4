package client

import (
	"context"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A Watch is how a witness reaches the log of a fleet. He needs no key of the
// fleet's.
type Watch struct {
	Relays []string // host:port, tried in an order that chance picks
	Pin    string
	Once   bool // sign what there is, and leave
	// Signed is told of each checkpoint that was signed; nil: nobody is.
	Signed func(translog.Checkpoint)
}

// Run signs checkpoints until ctx ends, the connection does, or one is shown
// that must not be signed: the error wraps translog.ErrFork or
// translog.ErrRollback then, and somebody should be called.
func (o Watch) Run(ctx context.Context, w *translog.Witness) error {
	conn, err := (&transport.Dialer{Addrs: o.Relays, Pin: o.Pin, Window: 1 << 20}).Dial(ctx)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	stream, err := conn.Open(ctx, message.KindWitness)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	defer stream.Close()
	say := message.Witness{Name: w.Name(), Size: w.Last().Size, Once: o.Once}
	for ctx.Err() == nil {
		if err := stream.WriteFrame(message.TypeWitness, message.Marshal(say)); err != nil {
			return fmt.Errorf("client: %w", err)
		}
		stream.SetReadDeadline(time.Now().Add(silence))
		body, err := read(stream, message.TypeHead)
		if err != nil {
			return err
		}
		var head translog.Head
		if err := message.Unmarshal(body, &head); err != nil {
			return err
		}
		if say.Cosigned = nil; len(head.Checkpoint) == 0 {
			if o.Once {
				return nil
			}
			continue
		}
		if say.Cosigned, err = w.Cosign(head); err != nil {
			return fmt.Errorf("client: the log shows what must not be signed: %w", err)
		}
		say.Size = w.Last().Size
		if o.Signed != nil && say.Cosigned != nil {
			o.Signed(w.Last())
		}
	}
	return ctx.Err()
}
