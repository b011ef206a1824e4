package relay

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Names on the spine. Everything that a relay keeps goes through these.
const (
	streamPlans   = "QUAESTOR_PLANS"   // plan.PLAN: the envelope; one message each
	streamAnswers = "QUAESTOR_ANSWERS" // answer.PLAN.AGENT: chunks, in order
	bucketAgents  = "quaestor_agents"  // AGENT: agentRecord
	bucketPlans   = "quaestor_plans"   // PLAN: planRecord
	bucketState   = "quaestor_state"   // "policy", "token.TOKEN"
	bucketRelease = "quaestor_release" // VERSION: releaseRecord
	bucketPieces  = "quaestor_pieces"  // SHA256.N: a piece of a program
)

// MaxEnvelope is the largest plan that a relay takes, in bytes: what a message
// on the spine can be, with room for its headers.
const MaxEnvelope = 48 << 20

// spineTimeout bounds one operation of the spine: a disk that takes longer is
// one that cannot keep anything.
const spineTimeout = 10 * time.Second

// spineEvery is how often it is asked whether the spine still runs.
const spineEvery = time.Second

// ErrSpine is how Serve ends when the spine in its process has ended, as it
// does for good when its disk is full. A relay that is started again has
// everything that it acknowledged.
var ErrSpine = errors.New("relay: the spine has ended, as it does when the disk is full: make room, and start the relay again")

// A spine is NATS JetStream: in this process, or a cluster elsewhere.
type spine struct {
	server *server.Server // nil where the spine is elsewhere
	conn   *nats.Conn
	js     jetstream.JetStream
	agents jetstream.KeyValue
	plans  jetstream.KeyValue
	state  jetstream.KeyValue
	// releases and the pieces of their programs.
	releases jetstream.KeyValue
	pieces   jetstream.KeyValue
	answers  jetstream.Stream
}

// openSpine starts the spine of a folder, or joins the one at url.
func openSpine(ctx context.Context, dir, url string, replicas int) (*spine, error) {
	s := &spine{}
	var err error
	if url == "" {
		if s.server, err = embedded(filepath.Join(dir, "spine")); err != nil {
			return nil, err
		}
		s.conn, err = nats.Connect("", nats.InProcessServer(s.server), nats.Name("quaestor-relay"))
	} else {
		s.conn, err = nats.Connect(url, nats.Name("quaestor-relay"), nats.MaxReconnects(-1))
	}
	if err == nil {
		err = s.prepare(ctx, max(1, replicas))
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("relay: the spine: %w", err)
	}
	return s, nil
}

// embedded starts a server that listens nowhere and syncs every message to the
// disk before it says that it has it.
func embedded(dir string) (*server.Server, error) {
	srv, err := server.NewServer(&server.Options{
		ServerName: "quaestor-relay", DontListen: true, JetStream: true, StoreDir: dir, SyncAlways: true,
		NoSigs: true, NoLog: true, MaxPayload: MaxEnvelope + 1<<20, MaxPending: 256 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("relay: the spine: %w", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(spineTimeout) {
		srv.Shutdown()
		return nil, errors.New("relay: the spine does not start")
	}
	return srv, nil
}

func (s *spine) prepare(ctx context.Context, replicas int) error {
	ctx, cancel := context.WithTimeout(ctx, 3*spineTimeout)
	defer cancel()
	var err error
	if s.js, err = jetstream.New(s.conn, jetstream.WithPublishAsyncMaxPending(4096)); err != nil {
		return err
	}
	if _, err = s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamPlans, Subjects: []string{"plan.*"}, MaxMsgsPerSubject: 1, Replicas: replicas,
	}); err != nil {
		return err
	}
	if s.answers, err = s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamAnswers, Subjects: []string{"answer.*.*"}, Replicas: replicas,
	}); err != nil {
		return err
	}
	for name, kv := range map[string]*jetstream.KeyValue{bucketAgents: &s.agents, bucketPlans: &s.plans, bucketState: &s.state, bucketRelease: &s.releases, bucketPieces: &s.pieces} {
		if *kv, err = s.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, Replicas: replicas}); err != nil {
			return err
		}
	}
	return nil
}

// awaitEnd waits until ctx ends, or until the spine in this process has, or
// takes nothing more for good; it says whether that was it. One elsewhere is
// joined again by itself.
func (s *spine) awaitEnd(ctx context.Context) (ended bool) {
	t := time.NewTicker(spineEvery)
	defer t.Stop()
	for s.takes() {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
	}
	return ctx.Err() == nil
}

// takes says whether what is kept can still be kept. A stream that could not
// write once, for want of room, writes nothing more in its life, and answers
// nobody.
func (s *spine) takes() bool {
	if s.server == nil {
		return true
	}
	if !s.server.JetStreamEnabled() {
		return false
	}
	for _, e := range s.server.Healthz(&server.HealthzOptions{Details: true}).Errors {
		if e.Type == server.HealthzErrorStream {
			return false
		}
	}
	return true
}

func (s *spine) close() {
	if s.conn != nil {
		s.conn.Close()
	}
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
}

// get, put and each are what is done with a bucket, within spineTimeout.

func (s *spine) get(ctx context.Context, kv jetstream.KeyValue, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	e, err := kv.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return e.Value(), nil
}

func (s *spine) put(ctx context.Context, kv jetstream.KeyValue, key string, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	_, err := kv.Put(ctx, key, text)
	return err
}

// each hands every key of a bucket to do, whose first error ends it.
func (s *spine) each(ctx context.Context, kv jetstream.KeyValue, do func(key string, text []byte) error) error {
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("relay: the spine: %w", err)
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case e := <-w.Updates():
			if e == nil {
				return nil // all that was there
			}
			if err := do(e.Key(), e.Value()); err != nil {
				return fmt.Errorf("relay: %s: %w", kv.Bucket(), err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
