package client

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// The files of a home.
const (
	fileConfig = "config.toml"
	filePolicy = "policy.env"
	fileRoster = "roster"
	fileLock   = "lock" // of who writes what he has read
	dirReplies = "replies"
)

// A Config is what an investigator's home says of the fleet and of him.
type Config struct {
	Relays []string `toml:"relays"` // host:port, tried in an order that chance picks
	Pin    string   `toml:"pin"`    // of the relays' CA: quaestor-relay pin
	Signer string   `toml:"signer,omitempty"`
	Proxy  string   `toml:"proxy,omitempty"` // as transport.Dialer has it
	// Administrators are the fingerprints by which the first policy is known.
	Administrators []string `toml:"administrators,omitempty"`
}

// A Home is an investigator's folder: where the fleet is, the latest policy,
// the private halves of reply keys, and which agents he has seen.
type Home struct {
	Dir    string
	Config Config

	mu      sync.Mutex
	roster  map[message.ID]known
	filed   map[message.ID]time.Time // what the file had when it was last looked at: when each was seen
	changed bool                     // the roster says more than its file
	summed  *signing.Policy          // that sum is of
	sum     []byte
}

// known is what is remembered of an agent.
type known struct {
	Membership []byte
	Facts      []byte
	Seen       time.Time
	By         *verified // nil: they are to be verified again
}

// maxRoster bounds the agents that are remembered.
const maxRoster = 200_000

// ErrNoRelay says that a home does not say where the fleet is.
var ErrNoRelay = errors.New("client: no relay is set up")

// OpenHome reads a home; one that is not there yet is empty. "" is
// $QUAESTOR_HOME, or the folder quaestor of the user's configuration.
func OpenHome(dir string) (*Home, error) {
	if dir == "" {
		dir = os.Getenv("QUAESTOR_HOME")
	}
	if dir == "" {
		user, err := os.UserConfigDir()
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		dir = filepath.Join(user, "quaestor")
	}
	h := &Home{Dir: dir}
	meta, err := toml.DecodeFile(h.path(fileConfig), &h.Config)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("client: %s: %w", h.path(fileConfig), err)
	}
	if odd := meta.Undecoded(); len(odd) > 0 {
		return nil, fmt.Errorf("client: %s: there is no setting %q", h.path(fileConfig), odd[0])
	}
	h.roster, err = h.readRoster()
	h.noteFiled()
	return h, err
}

func (h *Home) path(parts ...string) string {
	return filepath.Join(append([]string{h.Dir}, parts...)...)
}

// keep writes a file for its owner alone, in one step.
func (h *Home) keep(data []byte, parts ...string) error {
	name := h.path(parts...)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	if err := wholefile.Keep(name, 0o600, data); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return nil
}

// SaveConfig writes config.toml.
func (h *Home) SaveConfig() error {
	var b bytes.Buffer
	b.WriteString("# Where the fleet is, and who asks. See quaestor setup.\n")
	if err := toml.NewEncoder(&b).Encode(h.Config); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return h.keep(b.Bytes(), fileConfig)
}

// Policy gives the policy that the home follows; nil where it has none yet.
func (h *Home) Policy() (*signing.Policy, error) {
	text, err := os.ReadFile(h.path(filePolicy))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	e, err := signing.ParseEnvelope(text)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", h.path(filePolicy), err)
	}
	// It was verified when it was kept.
	return signing.ParsePolicy(e.Payload)
}

// TakePolicy follows a policy that somebody hands over, if it is the first and
// one of the pinned administrators signed it, or if it follows the one that is
// there. It gives the policy that is in force then. An older one changes
// nothing: the error wraps signing.ErrRollback, and the policy comes with it.
func (h *Home) TakePolicy(envelope []byte, at time.Time) (*signing.Policy, error) {
	e, err := signing.ParseEnvelope(envelope)
	if err != nil {
		return nil, fmt.Errorf("client: the policy: %w", err)
	}
	current, err := h.Policy()
	if err != nil {
		return nil, err
	}
	if current == nil {
		return h.TakePolicies([][]byte{envelope}, at)
	}
	next, err := current.Accept(e, at)
	if err != nil {
		return current, fmt.Errorf("client: the policy: %w", err)
	}
	if next == current {
		return current, nil
	}
	return h.keepPolicy(next, envelope)
}

// keepPolicy keeps a policy that goes on from the one that was there, and gives
// the one that is there then: of two programs that take one at the same time,
// the later policy stays.
func (h *Home) keepPolicy(next *signing.Policy, envelope []byte) (*signing.Policy, error) {
	lock, err := h.hold()
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	current, err := h.Policy()
	if err != nil || current != nil && current.Version() >= next.Version() {
		return current, err
	}
	return next, h.keep(envelope, filePolicy)
}

// hold keeps other programs that use this home from writing.
func (h *Home) hold() (*wholefile.Lock, error) {
	err := os.MkdirAll(h.Dir, 0o700)
	var lock *wholefile.Lock
	if err == nil {
		lock, err = wholefile.Hold(h.path(fileLock))
	}
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return lock, nil
}

// TakePolicies follows policies in the order in which they were in force, as
// TakePolicy does each: for a home that missed some, or whose administrators
// have all been replaced. It gives the one that is in force then, and an error
// where the last of them is not.
func (h *Home) TakePolicies(envelopes [][]byte, at time.Time) (*signing.Policy, error) {
	var chain []*signing.Envelope
	for _, text := range envelopes {
		e, err := signing.ParseEnvelope(text)
		if err != nil {
			return nil, fmt.Errorf("client: the policy: %w", err)
		}
		chain = append(chain, e)
	}
	current, err := h.Policy()
	if err != nil {
		return nil, err
	}
	var newest *signing.Envelope
	if current != nil {
		current, newest, err = current.CatchUp(chain, at)
	} else {
		pinned, perr := h.pinned()
		if perr != nil {
			return nil, perr
		}
		current, newest, err = signing.EnterChain(chain, pinned, at)
	}
	if newest != nil {
		var kept error
		if current, kept = h.keepPolicy(current, newest.Encode()); kept != nil {
			return nil, kept
		}
	}
	if err != nil {
		return current, fmt.Errorf("client: the policy: %w", err)
	}
	return current, nil
}

// pinned gives the administrators by whom the first policy is known: those
// that the configuration names.
func (h *Home) pinned() ([]signing.Fingerprint, error) {
	var out []signing.Fingerprint
	for _, text := range h.Config.Administrators {
		f, err := signing.ParseFingerprint(text)
		if err != nil {
			return nil, fmt.Errorf("client: administrators in %s: %w", h.path(fileConfig), err)
		}
		out = append(out, f)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("client: no policy is known here, and no administrator whose word for one would count\nhint: quaestor setup --administrator FINGERPRINT")
	}
	return out, nil
}

// keepReply keeps the private half of a plan's reply key.
func (h *Home) keepReply(plan signing.ID, key *sealing.ReplyKey) error {
	return h.keep([]byte(fmt.Sprintf("%x\n", key.Seed())), dirReplies, plan.String()+".key")
}

// reply gives the reply key of a plan that was asked from here; nil where it
// was not.
func (h *Home) reply(plan signing.ID) (*sealing.ReplyKey, error) {
	text, err := os.ReadFile(h.path(dirReplies, plan.String()+".key"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	var seed []byte
	if _, err := fmt.Sscanf(string(text), "%x", &seed); err != nil {
		return nil, fmt.Errorf("client: the reply key of plan %s: %w", plan, err)
	}
	return sealing.ParseReplyKey(seed)
}

// forgetReply forgets a reply key: what answers there are stay closed.
func (h *Home) forgetReply(plan signing.ID) error {
	err := os.Remove(h.path(dirReplies, plan.String()+".key"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// remembered gives the agents that were seen before.
func (h *Home) remembered() map[message.ID]known {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.roster)
}

// Forget takes agents off the roster: they are gone for good, and that a relay
// does not name them is no doubt any more.
func (h *Home) Forget(agents ...message.ID) error {
	h.mu.Lock()
	for _, id := range agents {
		delete(h.roster, id)
	}
	h.changed = true
	h.mu.Unlock()
	return h.saveRoster()
}

// noteFiled notes that the file says what the roster does.
func (h *Home) noteFiled() {
	h.filed = make(map[message.ID]time.Time, len(h.roster))
	for id, k := range h.roster {
		h.filed[id] = k.Seen
	}
	h.changed = false
}

// saveRoster writes down who was seen, beside those whom another program that
// uses this home saw meanwhile, and without those whom it took off.
func (h *Home) saveRoster() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.changed {
		return nil
	}
	lock, err := h.hold()
	if err != nil {
		return err
	}
	defer lock.Close()
	others, err := h.readRoster()
	if err != nil {
		return err
	}
	for id, k := range others {
		_, ours := h.roster[id]
		_, before := h.filed[id] // and not ours: it was taken off here
		if !ours && !before && len(h.roster) < maxRoster {
			h.roster[id] = k
		}
	}
	for id, seen := range h.filed {
		if _, ok := others[id]; !ok && h.roster[id].Seen.Equal(seen) {
			delete(h.roster, id)
		}
	}
	if err := h.keep(encodeRoster(h.roster), fileRoster); err != nil {
		return err
	}
	h.noteFiled()
	return nil
}
