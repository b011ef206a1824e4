package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/transport"
)

// Names on the spine. Everything that a relay keeps goes through these, and
// what several relays know of each other.
const (
	streamPlans   = "QUAESTOR_PLANS"   // plan.PLAN: the envelope; one message each
	streamAnswers = "QUAESTOR_ANSWERS" // answer.PLAN.AGENT: chunks and fences, in order
	streamEntries = "QUAESTOR_LOG"     // entry: the entries of the log; the first has sequence 1
	subjectEntry  = "quaestor.entry"
	bucketAgents  = "quaestor_agents"  // AGENT: agentRecord
	bucketPlans   = "quaestor_plans"   // PLAN: planRecord; PLAN.RELAY: planShare
	bucketState   = "quaestor_state"   // see policy.go, enroll.go and ledger.go
	bucketRelays  = "quaestor_relays"  // RELAY: pulse; in memory alone
	bucketRelease = "quaestor_release" // VERSION: releaseRecord
	bucketPieces  = "quaestor_pieces"  // SHA256.N: a piece of a program
	keyBarrier    = "barrier."         // with the relay behind it, in each bucket: nothing
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

// A spine is NATS JetStream: in this process, alone or with those of other
// relays, or a cluster elsewhere.
type spine struct {
	server *server.Server // nil where the spine is elsewhere
	// releases and the pieces of their programs.
	releases *bucket
	pieces   *bucket
	quorum   int     // how many servers, with ours, must see each other
	meters   *meters // nil: nobody counts
	conn     *nats.Conn
	js       jetstream.JetStream
	agents   *bucket
	plans    *bucket
	state    *bucket
	relays   *bucket
	answers  stream
	sealed   stream // the envelopes of plans
	entries  stream
	unseated sync.Map       // by stream, when its leader was asked to let another one
	chunks   *committer     // to the answers
	records  *committer     // to the agents
	storing  sync.WaitGroup // of both
}

// openSpine starts the spine of a relay, or joins the one elsewhere.
func openSpine(ctx context.Context, c *Config, ca *transport.CA, log *slog.Logger) (*spine, error) {
	s := &spine{quorum: 1}
	var err error
	if c.NATS == "" {
		secret := rand.Text()
		if s.server, err = embedded(c, ca, secret, log); err != nil {
			return nil, err
		}
		if c.clustered() {
			s.quorum = c.replicas()/2 + 1
		}
		s.conn, err = nats.Connect("", nats.InProcessServer(s.server), nats.Name("quaestor-relay"), nats.Token(secret))
	} else {
		s.conn, err = nats.Connect(c.NATS, append(c.natsOptions(), nats.Name("quaestor-relay"), nats.MaxReconnects(-1))...)
	}
	if err == nil {
		s.js, err = jetstream.New(s.conn, jetstream.WithPublishAsyncMaxPending(4096), jetstream.WithPublishAsyncTimeout(spineTimeout), jetstream.WithDefaultTimeout(spineTimeout))
	}
	if err == nil {
		err = s.guarded(ctx, func(ctx context.Context) error {
			if err := s.join(ctx, c, log); err != nil {
				return err
			}
			return s.allowBatches(ctx, c)
		})
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("relay: the spine: %w", err)
	}
	return s, nil
}

// join prepares the spine. One of several waits for as many as it takes.
func (s *spine) join(ctx context.Context, c *Config, log *slog.Logger) error {
	if !c.clustered() {
		ctx, cancel := context.WithTimeout(ctx, 3*spineTimeout)
		defer cancel()
		return s.prepare(ctx, c.replicas())
	}
	for {
		once, cancel := context.WithTimeout(ctx, spineTimeout)
		err := s.prepare(once, c.replicas())
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		log.Warn("waiting for the other relays", "routes", c.Cluster.Routes, "seen", s.server.NumRemotes(), "copies", c.replicas(), "why", err)
	}
}

// embedded starts a server that syncs every message to the disk before it says
// that it has it. Alone it listens nowhere. With others it cannot do without a
// port for clients, on loopback, which the secret closes to all but this
// process.
func embedded(c *Config, ca *transport.CA, secret string, log *slog.Logger) (*server.Server, error) {
	o := &server.Options{
		ServerName: "quaestor-relay", DontListen: true, JetStream: true, StoreDir: filepath.Join(c.dir, dirSpine), SyncAlways: true,
		NoSigs: true, NoLog: true, MaxPayload: MaxEnvelope + 1<<20, MaxPending: 256 << 20, JetStreamMaxStore: noBound,
	}
	if c.clustered() {
		if err := c.joinCluster(o, ca); err != nil {
			return nil, err
		}
		o.DontListen, o.Host, o.Port, o.Authorization = false, "127.0.0.1", server.RANDOM_PORT, secret
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("relay: the spine: %w", err)
	}
	srv.SetLoggerV2(spineLog{log}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(spineTimeout) {
		srv.Shutdown()
		return nil, errors.New("relay: the spine does not start")
	}
	return srv, nil
}

// noBound is how much a server may keep, in bytes: what the disk holds. By itself
// it takes three quarters of what is free when it starts for its bound, and one
// that is started while the disk is full for a moment keeps nothing more, and
// answers nobody, for as long as it runs.
const noBound = 1 << 60

// A spineLog takes what the server says. Most of it is for who looks for a
// fault: what a relay's owner has to know the relay says itself.
type spineLog struct{ log *slog.Logger }

func (l spineLog) say(level slog.Level, format string, v []any) {
	l.log.Log(context.Background(), level, "the spine says", "what", fmt.Sprintf(format, v...))
}

func (l spineLog) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l spineLog) Warnf(format string, v ...any)   { l.say(slog.LevelDebug, format, v) }
func (l spineLog) Errorf(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
func (l spineLog) Fatalf(format string, v ...any)  { l.say(slog.LevelError, format, v) }
func (l spineLog) Debugf(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
func (l spineLog) Tracef(string, ...any)           {}

// prepare makes what the spine is to have, or finds it.
func (s *spine) prepare(ctx context.Context, replicas int) error {
	for _, want := range []struct {
		to  *stream
		cfg jetstream.StreamConfig
	}{
		{&s.sealed, jetstream.StreamConfig{Name: streamPlans, Subjects: []string{"plan.*"}, MaxMsgsPerSubject: 1}},
		{&s.answers, jetstream.StreamConfig{Name: streamAnswers, Subjects: []string{"answer.*.*"}}},
		{&s.entries, jetstream.StreamConfig{Name: streamEntries, Subjects: []string{subjectEntry}, DenyDelete: true, DenyPurge: true}},
	} {
		want.cfg.Replicas = replicas
		err := s.find(ctx, func(ctx context.Context) (copies int, err error) {
			if *want.to, err = s.stream(ctx, want.cfg.Name, replicas); err != nil {
				return 0, err
			}
			return (*want.to).CachedInfo().Config.Replicas, nil
		}, func(ctx context.Context) error { _, err := s.js.CreateOrUpdateStream(ctx, want.cfg); return err }, replicas)
		if err != nil {
			return fmt.Errorf("%s: %w", want.cfg.Name, err)
		}
	}
	for name, to := range map[string]**bucket{bucketAgents: &s.agents, bucketPlans: &s.plans, bucketState: &s.state, bucketRelays: &s.relays, bucketRelease: &s.releases, bucketPieces: &s.pieces} {
		cfg := jetstream.KeyValueConfig{Bucket: name, Replicas: replicas}
		if name == bucketRelays {
			cfg.Storage = jetstream.MemoryStorage
		}
		err := s.find(ctx, func(ctx context.Context) (int, error) {
			kv, err := s.js.KeyValue(ctx, name)
			if err != nil {
				return 0, err
			}
			stream, err := s.stream(ctx, kvStream+name, replicas)
			if err != nil {
				return 0, err
			}
			*to = &bucket{KeyValue: kv, spine: s, stream: stream, prefix: "$KV." + name + "."}
			if c := stream.CachedInfo().Config; !c.AllowDirect {
				return c.Replicas, nil
			}
			return 0, nil
		}, func(ctx context.Context) error { return s.makeBucket(ctx, cfg) }, replicas)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// stream finds a stream.
func (s *spine) stream(ctx context.Context, name string, replicas int) (stream, error) {
	found, err := s.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	return &ledStream{found, s.conn, name, replicas > 1}, nil
}

// find looks for something on the spine, and has it made where it is not there,
// or where there are not as many copies of it as there are to be. Of relays
// that begin together one makes it, if that one does so soon: who asks for what
// is just being made may hear nothing.
func (s *spine) find(ctx context.Context, look func(context.Context) (int, error), make func(context.Context) error, replicas int) error {
	var last error
	made := false
	for round := 0; ; round++ {
		wait := findStep
		once, cancel := context.WithTimeout(ctx, findWithin)
		copies, err := look(once)
		if err == nil && copies == replicas {
			cancel()
			return nil
		}
		absent := errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrBucketNotFound)
		if (err == nil || absent) && (s.first() || round > findPatience) {
			if err = make(once); err == nil && !made {
				made, wait = true, 0
			}
		}
		cancel()
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		case <-time.After(wait):
		}
	}
}

// How long a relay waits for an answer when it finds out what is there, how
// often it asks, and how often before it makes what another one should.
const (
	findWithin   = 2 * time.Second
	findStep     = 50 * time.Millisecond
	findPatience = 40
)

// first says whether it is this relay's to make what is not there.
func (s *spine) first() bool {
	return s.server == nil || !s.server.JetStreamIsClustered() || s.server.JetStreamIsLeader()
}

// awaitEnd waits until ctx ends, or until the spine in this process has, or
// takes nothing more for good; it says whether that was it. One elsewhere is
// joined again by itself.
func (s *spine) awaitEnd(ctx context.Context, recovery time.Duration) (ended bool) {
	t := time.NewTicker(spineEvery)
	defer t.Stop()
	for well := time.Now(); ; {
		takes, broken := s.takes()
		if takes {
			well = time.Now()
		}
		if s.ended() || broken || !takes && time.Since(well) > recovery {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
	}
}

// ended says whether the server in this process keeps nothing any more.
func (s *spine) ended() bool { return s.server != nil && !s.server.JetStreamEnabled() }

// recovery is how long a stream may take nothing: alone it does not recover,
// and of several it may be behind the others for a while.
func (s *spine) recovery() time.Duration {
	if s.quorum > 1 {
		return time.Minute
	}
	return 0
}

// takes says whether what is kept can still be kept, and whether that is over
// for good. What could not be written once, for want of room or of files, is
// written no more in the life of a server: neither to a stream, which then
// answers nobody, nor to what the servers agree on, behind which a server hides
// how its streams are.
func (s *spine) takes() (yes, broken bool) {
	if s.server == nil {
		return true, false
	}
	yes = true
	for _, e := range s.server.Healthz(&server.HealthzOptions{Details: true}).Errors {
		if e.Type == server.HealthzErrorStream || e.Type == server.HealthzErrorJetStream {
			yes = false
			broken = broken || slices.ContainsFunc(overForGood(), func(text string) bool { return strings.Contains(e.Error, text) })
		}
	}
	return yes || !s.joined(), broken // that it sees no others is another fault
}

// overForGood is in what a server says of what it writes no more.
func overForGood() []string { return []string{"write error: ", "apply error: ", "is not running"} }

// close ends the spine when it has said of everything that it was given whether
// that is stored. It says so over the connection, which is kept until then: who
// waits for an answer to come over one that is closed waits all of spineTimeout.
// A spine that is mute for lastWords says nothing more.
func (s *spine) close() {
	stored := make(chan struct{})
	go func() { s.storing.Wait(); close(stored) }()
	select {
	case <-stored:
	case <-time.After(lastWords):
	}
	if s.conn != nil {
		s.conn.Close()
	}
	<-stored
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
}

// publish puts a message on the spine, behind the one that it says or that
// after says.
func (s *spine) publish(ctx context.Context, msg *nats.Msg, after ...jetstream.PublishOpt) (sequence uint64, err error) {
	defer s.meters.timed(time.Now(), &err)
	err = s.insist(ctx, streamOf(msg.Subject), func(ctx context.Context) error {
		ack, err := s.js.PublishMsg(ctx, msg, after...)
		if err == nil {
			sequence = ack.Sequence
		}
		return err
	})
	return sequence, err
}

// fence is publish for what is put among the answers, together with others of
// agents that come back at the same time where the spine stores batches.
func (s *spine) fence(ctx context.Context, msg *nats.Msg) (sequence uint64, err error) {
	if !s.chunks.together {
		return s.publish(ctx, msg)
	}
	defer s.meters.timed(time.Now(), &err)
	return s.chunks.store(ctx, msg)
}

// insist is patiently for what a stream is to keep. Where its leader says nothing
// at all another one is wanted.
func (s *spine) insist(ctx context.Context, stream string, do func(context.Context) error) error {
	err := patiently(ctx, do)
	if late(err) && ctx.Err() == nil {
		s.unseat(stream)
	}
	return err
}

// streamOf names the stream that keeps what is published under a subject.
func streamOf(subject string) string {
	switch first, _, _ := strings.Cut(subject, "."); first {
	case "plan":
		return streamPlans
	case "answer":
		return streamAnswers
	}
	return streamEntries
}

// patiently does something with the spine within spineTimeout. Servers that are
// choosing which of them leads answer nobody, and are asked again.
func patiently(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	for {
		err := do(ctx)
		if !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, nats.ErrNoResponders) && !isLeaderless(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(patience):
		}
	}
}

// patience is the time between two such attempts.
const patience = 200 * time.Millisecond
