package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// A Release is one as the relay tells it; what is in it was read from what is
// signed, and Problem says why agents would not take it.
type Release struct {
	*signing.Release
	Manifest translog.Sum
	Complete bool // the relay has all programs
	Problem  error
	Stages   []Stage
}

// A Stage is a roll-out of a release.
type Stage struct {
	*signing.RollOut
	Target  *plan.Plan
	Problem error
}

// maxListed bounds the releases that a relay lists.
const maxListed = 1000

// Releases lists the releases that the relay has, the newest first.
func (s *Session) Releases(ctx context.Context) ([]Release, error) {
	var out []Release
	err := s.call(ctx, message.Request{Op: message.OpReleases}, message.TypeRelease, func(body []byte) error {
		if len(out) == maxListed {
			return errTooMany
		}
		var m message.Release
		if err := message.Unmarshal(body, &m); err != nil {
			return err
		}
		r, err := s.examineRelease(m)
		if err == nil {
			out = append(out, r)
		}
		return err
	})
	return out, err
}

// examineRelease reads what a relay says of a release, and judges it by the
// policy.
func (s *Session) examineRelease(m message.Release) (Release, error) {
	policy, now := s.Policy(), s.opts.now()
	e, err := signing.ParseEnvelope(m.Envelope)
	if err != nil {
		return Release{}, err
	}
	payload, err := signing.DecodeRelease(e.Payload)
	if err != nil {
		return Release{}, fmt.Errorf("client: %w", err)
	}
	out := Release{Release: payload, Manifest: translog.SumOf(e.Payload), Complete: m.Complete}
	_, out.Problem = policy.VerifyRelease(e, now)
	for _, text := range m.RollOuts {
		e, err := signing.ParseEnvelope(text)
		if err != nil {
			return Release{}, err
		}
		o, err := signing.DecodeRollOut(e.Payload)
		if err != nil {
			return Release{}, fmt.Errorf("client: %w", err)
		}
		st := Stage{RollOut: o}
		if st.Target, err = plan.Decode(o.Compiled); err != nil {
			return Release{}, fmt.Errorf("client: the target of a roll-out: %w", err)
		}
		if _, st.Problem = policy.AdmitRollOut(e, now); st.Problem == nil && o.Manifest != out.Manifest {
			st.Problem = errors.New("it is that of another release")
		}
		out.Stages = append(out.Stages, st)
	}
	return out, nil
}

// ErrTarget says that a target is none that releases can have.
var ErrTarget = errors.New("client: no target of a release")

// CompileTarget compiles the target of a roll-out: FROM fleet or FROM host, with
// WHERE or without. It gives the text in its canonical form, too. The error may
// wrap ErrTarget.
func CompileTarget(local *quaestor.LocalSession, text string, at time.Time) (canonical string, p *plan.Plan, err error) {
	const find = "FIND host"
	if p, err = local.Recompile(text+" "+find, quaestor.Inputs{At: at}); err != nil {
		return "", nil, err
	}
	canonical, ok := strings.CutSuffix(p.Query, find)
	if !ok || len(p.Tables) != 1 || len(p.Subs) != 0 || p.Source != "fleet" && p.Source != "host" {
		return "", nil, fmt.Errorf("%w: write FROM fleet, FROM fleet WHERE …, or FROM host …, and nothing behind it", ErrTarget)
	}
	return strings.TrimSpace(canonical), p, nil
}

// Retarget compiles the target of a roll-out again and compares: its text must
// make exactly the plan that is signed. The error wraps ErrDiffers where it does
// not.
func Retarget(o *signing.RollOut, local *quaestor.LocalSession) error {
	_, p, err := CompileTarget(local, o.Target, o.Made)
	if err != nil {
		return fmt.Errorf("%w: it does not compile here:\n%w", ErrDiffers, err)
	}
	if !bytes.Equal(p.Encode(), o.Compiled) {
		return fmt.Errorf("%w:\n%s", ErrDiffers, difference(p, o.Compiled))
	}
	return nil
}

// PublishRelease hands a release with its programs to the relay. open gives the
// program with a sum; sent is told how many bytes of how many are there.
func (s *Session) PublishRelease(ctx context.Context, e *signing.Envelope, open func(signing.File) (io.ReadSeekCloser, error), sent func(done, all int64)) error {
	release, err := signing.DecodeRelease(e.Payload)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	stream, err := s.ask(ctx, message.Request{Op: message.OpRelease}, frame{message.TypeEnvelope, e.Encode()})
	if err != nil {
		return err
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, func() {
		stream.SetReadDeadline(time.Unix(1, 0))
		stream.SetWriteDeadline(time.Unix(1, 0))
	})()
	stream.SetReadDeadline(time.Now().Add(silence))
	body, err := read(stream, message.TypeResult)
	if err != nil {
		return err
	}
	var missing message.Missing
	if err := message.Unmarshal(body, &missing); err != nil {
		return err
	}
	up := &upload{write: func(b []byte) error { return stream.WriteFrame(message.TypePiece, b) }, sent: sent}
	if err := up.plan(release, missing); err != nil {
		return err
	}
	for _, p := range missing.Programs {
		if err := up.program(p, open); err != nil {
			// What the relay had to say says more than that it hung up.
			if _, said := read(stream, message.TypeEnd); said != nil {
				err = errors.Join(said, err)
			}
			return errors.Join(ctx.Err(), err)
		}
	}
	stream.SetReadDeadline(time.Now().Add(silence))
	_, err = read(stream, message.TypeEnd)
	return errors.Join(ctx.Err(), err)
}

// An upload sends the programs that a relay misses.
type upload struct {
	files     map[translog.Sum]signing.File
	write     func([]byte) error
	sent      func(done, all int64)
	done, all int64
}

// plan checks what a relay says that it misses.
func (u *upload) plan(r *signing.Release, m message.Missing) error {
	u.files = map[translog.Sum]signing.File{}
	for _, f := range r.Files {
		u.files[f.Sum] = f
	}
	seen := map[translog.Sum]bool{}
	for _, p := range m.Programs {
		f, ok := u.files[p.Sum]
		if !ok || seen[p.Sum] || p.Index < 0 || p.Index*message.MaxPiece >= f.Size {
			return fmt.Errorf("client: %w: the relay misses what is in no release", message.ErrMalformed)
		}
		seen[p.Sum] = true
		u.all += f.Size - p.Index*message.MaxPiece
	}
	return nil
}

func (u *upload) program(p message.PieceQuery, open func(signing.File) (io.ReadSeekCloser, error)) error {
	f := u.files[p.Sum]
	in, err := open(f)
	if err != nil {
		return err
	}
	defer in.Close()
	at := p.Index * message.MaxPiece
	if _, err := in.Seek(at, io.SeekStart); err != nil {
		return fmt.Errorf("client: the program for %s: %w", f.System(), err)
	}
	b := make([]byte, message.MaxPiece)
	for at < f.Size {
		b = b[:min(message.MaxPiece, f.Size-at)]
		if _, err := io.ReadFull(in, b); err != nil {
			return fmt.Errorf("client: the program for %s: %w", f.System(), err)
		}
		if err := u.write(b); err != nil {
			return fmt.Errorf("client: %w", err)
		}
		at += int64(len(b))
		u.done += int64(len(b))
		u.sent(u.done, u.all)
	}
	return nil
}

// RollOut hands a roll-out to the relay, which offers the release to those whom
// it means.
func (s *Session) RollOut(ctx context.Context, e *signing.Envelope) (message.RolledOut, error) {
	var out message.RolledOut
	err := s.call(ctx, message.Request{Op: message.OpRollOut}, message.TypeResult, func(body []byte) error {
		return message.Unmarshal(body, &out)
	}, frame{message.TypeEnvelope, e.Encode()})
	return out, err
}

// Withdraw makes the relay forget a release: it offers it to nobody any more.
// Agents that have it keep it.
func (s *Session) Withdraw(ctx context.Context, release string) error {
	return s.call(ctx, message.Request{Op: message.OpWithdraw, Release: release}, 0, nil)
}

// An Upgraded is what one agent says about a release.
type Upgraded struct {
	Agent  FleetAgent
	State  string // a word of agent_upgrade, or "offered", or "offline"
	Reason string
	Since  time.Time // when it said so
}

// Undecided counts the agents of which it cannot be told from here whether the
// stage means them.
func (s Stage) Undecided(all []FleetAgent, now time.Time) (n int) {
	for _, g := range all {
		if g.Problem == nil && (len(g.Facts) == 0 || g.Meets(s.Target, now) == value.Unknown) {
			n++
		}
	}
	return n
}

// Progress says what agents that a stage means say about its release, by their
// own signed facts.
func (s Stage) Progress(all []FleetAgent, now time.Time) []Upgraded {
	var out []Upgraded
	for _, g := range all {
		if g.Problem != nil || len(g.Facts) == 0 || g.Meets(s.Target, now) != value.True {
			continue
		}
		u := Upgraded{Agent: g, Since: g.FactsAt}
		switch has := g.Facts["agent_version"].RawText(); {
		case has == s.Release:
			u.State = "installed"
		case g.Facts["agent_upgrade_version"].RawText() == s.Release:
			u.State, u.Reason = g.Facts["agent_upgrade"].RawText(), g.Facts["agent_upgrade_reason"].RawText()
		case !signing.Newer(s.Release, has):
			u.State = "newer"
		case !g.Online:
			u.State = "offline"
		default:
			u.State = "offered"
		}
		out = append(out, u)
	}
	return out
}
