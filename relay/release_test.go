package relay_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// program is one of three pieces.
func program(release string) []byte {
	return append(bytes.Repeat([]byte(release), 2*message.MaxPiece/len(release)+1), make([]byte, message.MaxPiece/2)...)
}

func (f *fleet) release(version string, b []byte) *signing.Release {
	return &signing.Release{
		Version: signing.Version, Fleet: f.id, Release: version, Made: time.Now().Add(-time.Minute), Expires: time.Now().Add(24 * time.Hour),
		Files: []signing.File{{OS: "linux", Arch: "amd64", Size: int64(len(b)), Sum: sha256.Sum256(b)}},
	}
}

// rollOut means agents of a system.
func (f *fleet) rollOut(r *signing.Release, number int64, os string) *signing.RollOut {
	p := must(plan.Decode(f.plan(os).Compiled))(f.t)
	p.Query = "FROM fleet FIND host"
	return &signing.RollOut{
		Version: signing.Version, Fleet: f.id, Release: r.Release, Manifest: translog.SumOf(r.Encode()), Number: number, Target: "FROM fleet",
		Compiled: p.Encode(), Made: time.Now().Add(-time.Minute), NotBefore: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour), Health: 60,
	}
}

func (f *fleet) envelope(kind string, payload []byte, by ...*signing.PrivateKey) []byte {
	f.t.Helper()
	e := &signing.Envelope{PayloadType: kind, Payload: payload}
	for _, k := range by {
		if err := e.Sign(f.t.Context(), k); err != nil {
			f.t.Fatal(err)
		}
	}
	return e.Encode()
}

// publish hands in a release with its program, or with what send says.
func (i *investigator) publish(envelope, b []byte, send func(index int64, piece []byte) []byte) *line {
	i.f.t.Helper()
	l := i.send(message.OpRelease, message.TypeEnvelope, envelope)
	missing := read[message.Missing](i.f.t, l.want(message.TypeResult))
	for _, p := range missing.Programs {
		for at := p.Index * message.MaxPiece; at < int64(len(b)); at += message.MaxPiece {
			piece := b[at:min(at+message.MaxPiece, int64(len(b)))]
			if send != nil {
				piece = send(at/message.MaxPiece, piece)
			}
			if piece == nil {
				return l
			}
			l.say(message.TypePiece, piece)
		}
	}
	return l
}

func (i *investigator) releases() (all []message.Release) {
	i.f.t.Helper()
	l := i.request(message.Request{Op: message.OpReleases})
	for {
		t, body := l.hear()
		if t == message.TypeEnd {
			return all
		}
		all = append(all, read[message.Release](i.f.t, body))
	}
}

// fetch asks for a program as an agent does.
func (a *agent) fetch(sum translog.Sum, pieces int64) []byte {
	a.f.t.Helper()
	l := a.f.open(a.conn, message.KindProgram)
	var out []byte
	for i := range pieces {
		l.say(message.TypePieceAsk, message.PieceQuery{Sum: sum, Index: i})
		out = append(out, l.want(message.TypePiece)...)
	}
	return out
}

// wantNoUpgrade says that the relay has offered no release for what was said
// until now.
func (a *agent) wantNoUpgrade() {
	a.f.t.Helper()
	stray := signing.NewID()
	a.say(message.TypeChunk, a.chunk(stray, 0, true, "x"))
	for {
		t, body := a.hear()
		if t == message.TypeUpgrade {
			a.f.t.Fatalf("agent %s is offered a release", a.host)
		}
		if t == message.TypeAck && read[message.Ack](a.f.t, body).Plan == stray {
			return
		}
	}
}

// A release is taken with its programs, over a line that breaks and a relay that
// is started anew; half of one is rolled out to nobody.
func TestReleaseResumed(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	i := f.login(f.admin)
	b := program("1.1.0")
	r := f.release("1.1.0", b)
	envelope := f.envelope(signing.TypeRelease, r.Encode(), f.admin)
	rollOut := f.envelope(signing.TypeRollOut, f.rollOut(r, 1, "linux").Encode(), f.admin)

	// The line breaks after a piece.
	i.publish(envelope, b, func(index int64, piece []byte) []byte {
		if index == 1 {
			return nil
		}
		return piece
	})
	eventually(t, "the first piece is kept", func() bool {
		f.hangUp()
		i = f.login(f.admin)
		l := i.send(message.OpRelease, message.TypeEnvelope, envelope)
		kind, body := l.hear()
		if kind != message.TypeResult {
			return false // the one before has not ended yet
		}
		m := read[message.Missing](t, body)
		return len(m.Programs) == 1 && m.Programs[0].Index == 1
	})
	f.hangUp()
	i = f.login(f.admin)
	if why := i.send(message.OpRollOut, message.TypeEnvelope, rollOut).wantFailure(message.FailUnknown); !strings.Contains(why.Reason, "all of its programs") {
		t.Errorf("half a release is rolled out: %s", why.Reason)
	}
	if all := i.releases(); len(all) != 1 || all[0].Complete {
		t.Errorf("%+v", all)
	}
	f.restart()
	i = f.login(f.admin)
	i.publish(envelope, b, nil).wantEnd()
	if all := i.releases(); len(all) != 1 || !all[0].Complete || len(all[0].RollOuts) != 0 {
		t.Errorf("%+v", all)
	}
}

// A release is offered to those whom a stage means, and to nobody else, as it
// was signed; and to nobody any more when it was withdrawn.
func TestRelease(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	linux, windows := f.agent("web-1", "linux"), f.agent("pc-1", "windows")
	linux.settle()
	windows.settle()
	i := f.login(f.admin)
	b := program("1.1.0")
	r := f.release("1.1.0", b)
	envelope := f.envelope(signing.TypeRelease, r.Encode(), f.admin)
	rollOut := f.envelope(signing.TypeRollOut, f.rollOut(r, 1, "linux").Encode(), f.admin)
	i.publish(envelope, b, nil).wantEnd()
	linux.wantNoUpgrade()

	l := i.send(message.OpRollOut, message.TypeEnvelope, rollOut)
	if out := read[message.RolledOut](t, l.want(message.TypeResult)); out.Online != 1 || out.Offline != 0 {
		t.Errorf("%+v", out)
	}
	l.wantEnd()
	got := read[message.Upgrade](t, linux.want(message.TypeUpgrade))
	if !bytes.Equal(got.Release, envelope) || !bytes.Equal(got.RollOut, rollOut) {
		t.Error("what was signed was changed on its way")
	}
	windows.wantNoUpgrade()
	if !bytes.Equal(linux.fetch(r.Files[0].Sum, 3), b) {
		t.Error("it is another program")
	}

	// The same again changes nothing; after a restart it is offered again.
	i.publish(envelope, nil, nil).wantEnd()
	l = i.send(message.OpRollOut, message.TypeEnvelope, rollOut)
	l.want(message.TypeResult)
	l.wantEnd()
	linux.wantNoUpgrade()
	f.restart()
	linux.up("linux")
	linux.want(message.TypeUpgrade)
	if !bytes.Equal(linux.fetch(r.Files[0].Sum, 3), b) {
		t.Error("it is another program after a restart")
	}
	i = f.login(f.admin)
	if all := i.releases(); len(all) != 1 || !all[0].Complete || len(all[0].RollOuts) != 1 {
		t.Errorf("%+v", all)
	}

	// Nobody but an administrator withdraws it; then it is gone, with its program.
	f.login(f.alice).request(message.Request{Op: message.OpWithdraw, Release: "1.1.0"}).wantFailure(message.FailDenied)
	i.request(message.Request{Op: message.OpWithdraw, Release: "1.1.0"}).wantEnd()
	i.request(message.Request{Op: message.OpWithdraw, Release: "1.1.0"}).wantFailure(message.FailUnknown)
	line := linux.f.open(linux.conn, message.KindProgram)
	line.say(message.TypePieceAsk, message.PieceQuery{Sum: r.Files[0].Sum})
	line.wantFailure(message.FailUnknown)
}

// An agent that runs a release, or a newer one, is not offered it.
func TestReleaseIsNoDowngrade(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	i := f.login(f.admin)
	b := program("1.1.0")
	r := f.release("1.1.0", b)
	i.publish(f.envelope(signing.TypeRelease, r.Encode(), f.admin), b, nil).wantEnd()
	i.send(message.OpRollOut, message.TypeEnvelope, f.envelope(signing.TypeRollOut, f.rollOut(r, 1, "").Encode(), f.admin)).want(message.TypeResult)
	for software, offered := range map[string]bool{"1.0.0": true, "1.1.0": false, "1.2.0": false, "": true} {
		a := f.newAgent("web-"+software, f.token(1)).enroll()
		a.hello(func(h *message.Hello) { h.Software = software })
		a.want(message.TypeWelcome)
		a.tell("linux", time.Now())
		if offered {
			a.want(message.TypeUpgrade)
		} else {
			a.wantNoUpgrade()
		}
	}
}

// What administrators do not stand behind is not taken, and no program that is
// not what they signed.
func TestReleaseRefused(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	i := f.login(f.admin)
	b := program("1.1.0")
	good := f.release("1.1.0", b)
	expired := f.release("1.1.0", b)
	expired.Made, expired.Expires = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	foreign := f.release("1.1.0", b)
	foreign.Fleet = signing.NewID()
	for name, c := range map[string]struct {
		envelope []byte
		code     string
	}{
		"nobody signed it":         {f.envelope(signing.TypeRelease, good.Encode()), message.FailDenied},
		"an investigator signed":   {f.envelope(signing.TypeRelease, good.Encode(), f.alice), message.FailDenied},
		"expired":                  {f.envelope(signing.TypeRelease, expired.Encode(), f.admin), message.FailDenied},
		"another fleet's":          {f.envelope(signing.TypeRelease, foreign.Encode(), f.admin), message.FailDenied},
		"a plan":                   {f.signed(f.plan(""), f.alice), message.FailDenied},
		"no envelope":              {[]byte("x"), message.FailBad},
		"a roll-out for a release": {f.envelope(signing.TypeRollOut, f.rollOut(good, 1, "").Encode(), f.admin), message.FailDenied},
	} {
		if why := i.send(message.OpRelease, message.TypeEnvelope, c.envelope).wantFailure(c.code); why.Reason == "" {
			t.Errorf("%s: no reason", name)
		}
	}
	envelope := f.envelope(signing.TypeRelease, good.Encode(), f.admin)
	for name, send := range map[string]func(int64, []byte) []byte{
		"another program": func(_ int64, piece []byte) []byte { return make([]byte, len(piece)) },
		"cut pieces": func(index int64, piece []byte) []byte {
			if index > 0 {
				return nil // the first was enough
			}
			return piece[1:]
		},
	} {
		if why := i.publish(envelope, b, send).wantFailure(message.FailBad); why.Reason == "" {
			t.Errorf("%s: no reason", name)
		}
	}
	i.publish(envelope, b, nil).wantEnd() // what was wrong is not held against it

	other := f.release("1.1.0", program("other"))
	i.send(message.OpRelease, message.TypeEnvelope, f.envelope(signing.TypeRelease, other.Encode(), f.admin)).wantFailure(message.FailExists)
	late := f.rollOut(good, 1, "")
	late.NotBefore, late.Expires = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	late.Made = late.NotBefore
	for name, c := range map[string]struct {
		rollOut *signing.RollOut
		by      *signing.PrivateKey
		code    string
	}{
		"an investigator signed": {f.rollOut(good, 1, ""), f.alice, message.FailDenied},
		"over":                   {late, f.admin, message.FailDenied},
		"of another manifest":    {f.rollOut(other, 1, ""), f.admin, message.FailDenied},
		"of no release":          {f.rollOut(f.release("9.0.0", b), 1, ""), f.admin, message.FailUnknown},
	} {
		if why := i.send(message.OpRollOut, message.TypeEnvelope, f.envelope(signing.TypeRollOut, c.rollOut.Encode(), c.by)).wantFailure(c.code); why.Reason == "" {
			t.Errorf("%s: no reason", name)
		}
	}
	i.send(message.OpRollOut, message.TypeEnvelope, f.envelope(signing.TypeRollOut, f.rollOut(good, 1, "").Encode(), f.admin)).want(message.TypeResult)
	i.send(message.OpRollOut, message.TypeEnvelope, f.envelope(signing.TypeRollOut, f.rollOut(good, 1, "linux").Encode(), f.admin)).wantFailure(message.FailExists)

	// An agent asks for what there is not.
	a := f.agent("web-1", "linux")
	for _, q := range []message.PieceQuery{{Sum: good.Files[0].Sum, Index: -1}, {Sum: good.Files[0].Sum, Index: 3}, {Sum: translog.Sum{1}}} {
		l := a.f.open(a.conn, message.KindProgram)
		l.say(message.TypePieceAsk, q)
		l.wantFailure(message.FailUnknown)
	}
	l := a.f.open(a.conn, message.KindProgram)
	l.say(message.TypePieceAsk, []byte("x"))
	l.wantFailure(message.FailBad)
}

// A stage that begins later is kept, and offered when it does.
func TestRollOutLater(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.admin)
	b := program("1.1.0")
	r := f.release("1.1.0", b)
	i.publish(f.envelope(signing.TypeRelease, r.Encode(), f.admin), b, nil).wantEnd()
	o := f.rollOut(r, 1, "")
	o.NotBefore, o.Expires = time.Now().Add(30*time.Minute), time.Now().Add(2*time.Hour)
	i.send(message.OpRollOut, message.TypeEnvelope, f.envelope(signing.TypeRollOut, o.Encode(), f.admin)).want(message.TypeResult)
	a.wantNoUpgrade()
	f.later(time.Hour)
	a.want(message.TypeUpgrade)
}

// The relay hears an agent whose program is tried by its own key alone.
func TestWell(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	say := func(id *signing.Identity, kind, payload string) []byte {
		return signing.NewStatement(id, kind, time.Now(), []byte(payload)).Encode()
	}
	st := say(a.id, message.KindWell, `{"release":"1.1.0"}`)
	a.say(message.TypeWell, st)
	if got := read[translog.Sum](t, a.want(message.TypeHeard)); got != translog.SumOf(st) {
		t.Errorf("it heard %s", got)
	}
	for name, b := range map[string][]byte{
		"another's":    say(must(signing.NewIdentity())(t), message.KindWell, `{"release":"1.1.0"}`),
		"another kind": say(a.id, "facts", `{"release":"1.1.0"}`),
		"nonsense":     say(a.id, message.KindWell, `[`),
		"no statement": []byte("x"),
	} {
		a.up("linux")
		a.say(message.TypeWell, b)
		if why := a.wantFailure(message.FailBad); why.Reason == "" {
			t.Errorf("%s: no reason", name)
		}
	}
}
