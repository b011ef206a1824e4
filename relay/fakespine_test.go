package relay

import (
	"context"
	"errors"

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

func (f *fakeSpine) spine() *spine { return &spine{js: fakeJS{f: f}, answers: fakeStream{f: f}} }

type fakeFuture struct {
	subject string
	data    []byte
	ok      chan *jetstream.PubAck
	err     chan error
}

func (f *fakeFuture) Ok() <-chan *jetstream.PubAck { return f.ok }
func (f *fakeFuture) Err() <-chan error            { return f.err }
func (f *fakeFuture) Msg() *nats.Msg               { return &nats.Msg{Subject: f.subject, Data: f.data} }

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
	if how != loses {
		f.number++
		kept = &jetstream.RawStreamMsg{Subject: w.subject, Sequence: f.number, Data: w.data}
		f.kept = append(f.kept, kept)
	}
	if how == keeps {
		w.ok <- &jetstream.PubAck{Sequence: f.number}
	} else {
		w.err <- errSpineDown
	}
	return kept
}

type fakeJS struct {
	jetstream.JetStream
	f *fakeSpine
}

func (j fakeJS) PublishAsync(subject string, data []byte, _ ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	if j.f.down {
		return nil, errSpineDown
	}
	w := &fakeFuture{subject: subject, data: data, ok: make(chan *jetstream.PubAck, 1), err: make(chan error, 1)}
	j.f.waiting = append(j.f.waiting, w)
	return w, nil
}

type fakeStream struct {
	jetstream.Stream
	f *fakeSpine
}

func (s fakeStream) GetMsg(_ context.Context, number uint64, _ ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	if s.f.down {
		return nil, errSpineDown
	}
	for _, m := range s.f.kept {
		if m.Sequence >= number {
			return m, nil
		}
	}
	return nil, jetstream.ErrMsgNotFound
}

func (s fakeStream) GetLastMsgForSubject(context.Context, string) (*jetstream.RawStreamMsg, error) {
	return s.f.kept[len(s.f.kept)-1], nil
}

func (s fakeStream) DeleteMsg(_ context.Context, number uint64) error {
	if s.f.down {
		return errSpineDown
	}
	for i, m := range s.f.kept {
		if m.Sequence == number {
			s.f.kept = append(s.f.kept[:i:i], s.f.kept[i+1:]...)
			return nil
		}
	}
	return jetstream.ErrMsgNotFound
}

func (s fakeStream) Info(context.Context, ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	info := &jetstream.StreamInfo{}
	if n := len(s.f.kept); n > 0 {
		info.State.Subjects = map[string]uint64{s.f.kept[0].Subject: uint64(n)}
	}
	return info, nil
}
