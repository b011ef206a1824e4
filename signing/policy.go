package signing

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/signing/translog"
)

// A Policy says who may ask what of a fleet. It is read from the exact text
// that administrators signed, and never changes; several goroutines may use it.
type Policy struct {
	text           []byte
	version        int64
	fleet          ID
	name           string
	threshold      int
	administrators []Principal
	investigators  []Principal
	fallback       Rule
	rules          map[string]Rule
	ceilings       Ceilings
	revokedAgents  []ID
	revokedTokens  []ID
	wiped          []ID
	log            *LogRule
	upgrade        string // UpgradeNever or UpgradeSigned

	mu     sync.Mutex
	tokens map[[sha256.Size]byte]error // of envelopes of tokens; at most maxChecked
}

// A Principal is a person with a key.
type Principal struct {
	Name   string
	Key    *PublicKey
	Weight int // of an investigator's signature; 1 for an administrator
	// Retired is when an administrator stopped being one: what he signed before
	// stays good, and nothing that he signs afterwards is. Zero: he is one.
	Retired time.Time
}

// A Rule says what a module's answers need.
type Rule struct {
	Module        string   // "" for the rule of modules that have none
	Weight        int      // that the signers must reach together
	Content       []string // columns with content that may leave an endpoint
	ContentWeight int      // the weight for these; not below Weight
	Allow, Deny   []string // globs of paths
	FollowLinks   bool     // symbolic links may lead out of the paths above
	// Standing is the least time between two looks of a plan that stands; 0:
	// none may stand.
	Standing time.Duration
	Watch    bool // plans may watch: look all the time
}

// Ceilings are the most that a plan may ask for.
type Ceilings struct {
	Timeout    time.Duration // of a plan on one endpoint
	Window     time.Duration // from a plan's not_before to its expiry
	Rows       int64         // of one answer
	Bytes      int64         // of one answer
	Memory     int64         // bytes that an agent uses for a plan
	Workers    int64         // goroutines that scan
	CPU        int64         // percent of one processor that a plan may use over time; 0: no bound
	Read       int64         // bytes of content that a plan reads on one endpoint; 0: no bound
	OpenFiles  int64         // that a plan has open at once; 0: as many as the agent lets it
	Mains      bool          // scans that read contents wait for mains on a machine that lives on its battery
	IO         int64         // the place in IOClasses of the best that a plan may ask for, from 1
	Concurrent int64         // plans that an agent runs at once
}

// IOClasses are the words for how far behind others a plan stands when it wants
// a disk, from the most polite.
func IOClasses() []string { return []string{"idle", "low", "normal"} }

// A LogRule says which log has every plan and policy of the fleet in it.
type LogRule struct {
	// Required: agents run nothing that is not proved to be in it. Without, the
	// log is kept and can be audited, and agents do not ask for it.
	Required bool
	Keys     *translog.Keys
}

// Log gives the rule about the transparency log; nil where the fleet has none.
func (p *Policy) Log() *LogRule { return p.log }

// Version gives the number that only grows.
func (p *Policy) Version() int64 { return p.version }

// Fleet gives the fleet that the policy is for.
func (p *Policy) Fleet() ID { return p.fleet }

// Name gives the fleet's name, for people.
func (p *Policy) Name() string { return p.name }

// Text gives the text that was signed.
func (p *Policy) Text() []byte { return bytes.Clone(p.text) }

// Threshold says how many administrators must sign the next policy.
func (p *Policy) Threshold() int { return p.threshold }

// Administrators lists those who sign policies and tokens, as in the text.
func (p *Policy) Administrators() []Principal { return slices.Clone(p.administrators) }

// Investigators lists those who sign plans, as in the text.
func (p *Policy) Investigators() []Principal { return slices.Clone(p.investigators) }

// Investigator finds one by the fingerprint of the primary key.
func (p *Policy) Investigator(f Fingerprint) (Principal, bool) {
	return find(p.investigators, string(f))
}

// Administrator finds one by the fingerprint of the primary key.
func (p *Policy) Administrator(f Fingerprint) (Principal, bool) {
	return find(p.administrators, string(f))
}

func find(list []Principal, fingerprint string) (Principal, bool) {
	i := slices.IndexFunc(list, func(q Principal) bool { return string(q.Key.Fingerprint()) == fingerprint })
	if i < 0 {
		return Principal{}, false
	}
	return list[i], true
}

// Rules lists the rules, that for modules without one first, then by module.
func (p *Policy) Rules() []Rule {
	list := []Rule{p.fallback}
	for _, r := range p.rules {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Rule) int { return strings.Compare(a.Module, b.Module) })
	return list
}

// Rule gives what counts for a module.
func (p *Policy) Rule(module string) Rule {
	if r, ok := p.rules[module]; ok {
		return r
	}
	return p.fallback
}

// Ceilings gives the ceilings.
func (p *Policy) Ceilings() Ceilings { return p.ceilings }

// RevokedAgents lists agents that are members no more.
func (p *Policy) RevokedAgents() []ID { return slices.Clone(p.revokedAgents) }

// Wiped lists those of the revoked agents that are to remove their keys when
// they learn of it.
func (p *Policy) Wiped() []ID { return slices.Clone(p.wiped) }

// RevokedTokens lists tokens whose agents are members no more.
func (p *Policy) RevokedTokens() []ID { return slices.Clone(p.revokedTokens) }

// FirstPolicy takes the policy of a fleet that an agent or an investigator
// enters. At least its Threshold of its own administrators signed it, and one
// of the pinned fingerprints is among these. The error is a Refusal.
func FirstPolicy(e *Envelope, pinned []Fingerprint, at time.Time) (*Policy, error) {
	if e.PayloadType != TypePolicy {
		return nil, refuse(CodeType, "no policy but %q", e.PayloadType)
	}
	p, err := ParsePolicy(e.Payload)
	if err != nil {
		return nil, refuse(CodeMalformed, "the policy: %w", err)
	}
	signers, err := p.signedByThreshold(e, at, nil)
	if err != nil {
		return nil, err
	}
	for _, s := range signers {
		if slices.Contains(pinned, s.Key.Fingerprint()) {
			return p, nil
		}
	}
	return nil, refuse(CodePolicy, "the policy is not signed by an administrator who is known here: %s signed it, and %s would be known", names(signers), join(pinned))
}

// signedByThreshold gives the administrators whose signatures count; known, where
// it is there, says as what each one's key is known.
func (p *Policy) signedByThreshold(e *Envelope, at time.Time, known func(*PublicKey) *PublicKey) ([]Principal, error) {
	administrators := p.administrators
	if known != nil {
		administrators = slices.Clone(administrators)
		for i := range administrators {
			administrators[i].Key = known(administrators[i].Key)
		}
	}
	b := ballot{principals: administrators, role: "an administrator of policy version " + fmt.Sprint(p.version), at: at, kept: true}
	signers := b.count(e)
	if len(signers) < p.threshold {
		return nil, refuse(CodeSignature, "version %d asks for the signatures of %d administrators and %d count (%s)%s",
			p.version, p.threshold, len(signers), names(signers), b.why())
	}
	return signers, nil
}

// A ballot counts the signers of an envelope.
type ballot struct {
	principals []Principal
	role       string    // what the principals are, for messages
	at         time.Time // now
	// Signatures count that say they were made from after to before; zero
	// times are no bounds.
	after, before time.Time
	// kept: what they signed is kept for good, so that keys count that were good
	// when they signed.
	kept bool

	faults []string // why signatures were not counted
}

// count gives those whose signatures count, each once.
func (b *ballot) count(e *Envelope) []Principal {
	pae := PAE(e.PayloadType, e.Payload)
	var signers []Principal
	for _, s := range e.Signatures {
		q, ok := find(b.principals, s.KeyID)
		if !ok {
			b.fault("key %s is not that of %s", s.KeyID, b.role)
			continue
		}
		if _, twice := find(signers, s.KeyID); twice {
			b.fault("%q signed more than once and is counted once", q.Name)
			continue
		}
		if err := b.counts(q, pae, s.Sig); err != nil {
			b.fault("%q: %v", q.Name, err)
			continue
		}
		signers = append(signers, q)
	}
	return signers
}

func (b *ballot) counts(q Principal, pae, sig []byte) error {
	verify := q.Key.VerifyMessage
	if b.kept {
		verify = q.Key.verifyMade
	}
	made, err := verify(pae, sig, b.at)
	switch {
	case err != nil:
		return err
	case !q.Retired.IsZero() && (!made.Before(q.Retired) || !b.at.Before(q.Retired)):
		return fmt.Errorf("retired at %s", stamp(q.Retired))
	case made.Before(b.after):
		return fmt.Errorf("the signature says that it was made at %s, before there was anything to sign", stamp(made))
	case !b.before.IsZero() && !made.Before(b.before):
		return fmt.Errorf("the signature says that it was made at %s, when it was too late", stamp(made))
	}
	return nil
}

func (b *ballot) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// why tells, at the end of a sentence, what was not counted.
func (b *ballot) why() string {
	if len(b.faults) == 0 {
		return ""
	}
	return "; not counted: " + strings.Join(b.faults, "; ")
}

func names(list []Principal) string {
	var b []string
	for _, q := range list {
		b = append(b, fmt.Sprintf("%q", q.Name))
	}
	if len(b) == 0 {
		return "nobody"
	}
	return strings.Join(b, ", ")
}

func join(list []Fingerprint) string {
	var b []string
	for _, f := range list {
		b = append(b, string(f))
	}
	if len(b) == 0 {
		return "nobody"
	}
	return strings.Join(b, ", ")
}
