package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// seenFile holds the largest checkpoint of the log that was seen here.
const seenFile = "log.json"

// seenLog is what that file holds.
type seenLog struct {
	Key        string `json:"key"`        // of the log
	Checkpoint []byte `json:"checkpoint"` // signed
}

// checkLogged: where the policy asks for it, the plan is in the log.
func (a *Agent) checkLogged(ctx context.Context, p *permit) (err error) {
	p.proof, err = a.proved(ctx, p.policy, translog.Entry{Kind: translog.KindPlan, Name: p.payload.ID.String(), Sum: p.sum})
	return err
}

// proved gives the proof that an envelope is in the log by its sum, under a name,
// where the policy asks for one: by a checkpoint that enough witnesses signed and
// that goes on from the largest one seen here, which it then is. Plans and releases
// are proved one after the other: of two at once each could go on from the same
// checkpoint into another history, and the one kept be the smaller.
func (a *Agent) proved(ctx context.Context, policy *signing.Policy, as translog.Entry) ([]byte, error) {
	rule := policy.Log()
	if rule == nil || !rule.Required {
		return nil, nil
	}
	a.proving.Lock()
	defer a.proving.Unlock()
	last, err := lastCheckpoint(a.opts.Dir, rule.Keys)
	if err != nil {
		return nil, refusal(signing.CodeRollback, "what this host has seen of the log cannot be read, and nothing runs that could be a rollback of it: %w; remove %s to begin anew", err, a.path(seenFile))
	}
	proof, err := a.fetchProof(ctx, as.Sum, last.Size)
	if err != nil {
		return nil, refusal(signing.CodeUnlogged, "the policy asks for a proof that %s %s is in the log, and the relay gives none: %w", as.Kind, as.Name, err)
	}
	signed, err := rule.Keys.Open(proof.Checkpoint)
	if err == nil {
		err = proof.Follows(last, signed)
	}
	if err != nil {
		return nil, refusal(codeOfLog(err), "%s %s: %w", as.Kind, as.Name, err)
	}
	if signed.Size > last.Size {
		seen := message.Marshal(seenLog{Key: rule.Keys.Log(), Checkpoint: proof.Checkpoint})
		if err := wholefile.Keep(a.path(seenFile), 0o600, seen); err != nil {
			return nil, refusal(signing.CodeRollback, "the log's checkpoint cannot be kept here, and nothing runs that a rollback could hide: %w", err)
		}
	}
	entry, _, err := rule.Keys.Check(proof, as.Sum)
	if err == nil && (entry.Kind != as.Kind || entry.Name != as.Name) {
		err = fmt.Errorf("%w: the log calls it %s %s", translog.ErrUnlogged, entry.Kind, entry.Name)
	}
	if err != nil {
		return nil, refusal(codeOfLog(err), "%s %s: %w", as.Kind, as.Name, err)
	}
	proof.From, proof.Tree = 0, nil // what was seen before is of no use to who reads the journal
	return message.Marshal(proof), nil
}

func codeOfLog(err error) string {
	switch {
	case errors.Is(err, translog.ErrFork):
		return signing.CodeFork
	case errors.Is(err, translog.ErrRollback):
		return signing.CodeRollback
	case errors.Is(err, translog.ErrUnwitnessed):
		return signing.CodeWitness
	}
	return signing.CodeUnlogged
}

// lastCheckpoint gives the largest checkpoint of a log that was seen by the
// agent of a folder. A log with another key is another log, of which nothing
// was seen: administrators who name it say so.
func lastCheckpoint(dir string, keys *translog.Keys) (translog.Checkpoint, error) {
	b, err := readFile(filepath.Join(dir, seenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return translog.Checkpoint{}, nil
	}
	var seen seenLog
	if err == nil {
		err = json.Unmarshal(b, &seen)
	}
	if err != nil || seen.Key != keys.Log() {
		return translog.Checkpoint{}, err
	}
	// Enough witnesses signed it when it was kept; the policy may name others
	// by now.
	s, err := keys.ReadCheckpoint(seen.Checkpoint)
	return s.Checkpoint, err
}

// fetchProof asks the relay for the proof that an envelope is in the log, and
// that the log goes on from the entries that were seen. A relay that does not
// answer loses the session: the plan is judged when there is another. That it is
// going, or that a leaf has no line to it, is no answer.
func (a *Agent) fetchProof(ctx context.Context, sum translog.Sum, from int64) (*translog.Proof, error) {
	s := a.current()
	if s == nil {
		return nil, errors.New("there is no relay")
	}
	p, err := s.proof(ctx, message.LogQuery{Sum: sum, From: from})
	var said *message.Failure
	answered := errors.As(err, &said) && said.Code != message.FailShutdown || errors.Is(err, message.ErrMalformed)
	if err != nil && !answered {
		s.end(err)
	}
	return p, err
}

func (s *session) proof(ctx context.Context, q message.LogQuery) (*translog.Proof, error) {
	stream, err := s.conn.Open(ctx, message.KindLog)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if err := stream.WriteFrame(message.TypeLogQuery, message.Marshal(q)); err != nil {
		return nil, err
	}
	stream.SetReadDeadline(time.Now().Add(answerTimeout))
	t, body, err := stream.ReadFrame(proofLimit)
	switch {
	case err != nil:
		return nil, err
	case t == message.TypeFailure:
		f := &message.Failure{}
		if err := message.Unmarshal(body, f); err != nil {
			return nil, err
		}
		return nil, f
	case t != message.TypeLogProof:
		return nil, fmt.Errorf("%w: frame %d instead of a proof", message.ErrMalformed, t)
	}
	p := &translog.Proof{}
	return p, message.Unmarshal(body, p)
}

// maxProof is the size of a proof, in bytes: a checkpoint that all witnesses
// signed, and the hashes of two proofs.
const maxProof = 64 << 10

func proofLimit(t message.Type) int {
	if t == message.TypeLogProof || t == message.TypeFailure {
		return maxProof
	}
	return -1
}

// A Witnessed says where the log has a plan, as the proof in the journal says.
type Witnessed struct {
	Index     int64
	At        time.Time // when the relay took the plan
	Sum       translog.Sum
	Witnesses []string // who signed the checkpoint; none where it was not verified
}

// A Verifier checks the proofs in the journal of a folder, by the policy that
// is in force there. It asks nobody.
type Verifier struct{ keys *translog.Keys }

// OpenVerifier makes the verifier of a folder. A policy that names no log
// verifies nothing.
func OpenVerifier(dir string) (*Verifier, error) {
	policy, err := ReadPolicy(dir)
	if err != nil {
		return nil, err
	}
	if policy.Log() == nil {
		return nil, fmt.Errorf("policy version %d names no log to verify proofs of", policy.Version())
	}
	return &Verifier{keys: policy.Log().Keys}, nil
}

// Check verifies the proof of an entry of the journal: the plan is in the log
// that the policy names, by a checkpoint that enough witnesses signed.
func (v *Verifier) Check(e journal.Entry) (Witnessed, error) {
	p, w, err := readProof(e)
	if err != nil {
		return w, err
	}
	entry, signed, err := v.keys.Check(p, w.Sum)
	switch {
	case err != nil:
	case entry.Kind == translog.KindPlan && entry.Name == e.Plan.String():
	case entry.Kind == translog.KindRollOut && stageID(entry.Sum) == e.Plan:
	default:
		err = fmt.Errorf("%w: the proof is that of %s %s", translog.ErrUnlogged, entry.Kind, entry.Name)
	}
	w.Witnesses = signed.Witnesses
	return w, err
}

// ReadProof says where the log has a plan, by the word of the journal: nothing
// is verified.
func ReadProof(e journal.Entry) (Witnessed, error) {
	_, w, err := readProof(e)
	return w, err
}

func readProof(e journal.Entry) (*translog.Proof, Witnessed, error) {
	if len(e.Proof) == 0 {
		return nil, Witnessed{}, fmt.Errorf("%w: no proof was asked for when it ran", translog.ErrUnlogged)
	}
	p := &translog.Proof{}
	if err := message.Unmarshal(e.Proof, p); err != nil {
		return nil, Witnessed{}, err
	}
	entry, err := translog.ParseEntry(p.Entry)
	return p, Witnessed{Index: p.Index, At: entry.At, Sum: entry.Sum}, err
}
