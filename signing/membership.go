package signing

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of memberships.
const (
	MaxMembership = 64 << 10 // bytes, encoded
	MaxHostname   = 255      // bytes
	maxChecked    = 1024     // tokens whose administrators a policy remembers
)

// A Membership is the chain from an administrator to an agent: a token that he
// signed, and an identity that the token's key signed. Whoever reads one asks
// Policy.Member whether it holds.
type Membership struct {
	body  membershipBody
	token *Envelope
	spec  tokenPayload
}

// membershipBody is the JSON of a membership.
type membershipBody struct {
	Version  int       `json:"version"`
	Token    []byte    `json:"token"`    // its envelope
	Agent    []byte    `json:"agent"`    // the identity's public key
	Hostname string    `json:"hostname"` // as the host called itself then
	Enrolled time.Time `json:"enrolled"` // by the host's clock
	Sig      []byte    `json:"sig"`      // by the token's key
}

// Enroll makes an identity a member. A host name that is no line of at most
// MaxHostname bytes is cut to one.
func (t *Token) Enroll(pub ed25519.PublicKey, hostname string, at time.Time) *Membership {
	m := &Membership{token: t.Envelope, spec: t.payload}
	m.body = membershipBody{Version: Version, Token: t.Envelope.Encode(), Agent: pub, Hostname: lineOf(hostname), Enrolled: second(at)}
	m.body.Sig = ed25519.Sign(t.key, m.message())
	return m
}

func lineOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if !isLine(string(r), 4) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	for len(s) > MaxHostname {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// message is what the token's key signs: token, agent, seconds, host name.
func (m *Membership) message() []byte {
	token := IDOf(m.spec.Key)
	b := append([]byte(nil), token[:]...)
	b = append(b, m.body.Agent...)
	b = binary.BigEndian.AppendUint64(b, uint64(m.body.Enrolled.Unix()))
	return kindMessage("membership", append(b, m.body.Hostname...))
}

// Encode gives the JSON of the membership in its one spelling.
func (m *Membership) Encode() []byte { return encodeJSON(&m.body) }

// DecodeMembership reads what Encode gives, and nothing else, of at most
// MaxMembership bytes. The error wraps ErrMalformed. Nothing is verified yet.
func DecodeMembership(b []byte) (*Membership, error) {
	if len(b) > MaxMembership {
		return nil, fmt.Errorf("%w: a membership of %d bytes is more than %d", ErrMalformed, len(b), MaxMembership)
	}
	if err := checkVersion(b); err != nil {
		return nil, err
	}
	m := &Membership{}
	if err := decodeJSON(b, &m.body); err != nil {
		return nil, fmt.Errorf("the membership: %w", err)
	}
	v := &m.body
	if v.Version != Version || len(v.Agent) != ed25519.PublicKeySize || len(v.Sig) != ed25519.SignatureSize ||
		!isLine(v.Hostname, MaxHostname) || !v.Enrolled.Equal(second(v.Enrolled)) || v.Enrolled.Unix() <= 0 {
		return nil, fmt.Errorf("%w: the membership's version, key, signature, host name or time", ErrMalformed)
	}
	var err error
	if m.token, err = ParseEnvelope(v.Token); err != nil {
		return nil, err
	}
	if m.spec, err = decodeTokenPayload(m.token); err != nil {
		return nil, err
	}
	return m, nil
}

// AgentID gives the ID of the identity. It is not verified.
func (m *Membership) AgentID() ID { return IDOf(m.body.Agent) }

// A Member is an agent whose chain was verified.
type Member struct {
	Agent    ID
	Public   ed25519.PublicKey
	Hostname string            // as it called itself when it enrolled: its own word
	Tags     map[string]string // the administrator's word
	Token    ID
	Uses     int       // how many agents the token is for; whoever sees them all counts
	Enrolled time.Time // by the host's clock
	Expires  time.Time // when the token stops letting agents in
}

// Member verifies a membership: neither agent nor token is revoked, an
// administrator of the policy signed the token before he was retired and while
// his key was good, and the token's key signed the identity within the token's
// window. The error is a Refusal that says which of these does not hold.
//
// Times in a chain are the words of those who signed. Whoever got hold of a
// token's key can enrol agents into the past of its window: revoke the token.
func (p *Policy) Member(m *Membership) (Member, error) {
	token, agent := IDOf(m.spec.Key), m.AgentID()
	switch {
	case m.spec.Fleet != p.fleet:
		return Member{}, refuse(CodeFleet, "agent %s is of fleet %s, and the policy is that of %s", agent, m.spec.Fleet, p.fleet)
	case slices.Contains(p.revokedAgents, agent):
		return Member{}, refuse(CodePolicy, "agent %s is revoked by the policy", agent)
	case slices.Contains(p.revokedTokens, token):
		return Member{}, refuse(CodePolicy, "the token %s, with which agent %s enrolled, is revoked by the policy", token, agent)
	}
	at := m.body.Enrolled
	if at.Add(Leeway).Before(m.spec.NotBefore) || !at.Before(m.spec.Expires) {
		return Member{}, refuse(CodeWindow, "agent %s enrolled at %s, and the token is good from %s to %s", agent, stamp(at), stamp(m.spec.NotBefore), stamp(m.spec.Expires))
	}
	if !ed25519.Verify(m.spec.Key, m.message(), m.body.Sig) {
		return Member{}, refuse(CodeSignature, "agent %s is not signed by the key of its token %s", agent, token)
	}
	if err := p.checkToken(m); err != nil {
		return Member{}, err
	}
	return Member{
		Agent: agent, Public: m.body.Agent, Hostname: m.body.Hostname, Tags: maps.Clone(m.spec.Tags),
		Token: token, Uses: m.spec.Uses, Enrolled: at, Expires: m.spec.Expires,
	}, nil
}

// checkToken asks whether an administrator signed the token. A fleet has many
// agents and few tokens, so what was found is remembered.
func (p *Policy) checkToken(m *Membership) error {
	key := sha256.Sum256(m.body.Token)
	p.mu.Lock()
	err, known := p.tokens[key]
	p.mu.Unlock()
	if known {
		return err
	}
	err = p.signedByAdministrator(m.token, &m.spec)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tokens) >= maxChecked {
		clear(p.tokens)
	}
	p.tokens[key] = err
	return err
}

func (p *Policy) signedByAdministrator(e *Envelope, spec *tokenPayload) error {
	var faults []string
	pae := PAE(e.PayloadType, e.Payload)
	for _, s := range e.Signatures {
		a, ok := find(p.administrators, s.KeyID)
		if !ok {
			faults = append(faults, "key "+s.KeyID+" is no administrator's")
			continue
		}
		sig, err := a.Key.verify(pae, s.Sig)
		switch {
		case err != nil:
			faults = append(faults, fmt.Sprintf("%q: %v", a.Name, err))
		case !a.Retired.IsZero() && !sig.CreationTime.Before(a.Retired):
			faults = append(faults, fmt.Sprintf("%q retired at %s and signed it at %s", a.Name, stamp(a.Retired), stamp(sig.CreationTime)))
		case !sig.CreationTime.Before(spec.Expires):
			faults = append(faults, fmt.Sprintf("%q signed it after it had expired", a.Name))
		default:
			return nil
		}
	}
	if len(faults) == 0 {
		faults = []string{"nobody signed it"}
	}
	return refuse(CodeSignature, "no administrator's signature of token %s counts: %s", IDOf(spec.Key), strings.Join(faults, "; "))
}
