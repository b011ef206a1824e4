package relay_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A line is a stream, with what is expected of it.
type line struct {
	*transport.Stream
	t testing.TB
}

func (f *fleet) open(c *transport.Conn, kind string) *line {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	return &line{must(c.Open(ctx, kind))(f.t), f.t}
}

func (l *line) say(t message.Type, body any) {
	l.t.Helper()
	b, ok := body.([]byte)
	if !ok && body != nil {
		b = message.Marshal(body)
	}
	if err := l.WriteFrame(t, b); err != nil {
		l.t.Fatalf("say %d: %v", t, err)
	}
}

// hear gives the next frame, or fails.
func (l *line) hear() (message.Type, []byte) {
	l.t.Helper()
	t, body, err := l.next(long)
	if err != nil {
		l.t.Fatalf("heard nothing: %v", err)
	}
	return t, body
}

func (l *line) next(within time.Duration) (message.Type, []byte, error) {
	l.SetReadDeadline(time.Now().Add(within))
	return l.ReadFrame(func(message.Type) int { return message.MaxEnvelope })
}

// want gives the next frame of a type, passing over those of others.
func (l *line) want(want message.Type) []byte {
	l.t.Helper()
	for {
		t, body := l.hear()
		if t == want {
			return body
		}
		if t == message.TypeFailure || t == message.TypeGoodbye {
			l.t.Fatalf("want frame %d, got %d: %s", want, t, body)
		}
	}
}

// wantFailure gives the failure that ends the stream.
func (l *line) wantFailure(code string) message.Failure {
	l.t.Helper()
	for {
		t, body := l.hear()
		switch t {
		case message.TypeFailure, message.TypeGoodbye:
			f := read[message.Failure](l.t, body)
			if f.Code != code {
				l.t.Fatalf("failure %q, want %q: %s", f.Code, code, f.Reason)
			}
			return f
		case message.TypeEnd, message.TypeWelcome, message.TypeGranted, message.TypeEnrolled:
			l.t.Fatalf("want a failure %q, got frame %d", code, t)
		}
	}
}

// wantEnd waits until the peer ends the stream or the connection.
func (l *line) wantEnd() {
	l.t.Helper()
	for {
		_, _, err := l.next(long)
		if err == nil {
			continue
		}
		if errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "deadline") {
			l.t.Fatal("the stream does not end")
		}
		return
	}
}

func read[T any](t testing.TB, body []byte) (v T) {
	t.Helper()
	if err := message.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// decoded is read for a body that is no JSON.
func decoded[T any](t testing.TB, decode func([]byte) (T, error), body []byte) T {
	t.Helper()
	v, err := decode(body)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// An investigator is a fake one that proved who he is.
type investigator struct {
	f    *fleet
	conn *transport.Conn
}

// prove answers the challenge on a new connection.
func (f *fleet) prove(as signing.Fingerprint, by *signing.PrivateKey, change func(challenge, exported []byte) []byte) (*transport.Conn, *line) {
	f.t.Helper()
	c := f.dial(nil)
	l := f.open(c, message.KindAuth)
	challenge := l.want(message.TypeChallenge)
	exported := must(c.Export(message.AuthLabel, 32))(f.t)
	msg := message.AuthMessage(challenge, exported)
	if change != nil {
		msg = change(challenge, exported)
	}
	l.say(message.TypeProof, message.Proof{Fingerprint: string(as), Signature: must(by.Sign(f.t.Context(), msg))(f.t)})
	return c, l
}

func (f *fleet) login(k *signing.PrivateKey) *investigator {
	f.t.Helper()
	c, l := f.prove(k.Fingerprint(), k, nil)
	l.want(message.TypeGranted)
	return &investigator{f, c}
}

func (i *investigator) request(q message.Request) *line {
	i.f.t.Helper()
	l := i.f.open(i.conn, message.KindRequest)
	l.say(message.TypeRequest, q)
	return l
}

func (i *investigator) send(op string, t message.Type, body any) *line {
	i.f.t.Helper()
	l := i.request(message.Request{Op: op})
	l.say(t, body)
	return l
}

func (i *investigator) submit(envelope []byte) message.Submitted {
	i.f.t.Helper()
	l := i.send(message.OpSubmit, message.TypeEnvelope, envelope)
	defer l.Close()
	s := read[message.Submitted](i.f.t, l.want(message.TypeResult))
	l.want(message.TypeEnd)
	return s
}

func (i *investigator) items(op string) (all []message.Investigation) {
	i.f.t.Helper()
	l := i.request(message.Request{Op: op})
	defer l.Close()
	for {
		switch t, body := l.hear(); t {
		case message.TypeItem:
			all = append(all, read[message.Investigation](i.f.t, body))
		case message.TypeEnd:
			return all
		default:
			i.f.t.Fatalf("frame %d in a list: %s", t, body)
		}
	}
}

// A story is what a follower was told.
type story struct {
	agents map[signing.ID]message.Agent
	states map[signing.ID]message.State
	chunks map[signing.ID][]message.Chunk
	up     int
}

// stored follows what is stored of a plan.
func (i *investigator) stored(id signing.ID) story {
	i.f.t.Helper()
	l := i.request(message.Request{Op: message.OpFollow, Plan: id, Stored: true})
	defer l.Close()
	s := newStory()
	for s.hear(l) != message.TypeEnd {
	}
	return s
}

func newStory() story {
	return story{agents: map[signing.ID]message.Agent{}, states: map[signing.ID]message.State{}, chunks: map[signing.ID][]message.Chunk{}}
}

// hear takes one frame and checks the order that a follower counts on.
func (s *story) hear(l *line) message.Type {
	l.t.Helper()
	t, body := l.hear()
	switch t {
	case message.TypeAgent:
		a := decoded(l.t, message.DecodeAgent, body)
		s.agents[a.Agent] = a
	case message.TypeState:
		st := decoded(l.t, message.DecodeState, body)
		s.states[st.Agent] = st
	case message.TypeChunk:
		c := must(message.DecodeChunk(body))(l.t)
		if int(c.Seq) != len(s.chunks[c.Agent]) {
			l.t.Fatalf("chunk %d of agent %s where %d is the next", c.Seq, c.Agent, len(s.chunks[c.Agent]))
		}
		s.chunks[c.Agent] = append(s.chunks[c.Agent], c)
	case message.TypeCaughtUp:
		s.up++
	case message.TypeFailure:
		l.t.Fatalf("follow: %s", body)
	}
	return t
}

// whole says whether the end of an agent's answer was told.
func (s story) whole(id signing.ID) bool {
	c := s.chunks[id]
	return len(c) > 0 && c[len(c)-1].Final
}

func (s story) data(id signing.ID) string {
	var b strings.Builder
	for _, c := range s.chunks[id] {
		b.Write(c.Data)
	}
	return b.String()
}
