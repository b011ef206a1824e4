package leaf

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Of what an agent says that it has, each plan is remembered once, and as many
// as are bounded; and what is none ends the session, as it does at a relay.
func TestReceipts(t *testing.T) {
	s := &session{id: signing.NewID()}
	say := func(n uint32) {
		t.Helper()
		var id message.ID
		binary.BigEndian.PutUint32(id[:], n+1)
		if err := s.said(message.TypeReceipt, message.Marshal(id)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		for n := range uint32(5) {
			say(n)
		}
	}
	near, far := wired(t)
	s.join(&line{stream: near, channels: map[uint32]channel{}, members: map[message.ID]bool{}})
	said := map[message.Type]int{}
	for range 2 + 5 {
		kind, body := frameOf(t, far)
		if kind == message.TypeCarry {
			c, err := message.DecodeCarried(body)
			if err != nil {
				t.Fatal(err)
			}
			kind = c.Type
		}
		said[kind]++
	}
	if said[message.TypeOpen] != 1 || said[message.TypeHello] != 1 || said[message.TypeReceipt] != 5 {
		t.Errorf("over a new line it says %v", said)
	}
	s.line = nil
	for n := range uint32(maxReceipts + 100) {
		say(n)
	}
	if len(s.receipts.order) != maxReceipts || len(s.receipts.known) != maxReceipts {
		t.Errorf("%d receipts are kept, and %d known", len(s.receipts.order), len(s.receipts.known))
	}
	padded := []byte(`"` + strings.Repeat("x", 100) + `"`)
	if err := s.said(message.TypeReceipt, padded); !errors.Is(err, message.ErrMalformed) {
		t.Errorf("what is no receipt: %v", err)
	}
	for _, kind := range []message.Type{message.TypeReceipt, message.TypeIdle, message.TypeGoodbye, message.TypeWell} {
		if got := agentLimit(kind); got != maxWord {
			t.Errorf("of type %d %d bytes are taken", kind, got)
		}
	}
}

// An agent that told no facts over its connection is sent away where another
// relay does not have them: it comes again and tells them.
func TestWelcomedElsewhere(t *testing.T) {
	for name, x := range map[string]struct {
		facts []byte // that it told here
		known bool   // to the relay
		away  bool
	}{
		"told here":         {facts: []byte("facts")},
		"known there":       {known: true},
		"known nowhere":     {away: true},
		"known and told it": {facts: []byte("facts"), known: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, far := wired(t)
			s := &session{leaf: &Leaf{}, conn: far.Conn(), stream: far, welcome: true, facts: x.facts}
			s.carried(message.TypeWelcome, message.Marshal(message.Welcome{Facts: x.known}))
			s.leaf.wg.Wait()
			if _, err := far.Conn().Open(t.Context(), message.KindLog); (err != nil) != x.away {
				t.Errorf("its connection: %v", err)
			}
		})
	}
}
