// Package agent answers signed plans on an endpoint: it holds a connection to
// a relay, decides for itself about every plan that comes, runs those that its
// policy allows, and seals what it finds to whoever asked.
//
// A newcomer needs [Enroll], once, and then [Open] and [Agent.Run]. The way of
// a plan is told in session.go (it comes in), gate.go (it is judged),
// queue.go (it gets its turn), execute.go (it runs) and spool.go (its answer
// waits until a relay has it). Whatever does not pass the gate does not run:
// the function that runs plans takes a permit, which the gate alone makes.
//
// The package must not learn to parse queries or to listen on the network, and
// it takes nobody's word that signing has not verified, a relay's least of all.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Options say what an agent works with.
type Options struct {
	Dir       string // its folder, as Enroll made it
	Catalogue *modules.Catalogue
	Host      modules.Host     // the zero Host is the live machine
	Logger    *slog.Logger     // nil: nobody is told
	Now       func() time.Time // nil: the system's clock
	Software  string           // the version of this program
	// Scanner is the command of a process that looks, as sandbox.Serve does;
	// nil: this one does, which keeps nobody from anything.
	Scanner []string
	// Upgrades: who runs the agent tries releases, where Run ends with ErrUpgrade.
	// Else it refuses all.
	Upgrades bool
	// Well is called when a relay has heard this program, which is tried: it
	// answers no plans. nil: it is not tried.
	Well func()
}

// An Agent is one endpoint.
type Agent struct {
	opts    Options
	log     *slog.Logger
	conf    config
	id      *signing.Identity
	chain   []byte // the membership, encoded
	journal *journal.Journal
	spool   *spool
	queue   *queue
	rounds  sync.WaitGroup // plans that stand
	own     sandbox.OwnFiles
	runner  sandbox.Runner
	check   *check // whether processes that look can be kept in
	shown   shown  // the certificate
	backoff transport.Backoff
	started time.Time
	offered offers
	// bears is how much more it does with relays; of the goroutine that judges.
	bears   forbearance
	proving sync.Mutex // held while a proof of the log is fetched and compared
	lost    loss       // how the life before ended
	// noted is what a later life knows of this one, since notedAt; of
	// housekeeping alone, once it runs.
	noted   life
	notedAt time.Time
	wrote   []byte // the status that was written last, without the time
	tags    tagsRead
	// connect makes connections to relays; nil: over the network, but in tests.
	connect func(ctx context.Context, addr string) (net.Conn, error)
	// These are the constants, but in tests.
	fullWait, mainsEvery time.Duration

	mu      sync.Mutex
	policy  *signing.Policy
	self    signing.Member
	outcast error // why the policy does not take this agent for a member
	running map[signing.ID]*running
	session *session // nil while there is none
	told    told     // the facts that were told last, to whichever relay
	state   Status
	changed chan struct{} // has room for one: the status is to be written
	obeyed  chan struct{} // likewise: another policy is obeyed, which the facts say

	upgrade *upgrading

	retiring sync.Once
	retired  chan struct{} // closed when the policy retires this agent
}

// Open takes up the agent of a folder, and whatever an earlier life left
// undone. Only one process can have it: the error wraps journal.ErrInUse while
// another does, ErrNotEnrolled where the folder is no agent's, and ErrRetired
// where the agent has removed its keys.
func Open(o Options) (*Agent, error) {
	if err := checkRetired(o.Dir); err != nil {
		return nil, err
	}
	a, err := read(o)
	if err == nil {
		err = checkRetired(o.Dir) // an earlier life took the policy, and ended
	}
	if err != nil {
		return nil, err
	}
	if a.journal, err = openJournal(a.path(journalDir)); err != nil {
		return nil, err
	}
	if n := a.journal.Torn(); n > 0 {
		a.log.Warn("the end of the journal was damaged", "bytes", n)
	}
	a.spool, err = openSpool(a.path(spoolDir), defaultMemory, a.conf.Spool<<20, a.opts.Now())
	if err != nil {
		return nil, errors.Join(err, a.journal.Close())
	}
	a.opts.Host.Self = a.describe
	a.takeLife()
	a.takeGroup()
	a.endUnfinished()
	runner := a.runner
	a.check.begin(func(ctx context.Context) error { return a.checkChildren(ctx, runner) })
	return a, nil
}

// checkChildren starts a process that looks, and says where this program could
// never keep one in. What keeps one from being started now may be over soon.
func (a *Agent) checkChildren(ctx context.Context, runner sandbox.Runner) error {
	c, ok := runner.(*sandbox.Children)
	if !ok {
		return nil
	}
	err := c.Check(ctx)
	if errors.Is(err, sandbox.ErrCgo) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		a.log.Warn("no process that looks can be started now", "error", err)
	} else if open := openDoors(c); len(open) > 0 {
		a.log.Warn("the sandbox is partial: this system does not shut all doors", "open", open)
	}
	return nil
}

// openJournal waits a moment for who has the journal: to look whether an agent
// runs, ReadStatus takes it and gives it back.
func openJournal(dir string) (*journal.Journal, error) {
	const wait, step = 3 * time.Second, 20 * time.Millisecond
	for end := time.Now().Add(wait); ; time.Sleep(step) {
		j, err := journal.Open(dir)
		if !errors.Is(err, journal.ErrInUse) || time.Now().After(end) {
			return j, err
		}
	}
}

// read makes the agent of a folder, and takes nothing for itself.
func read(o Options) (*Agent, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Host.Now == nil {
		o.Host.Now = o.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	conf, err := readConfig(o.Dir)
	if err != nil {
		return nil, err
	}
	a := &Agent{
		upgrade: newUpgrading(o), opts: o, log: o.Logger, conf: conf, started: o.Now(),
		queue: newQueue(conf.Concurrent), check: newCheck(), running: map[signing.ID]*running{},
		changed: make(chan struct{}, 1), obeyed: make(chan struct{}, 1), retired: make(chan struct{}), own: sandbox.OwnFilesOf(o.Dir, o.Host.Root), fullWait: fullWait, mainsEvery: mainsEvery,
	}
	a.runner = a.newRunner()
	return a, a.readKeys()
}

// newRunner gives who looks at the machine.
func (a *Agent) newRunner() sandbox.Runner {
	if a.conf.Sandbox == sandboxOff {
		a.log.Warn("scans run in the process that holds the keys: the sandbox is off")
	}
	if len(a.opts.Scanner) == 0 || a.conf.Sandbox == sandboxOff {
		return sandbox.Local{Catalogue: a.opts.Catalogue, Host: func() modules.Host { return a.opts.Host }}
	}
	return sandbox.NewChildren(a.opts.Scanner, a.opts.Dir, a.opts.Catalogue, a.log).Within(a.conf.CPU, a.conf.Memory<<20)
}

// takeGroup puts this process and its children into control groups of their
// own, where there is one that was given to them.
func (a *Agent) takeGroup() {
	c, ok := a.runner.(*sandbox.Children)
	if !ok {
		return
	}
	class, _ := plan.ParseIO(a.conf.IO) // readConfig has checked it
	group, note := sandbox.NewGroup(sandbox.GroupBounds{Memory: a.conf.Memory << 20, Plans: a.conf.Concurrent, IO: class})
	c.In(group)
	a.state.Group, a.state.Shadows = note, sandbox.Shadows()
}

// readKeys reads who the agent is and what it obeys.
func (a *Agent) readKeys() error {
	files := map[string][]byte{identityFile: nil, membershipFile: nil, policyFile: nil}
	for name := range files {
		b, err := readFile(a.path(name))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotEnrolled, err)
		}
		files[name] = b
	}
	id, err := signing.ReadIdentity(files[identityFile])
	if err != nil {
		return fmt.Errorf("%s: %w", identityFile, err)
	}
	policy, err := parsePolicy(files[policyFile])
	if err != nil {
		return err
	}
	a.id, a.chain = id, files[membershipFile]
	return a.obey(policy)
}

// parsePolicy reads the policy of a folder. It was verified before it was
// written: whoever can write there can change the program as well.
func parsePolicy(envelope []byte) (*signing.Policy, error) {
	env, err := signing.ParseEnvelope(envelope)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", policyFile, err)
	}
	policy, err := signing.ParsePolicy(env.Payload)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", policyFile, err)
	}
	return policy, nil
}

// ReadPolicy gives the policy in force for the agent of a folder, also while it
// runs in another process.
func ReadPolicy(dir string) (*signing.Policy, error) {
	b, err := readFile(filepath.Join(dir, policyFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotEnrolled, err)
	}
	return parsePolicy(b)
}

// ID gives the agent's identity.
func (a *Agent) ID() signing.ID { return a.id.ID() }

// Policy gives the policy in force.
func (a *Agent) Policy() *signing.Policy {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.policy
}

// Connected says whether a relay has welcomed the agent and is there still.
func (a *Agent) Connected() bool { return a.current() != nil }

func (a *Agent) member() signing.Member {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.self
}

// Run answers plans until the context ends, over one relay after the other.
// The error is nil then, and else says what keeps the agent from going on:
// ErrRetired, where its policy has retired it, ErrUpgrade, where a release waits
// to be tried, and sandbox.ErrCgo, where the program was built so that what looks
// cannot be kept in.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	a.writeStatus() // who asks in the first moment finds it
	var work sync.WaitGroup
	work.Go(func() { a.housekeeping(ctx) })
	work.Go(func() { a.upgrades(ctx) })
	work.Go(func() {
		select {
		case <-a.retired:
		case <-a.upgrade.ready:
		case <-a.check.unfit:
		case <-ctx.Done():
		}
		cancel()
		a.check.cancel() // the facts wait for it
	})
	err := a.connectAgain(ctx)
	cancel()
	a.stop()
	work.Wait()
	if a.isRetired() {
		return ErrRetired
	}
	a.writeStatus()
	if err := a.check.why(); err != nil {
		return err
	}
	if a.isReady() {
		return ErrUpgrade
	}
	a.endsInOrder()
	return err
}

// An agent that has lost its relay looks for it every soonAgain at least for as
// long as soonFor: most restarts are over by then. A relay that is not there
// refuses in no time, and one that has too much to do says when to come again.
const (
	soonAgain = 8 * time.Second
	soonFor   = 2 * time.Minute
	// mostWait bounds what a relay can say how long to stay away.
	mostWait = 5 * time.Minute
)

// pause is how long to wait before the next attempt, after one that ended with
// an error, and so long after there was a relay.
func (a *Agent) pause(err error, lost time.Duration) time.Duration {
	var said *message.Failure
	var busy *transport.BusyError
	switch {
	case errors.As(err, &said) && said.Wait > 0:
		return rand.N(min(said.Wait, mostWait))
	case errors.As(err, &busy):
		// Anyone on the line may have said that: it is half a minute at most, and
		// the agent's own waits go on from where they are.
		return busy.Wait
	}
	wait := a.backoff.Next()
	if lost < soonFor && wait > soonAgain {
		wait = rand.N(soonAgain)
	}
	return wait
}

// connectAgain holds a session while there is one to be had.
func (a *Agent) connectAgain(ctx context.Context) error {
	lost := time.Now().Add(-soonFor) // none was had
	for {
		welcome, err := a.meet(ctx, false)
		if ctx.Err() != nil {
			return nil
		}
		if welcome {
			a.backoff.Reset()
			lost = time.Now()
		}
		wait := a.pause(err, time.Since(lost))
		a.log.Warn("no relay", "error", err, "again_in", wait.Round(time.Millisecond))
		a.note(func(s *Status) { s.Error, s.Again = err.Error(), a.opts.Now().Add(wait) })
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// Once takes the plans that wait at a relay, answers them, waits until the
// answers are stored and leaves. The error says that this could not be done.
func (a *Agent) Once(ctx context.Context) error {
	a.writeStatus()
	if err := a.check.wait(ctx); err != nil {
		return err
	}
	_, err := a.meet(ctx, true)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	a.stop()
	if a.isRetired() {
		return ErrRetired
	}
	a.writeStatus()
	a.endsInOrder() // that no relay was there is no fault of this program's
	return err
}

// stop ends the plans that run. Their answers say so, and wait in the spool.
func (a *Agent) stop() {
	a.mu.Lock()
	for _, r := range a.running {
		r.cancel(errStopped)
	}
	a.mu.Unlock()
	a.rounds.Wait() // first: they wait for what they have in the queue
	a.queue.wait()
}

// Close lets go of the folder, and removes the keys of an agent that was
// retired. Run and Once have ended before.
func (a *Agent) Close() error {
	a.check.end()
	err := errors.Join(a.runner.Close(), a.leaveLife(), a.spool.close(), a.journal.Close())
	if a.isRetired() {
		err = errors.Join(err, wipe(a.opts.Dir))
	}
	return err
}

// housekeeping does what is due now and then.
func (a *Agent) housekeeping(ctx context.Context) {
	facts := time.NewTicker(factsEvery)
	defer facts.Stop()
	tell := time.NewTimer(0)
	defer tell.Stop()
	<-tell.C
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.obeyed:
			tell.Reset(obeyedAfter)
		case <-tell.C:
			if s := a.current(); s != nil {
				s.tellFacts(ctx)
			}
		case <-facts.C:
			a.abandon(a.spool.stale(a.opts.Now())...)
			a.noteLife()
			if s := a.current(); s != nil {
				s.tellFacts(ctx)
			}
			a.renewIfDue(ctx)
		case <-a.changed:
			// Whatever changes in the next moment is written with it: most plans
			// begin and end within that.
			select {
			case <-time.After(statusAfter):
			case <-ctx.Done():
			}
			select {
			case <-a.changed:
			default:
			}
			a.writeStatus()
			a.noteLife()
		}
	}
}

// current gives the session with a relay that has welcomed the agent, or nil.
func (a *Agent) current() *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.session == nil {
		return nil
	}
	select {
	case <-a.session.ready:
		return a.session
	default:
		return nil
	}
}

func (a *Agent) path(name string) string { return filepath.Join(a.opts.Dir, name) }

// workers is how many goroutines a scan gets where the plan does not say: half
// of the machine, which has other things to do.
func workers() int64 { return int64(max(1, runtime.GOMAXPROCS(0)/2)) }
