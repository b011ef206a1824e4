package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
)

// A testRelay is a relay that runs, and what one needs to join and to ask its
// fleet.
type testRelay struct {
	addr, pin, token string
	key              *signing.PrivateKey
}

// newRelay runs a relay with a token for so many agents.
func newRelay(t *testing.T, uses int) testRelay {
	key, err := signing.NewPrivateKey("admin", "admin@example.com", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	fleet := signing.NewID()
	text := signing.NewPolicyText(signing.PolicySpec{Fleet: fleet, Name: "machines", Administrators: []signing.PrincipalSpec{{Name: "admin", Key: key.Public()}}, Investigators: []signing.PrincipalSpec{{Name: "admin", Key: key.Public(), Weight: 1}}})
	policy := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
	tok, err := signing.NewToken(signing.TokenSpec{Fleet: fleet, Uses: uses, NotBefore: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour), Tags: map[string]string{"team": "web"}})
	if err == nil {
		err = errors.Join(policy.Sign(t.Context(), key), tok.Envelope.Sign(t.Context(), key))
	}
	dir := filepath.Join(t.TempDir(), "relay")
	if err == nil {
		err = relay.Init(dir, relay.InitOptions{Listen: "127.0.0.1:0", Hosts: []string{"127.0.0.1"}, Policy: policy.Encode()})
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, err := relay.Open(ctx, dir, relay.Options{})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return testRelay{r.Addr().String(), r.Pin(), tok.String([]signing.Fingerprint{key.Fingerprint()}, r.Pin()), key}
}

// dial gives a session of the relay's investigator.
func (r *testRelay) dial(t *testing.T) *client.Session {
	t.Helper()
	home, err := client.OpenHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	home.Config = client.Config{Relays: []string{r.addr}, Pin: r.pin, Administrators: []string{string(r.key.Fingerprint())}}
	s, err := client.Dial(t.Context(), "", client.WithHome(home), client.WithKey(r.key))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
