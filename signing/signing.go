// Package signing is who may ask what, and how anyone checks it without
// trusting whoever carried it: OpenPGP keys, signed envelopes, the policy of a
// fleet, and the chain from an administrator to an agent.
//
// A newcomer needs [ParseEnvelope] and [Policy.Verify]: only what Verify gave
// out is a plan to be obeyed. Keys come from [ReadPublicKey], [ReadPrivateKey]
// or [NewGnuPG]; whoever has a card or a server of his own for signing writes
// a [Signer]. The package must not be used to hide anything: answers are sealed
// by package sealing, and everything here may be read by everyone.
//
// # Envelopes
//
// An envelope is the JSON of DSSE in one spelling, without blanks:
//
//	{"payload":"BASE64","payloadType":"TYPE","signatures":[{"keyid":"FINGERPRINT","sig":"BASE64"}]}
//
// Each sig is a detached OpenPGP signature, binary, over [PAE] of the type and
// the payload: the bytes that were signed are the bytes that are read. A keyid
// is the upper-case fingerprint of the signer's primary key. It chooses the key
// to try and proves nothing. An envelope in another spelling is refused, and
// so is a signature packet with anything in it that the signature does not
// cover, but for the names of its issuer: no bit can be changed unnoticed.
//
// # Who is counted
//
// A signer is a primary key. However many subkeys, user ids and copies of a
// signature he has, he is counted once. A key that is revoked, was not valid
// when it signed, or is weak (DSA, RSA below 2048 bits, SHA-1 or MD5 anywhere
// in the chain) counts for nothing, and the reason is in the refusal.
package signing

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrMalformed says that bytes are not what they should be.
var ErrMalformed = errors.New("signing: malformed")

// ErrUnusable says that a key, or a signature, counts for nothing. What wraps
// it says why.
var ErrUnusable = errors.New("signing: counts for nothing")

// ErrRefused is the root of every Refusal.
var ErrRefused = errors.New("signing: refused")

// ErrRollback says that a policy is older than the one in force, or another
// with the same version.
var ErrRollback = errors.New("signing: the policy is older than the one in force")

// Leeway is how far the clocks of two honest parties may stand apart.
const Leeway = 5 * time.Minute

// A Signer makes binary detached OpenPGP signatures. Sign may ask its user
// something, so it may take long; it may be called by several goroutines.
type Signer interface {
	Fingerprint() Fingerprint
	Sign(ctx context.Context, msg []byte) ([]byte, error)
}

// A Decrypter opens OpenPGP messages to its key.
type Decrypter interface {
	Fingerprint() Fingerprint
	Decrypt(ctx context.Context, msg []byte) ([]byte, error)
}

// The codes of refusals, in the order in which an agent checks. An agent has
// further checks of its own, whose codes stand here so that all are in one
// place.
const (
	CodeMalformed = "malformed" // it cannot be read, or does not say what it needs
	CodeType      = "type"      // of a kind or a version that is not known
	CodeFleet     = "fleet"     // for another fleet
	CodeWindow    = "window"    // too early, too late, or open for too long
	CodeSeen      = "seen"      // it ran already
	CodeClock     = "clock"     // this host's clock was set back
	CodeSignature = "signature" // nobody's signature counts
	CodeWeight    = "weight"    // those who signed do not weigh enough
	CodeContent   = "content"   // a column with content, and no rule allows it
	CodeModule    = "module"    // a module that sends packets, and no rule names it
	CodePath      = "path"      // a path that no rule allows
	CodeLimit     = "limit"     // more than a ceiling
	CodeTarget    = "target"    // not for this host
	CodePolicy    = "policy"    // there is no policy, or the offered one is not good
	CodeUnlogged  = "unlogged"  // nothing proves that it is in the log
	CodeWitness   = "witness"   // too few witnesses signed the log's checkpoint
	CodeFork      = "fork"      // the log shows another history than it showed here before
	CodeRollback  = "rollback"  // the log is shorter than it was here before

	CodeUpgrade  = "upgrade"  // the policy, or the machine's owner, lets no upgrade in
	CodeManifest = "manifest" // the roll-out is that of another release
	CodeOlder    = "older"    // the release is not newer than what ran here
	CodeTried    = "tried"    // the release was tried here, and failed
	CodePlatform = "platform" // the release has no program for this system
)

// A Refusal is why something was not accepted. errors.Is(err, ErrRefused) holds
// for all of them.
type Refusal struct {
	Code   string // one of the Code constants
	Reason string // one sentence for a person, which says who or what is missing
	err    error
}

// Error gives the reason.
func (r *Refusal) Error() string { return r.Reason }

// Is makes every refusal an ErrRefused.
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

// Unwrap gives the cause, where there is one to be told from others.
func (r *Refusal) Unwrap() error { return r.err }

// refuse makes a refusal; what %w stands for can be found with errors.Is.
func refuse(code, format string, args ...any) *Refusal {
	err := fmt.Errorf(format, args...)
	return &Refusal{Code: code, Reason: err.Error(), err: errors.Unwrap(err)}
}
