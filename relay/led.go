package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A stream of the spine, of which the server that leads it can be asked.
type stream interface {
	jetstream.Stream
	// next gives the first message of a subject from a sequence on, or
	// jetstream.ErrMsgNotFound.
	next(ctx context.Context, sequence uint64, subject string) (*jetstream.RawStreamMsg, error)
}

// A ledStream is a stream as NATS has it. Where there are several copies, every
// server that has one answers: the one that leads with what it has, and one that
// knows of no leader, since it cannot write, at once with "temporarily
// unavailable". Package jetstream takes the first answer; a ledStream waits for
// the one that counts.
type ledStream struct {
	jetstream.Stream
	conn   *nats.Conn
	name   string
	copies bool
}

// A msgRequest asks for a message, and a msgReply answers (the API of NATS
// JetStream: $JS.API.STREAM.MSG.GET).
type (
	msgRequest struct {
		Sequence uint64 `json:"seq,omitempty"`
		NextFor  string `json:"next_by_subj,omitempty"`
		LastFor  string `json:"last_by_subj,omitempty"`
	}
	msgReply struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Header   []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
)

const (
	subjectGet    = "$JS.API.STREAM.MSG.GET."
	subjectUnseat = "$JS.API.STREAM.LEADER.STEPDOWN."
	// betterAnswer is how long a better answer is waited for than that nothing
	// is to be had.
	betterAnswer = time.Second
	// codeLeaderless is what a server says that knows of no leader.
	codeLeaderless jetstream.ErrorCode = 10008
)

func (s *ledStream) next(ctx context.Context, sequence uint64, subject string) (*jetstream.RawStreamMsg, error) {
	if !s.copies {
		return s.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(subject))
	}
	return s.ask(ctx, msgRequest{Sequence: sequence, NextFor: subject})
}

// GetLastMsgForSubject implements jetstream.Stream.
func (s *ledStream) GetLastMsgForSubject(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	if !s.copies {
		return s.Stream.GetLastMsgForSubject(ctx, subject)
	}
	return s.ask(ctx, msgRequest{LastFor: subject})
}

func (s *ledStream) ask(ctx context.Context, request msgRequest) (*jetstream.RawStreamMsg, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	inbox := s.conn.NewInbox()
	replies, err := s.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = replies.Unsubscribe() }()
	if err := s.conn.PublishRequest(subjectGet+s.name, inbox, text); err != nil {
		return nil, err
	}
	var refused error
	for {
		reply, err := replies.NextMsgWithContext(ctx)
		if err != nil {
			return nil, errors.Join(refused, err)
		}
		msg, err := readReply(reply)
		if !isLeaderless(err) {
			return msg, err
		}
		if refused == nil {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, betterAnswer)
			defer cancel()
		}
		refused = err
	}
}

// readReply reads an answer. One without a body is that nobody listens.
func readReply(m *nats.Msg) (*jetstream.RawStreamMsg, error) {
	if len(m.Data) == 0 {
		return nil, nats.ErrNoResponders
	}
	var r msgReply
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return nil, fmt.Errorf("relay: the spine: %w", err)
	}
	switch {
	case r.Error != nil && r.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, jetstream.ErrMsgNotFound
	case r.Error != nil:
		return nil, r.Error
	case r.Message == nil:
		return nil, jetstream.ErrInvalidJetStreamResponse
	}
	out := &jetstream.RawStreamMsg{Subject: r.Message.Subject, Sequence: r.Message.Sequence, Data: r.Message.Data, Time: r.Message.Time}
	if len(r.Message.Header) > 0 {
		h, err := nats.DecodeHeadersMsg(r.Message.Header)
		if err != nil {
			return nil, fmt.Errorf("relay: the spine: %w", err)
		}
		out.Header = h
	}
	return out, nil
}

// isLeaderless says whether a server answered that it knows of no leader.
func isLeaderless(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeLeaderless
}

// unseat asks the server that leads a stream to let another one, of those in
// the relays: it has said nothing for spineTimeout, as one does that could not
// write something and leads all the same.
func (s *spine) unseat(name string) {
	if s.quorum <= 1 {
		return
	}
	now := time.Now()
	if last, ok := s.unseated.Load(name); ok && now.Sub(last.(time.Time)) < spineTimeout {
		return
	}
	s.unseated.Store(name, now)
	_ = s.conn.PublishRequest(subjectUnseat+name, s.conn.NewInbox(), nil) // whoever hears it does it, or not
}
