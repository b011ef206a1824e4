package agent

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/host"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A numbers is a module of rows 0, 1, 2, … with the texts that go with them.
type numbers struct {
	rows   int
	before func(ctx context.Context, i int) error // called before row i; nil: nothing
}

func (numbers) Schema() *modules.Schema {
	return &modules.Schema{
		Name: "number", Doc: "Numbers.",
		Columns: []modules.Column{
			{Name: "n", Type: value.Int, Default: true, Doc: "The number."},
			{Name: "text", Type: value.Text, Default: true, Doc: "A text."},
			{Name: "place", Type: value.Text, Doc: "Where it is."},
			{Name: "secret", Type: value.Text, Content: true, Doc: "What is inside."},
			{Name: "dear", Type: value.Text, Cost: modules.Scan, Doc: "What takes long."},
		},
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "place", Doc: "A place.", Example: "/x"},
	}
}

func (n numbers) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	for i := range n.rows {
		if n.before != nil {
			if err := n.before(ctx, i); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := yield(number(i)); err != nil {
			return err
		}
		req.Report.Looked("number", 1)
	}
	return nil
}

type number int

func (n number) Column(_ context.Context, i int) (value.Value, error) {
	switch i {
	case 0:
		return value.NewInt(int64(n)), nil
	case 2:
		return value.NewText(fmt.Sprintf("/n/%d", n)), nil
	}
	return value.NewText(textOf(int(n))), nil
}

// textOf gives the text of a row, which no compression makes much shorter.
func textOf(n int) string {
	sum := sha256.Sum256([]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	return fmt.Sprintf("%x", sum)
}

// A fleet is what a test needs beside an agent: keys, a policy, a relay.
type fleet struct {
	t            *testing.T
	id           signing.ID
	admin, asker *signing.PrivateKey
	policy       *signing.Envelope
	relay        *fakeRelay
}

func newFleet(t *testing.T) *fleet {
	f := &fleet{t: t, id: signing.NewID()}
	f.admin, f.asker = newKey(t, "admin"), newKey(t, "asker")
	f.policy = f.signPolicy(1, f.policyText(1), f.admin)
	f.relay = newFakeRelay(t, f.policy.Encode())
	return f
}

func newKey(t *testing.T, name string) *signing.PrivateKey {
	k, err := signing.NewPrivateKey(name, name+"@example.com", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (f *fleet) policyText(version int) string {
	text := signing.NewPolicyText(signing.PolicySpec{
		Fleet: f.id, Name: "test",
		Administrators: []signing.PrincipalSpec{{Name: "admin", Key: f.admin.Public()}},
		Investigators:  []signing.PrincipalSpec{{Name: "asker", Key: f.asker.Public(), Weight: 1}},
	})
	text = strings.Replace(text, "version = 1", fmt.Sprintf("version = %d", version), 1)
	return strings.Replace(text, "[ceilings]", "[module.number]\nweight = 1\ndeny = [\"/n/13\"]\n\n[module.heavy]\nweight = 2\n\n[ceilings]", 1)
}

func (f *fleet) signPolicy(_ int, text string, k signing.Signer) *signing.Envelope {
	e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
	if err := e.Sign(f.t.Context(), k); err != nil {
		f.t.Fatal(err)
	}
	return e
}

// enroll makes an agent's folder over the relay.
func (f *fleet) enroll() string { return f.enrollAt(f.relay.addr(), f.relay.ca.Pin(), time.Now) }

// enrollAt makes an agent's folder over a relay, at a time.
func (f *fleet) enrollAt(addr, pin string, now func() time.Time) string {
	token, err := signing.NewToken(signing.TokenSpec{
		Fleet: f.id, Tags: map[string]string{"team": "web"}, Uses: 10,
		NotBefore: now().Add(-time.Hour), Expires: now().Add(time.Hour),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := token.Envelope.Sign(f.t.Context(), f.admin); err != nil {
		f.t.Fatal(err)
	}
	dir := filepath.Join(f.t.TempDir(), "agent")
	_, err = Enroll(f.t.Context(), EnrollOptions{
		Dir: dir, Relays: []string{addr}, Tags: []string{"team=other", "rack=7"},
		Token: token.String([]signing.Fingerprint{f.admin.Fingerprint()}, pin), Now: now,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return dir
}

// open opens an agent with a module of numbers.
func (f *fleet) open(dir string, mods ...modules.Module) *Agent {
	a, err := Open(f.options(dir, mods...))
	if err != nil {
		f.t.Fatal(err)
	}
	a.backoff = transport.Backoff{Min: time.Millisecond, Max: 10 * time.Millisecond}
	return a
}

func (f *fleet) options(dir string, mods ...modules.Module) Options {
	cat, err := modules.NewCatalogue(append(mods, host.New())...)
	if err != nil {
		f.t.Fatal(err)
	}
	var log *slog.Logger
	if os.Getenv("AGENT_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return Options{Dir: dir, Catalogue: cat, Software: "1.2.3", Logger: log}
}

// run runs an agent until the test, or stop, ends it.
func (f *fleet) run(a *Agent) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := a.Run(ctx); err != nil {
			f.t.Error(err)
		}
		if err := a.Close(); err != nil {
			f.t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	f.t.Cleanup(stop)
	return stop
}

// A question is a plan with the key that opens its answers.
type question struct {
	payload *signing.PlanPayload
	key     *sealing.ReplyKey
}

// begin has an agent begin its answer to a question that nobody offered.
func (f *fleet) begin(a *Agent, q *question) (*outgoing, *writer) {
	f.t.Helper()
	p, err := a.admit(f.t.Context(), arrived(f.sign(q, f.asker)))
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := a.spool.begin(headOf(p.payload, time.Now()))
	if err != nil {
		f.t.Fatal(err)
	}
	w, err := a.newWriter(f.t.Context(), out, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	return out, w
}

// ask makes a plan of a query. The modules of the catalogue are numbers and
// heavy, beside host.
func (f *fleet) ask(query string) *question {
	s, err := quaestor.LocalWith(quaestor.Options{Modules: []modules.Module{numbers{}, heavy{}, bell{}, host.New()}})
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := s.Compile(lang.Source{Name: "test", Text: query})
	if err != nil {
		f.t.Fatal(err)
	}
	return f.planned(s.Catalogue(), c.Queries[0].Plan)
}

func (f *fleet) planned(cat *modules.Catalogue, p *plan.Plan) *question {
	key, err := sealing.NewReplyKey()
	if err != nil {
		f.t.Fatal(err)
	}
	needs, err := engine.NeedsOf(cat, p)
	if err != nil {
		f.t.Fatal(err)
	}
	digest, now := key.CancelDigest(), time.Now()
	return &question{key: key, payload: &signing.PlanPayload{
		Version: signing.Version, ID: signing.NewID(), Fleet: f.id, Query: p.Query, Compiled: p.Encode(),
		Planned: now, NotBefore: now, Expires: now.Add(time.Hour), Purpose: "a test",
		ReplyKey: key.Public(), Cancel: digest[:], Modules: needs.Modules, Content: needs.Content,
	}}
}

// expire makes the plan one of yesterday.
func (q *question) expire() {
	q.payload.Planned = q.payload.Planned.Add(-24 * time.Hour)
	q.payload.NotBefore, q.payload.Expires = q.payload.Planned, q.payload.Planned.Add(time.Hour)
}

// heavy is a module that needs more weight than one investigator has.
type heavy struct{ numbers }

func (heavy) Schema() *modules.Schema {
	s := *numbers{}.Schema()
	s.Name = "heavy"
	return &s
}

func (f *fleet) sign(q *question, signers ...signing.Signer) []byte {
	e := &signing.Envelope{PayloadType: signing.TypePlan, Payload: q.payload.Encode()}
	for _, k := range signers {
		if err := e.Sign(f.t.Context(), k); err != nil {
			f.t.Fatal(err)
		}
	}
	return e.Encode()
}

// An opened answer.
type opened struct {
	rows [][]value.Value
	sum  answer.Summary
}

// open opens the answer that a relay has of an agent, whole.
func (q *question) open(t *testing.T, a *Agent, chunks []message.Chunk) opened {
	t.Helper()
	o := sealing.NewOpener(q.key, sealing.Binding{Fleet: q.payload.Fleet, Plan: q.payload.ID, Agent: a.ID()}, a.id.Public())
	var out opened
	for _, c := range chunks {
		plain, final, err := o.Open(c.Data)
		if err != nil {
			t.Fatalf("chunk %d: %v", c.Seq, err)
		}
		if final != c.Final {
			t.Errorf("chunk %d: final is %v inside and %v outside", c.Seq, final, c.Final)
		}
		err = answer.Decode(plain, func(table int, values []value.Value) error {
			var row []value.Value
			for _, v := range values {
				row = append(row, v.Clone())
			}
			out.rows = append(out.rows, row)
			return nil
		}, func(s answer.Summary) error { out.sum = s; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// checkNumbers says whether the rows are those of so many numbers, each once.
func checkNumbers(t *testing.T, rows [][]value.Value, n int) {
	t.Helper()
	seen := make([]bool, n+1)
	for _, r := range rows {
		i := int(r[0].Int())
		if i >= n || seen[i] || i == 13 || r[1].Text() != textOf(i) {
			t.Fatalf("row %v came twice, or is none", r)
		}
		seen[i] = true
	}
	if want := n - min(1, n/14); len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
}
