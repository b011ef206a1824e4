package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
)

// newRelay runs a relay and gives its address and a token for its fleet.
func newRelay(t *testing.T) (addr, token string) {
	key, err := signing.NewPrivateKey("admin", "admin@example.com", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	fleet := signing.NewID()
	text := signing.NewPolicyText(signing.PolicySpec{Fleet: fleet, Name: "machines", Administrators: []signing.PrincipalSpec{{Name: "admin", Key: key.Public()}}, Investigators: []signing.PrincipalSpec{{Name: "admin", Key: key.Public()}}})
	policy := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
	tok, err := signing.NewToken(signing.TokenSpec{Fleet: fleet, Uses: 1, NotBefore: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour), Tags: map[string]string{"team": "web"}})
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
	return r.Addr().String(), tok.String([]signing.Fingerprint{key.Fingerprint()}, r.Pin())
}
