package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A Relay says where a relay is and what it is known by.
type Relay struct {
	Addrs []string // each host:port, tried in an order that chance picks
	Pin   string   // of its CA: sha256:…
	Proxy string   // an HTTP proxy; "env" for what HTTPS_PROXY says
}

// HandOver hands a signed plan to a relay without proving who does: the plan's
// own signatures have to be enough, and the answers are for who signed it. A
// relay that refuses says why in a *message.Failure.
func HandOver(ctx context.Context, to Relay, e *signing.Envelope) (out message.Submitted, err error) {
	if len(to.Addrs) == 0 {
		return out, ErrNoRelay
	}
	conn, err := (&transport.Dialer{Addrs: to.Addrs, Pin: to.Pin, Proxy: to.Proxy}).Dial(ctx)
	if err != nil {
		return out, fmt.Errorf("client: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	stream, err := conn.Open(ctx, message.KindSubmit)
	if err != nil {
		return out, fmt.Errorf("client: %w", err)
	}
	defer stream.Close()
	// A relay that has heard enough may say so before it has all.
	failed := stream.WriteFrame(message.TypeEnvelope, e.Encode())
	stream.SetReadDeadline(time.Now().Add(silence))
	body, err := read(stream, message.TypeResult)
	if err != nil {
		var refused *message.Failure
		if errors.As(err, &refused) {
			return out, err
		}
		return out, errors.Join(ctx.Err(), err, failed)
	}
	if err := message.Unmarshal(body, &out); err != nil {
		return out, err
	}
	return out, tookIt(e, out)
}
