package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A logWorld is a fleet whose policy asks for the log, with what a relay and two
// witnesses have: some of whom may lie.
type logWorld struct {
	*fleet
	private, public string
	log             *translog.Log
	keys            *translog.Keys
	seeds, names    []string
	agent           *Agent
	dir             string
}

func newLogWorld(t *testing.T) *logWorld {
	w := &logWorld{fleet: newFleet(t)}
	var err error
	if w.private, w.public, err = translog.NewLogKey("quaestor-log/test"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		seed, public, err := translog.NewWitnessKey(name)
		if err != nil {
			t.Fatal(err)
		}
		w.seeds, w.names = append(w.seeds, seed), append(w.names, public)
	}
	if w.keys, err = translog.ParseKeys(w.public, w.names, 2); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(w.policyText(1), "[revoked]", fmt.Sprintf("[log]\nrequired = true\nkey = %q\nwitnesses = [%q, %q]\n\n[revoked]", w.public, w.names[0], w.names[1]), 1)
	w.policy = w.signPolicy(1, text, w.admin)
	w.relay.policy = w.policy.Encode()
	w.log = w.newLog()
	w.dir = w.enroll()
	w.agent = w.open(w.dir, numbers{rows: 3}, heavy{})
	return w
}

func (w *logWorld) newLog() *translog.Log {
	w.t.Helper()
	l, err := translog.OpenLog(filepath.Join(w.t.TempDir(), "log"), w.private)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// add puts a plan into a log.
func (w *logWorld) add(l *translog.Log, raw []byte) {
	w.t.Helper()
	env, err := signing.ParseEnvelope(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := signing.DecodePlanPayload(env.Payload)
	if err == nil {
		_, err = l.Append(translog.Entry{Kind: translog.KindPlan, Name: p.ID.String(), At: time.Now()}, raw)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// head gives the checkpoint of a log that some witnesses signed: witnesses who
// saw nothing before, and so sign whatever they are shown.
func (w *logWorld) head(l *translog.Log, by ...int) []byte {
	w.t.Helper()
	out := l.Checkpoint()
	for _, i := range by {
		x, err := translog.OpenWitness(w.t.TempDir(), w.seeds[i], w.public, time.Now)
		if err != nil {
			w.t.Fatal(err)
		}
		signed, err := x.Cosign(translog.Head{Checkpoint: l.Checkpoint()})
		if err == nil {
			out, err = w.keys.Merge(out, signed)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

// proves has the relay prove what is asked for by a log and a checkpoint of it.
func (w *logWorld) proves(l *translog.Log, head []byte) {
	w.relay.set(func() {
		w.relay.prove = func(q message.LogQuery) (*translog.Proof, error) {
			s, err := w.keys.ReadCheckpoint(head)
			if err != nil {
				return nil, err
			}
			return l.Prove(q.Sum, s, head, q.From)
		}
	})
}

// judged offers a plan to the agent and gives how its journal has it.
func (w *logWorld) judged(raw []byte) journal.Entry {
	w.t.Helper()
	env, err := signing.ParseEnvelope(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := signing.DecodePlanPayload(env.Payload)
	if err != nil {
		w.t.Fatal(err)
	}
	w.relay.offer(raw)
	w.relay.answerOf(p.ID)
	for _, e := range w.agent.journal.Entries() {
		if e.Plan == p.ID {
			return e
		}
	}
	w.t.Fatal("the journal does not have it")
	return journal.Entry{}
}

// refused offers a plan that is to be refused.
func (w *logWorld) refused(name, code, reason string, raw []byte) {
	w.t.Helper()
	if e := w.judged(raw); e.Verdict != journal.Refused || e.Code != code || !strings.Contains(e.Reason, reason) {
		w.t.Errorf("%s: %s %s: %s", name, e.Verdict, e.Code, e.Reason)
	}
}

func (w *logWorld) newPlan() []byte {
	return w.sign(w.ask("FROM fleet FIND number"), w.asker)
}

// A plan runs that is in the log, and the proof is in the journal; every way to
// have one run that is not, or in a log that others do not see, is refused.
func TestSecretPlans(t *testing.T) {
	w := newLogWorld(t)
	w.run(w.agent)
	good := w.newPlan()
	w.add(w.log, w.newPlan())
	w.add(w.log, good)
	w.proves(w.log, w.head(w.log, 0, 1))
	e := w.judged(good)
	if e.Verdict != journal.Accepted {
		t.Fatalf("%+v", e)
	}
	v, err := OpenVerifier(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := v.Check(e); err != nil || at.Index != 1 || !slices.Equal(at.Witnesses, []string{"one", "two"}) {
		t.Errorf("%+v %v", at, err)
	}
	w.refused("omitted", signing.CodeUnlogged, "no checkpoint covers", w.newPlan())

	hidden := w.newPlan()
	w.relay.set(func() {
		prove := w.relay.prove
		w.relay.prove = func(q message.LogQuery) (*translog.Proof, error) {
			q.Sum = translog.SumOf(good)
			return prove(q)
		}
	})
	w.refused("the proof of another plan", signing.CodeUnlogged, "another envelope", hidden)

	altered := w.newPlan()
	w.add(w.log, altered)
	w.proves(w.log, w.head(w.log, 0, 1))
	w.relay.set(func() {
		prove := w.relay.prove
		w.relay.prove = func(q message.LogQuery) (*translog.Proof, error) {
			p, err := prove(q)
			if err == nil {
				p.Entry = []byte(strings.Replace(string(p.Entry), "\n20", "\n19", 1)) // taken a century before
			}
			return p, err
		}
	})
	w.refused("entry altered after", signing.CodeUnlogged, "does not hold", altered)

	w.otherLogs()
}

// otherLogs has plans proved by checkpoints that are not to be relied on.
func (w *logWorld) otherLogs() {
	w.t.Helper()
	next := w.newPlan()
	w.add(w.log, next)
	w.proves(w.log, w.head(w.log, 0))
	w.refused("a witness is offline", signing.CodeWitness, "missing: two", next)

	// Both witnesses sign a fork, as only witnesses do who are taken over.
	fork := w.newLog()
	split := w.newPlan()
	for range 6 {
		w.add(fork, w.newPlan())
	}
	w.add(fork, split)
	w.proves(fork, w.head(fork, 0, 1))
	w.refused("split view", signing.CodeFork, "another history", split)

	old := w.newLog()
	late := w.newPlan()
	w.add(old, late)
	w.proves(old, w.head(old, 0, 1))
	w.refused("rollback", signing.CodeRollback, "shorter", late)

	w.relay.set(func() {
		w.relay.prove = func(message.LogQuery) (*translog.Proof, error) { return nil, errors.New("no") }
	})
	w.refused("no proof at all", signing.CodeUnlogged, "gives none: no", w.newPlan())
	w.relay.set(func() {
		w.relay.prove = func(message.LogQuery) (*translog.Proof, error) {
			return &translog.Proof{Index: 1<<63 - 1, From: -1 << 63, Record: make(tlog.RecordProof, 500), Checkpoint: []byte("x")}, nil
		}
	})
	w.refused("nonsense", signing.CodeUnlogged, "not signed by quaestor-log/test", w.newPlan())

	last := w.newPlan()
	w.add(w.log, last)
	w.proves(w.log, w.head(w.log, 0, 1))
	if e := w.judged(last); e.Verdict != journal.Accepted {
		w.t.Errorf("afterwards: %+v", e)
	}
}

// A relay that is going, or that a leaf has no line to, has not answered: the plan
// is not refused for that, and runs when it is proved.
func TestProofLater(t *testing.T) {
	w := newLogWorld(t)
	w.run(w.agent)
	late := w.newPlan()
	w.add(w.log, late)
	head, asked := w.head(w.log, 0, 1), 0
	w.relay.set(func() {
		w.relay.prove = func(q message.LogQuery) (*translog.Proof, error) {
			if asked++; asked <= 2 {
				return nil, &message.Failure{Code: message.FailShutdown, Reason: "there is no line"}
			}
			s, err := w.keys.ReadCheckpoint(head)
			if err != nil {
				return nil, err
			}
			return w.log.Prove(q.Sum, s, head, q.From)
		}
	})
	if e := w.judged(late); e.Verdict != journal.Accepted || asked != 3 {
		t.Errorf("asked %d times: %+v", asked, e)
	}
}

// What an agent saw of the log outlives it: a fork is refused after a restart,
// and so is everything where what it saw cannot be read.
func TestForkAfterRestart(t *testing.T) {
	w := newLogWorld(t)
	stop := w.run(w.agent)
	first := w.newPlan()
	w.add(w.log, first)
	w.proves(w.log, w.head(w.log, 0, 1))
	w.judged(first)
	stop()
	w.relay.set(func() { w.relay.plans = nil })
	w.agent = w.open(w.dir, numbers{rows: 3}, heavy{})
	stop = w.run(w.agent)
	fork, plan := w.newLog(), w.newPlan()
	w.add(fork, plan)
	w.proves(fork, w.head(fork, 0, 1))
	if e := w.judged(plan); e.Code != signing.CodeFork {
		t.Errorf("%+v", e)
	}
	stop()
	w.relay.set(func() { w.relay.plans = nil })
	if err := os.WriteFile(filepath.Join(w.dir, seenFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.agent = w.open(w.dir, numbers{rows: 3}, heavy{})
	w.run(w.agent)
	if e := w.judged(w.newPlan()); e.Code != signing.CodeRollback || !strings.Contains(e.Reason, "cannot be read") {
		t.Errorf("%+v", e)
	}
}

// A plan and a release are proved at once, by checkpoints of which the smaller
// one comes later: the larger is what this host remembers.
func TestTwoProofsAtOnce(t *testing.T) {
	w := newLogWorld(t)
	w.run(w.agent)
	eventually(t, "it is connected", func() bool { return w.agent.current() != nil })
	first, second := w.newPlan(), w.newPlan()
	w.add(w.log, first)
	small := w.head(w.log, 0, 1)
	w.add(w.log, second)
	large := w.head(w.log, 0, 1)
	asked, other := make(chan struct{}), make(chan struct{})
	w.relay.set(func() {
		w.relay.prove = func(q message.LogQuery) (*translog.Proof, error) {
			head := large
			if q.Sum == translog.SumOf(first) {
				head = small
				close(asked)
				select {
				case <-other:
				case <-time.After(500 * time.Millisecond): // the other one waits for this
				}
			}
			s, err := w.keys.ReadCheckpoint(head)
			if err != nil {
				return nil, err
			}
			return w.log.Prove(q.Sum, s, head, q.From)
		}
	})
	prove := func(raw []byte) {
		as := translog.Entry{Kind: translog.KindPlan, Name: payloadOf(raw, &journal.Entry{}).ID.String(), Sum: translog.SumOf(raw)}
		if _, err := w.agent.proved(t.Context(), w.agent.Policy(), as); err != nil {
			t.Error(err)
		}
	}
	var work sync.WaitGroup
	work.Go(func() { prove(first) })
	work.Go(func() {
		<-asked
		prove(second)
		close(other)
	})
	work.Wait()
	if last, err := lastCheckpoint(w.dir, w.keys); err != nil || last.Size != 2 {
		t.Errorf("it remembers %d entries, %v", last.Size, err)
	}
}
