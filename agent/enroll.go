package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Errors about enrolment.
var (
	// ErrNotEnrolled says that a folder is no agent's.
	ErrNotEnrolled = errors.New("agent: not enrolled")
	// ErrEnrolled says that a folder is an agent's already.
	ErrEnrolled = errors.New("agent: enrolled already")
)

// answerTimeout is how long a relay may take to say something that it owes.
const answerTimeout = 30 * time.Second

// EnrollOptions say how a machine becomes an agent.
type EnrollOptions struct {
	Dir    string   // the agent's folder, which is made
	Relays []string // host:port; without a port it is 7443
	Token  string   // of an administrator, see signing.Token
	Proxy  string   // as in transport.Dialer
	Tags   []string // "key=value", for the file of tags
	// Hostname is what the machine calls itself, for people; "" asks it.
	Hostname string
	Now      func() time.Time // nil: the system's clock
	// Again: the folder is an agent's, which does not run, and comes to other
	// relays, or to a new token of the same fleet. It stays the agent that it
	// was, with its journal.
	Again bool
}

// Enroll makes this machine an agent: its keys are made here and its private
// ones stay here; the relay is known by the pin in the token, and the policy
// by the administrators that the token names. It gives the agent's ID. What a
// failed attempt left is used by the next one. The error wraps ErrEnrolled
// where the folder is an agent's already.
func Enroll(ctx context.Context, o EnrollOptions) (signing.ID, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	token, err := signing.ParseToken(o.Token)
	if err != nil {
		return signing.ID{}, err
	}
	tags, err := parseTags(o.Tags)
	if err != nil {
		return signing.ID{}, err
	}
	conf := newConfig(withPorts(o.Relays), token.RelayPin(), o.Proxy)
	if err := conf.check(); err != nil {
		return signing.ID{}, err
	}
	if o.Again {
		return enrollAgain(ctx, o, conf, token)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, configFile)); err == nil {
		return signing.ID{}, fmt.Errorf("%w: there is a %s in %s; use another folder, or remove that one", ErrEnrolled, configFile, o.Dir)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return signing.ID{}, err
	}
	id, err := makeIdentity(o.Dir)
	if err != nil {
		return signing.ID{}, err
	}
	if o.Hostname == "" {
		if o.Hostname, err = os.Hostname(); err != nil {
			return signing.ID{}, fmt.Errorf("agent: the name of this machine: %w", err)
		}
	}
	m := token.Enroll(id.Public(), o.Hostname, o.Now())
	policy, pair, err := enrolment{conf, id, token, m}.admitted(ctx, o.Now())
	if err != nil {
		return signing.ID{}, err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{membershipFile, m.Encode()}, {policyFile, policy}, {tlsFile, pair},
		{tagsFile, append([]byte(tagsText), tags...)},
		{configFile, conf.text()}, // the last: with it the folder is an agent's
	} {
		if err := wholefile.Keep(filepath.Join(o.Dir, f.name), 0o600, f.data); err != nil {
			return signing.ID{}, err
		}
	}
	return id.ID(), nil
}

// An enrolment is what a machine has when it asks to be let in.
type enrolment struct {
	conf       config
	id         *signing.Identity
	token      *signing.Token
	membership *signing.Membership
}

// admitted has a relay let the agent in, and gives the policy that is in force
// and the certificate with its key. Where nobody signed the policy whom the
// token names, the relay is asked for those that lead to it.
func (e enrolment) admitted(ctx context.Context, now time.Time) (policy, pair []byte, err error) {
	ask := message.Enroll{Membership: e.membership.Encode()}
	got, pair, err := askCertificate(ctx, e.conf, e.id, ask)
	if err != nil {
		return nil, nil, err
	}
	policy, err = checkEnrolled([][]byte{got.Policy}, e.token, e.membership, now)
	if errors.Is(err, signing.ErrRefused) {
		ask.Chain = true
		if got, pair, err = askCertificate(ctx, e.conf, e.id, ask); err != nil {
			return nil, nil, err
		}
		policy, err = checkEnrolled(append(got.Chain, got.Policy), e.token, e.membership, now)
	}
	return policy, pair, err
}

// withPorts adds the usual port where a relay is named without one.
func withPorts(relays []string) []string {
	var out []string
	for _, r := range relays {
		if _, _, err := net.SplitHostPort(r); err != nil {
			r = net.JoinHostPort(r, "7443")
		}
		out = append(out, r)
	}
	return out
}

// makeIdentity gives the identity of the folder, which it makes where there is
// none: an attempt that failed after that counts as the same agent.
func makeIdentity(dir string) (*signing.Identity, error) {
	name := filepath.Join(dir, identityFile)
	b, err := readFile(name)
	if err == nil {
		return signing.ReadIdentity(b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	id, err := signing.NewIdentity()
	if err != nil {
		return nil, err
	}
	return id, wholefile.Keep(name, 0o600, id.PEM())
}

// askCertificate has a relay sign a new TLS key.
func askCertificate(ctx context.Context, conf config, id *signing.Identity, ask message.Enroll) (message.Enrolled, []byte, error) {
	d := &transport.Dialer{Addrs: conf.Relays, Pin: conf.Pin, Proxy: conf.Proxy}
	conn, err := d.Dial(ctx)
	if err != nil {
		return message.Enrolled{}, nil, err
	}
	defer conn.Close()
	return exchangeKey(ctx, conn, message.KindEnroll, id, ask)
}

// exchangeKey asks for a certificate on a connection, which is the same for
// the first and for later ones. It gives certificate and key as one PEM file:
// neither is worth anything without the other.
func exchangeKey(ctx context.Context, conn *transport.Conn, kind string, id *signing.Identity, ask message.Enroll) (got message.Enrolled, pair []byte, err error) {
	key, err := transport.NewTLSKey()
	if err != nil {
		return got, nil, err
	}
	csr, err := transport.CSR(key, id.ID().String())
	if err != nil {
		return got, nil, err
	}
	s, err := conn.Open(ctx, kind)
	if err != nil {
		return got, nil, err
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	ask.CSR, ask.Proof = csr, id.Sign("enroll", csr)
	if err := s.WriteFrame(message.TypeEnroll, message.Marshal(ask)); err != nil {
		return got, nil, err
	}
	s.SetReadDeadline(time.Now().Add(answerTimeout))
	t, body, err := s.ReadFrame(message.Limit)
	if err != nil {
		return got, nil, fmt.Errorf("agent: the relay did not answer: %w", err)
	}
	switch t {
	case message.TypeEnrolled:
		if err := message.Unmarshal(body, &got); err != nil {
			return got, nil, err
		}
		both, err := transport.AgentPair(key, got.Certificate)
		return got, append(both.CertPEM, both.KeyPEM...), err
	case message.TypeFailure:
		return got, nil, failureOf(body)
	}
	return got, nil, fmt.Errorf("agent: the relay answers with frame %d", t)
}

// failureOf reads why a relay did not do something.
func failureOf(body []byte) error {
	f := &message.Failure{}
	if err := message.Unmarshal(body, f); err != nil {
		return err
	}
	return fmt.Errorf("agent: the relay says: %w", f)
}

// checkEnrolled trusts nothing that the relay sent: the policies lead from an
// administrator that the token pins to the one that is in force, and it makes
// this agent a member. It gives its envelope.
func checkEnrolled(texts [][]byte, token *signing.Token, m *signing.Membership, now time.Time) ([]byte, error) {
	var chain []*signing.Envelope
	for _, text := range texts {
		env, err := signing.ParseEnvelope(text)
		if err != nil {
			return nil, fmt.Errorf("agent: the policy that the relay sent: %w", err)
		}
		chain = append(chain, env)
	}
	policy, env, err := signing.EnterChain(chain, token.Pinned(), now)
	if err != nil {
		return nil, fmt.Errorf("agent: the policy that the relay sent: %w", err)
	}
	if policy.Fleet() != token.Spec().Fleet {
		return nil, fmt.Errorf("agent: the relay's policy is for fleet %s, and the token for %s", policy.Fleet(), token.Spec().Fleet)
	}
	if _, err := policy.Member(m); err != nil {
		return nil, fmt.Errorf("agent: the policy does not take the token: %w", err)
	}
	return env.Encode(), nil
}
