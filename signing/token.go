package signing

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Bounds of tokens.
const (
	MaxToken     = 64 << 10  // characters
	MaxUses      = 1_000_000 // agents by one token
	MaxTags      = 64        // tags of one token
	maxTagValue  = 256       // bytes
	maxPinned    = 64        // fingerprints
	maxRelayPin  = 256       // bytes
	tokenPrefix  = "quaestor-token-"
	maxTokenData = 64 << 10 // bytes of the part that is signed
)

// A TokenSpec is what an administrator signs when he lets agents in.
type TokenSpec struct {
	Fleet     ID
	Tags      map[string]string // his word about the agents, which they cannot change
	Uses      int               // agents that may enrol, counted by the relay; 1 to MaxUses
	NotBefore time.Time
	Expires   time.Time // nobody enrols at or after this; who has enrolled stays
	Comment   string    // for lists of tokens
}

// tokenPayload is the JSON that an administrator signs.
type tokenPayload struct {
	Version   int               `json:"version"`
	Fleet     ID                `json:"fleet"`
	Key       []byte            `json:"key"` // the public half
	Tags      map[string]string `json:"tags,omitempty"`
	Uses      int               `json:"uses"`
	NotBefore time.Time         `json:"not_before"`
	Expires   time.Time         `json:"expires"`
	Comment   string            `json:"comment,omitempty"`
}

// A Token lets agents into a fleet. Envelope is what an administrator signs,
// and what everyone may see; the private half of the token's key goes to the
// hosts alone, in String.
type Token struct {
	Envelope *Envelope

	key      ed25519.PrivateKey
	payload  tokenPayload
	pinned   []Fingerprint
	relayPin string
}

// NewToken draws a key and makes the envelope to be signed.
func NewToken(spec TokenSpec) (*Token, error) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("signing: making a token: %w", err)
	}
	p := tokenPayload{
		Version: Version, Fleet: spec.Fleet, Key: pub, Tags: spec.Tags, Uses: spec.Uses,
		NotBefore: second(spec.NotBefore), Expires: second(spec.Expires), Comment: spec.Comment,
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("signing: the token: %w", err)
	}
	return &Token{key: key, payload: p, Envelope: &Envelope{PayloadType: TypeToken, Payload: encodeJSON(&p)}}, nil
}

func decodeTokenPayload(e *Envelope) (tokenPayload, error) {
	var p tokenPayload
	if e.PayloadType != TypeToken {
		return p, fmt.Errorf("%w: the envelope holds no token but %q", ErrMalformed, e.PayloadType)
	}
	if len(e.Payload) > maxTokenData {
		return p, fmt.Errorf("%w: a token of %d bytes", ErrMalformed, len(e.Payload))
	}
	if err := checkVersion(e.Payload); err != nil {
		return p, err
	}
	if err := decodeJSON(e.Payload, &p); err != nil {
		return p, fmt.Errorf("the token: %w", err)
	}
	if err := p.check(); err != nil {
		return p, fmt.Errorf("%w: the token: %w", ErrMalformed, err)
	}
	return p, nil
}

func (p *tokenPayload) check() error {
	switch {
	case p.Version != Version:
		return fmt.Errorf("version %d", p.Version)
	case p.Fleet.IsZero():
		return fmt.Errorf("it names no fleet")
	case len(p.Key) != ed25519.PublicKeySize:
		return fmt.Errorf("its key has %d bytes", len(p.Key))
	case p.Uses < 1 || p.Uses > MaxUses:
		return fmt.Errorf("it is for %d uses, where 1 to %d are allowed", p.Uses, MaxUses)
	case p.NotBefore.Unix() <= 0 || !p.NotBefore.Before(p.Expires):
		return fmt.Errorf("it must begin before it expires")
	case !p.NotBefore.Equal(second(p.NotBefore)) || !p.Expires.Equal(second(p.Expires)):
		return fmt.Errorf("its times are not whole seconds")
	case len(p.Tags) > MaxTags:
		return fmt.Errorf("it has %d tags, more than %d", len(p.Tags), MaxTags)
	case !isLine(p.Comment, maxTagValue):
		return fmt.Errorf("its comment is more than one line of %d bytes", maxTagValue)
	}
	for k, v := range p.Tags {
		if !isName(k) || !isLine(v, maxTagValue) {
			return fmt.Errorf("the tag %.40q is not a lower-case word with a value of at most %d bytes on one line", k, maxTagValue)
		}
	}
	return nil
}

// ID names the token: the front of the SHA-256 of its public key.
func (t *Token) ID() ID { return IDOf(t.payload.Key) }

// Spec gives what the administrator signs, or signed.
func (t *Token) Spec() TokenSpec { return t.payload.spec() }

func (p *tokenPayload) spec() TokenSpec {
	return TokenSpec{Fleet: p.Fleet, Tags: p.Tags, Uses: p.Uses, NotBefore: p.NotBefore, Expires: p.Expires, Comment: p.Comment}
}

// Pinned lists the administrators, one of whom must have signed the fleet's
// policy; of a token that was parsed.
func (t *Token) Pinned() []Fingerprint { return t.pinned }

// RelayPin is the pin of the relay's CA, of a token that was parsed.
func (t *Token) RelayPin() string { return t.relayPin }

// tokenText is the JSON in a token's text.
type tokenText struct {
	Seed     []byte        `json:"seed"`
	Envelope []byte        `json:"envelope"`
	Pinned   []Fingerprint `json:"pinned"`
	Relay    string        `json:"relay"`
}

// String gives the token as one word for hosts. It is a secret: whoever has it
// can enrol. pinned are the fingerprints of administrators, relayPin the pin of
// the relay's CA.
func (t *Token) String(pinned []Fingerprint, relayPin string) string {
	text := encodeJSON(tokenText{Seed: t.key.Seed(), Envelope: t.Envelope.Encode(), Pinned: pinned, Relay: relayPin})
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(text)
}

// ParseToken reads what String gives, with blanks around it. The error wraps
// ErrMalformed. Whether an administrator signed it is not asked: the host does
// not know them yet, and Policy.Member asks.
func ParseToken(s string) (*Token, error) {
	s = strings.TrimSpace(s)
	if len(s) > MaxToken {
		return nil, fmt.Errorf("%w: a token of %d characters is more than %d", ErrMalformed, len(s), MaxToken)
	}
	rest, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok {
		return nil, fmt.Errorf("%w: a token begins with %q", ErrMalformed, tokenPrefix)
	}
	if strings.ContainsAny(rest, "\r\n") {
		return nil, fmt.Errorf("%w: the token is broken over lines", ErrMalformed)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil {
		return nil, fmt.Errorf("%w: the token was not copied whole: %w", ErrMalformed, err)
	}
	var text tokenText
	if err := decodeJSON(b, &text); err != nil {
		return nil, fmt.Errorf("the token was not copied whole: %w", err)
	}
	if len(text.Seed) != ed25519.SeedSize || len(text.Pinned) > maxPinned || !isLine(text.Relay, maxRelayPin) {
		return nil, fmt.Errorf("%w: the token's key, its pins or its administrators", ErrMalformed)
	}
	for _, f := range text.Pinned {
		if !isFingerprint(string(f)) {
			return nil, fmt.Errorf("%w: the token's administrator %.80q", ErrMalformed, f)
		}
	}
	e, err := ParseEnvelope(text.Envelope)
	if err != nil {
		return nil, err
	}
	p, err := decodeTokenPayload(e)
	if err != nil {
		return nil, err
	}
	t := &Token{Envelope: e, key: ed25519.NewKeyFromSeed(text.Seed), payload: p, pinned: text.Pinned, relayPin: text.Relay}
	if !bytes.Equal(t.key.Public().(ed25519.PublicKey), p.Key) {
		return nil, fmt.Errorf("%w: the token's two halves do not belong together", ErrMalformed)
	}
	return t, nil
}
