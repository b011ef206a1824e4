// Package demo is a fleet in one process: a relay and five agents, each with a
// tree of files of its own, that speak over TLS on the loopback.
//
// A newcomer needs [Start]: the command "quaestor demo" asks what it started
// as anybody asks a fleet, with [Samples]. Keys are made for the occasion, and
// everything is in one folder, which [Fleet.Stop] leaves to be removed. It is
// for looking at, not for looking after machines.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
)

// A Fleet is a relay and its agents, in this process.
type Fleet struct {
	dir    string
	key    *signing.PrivateKey
	policy *signing.Policy
	relay  *relay.Relay
	agents []*agent.Agent

	cancel  context.CancelFunc
	running sync.WaitGroup
	failed  chan error // how relay and agents ended; has room for all
}

// Start makes a fleet below dir and starts it. Its agents connect within a
// moment after that. It runs until Stop.
func Start(ctx context.Context, dir string) (*Fleet, error) {
	f := &Fleet{dir: dir, failed: make(chan error, 1+len(machines()))}
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := f.start(ctx); err != nil {
		return nil, errors.Join(err, f.Stop())
	}
	return f, nil
}

func (f *Fleet) start(ctx context.Context) error {
	var err error
	if f.key, err = signing.NewPrivateKey("Demo", "demo@example.org", time.Now()); err != nil {
		return err
	}
	envelope, err := f.makePolicy(ctx)
	if err != nil {
		return err
	}
	err = relay.Init(f.path("relay"), relay.InitOptions{Name: "demo", Listen: "127.0.0.1:0", Hosts: []string{"127.0.0.1"}, Policy: envelope})
	if err != nil {
		return err
	}
	if f.relay, err = relay.Open(ctx, f.path("relay"), relay.Options{}); err != nil {
		return err
	}
	f.running.Go(func() { f.failed <- f.relay.Serve(ctx) })
	for _, m := range machines() {
		if err := f.add(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// Agents is how many there are.
func (f *Fleet) Agents() int { return len(f.agents) }

// Addr is where the relay listens.
func (f *Fleet) Addr() string { return f.relay.Addr().String() }

// Pin is the pin of the relay's CA.
func (f *Fleet) Pin() string { return f.relay.Pin() }

// Key is the private key of the fleet's only administrator and investigator.
func (f *Fleet) Key() *signing.PrivateKey { return f.key }

func (f *Fleet) path(parts ...string) string {
	return filepath.Join(append([]string{f.dir}, parts...)...)
}

// makePolicy makes a policy with one person in it, who signs it. It allows no
// content; his weight would be enough, so that agents give this as the reason.
func (f *Fleet) makePolicy(ctx context.Context) ([]byte, error) {
	me := []signing.PrincipalSpec{{Name: "Demo", Key: f.key.Public()}}
	text := signing.NewPolicyText(signing.PolicySpec{Fleet: signing.NewID(), Name: "demo", Administrators: me, Investigators: me})
	text = strings.Replace(text, "content_weight = 2", "content_weight = 1", 1)
	e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
	if err := e.Sign(ctx, f.key); err != nil {
		return nil, err
	}
	var err error
	f.policy, err = signing.ParsePolicy(e.Payload)
	return e.Encode(), err
}

// add makes a machine, enrols its agent with a token of its role and starts
// it.
func (f *Fleet) add(ctx context.Context, m machine) error {
	root := f.path("hosts", m.name)
	if err := m.plant(root); err != nil {
		return err
	}
	token, err := f.token(ctx, m)
	if err != nil {
		return err
	}
	dir := f.path("agents", m.name)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if _, err := agent.Enroll(ctx, agent.EnrollOptions{Dir: dir, Relays: []string{f.Addr()}, Token: token}); err != nil {
		return err
	}
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		return err
	}
	a, err := agent.Open(agent.Options{Dir: dir, Catalogue: cat, Host: modules.Host{Root: root, Now: time.Now}, Software: "demo"})
	if err != nil {
		return err
	}
	f.agents = append(f.agents, a)
	f.running.Go(func() { f.failed <- a.Run(ctx) })
	return nil
}

// token makes what lets one agent in.
func (f *Fleet) token(ctx context.Context, m machine) (string, error) {
	now := time.Now()
	t, err := signing.NewToken(signing.TokenSpec{
		Fleet: f.policy.Fleet(), Tags: map[string]string{"role": m.role}, Uses: 1,
		NotBefore: now.Add(-signing.Leeway), Expires: now.Add(time.Hour),
	})
	if err != nil {
		return "", err
	}
	if err := t.Envelope.Sign(ctx, f.key); err != nil {
		return "", err
	}
	return t.String([]signing.Fingerprint{f.key.Fingerprint()}, f.relay.Pin()), nil
}

// Stop ends everything and waits for it. The error is how it failed to run, or
// to end.
func (f *Fleet) Stop() error {
	f.cancel()
	f.running.Wait()
	var errs []error
	for _, a := range f.agents {
		errs = append(errs, a.Close())
	}
	if f.relay != nil {
		errs = append(errs, f.relay.Close())
	}
	close(f.failed)
	for err := range f.failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
