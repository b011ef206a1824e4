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
	got, pair, err := askCertificate(ctx, conf, id, m.Encode())
	if err != nil {
		return signing.ID{}, err
	}
	if err := checkEnrolled(got, token, m, o.Now()); err != nil {
		return signing.ID{}, err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{membershipFile, m.Encode()}, {policyFile, got.Policy}, {tlsFile, pair},
		{tagsFile, append([]byte(tagsText), tags...)},
		{configFile, conf.text()}, // the last: with it the folder is an agent's
	} {
		if err := keepFile(filepath.Join(o.Dir, f.name), f.data); err != nil {
			return signing.ID{}, err
		}
	}
	return id.ID(), nil
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
	return id, keepFile(name, id.PEM())
}

// askCertificate has a relay sign a new TLS key.
func askCertificate(ctx context.Context, conf config, id *signing.Identity, membership []byte) (message.Enrolled, []byte, error) {
	d := &transport.Dialer{Addrs: conf.Relays, Pin: conf.Pin, Proxy: conf.Proxy}
	conn, err := d.Dial(ctx)
	if err != nil {
		return message.Enrolled{}, nil, err
	}
	defer conn.Close()
	return exchangeKey(ctx, conn, message.KindEnroll, id, membership)
}

// exchangeKey asks for a certificate on a connection, which is the same for
// the first and for later ones. It gives certificate and key as one PEM file:
// neither is worth anything without the other.
func exchangeKey(ctx context.Context, conn *transport.Conn, kind string, id *signing.Identity, membership []byte) (got message.Enrolled, pair []byte, err error) {
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
	ask := message.Enroll{Membership: membership, CSR: csr, Proof: id.Sign("enroll", csr)}
	if err := s.WriteFrame(message.TypeEnroll, message.Marshal(ask)); err != nil {
		return got, nil, err
	}
	s.SetReadDeadline(time.Now().Add(answerTimeout))
	// The policy is in the answer, which is therefore larger than others.
	t, body, err := s.ReadFrame(func(message.Type) int { return message.MaxEnvelope })
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

// checkEnrolled trusts nothing that the relay sent: the policy is of an
// administrator that the token pins, and makes this agent a member.
func checkEnrolled(got message.Enrolled, token *signing.Token, m *signing.Membership, now time.Time) error {
	env, err := signing.ParseEnvelope(got.Policy)
	if err != nil {
		return fmt.Errorf("agent: the policy that the relay sent: %w", err)
	}
	policy, err := signing.FirstPolicy(env, token.Pinned(), now)
	if err != nil {
		return fmt.Errorf("agent: the policy that the relay sent: %w", err)
	}
	if policy.Fleet() != token.Spec().Fleet {
		return fmt.Errorf("agent: the relay's policy is for fleet %s, and the token for %s", policy.Fleet(), token.Spec().Fleet)
	}
	if _, err := policy.Member(m); err != nil {
		return fmt.Errorf("agent: the policy does not take the token: %w", err)
	}
	return nil
}
