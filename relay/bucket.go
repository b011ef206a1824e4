package relay

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A bucket is a bucket of keys, and the stream that it is made of.
type bucket struct {
	jetstream.KeyValue
	spine  *spine
	stream stream
	prefix string // of subjects, before the key
	meters *meters
}

// kvStream is before the name of a bucket in that of its stream.
const kvStream = "KV_"

// makeBucket makes a bucket of which the server that leads is read, and not any
// that may be behind it.
func (s *spine) makeBucket(ctx context.Context, cfg jetstream.KeyValueConfig) error {
	if _, err := s.js.CreateOrUpdateKeyValue(ctx, cfg); err != nil {
		return err
	}
	stream, err := s.js.Stream(ctx, kvStream+cfg.Bucket)
	if err != nil {
		return err
	}
	c := stream.CachedInfo().Config
	c.AllowDirect = false
	_, err = s.js.UpdateStream(ctx, c)
	return err
}

// name is that of its stream.
func (b *bucket) name() string { return kvStream + b.Bucket() }

// get, put and swap are what is done with a bucket, within spineTimeout.

func (b *bucket) get(ctx context.Context, key string) (text []byte, revision uint64, err error) {
	err = patiently(ctx, func(ctx context.Context) error {
		m, err := b.stream.GetLastMsgForSubject(ctx, b.prefix+key)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound), err == nil && (&spineMessage{header: m.Header}).gone():
			return jetstream.ErrKeyNotFound
		case err == nil:
			text, revision = m.Data, m.Sequence
		}
		return err
	})
	return text, revision, err
}

func (b *bucket) put(ctx context.Context, key string, text []byte) (revision uint64, err error) {
	defer b.meters.timed(time.Now(), &err)
	err = b.spine.insist(ctx, b.name(), func(ctx context.Context) (err error) {
		revision, err = b.KeyValue.Put(ctx, key, text)
		return err
	})
	return revision, err
}

// swap puts a value in the place of the one of a revision; 0 is that there is
// none. Where another was faster the error is errSwapped.
func (b *bucket) swap(ctx context.Context, key string, text []byte, revision uint64) (now uint64, err error) {
	defer b.meters.timed(time.Now(), &err)
	err = b.spine.insist(ctx, b.name(), func(ctx context.Context) (err error) {
		if revision == 0 {
			now, err = b.KeyValue.Create(ctx, key, text)
		} else {
			now, err = b.KeyValue.Update(ctx, key, text, revision)
		}
		return err
	})
	if errors.Is(err, jetstream.ErrKeyExists) || isSwapped(err) {
		err = errSwapped
	}
	return now, err
}

// swapTogether is swap by a committer. What is in the place of something that
// was deleted goes the way of swap.
func (b *bucket) swapTogether(ctx context.Context, c *committer, key string, text []byte, revision uint64) (now uint64, err error) {
	within, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	msg := nats.NewMsg(b.prefix + key)
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(revision, 10))
	msg.Data = text
	given := time.Now()
	now, err = c.store(within, msg)
	if isSwapped(err) && revision == 0 {
		return b.swap(ctx, key, text, revision)
	}
	if isSwapped(err) {
		err = errSwapped
	}
	b.meters.timed(given, &err)
	return now, err
}

// errSwapped says that another relay, or an earlier try, was faster.
var errSwapped = errors.New("another was faster")

// isSwapped says whether the spine refused a message since the one before it is
// not the one that was expected.
func isSwapped(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
