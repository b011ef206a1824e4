package agent

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// enrollAgain brings an agent to other relays, or to a new token, under the
// identity that it has. It does not start anew with the administrators of the
// token: the policies of the new relay must follow the one that it obeys.
func enrollAgain(ctx context.Context, o EnrollOptions, conf config, token *signing.Token) (id signing.ID, err error) {
	if err := checkRetired(o.Dir); err != nil {
		return id, err
	}
	old, err := read(Options{Dir: o.Dir, Now: o.Now})
	if err != nil {
		return id, err
	}
	j, err := journal.Open(old.path(journalDir)) // nobody else has the folder meanwhile
	if err != nil {
		return id, fmt.Errorf("%w\nhint: stop the agent first", err)
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if o.Hostname == "" {
		if o.Hostname, err = os.Hostname(); err != nil {
			return id, fmt.Errorf("agent: the name of this machine: %w", err)
		}
	}
	m := token.Enroll(old.id.Public(), o.Hostname, o.Now())
	got, pair, err := askCertificate(ctx, conf, old.id, message.Enroll{Membership: m.Encode(), Chain: true})
	if err != nil {
		return id, err
	}
	policy, err := old.followed(append(got.Chain, got.Policy))
	if err != nil {
		return id, err
	}
	p, err := signing.ParsePolicy(policy.Payload)
	if err != nil {
		return id, err
	}
	if _, err := p.Member(m); err != nil {
		return id, fmt.Errorf("agent: the policy does not take the token: %w", err)
	}
	own := old.conf // what the machine's owner wrote stays
	own.Relays, own.Pin, own.Proxy = conf.Relays, conf.Pin, conf.Proxy
	conf = own
	for _, f := range []struct {
		name string
		data []byte
	}{{policyFile, policy.Encode()}, {membershipFile, m.Encode()}, {tlsFile, pair}, {configFile, conf.text()}} {
		if err := wholefile.Keep(old.path(f.name), 0o600, f.data); err != nil {
			return id, err
		}
	}
	return old.id.ID(), nil
}

// followed gives the newest of the policies that a relay sent and that follow
// the one that is obeyed, or that one.
func (a *Agent) followed(texts [][]byte) (*signing.Envelope, error) {
	var chain []*signing.Envelope
	for _, text := range texts {
		env, err := signing.ParseEnvelope(text)
		if err != nil {
			return nil, fmt.Errorf("agent: the policy that the relay sent: %w", err)
		}
		chain = append(chain, env)
	}
	_, newest, err := a.Policy().CatchUp(chain, a.opts.Now())
	if err != nil {
		return nil, fmt.Errorf("agent: the policy that the relay sent: %w", err)
	}
	if newest != nil {
		return newest, nil
	}
	own, err := readFile(a.path(policyFile))
	if err != nil {
		return nil, err
	}
	return signing.ParseEnvelope(own)
}
