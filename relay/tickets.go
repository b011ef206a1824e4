package relay

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
)

// The keys of session tickets are kept, so that ten thousand agents that come
// back after a restart go on with the TLS sessions that they had. Whoever reads
// them in the relay's folder finds the CA's key beside them, and with that he
// could be any agent as it is: TLS says who connects, and an agent proves what
// it says with another key. Of what was sent before they tell nothing, since
// each connection agrees on new keys.
const (
	fileTickets = "tickets.key" // a line each, the newest first: when it was made, and the key
	// ticketNew is how long a key makes tickets, and ticketOld how long it is
	// taken after that it was made: crypto/tls takes no older ticket.
	ticketNew   = 24 * time.Hour
	ticketOld   = 8 * 24 * time.Hour
	ticketsLook = time.Hour
	maxTickets  = 64 // lines
)

type ticketKey struct {
	made time.Time
	key  [32]byte
}

// tickets gives the keys of session tickets of a folder, with a new one where
// the newest has made tickets for long enough. What cannot be read is made anew:
// agents show their certificates then.
func tickets(dir string, now time.Time) ([][32]byte, error) {
	name := filepath.Join(dir, fileTickets)
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("relay: %w", err)
	}
	keys := readTickets(string(text), now)
	if len(keys) == 0 || now.Sub(keys[0].made) >= ticketNew {
		fresh := ticketKey{made: now}
		_, _ = rand.Read(fresh.key[:]) // it never fails
		keys = append([]ticketKey{fresh}, keys...)
		var b strings.Builder
		for _, k := range keys {
			fmt.Fprintf(&b, "%s %x\n", k.made.UTC().Format(time.RFC3339), k.key)
		}
		if err := wholefile.Keep(name, 0o600, []byte(b.String())); err != nil {
			return nil, fmt.Errorf("relay: %w", err)
		}
	}
	var out [][32]byte
	for _, k := range keys {
		out = append(out, k.key)
	}
	return out, nil
}

// readTickets reads the keys that are still taken.
func readTickets(text string, now time.Time) (keys []ticketKey) {
	for line := range strings.Lines(text) {
		var k ticketKey
		made, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		at, err := time.Parse(time.RFC3339, made)
		if err != nil || len(digits) != 2*len(k.key) || len(keys) == maxTickets {
			return keys
		}
		if _, err := hex.Decode(k.key[:], []byte(digits)); err != nil {
			return keys
		}
		if k.made = at; now.Sub(at) < ticketOld && !at.After(now) {
			keys = append(keys, k)
		}
	}
	return keys
}

// keepTickets changes the keys when it is time.
func (r *Relay) keepTickets(ctx context.Context) {
	t := time.NewTicker(ticketsLook)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		keys, err := tickets(r.cfg.dir, r.now())
		if err != nil {
			r.log.Error("the keys of session tickets are not changed", "why", err)
			continue
		}
		r.listener.Tickets(keys)
	}
}
