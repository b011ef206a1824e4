package agent

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A realRelay is a relay of package relay, in a folder of its own.
type realRelay struct {
	t    *testing.T
	dir  string
	addr string
	pin  string
	now  func() time.Time // nil: the system's clock
	stop func()
}

func newRealRelay(t *testing.T, policy []byte) *realRelay {
	r := &realRelay{t: t, dir: filepath.Join(t.TempDir(), "relay")}
	if err := relay.Init(r.dir, relay.InitOptions{Name: "real", Listen: "127.0.0.1:0", Hosts: []string{"127.0.0.1"}, Policy: policy}); err != nil {
		t.Fatal(err)
	}
	r.start()
	return r
}

func (r *realRelay) start() {
	ctx, cancel := context.WithCancel(context.Background())
	rl, err := relay.Open(ctx, r.dir, relay.Options{Now: r.now})
	if err != nil {
		cancel()
		r.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := rl.Serve(ctx); err != nil {
			r.t.Error(err)
		}
	}()
	r.addr, r.pin = rl.Addr().String(), rl.Pin()
	// It is found at the same address when it is started again.
	name := filepath.Join(r.dir, "relay.toml")
	text, err := os.ReadFile(name)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Replace(text, []byte("127.0.0.1:0"), []byte(r.addr), 1), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.stop = func() { cancel(); <-done }
}

// investigate connects as an investigator.
func (r *realRelay) investigate(f *fleet) *transport.Conn {
	d := &transport.Dialer{Addrs: []string{r.addr}, Pin: r.pin}
	c, err := d.Dial(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := c.Open(r.t.Context(), message.KindAuth)
	if err != nil {
		r.t.Fatal(err)
	}
	_, challenge, err := s.ReadFrame(message.Limit)
	if err != nil {
		r.t.Fatal(err)
	}
	exported, err := c.Export(message.AuthLabel, 32)
	if err != nil {
		r.t.Fatal(err)
	}
	sig, err := f.asker.Sign(r.t.Context(), message.AuthMessage(challenge, exported))
	if err != nil {
		r.t.Fatal(err)
	}
	proof := message.Proof{Fingerprint: string(f.asker.Fingerprint()), Signature: sig}
	if err := s.WriteFrame(message.TypeProof, message.Marshal(proof)); err != nil {
		r.t.Fatal(err)
	}
	if t, body, err := s.ReadFrame(func(byte) int { return message.MaxEnvelope }); err != nil || t != message.TypeGranted {
		r.t.Fatalf("%d %s %v", t, body, err)
	}
	s.Close()
	return c
}

// request opens a stream for one request.
func (r *realRelay) request(c *transport.Conn, q message.Request, more ...[]byte) *transport.Stream {
	s, err := c.Open(r.t.Context(), message.KindRequest)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := s.WriteFrame(message.TypeRequest, message.Marshal(q)); err != nil {
		r.t.Fatal(err)
	}
	for _, body := range more {
		if err := s.WriteFrame(message.TypeEnvelope, body); err != nil {
			r.t.Fatal(err)
		}
	}
	return s
}

// submit submits a plan and says how many agents of the target are there.
func (r *realRelay) submit(f *fleet, raw []byte) message.Submitted {
	c := r.investigate(f)
	defer c.Close()
	s := r.request(c, message.Request{Op: message.OpSubmit}, raw)
	t, body, err := s.ReadFrame(message.Limit)
	var out message.Submitted
	if err != nil || t != message.TypeResult || message.Unmarshal(body, &out) != nil {
		r.t.Fatalf("%d %s %v", t, body, err)
	}
	return out
}

// answers follows a plan until so many agents have ended.
func (r *realRelay) answers(f *fleet, plan signing.ID, agents int) map[signing.ID][]message.Chunk {
	c := r.investigate(f)
	defer c.Close()
	s := r.request(c, message.Request{Op: message.OpFollow, Plan: plan})
	s.SetReadDeadline(time.Now().Add(60 * time.Second))
	out, ended := map[signing.ID][]message.Chunk{}, 0
	for ended < agents {
		t, body, err := s.ReadFrame(message.Limit)
		if err != nil || t == message.TypeFailure {
			r.t.Fatalf("%d of %d have ended: %d %s %v", ended, agents, t, body, err)
		}
		if t != message.TypeChunk {
			continue
		}
		ch, err := message.DecodeChunk(body)
		if err != nil {
			r.t.Fatal(err)
		}
		out[ch.Agent] = append(out[ch.Agent], ch)
		if ch.Final {
			ended++
		}
	}
	return out
}

// Over the real relay, which is stopped and started again in the middle of an
// answer.
func TestRealRelay(t *testing.T) {
	f := newFleet(t)
	r := newRealRelay(t, f.policy.Encode())
	var agents []*Agent
	for range 2 {
		a := f.open(f.enrollAt(r.addr, r.pin, time.Now), numbers{rows: 30_000})
		agents = append(agents, a)
		f.run(a)
	}
	small := f.ask("FROM fleet WHERE tags.team = \"web\" FIND host RETURN hostname")
	eventually(t, "both are there", func() bool {
		for _, a := range agents {
			if s := a.current(); s == nil || !s.told() {
				return false
			}
		}
		return true
	})
	if sub := r.submit(f, f.sign(small, f.asker)); sub.Online != 2 {
		t.Errorf("%+v", sub)
	}
	got := r.answers(f, small.payload.ID, 2)
	for _, a := range agents {
		if o := small.open(t, a, got[a.ID()]); len(o.rows) != 1 || o.sum.Outcome != answer.Complete {
			t.Errorf("%+v", o)
		}
	}
	large := f.ask("FROM fleet FIND number")
	r.submit(f, f.sign(large, f.asker))
	r.stop()
	r.start()
	defer func() { r.stop() }()
	got = r.answers(f, large.payload.ID, 2)
	for _, a := range agents {
		checkNumbers(t, large.open(t, a, got[a.ID()]).rows, 30_000)
	}
}
