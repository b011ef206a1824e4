package signing

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/semver"

	"github.com/quaestor-engine/quaestor/signing/translog"
)

// The types of the payloads by which agents get a new program.
const (
	TypeRelease = "application/vnd.quaestor.release.v1+json"
	TypeRollOut = "application/vnd.quaestor.rollout.v1+json"
)

// Bounds of releases and roll-outs.
const (
	// MaxProgram is the size of one program, in bytes: ten times what one has.
	MaxProgram = 256 << 20
	// MaxFiles is how many systems a release can be for; Go knows fewer that an
	// agent runs on.
	MaxFiles = 32
	MaxNotes = 16 << 10 // bytes: what people read before they sign
	// MaxReleaseLife is how long a release can be installed: what is older has
	// holes that are known.
	MaxReleaseLife = 366 * 24 * time.Hour
	// MinHealth and MaxHealth bound the time that a new program has to reach a
	// relay: less is a slow start, more is a machine that nobody hears of.
	MinHealth = 5 * time.Second
	MaxHealth = time.Hour
	maxNumber = 1_000_000 // of a stage
	maxTarget = 1 << 20   // bytes of a compiled target
)

// What a policy says of upgrades.
const (
	UpgradeNever  = "never"  // agents take no program from anybody
	UpgradeSigned = "signed" // they take what administrators sign
)

// A Release is what administrators sign of a version of the agent: which bytes
// it is on each system. It installs nothing: a RollOut says where it may be. It
// is JSON in one spelling; times are whole seconds of UTC.
type Release struct {
	Version int       `json:"version"` // of this form: Version
	Fleet   ID        `json:"fleet"`
	Release string    `json:"release"` // what the program calls itself: 1.4.0, by semver.org
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
	Notes   string    `json:"notes,omitempty"`
	Files   []File    `json:"files"` // by system and architecture
}

// A File is the program of a release for one system, as Go names them.
type File struct {
	OS   string       `json:"os"`
	Arch string       `json:"arch"`
	Size int64        `json:"size"`
	Sum  translog.Sum `json:"sha256"`
}

// System gives the system and the architecture, as in linux/amd64.
func (f File) System() string { return f.OS + "/" + f.Arch }

// A RollOut is what administrators sign of a stage: which agents may install a
// release, and when. Widening a stage is another RollOut, with a higher Number.
type RollOut struct {
	Version   int          `json:"version"` // of this form: Version
	Fleet     ID           `json:"fleet"`
	Release   string       `json:"release"`
	Manifest  translog.Sum `json:"manifest"` // the SHA-256 of the release's payload
	Number    int64        `json:"number"`   // of the stage, from 1
	Target    string       `json:"target"`   // FROM fleet WHERE …
	Compiled  []byte       `json:"compiled"` // the plan that it is compiled to
	Made      time.Time    `json:"made"`
	NotBefore time.Time    `json:"not_before"`
	Expires   time.Time    `json:"expires"`
	// Health is how many seconds the new program has to reach a relay, before
	// the one before it comes back.
	Health int64 `json:"health"`
}

// Encode gives the bytes to sign: files sorted, times cut to seconds.
func (r *Release) Encode() []byte {
	q := *r
	q.Made, q.Expires = second(r.Made), second(r.Expires)
	q.Files = slices.Clone(r.Files)
	slices.SortFunc(q.Files, func(a, b File) int { return strings.Compare(a.System(), b.System()) })
	return encodeJSON(&q)
}

// Encode gives the bytes to sign, times cut to seconds.
func (r *RollOut) Encode() []byte {
	q := *r
	q.Made, q.NotBefore, q.Expires = second(r.Made), second(r.NotBefore), second(r.Expires)
	return encodeJSON(&q)
}

// DecodeRelease reads what Encode gives, and nothing else. The error wraps
// ErrMalformed.
func DecodeRelease(b []byte) (*Release, error) {
	if err := checkVersion(b); err != nil {
		return nil, err
	}
	r := &Release{}
	if err := decodeJSON(b, r); err != nil {
		return nil, fmt.Errorf("the release: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("the release: %w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(r.Encode(), b) {
		return nil, fmt.Errorf("the release: %w: its files are not sorted, or its times are no whole seconds of UTC", ErrMalformed)
	}
	return r, nil
}

// DecodeRollOut reads what Encode gives, and nothing else. The error wraps
// ErrMalformed.
func DecodeRollOut(b []byte) (*RollOut, error) {
	if err := checkVersion(b); err != nil {
		return nil, err
	}
	r := &RollOut{}
	if err := decodeJSON(b, r); err != nil {
		return nil, fmt.Errorf("the roll-out: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("the roll-out: %w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(r.Encode(), b) {
		return nil, fmt.Errorf("the roll-out: %w: its times are no whole seconds of UTC", ErrMalformed)
	}
	return r, nil
}

// IsRelease says whether s can be the version of a release: three numbers, and
// what semver.org allows behind them but for what it does not count.
func IsRelease(s string) bool {
	return len(s) <= 64 && semver.IsValid("v"+s) && semver.Canonical("v"+s) == "v"+s
}

// Newer says whether a release is newer than another. What is no version, as
// that of a program that somebody built for himself, is older than all.
func Newer(release, than string) bool { return semver.Compare("v"+release, "v"+than) > 0 }

func (r *Release) check() error {
	switch {
	case r.Version != Version:
		return fmt.Errorf("version %d", r.Version)
	case r.Fleet.IsZero():
		return errors.New("it names no fleet")
	case !IsRelease(r.Release):
		return fmt.Errorf("%.80q is no version: write 1.4.0", r.Release)
	case r.Made.Unix() <= 0 || !r.Made.Before(r.Expires) || r.Expires.Sub(r.Made) > MaxReleaseLife:
		return fmt.Errorf("its times are in no order, or %s apart: it expires after it was made, by at most %s", r.Expires.Sub(r.Made), MaxReleaseLife)
	case len(r.Notes) > MaxNotes || !utf8.ValidString(r.Notes):
		return fmt.Errorf("its notes are more than %d bytes, or no text", MaxNotes)
	case len(r.Files) == 0 || len(r.Files) > MaxFiles:
		return fmt.Errorf("it has %d files, of 1 to %d", len(r.Files), MaxFiles)
	}
	seen := map[string]bool{}
	for _, f := range r.Files {
		switch {
		case !isName(f.OS) || !isName(f.Arch) || seen[f.System()]:
			return fmt.Errorf("%.80q is there twice, or is no system", f.System())
		case f.Size < 1 || f.Size > MaxProgram:
			return fmt.Errorf("the file for %s has %d bytes, of 1 to %d", f.System(), f.Size, MaxProgram)
		}
		seen[f.System()] = true
	}
	return nil
}

// For gives the program for a system.
func (r *Release) For(os, arch string) (File, bool) {
	i := slices.IndexFunc(r.Files, func(f File) bool { return f.OS == os && f.Arch == arch })
	if i < 0 {
		return File{}, false
	}
	return r.Files[i], true
}

func (r *RollOut) check() error {
	switch {
	case r.Version != Version:
		return fmt.Errorf("version %d", r.Version)
	case r.Fleet.IsZero():
		return errors.New("it names no fleet")
	case !IsRelease(r.Release):
		return fmt.Errorf("%.80q is no version", r.Release)
	case r.Number < 1 || r.Number > maxNumber:
		return fmt.Errorf("stage %d, of 1 to %d", r.Number, maxNumber)
	case r.Target == "" || len(r.Target) > MaxQuery || !utf8.ValidString(r.Target):
		return fmt.Errorf("its target is empty, more than %d bytes, or no text", MaxQuery)
	case len(r.Compiled) == 0 || len(r.Compiled) > maxTarget:
		return fmt.Errorf("its compiled target has %d bytes, of at most %d", len(r.Compiled), maxTarget)
	case r.Made.Unix() <= 0 || r.NotBefore.Unix() <= 0 || !r.NotBefore.Before(r.Expires) || r.Made.After(r.Expires):
		return errors.New("its times are in no order: made and not_before, then expires")
	case r.Expires.Sub(r.NotBefore) > MaxWindow:
		return fmt.Errorf("it is open for %s, and may be for %s", r.Expires.Sub(r.NotBefore), MaxWindow)
	case r.Health < int64(MinHealth/time.Second) || r.Health > int64(MaxHealth/time.Second):
		return fmt.Errorf("health is %d seconds, and must be %s to %s", r.Health, MinHealth, MaxHealth)
	}
	return nil
}

// Upgrades says whether the policy lets agents install what administrators
// sign.
func (p *Policy) Upgrades() bool { return p.upgrade == UpgradeSigned }

// VerifyRelease decides whether administrators stand behind a release: it can
// be read, is of this fleet, has not expired, and as many of them as the policy
// asks for signed it with keys that are good now. The error is a Refusal.
func (p *Policy) VerifyRelease(e *Envelope, at time.Time) (*Release, error) {
	r, err := readAs(e, TypeRelease, DecodeRelease)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Fleet != p.fleet:
		return nil, refuse(CodeFleet, "release %s is for fleet %s, and this is fleet %s", r.Release, r.Fleet, p.fleet)
	case at.Add(Leeway).Before(r.Made):
		return nil, refuse(CodeWindow, "release %s says that it was made at %s, and it is %s", r.Release, stamp(r.Made), stamp(at))
	case !at.Before(r.Expires):
		return nil, refuse(CodeWindow, "release %s expired at %s, and it is %s", r.Release, stamp(r.Expires), stamp(at))
	}
	if _, err := p.behind(e, "release "+r.Release, span{r.Made, r.Expires}, at); err != nil {
		return nil, err
	}
	return r, nil
}

// VerifyRollOut decides the same of a roll-out, whose window is open. The error
// is a Refusal.
func (p *Policy) VerifyRollOut(e *Envelope, at time.Time) (*RollOut, error) {
	r, _, err := p.verifyRollOut(e, at)
	return r, err
}

func (p *Policy) verifyRollOut(e *Envelope, at time.Time) (*RollOut, []Fingerprint, error) {
	r, signers, err := p.admitRollOut(e, at)
	if err == nil && at.Add(Leeway).Before(r.NotBefore) {
		return nil, nil, refuse(CodeWindow, "stage %d of release %s may not begin before %s, and it is %s", r.Number, r.Release, stamp(r.NotBefore), stamp(at))
	}
	return r, signers, err
}

// AdmitRollOut is VerifyRollOut for who keeps a roll-out until its window opens.
func (p *Policy) AdmitRollOut(e *Envelope, at time.Time) (*RollOut, error) {
	r, _, err := p.admitRollOut(e, at)
	return r, err
}

// admitRollOut gives those whose signatures counted, too.
func (p *Policy) admitRollOut(e *Envelope, at time.Time) (*RollOut, []Fingerprint, error) {
	r, err := readAs(e, TypeRollOut, DecodeRollOut)
	if err != nil {
		return nil, nil, err
	}
	what := fmt.Sprintf("stage %d of release %s", r.Number, r.Release)
	switch {
	case r.Fleet != p.fleet:
		return nil, nil, refuse(CodeFleet, "%s is for fleet %s, and this is fleet %s", what, r.Fleet, p.fleet)
	case at.Add(Leeway).Before(r.Made):
		return nil, nil, refuse(CodeWindow, "%s says that it was made at %s, and it is %s", what, stamp(r.Made), stamp(at))
	case !at.Before(r.Expires):
		return nil, nil, refuse(CodeWindow, "%s expired at %s, and it is %s", what, stamp(r.Expires), stamp(at))
	}
	signers, err := p.behind(e, what, span{r.Made, r.Expires}, at)
	if err != nil {
		return nil, nil, err
	}
	return r, signers, nil
}

// A span is when signatures can have been made.
type span struct{ made, expires time.Time }

// behind gives those who signed, where they are enough administrators.
func (p *Policy) behind(e *Envelope, what string, s span, at time.Time) ([]Fingerprint, error) {
	b := ballot{
		principals: p.administrators, role: fmt.Sprintf("an administrator of policy version %d", p.version), at: at,
		after: s.made.Add(-Leeway), before: s.expires,
	}
	signers := b.count(e)
	if len(signers) < p.threshold {
		return nil, refuse(CodeSignature, "%s asks for the signatures of %d administrators and %d count (%s)%s", what, p.threshold, len(signers), names(signers), b.why())
	}
	var out []Fingerprint
	for _, q := range signers {
		out = append(out, q.Key.Fingerprint())
	}
	return out, nil
}

// readAs reads a payload of one type.
func readAs[T any](e *Envelope, payloadType string, decode func([]byte) (*T, error)) (*T, error) {
	if e.PayloadType != payloadType {
		return nil, refuse(CodeType, "no %q but %q", payloadType, e.PayloadType)
	}
	r, err := decode(e.Payload)
	if errors.Is(err, errVersion) {
		return nil, refuse(CodeType, "%w", err)
	}
	if err != nil {
		return nil, refuse(CodeMalformed, "%w", err)
	}
	return r, nil
}

// An Upgrade is a release that may be installed by those whom a roll-out means:
// only Policy.VerifyUpgrade makes one, and the zero value holds nothing.
type Upgrade struct {
	release *Release
	rollOut *RollOut
	sum     translog.Sum
	signers []Fingerprint
}

// Release gives the release, nil for the zero value. It must not be changed.
func (u Upgrade) Release() *Release { return u.release }

// RollOut gives the stage, nil for the zero value. It must not be changed.
func (u Upgrade) RollOut() *RollOut { return u.rollOut }

// Signers lists the administrators whose signatures of the stage counted.
func (u Upgrade) Signers() []Fingerprint { return slices.Clone(u.signers) }

// Manifest is the SHA-256 of the release's payload: what a release that failed
// is remembered by.
func (u Upgrade) Manifest() translog.Sum { return u.sum }

// VerifyUpgrade decides whether a release may be installed by those whom a
// roll-out means: the policy lets upgrades be, administrators stand behind
// both, and the roll-out is that of this very release. Whether the target is
// true, and the release newer than what is there, is for who installs it to
// say. The error is a Refusal.
func (p *Policy) VerifyUpgrade(release, rollOut *Envelope, at time.Time) (Upgrade, error) {
	if !p.Upgrades() {
		return Upgrade{}, refuse(CodeUpgrade, "policy version %d lets agents install nothing: it would need upgrade = %q", p.version, UpgradeSigned)
	}
	r, err := p.VerifyRelease(release, at)
	if err != nil {
		return Upgrade{}, err
	}
	o, signers, err := p.verifyRollOut(rollOut, at)
	if err != nil {
		return Upgrade{}, err
	}
	u := Upgrade{release: r, rollOut: o, sum: translog.SumOf(release.Payload), signers: signers}
	if o.Manifest != u.sum || o.Release != r.Release {
		return Upgrade{}, refuse(CodeManifest, "stage %d is that of release %s with manifest %s, and this is release %s with manifest %s", o.Number, o.Release, o.Manifest, r.Release, u.sum)
	}
	return u, nil
}
