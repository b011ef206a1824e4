package translog

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// The types of keys (C2SP signed-note).
const (
	algLog         = 1 // Ed25519
	algCosignature = 4
)

// NewLogKey makes the key of a log: the private half for a file that only the
// relay reads, and what a policy names.
func NewLogKey(name string) (private, public string, err error) {
	if !goodName(name) {
		return "", "", errName(name)
	}
	private, public, err = note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", "", fmt.Errorf("translog: making a key: %w", err)
	}
	return private, public, nil
}

// NewWitnessKey makes the key of a witness, likewise.
func NewWitnessKey(name string) (private, public string, err error) {
	if !goodName(name) {
		return "", "", errName(name)
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("translog: making a key: %w", err)
	}
	raw := append([]byte{algCosignature}, pub...)
	id := keyID(name, raw)
	private = fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, id, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, key.Seed()...)))
	return private, verifierText(name, id, raw), nil
}

func errName(name string) error {
	return fmt.Errorf("%w: %.80q names no key: 1 to %d letters, digits and the signs . - _ /", ErrMalformed, name, maxName)
}

// maxName is the length of a key's name, in bytes.
const maxName = 128

// goodName says whether a key can be called so: what a note allows, and what
// looks like nothing else in a terminal or a policy.
func goodName(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_/", c) {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

func verifierText(name string, id uint32, raw []byte) string {
	return fmt.Sprintf("%s+%08x+%s", name, id, base64.StdEncoding.EncodeToString(raw))
}

func keyID(name string, raw []byte) uint32 {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte("\n"))
	h.Write(raw)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// PublicOf gives what a policy names of the private half of a log's key.
func PublicOf(private string) (string, error) {
	s, err := note.NewSigner(private)
	if err != nil {
		return "", fmt.Errorf("%w: the key of a log: %w", ErrMalformed, err)
	}
	parts := strings.SplitN(private, "+", 5) // PRIVATE, KEY, name, number, key
	seed, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return "", fmt.Errorf("%w: the key of a log", ErrMalformed)
	}
	pub := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	return verifierText(s.Name(), s.KeyHash(), append([]byte{algLog}, pub...)), nil
}

// A cosigner is a witness's key, both halves or the public one, as package note
// has signers and verifiers.
type cosigner struct {
	name string
	id   uint32
	pub  ed25519.PublicKey
	key  ed25519.PrivateKey // nil: it only verifies
	now  func() time.Time
}

// Name and KeyHash are how a note finds the key.

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.id }

// stampLen is the length of the time in a cosignature, in bytes.
const stampLen = 8

// Sign cosigns the text of a checkpoint.
func (c *cosigner) Sign(text []byte) ([]byte, error) {
	at := uint64(c.now().Unix())
	sig := binary.BigEndian.AppendUint64(nil, at)
	return append(sig, ed25519.Sign(c.key, cosigned(at, text))...), nil
}

// Verify checks what Sign gave.
func (c *cosigner) Verify(text, sig []byte) bool {
	if len(sig) != stampLen+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	return at <= math.MaxInt64 && ed25519.Verify(c.pub, cosigned(at, text), sig[stampLen:])
}

// cosigned is what a witness signs.
func cosigned(at uint64, text []byte) []byte {
	b := append([]byte("cosignature/v1\ntime "), strconv.FormatUint(at, 10)...)
	return append(append(b, '\n'), text...)
}

// readCosigner reads NAME+ID+KEY, with the private half where private says so.
func readCosigner(text string, private bool, now func() time.Time) (*cosigner, error) {
	bad := fmt.Errorf("%w: %.40q… is no key of a witness", ErrMalformed, text)
	if private {
		var ok bool
		if text, ok = strings.CutPrefix(text, "PRIVATE+KEY+"); !ok {
			return nil, fmt.Errorf("%w: this is no private key of a witness", ErrMalformed)
		}
		bad = fmt.Errorf("%w: this is no private key of a witness", ErrMalformed)
	}
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 || !goodName(parts[0]) || len(parts[1]) != 8 {
		return nil, bad
	}
	id, err := strconv.ParseUint(parts[1], 16, 32)
	raw, err2 := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err := errors.Join(err, err2); err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != algCosignature {
		return nil, bad
	}
	c := &cosigner{name: parts[0], id: uint32(id), pub: raw[1:], now: now}
	if private {
		c.key = ed25519.NewKeyFromSeed(raw[1:])
		c.pub = c.key.Public().(ed25519.PublicKey)
	}
	if keyID(c.name, append([]byte{algCosignature}, c.pub...)) != c.id {
		return nil, fmt.Errorf("%w: the key of witness %q does not go with its number", ErrMalformed, c.name)
	}
	return c, nil
}

// Keys say whose word about a log counts: the log's own, and of its witnesses
// Threshold.
type Keys struct {
	log       note.Verifier
	text      string
	witnesses []*cosigner
	threshold int
}

// ParseKeys reads the keys of a log and of its witnesses, as quaestor-relay
// and quaestor log print them. So many witnesses as threshold says must have
// signed a checkpoint.
func ParseKeys(log string, witnesses []string, threshold int) (*Keys, error) {
	v, err := note.NewVerifier(log)
	if err != nil || !goodName(v.Name()) {
		return nil, fmt.Errorf("%w: %.60q is no key of a log: quaestor-relay log prints it", ErrMalformed, log)
	}
	if len(witnesses) > MaxWitnesses {
		return nil, fmt.Errorf("%w: %d witnesses, more than %d", ErrMalformed, len(witnesses), MaxWitnesses)
	}
	if threshold < 0 || threshold > len(witnesses) {
		return nil, fmt.Errorf("%w: %d witnesses must sign, and %d are named", ErrMalformed, threshold, len(witnesses))
	}
	k := &Keys{log: v, text: log, threshold: threshold}
	own, err := base64.StdEncoding.DecodeString(strings.SplitN(log, "+", 3)[2]) // as package note has read it
	if err != nil {
		return nil, fmt.Errorf("%w: the key of a log: %w", ErrMalformed, err)
	}
	for _, text := range witnesses {
		c, err := readCosigner(text, false, nil)
		if err != nil {
			return nil, err
		}
		for _, other := range k.witnesses {
			if other.name == c.name || other.pub.Equal(c.pub) {
				return nil, fmt.Errorf("%w: witnesses %q and %q share a name or a key: they would be counted twice", ErrMalformed, other.name, c.name)
			}
		}
		if c.name == v.Name() || bytes.Equal(c.pub, own[1:]) {
			return nil, fmt.Errorf("%w: witness %q has the name of the log, or its key: a log is no witness of itself", ErrMalformed, c.name)
		}
		k.witnesses = append(k.witnesses, c)
	}
	return k, nil
}

// Log gives the log's key, as ParseKeys read it.
func (k *Keys) Log() string { return k.text }

// Origin gives the log's name.
func (k *Keys) Origin() string { return k.log.Name() }

// Threshold says how many witnesses must sign.
func (k *Keys) Threshold() int { return k.threshold }

// Witnesses lists the names of the witnesses.
func (k *Keys) Witnesses() []string {
	var names []string
	for _, c := range k.witnesses {
		names = append(names, c.name)
	}
	return names
}
