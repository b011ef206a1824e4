package client

import (
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/signing"
)

// An Option says who asks, and from where.
type Option func(*options)

type options struct {
	home   *Home
	relays []string
	signer signing.Signer
	local  *quaestor.LocalSession
	// ownLocal says that it was made here, and ends with the session.
	ownLocal bool
	now      func() time.Time
	run      RunOptions
}

// WithKey says who asks: the key that proves it, and that signs plans. If it
// is a signing.Decrypter too, answers to plans that were signed elsewhere can
// be opened.
func WithKey(k signing.Signer) Option { return func(o *options) { o.signer = k } }

// WithHome says where the fleet's policy, the relay's pin and what is known of
// agents are kept; without it, in the home that OpenHome("") opens.
func WithHome(h *Home) Option { return func(o *options) { o.home = h } }

// WithLocal says what compiles queries: a session with modules of one's own,
// say. Without it, one with the modules of Quaestor does.
func WithLocal(s *quaestor.LocalSession) Option { return func(o *options) { o.local = s } }

// WithRun says how Query and Prepared.Query ask.
func WithRun(r RunOptions) Option { return func(o *options) { o.run = r } }

// WithClock says what time it is; without it the system does.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }
