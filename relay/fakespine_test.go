package relay

import (
	"context"
	"errors"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A fakeSpine keeps the chunks of one answer, and answers when it is told to:
// that a chunk is stored, that it is not, or nothing that can be relied on.
type fakeSpine struct {
	kept    []*jetstream.RawStreamMsg
	number  uint64
	waiting []*fakeFuture
	down    bool
}

var errSpineDown = errors.New("no responders")

func (f *fakeSpine) spine() *spine {
	s := &spine{js: fakeJS{f: f}, answers: fakeStream{f: f}}
	s.chunks = newCommitter(s)
	return s
}

type fakeFuture struct {
	msg *nats.Msg
	ok  chan *jetstream.PubAck
	err chan error
}

func (f *fakeFuture) Ok() <-chan *jetstream.PubAck { return f.ok }
func (f *fakeFuture) Err() <-chan error            { return f.err }
func (f *fakeFuture) Msg() *nats.Msg               { return f.msg }

// How the spine answers.
const (
	keeps     = "keeps it"
	loses     = "loses it"
	keepsMute = "keeps it, and the answer is lost"
)

// answer has the spine do something about the chunk that waits longest, and
// gives it where it is kept.
func (f *fakeSpine) answer(how string) (kept *jetstream.RawStreamMsg) {
	w := f.waiting[0]
	f.waiting = f.waiting[1:]
	var err error
	if how != loses {
		kept, err = f.keep(w.msg)
	}
	switch {
	case err != nil:
		w.err <- err
	case how == keeps:
		w.ok <- &jetstream.PubAck{Sequence: f.number}
	default:
		w.err <- errSpineDown
	}
	return kept
}

// keep keeps a message behind the one that it says, or refuses it.
func (f *fakeSpine) keep(msg *nats.Msg) (*jetstream.RawStreamMsg, error) {
	last := uint64(0)
	if n := len(f.kept); n > 0 {
		last = f.kept[n-1].Sequence
	}
	if msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader) != strconv.FormatUint(last, 10) {
		return nil, &jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequence}
	}
	f.number++
	m := &jetstream.RawStreamMsg{Subject: msg.Subject, Sequence: f.number, Header: msg.Header, Data: msg.Data}
	f.kept = append(f.kept, m)
	return m, nil
}

type fakeJS struct {
	jetstream.JetStream
	f *fakeSpine
}

// PublishMsg is a fence's way: it overtakes what is waiting.
func (j fakeJS) PublishMsg(_ context.Context, msg *nats.Msg, _ ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if j.f.down {
		return nil, errSpineDown
	}
	m, err := j.f.keep(msg)
	if err != nil {
		return nil, err
	}
	return &jetstream.PubAck{Sequence: m.Sequence}, nil
}

func (j fakeJS) PublishMsgAsync(msg *nats.Msg, _ ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	if j.f.down {
		return nil, errSpineDown
	}
	w := &fakeFuture{msg: msg, ok: make(chan *jetstream.PubAck, 1), err: make(chan error, 1)}
	j.f.waiting = append(j.f.waiting, w)
	return w, nil
}

type fakeStream struct {
	stream
	f *fakeSpine
}

func (s fakeStream) GetLastMsgForSubject(context.Context, string) (*jetstream.RawStreamMsg, error) {
	switch {
	case s.f.down:
		return nil, errSpineDown
	case len(s.f.kept) == 0:
		return nil, jetstream.ErrMsgNotFound
	}
	return s.f.kept[len(s.f.kept)-1], nil
}
