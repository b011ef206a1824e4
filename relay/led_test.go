package relay

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// plainNATS starts a server that keeps nothing.
func plainNATS(t *testing.T) *nats.Conn {
	t.Helper()
	srv, err := server.NewServer(&server.Options{DontListen: true, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	conn, err := nats.Connect("", nats.InProcessServer(srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// What servers answer who have a copy.
const (
	knowsNoLeader = `{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`
	hasIt         = `{"message":{"subject":"a.b","seq":7,"hdrs":"TkFUUy8xLjANCkE6IGINCg0K","data":"Yw==","time":"2026-12-01T00:00:00Z"}}`
	hasNone       = `{"error":{"code":404,"err_code":10037,"description":"no message found"}}`
	otherFault    = `{"error":{"code":400,"err_code":10003,"description":"bad request"}}`
)

// Of several servers the answer of the one that leads counts, be it the last.
func TestLedStream(t *testing.T) {
	for name, c := range map[string]struct {
		answers []string // one after the other
		is      func(*jetstream.RawStreamMsg, error) bool
	}{
		"the one that leads answers last": {[]string{knowsNoLeader, knowsNoLeader, hasIt}, func(m *jetstream.RawStreamMsg, err error) bool {
			return err == nil && m.Sequence == 7 && m.Subject == "a.b" && string(m.Data) == "c" && m.Header.Get("A") == "b"
		}},
		"there is no such message": {[]string{knowsNoLeader, hasNone}, func(_ *jetstream.RawStreamMsg, err error) bool { return errors.Is(err, jetstream.ErrMsgNotFound) }},
		"nobody leads":             {[]string{knowsNoLeader, knowsNoLeader}, func(_ *jetstream.RawStreamMsg, err error) bool { return isLeaderless(err) && leaderless(err) }},
		"another fault": {[]string{otherFault}, func(_ *jetstream.RawStreamMsg, err error) bool {
			return err != nil && !isLeaderless(err) && !errors.Is(err, jetstream.ErrMsgNotFound)
		}},
		"no answer": {[]string{`{}`}, func(_ *jetstream.RawStreamMsg, err error) bool {
			return errors.Is(err, jetstream.ErrInvalidJetStreamResponse)
		}},
		"nobody is there": {nil, func(_ *jetstream.RawStreamMsg, err error) bool { return errors.Is(err, nats.ErrNoResponders) }},
	} {
		t.Run(name, func(t *testing.T) {
			conn := plainNATS(t)
			if c.answers != nil {
				if _, err := conn.Subscribe(subjectGet+"S", func(m *nats.Msg) {
					var asked msgRequest
					if json.Unmarshal(m.Data, &asked) != nil || asked.NextFor != "a.>" || asked.Sequence != 5 {
						t.Errorf("asked for %s", m.Data)
					}
					for _, a := range c.answers {
						_ = m.Respond([]byte(a))
						time.Sleep(20 * time.Millisecond)
					}
				}); err != nil {
					t.Fatal(err)
				}
			}
			s := &ledStream{conn: conn, name: "S", copies: true}
			ctx, cancel := context.WithTimeout(t.Context(), 5*betterAnswer)
			defer cancel()
			if m, err := s.next(ctx, 5, "a.>"); !c.is(m, err) {
				t.Errorf("%v, %v", m, err)
			}
		})
	}
}

// A leader that says nothing for as long as one operation may take is asked to
// let another one, once in that time; one that refuses is not, nor the leader of
// who is in a hurry.
func TestUnseat(t *testing.T) {
	conn := plainNATS(t)
	heard := make(chan string, 10)
	if _, err := conn.Subscribe(subjectUnseat+"*", func(m *nats.Msg) { heard <- m.Subject }); err != nil {
		t.Fatal(err)
	}
	silent := func(context.Context) error { return context.DeadlineExceeded }
	ask := func(quorum int, ctx context.Context, do func(context.Context) error) {
		s := &spine{conn: conn, quorum: quorum}
		for range 2 {
			if err := s.insist(ctx, "S", do); err == nil {
				t.Error("it was kept")
			}
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	ask(1, t.Context(), silent)
	ask(2, t.Context(), func(context.Context) error { return errSwapped })
	ask(2, ended, silent)
	ask(2, t.Context(), silent)
	if err := conn.Publish(subjectUnseat+"end", nil); err != nil {
		t.Fatal(err)
	}
	if first, second := <-heard, <-heard; first != subjectUnseat+"S" || second != subjectUnseat+"end" {
		t.Errorf("asked %s, then %s", first, second)
	}
}

// What a server keeps is bounded by the disk, and not by what was free of it in
// the moment when the server was started.
func TestSpineBound(t *testing.T) {
	if got := realSpine(t).server.JetStreamConfig().MaxStore; got != noBound {
		t.Errorf("a server keeps %d bytes", got)
	}
}
