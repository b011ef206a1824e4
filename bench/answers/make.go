package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// The files of a folder with answers, beside NAME.envelope and NAME.frames of
// each question. The last is written when all others are whole.
const (
	fileKey    = "key.asc"
	filePolicy = "policy.env"
	fileAgents = "agents.frames"
	fileMade   = "made"
)

// window is how long plans and the token are good.
const window = 24 * time.Hour

// A workshop makes a fleet and its answers.
type workshop struct {
	dir    string
	key    *signing.PrivateKey
	policy *signing.Policy
	token  *signing.Token
	agents []*signing.Identity
}

// prepare makes the fleet and its answers, where that was not done before.
func prepare(ctx context.Context, s *settings) error {
	if _, err := os.Stat(filepath.Join(s.dir, fileMade)); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fmt.Fprintf(os.Stderr, "making the answers of %d agents in %s, once\n", s.agents, s.dir)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	w := &workshop{dir: s.dir, agents: make([]*signing.Identity, s.agents)}
	if err := w.found(ctx); err != nil {
		return err
	}
	if err := w.enrol(); err != nil {
		return err
	}
	if err := w.ask(ctx); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, fileMade), nil, 0o600)
}

// found makes the key of who asks, the policy and a token.
func (w *workshop) found(ctx context.Context) error {
	var err error
	if w.key, err = signing.NewPrivateKey("Bench", "bench@example.org", time.Now().Add(-time.Minute)); err != nil {
		return err
	}
	text := signing.NewPolicyText(signing.PolicySpec{
		Fleet: signing.NewID(), Name: "bench",
		Administrators: []signing.PrincipalSpec{{Name: "Bench", Key: w.key.Public()}},
		Investigators:  []signing.PrincipalSpec{{Name: "Bench", Key: w.key.Public(), Weight: 1}},
	})
	if w.policy, err = signing.ParsePolicy([]byte(text)); err != nil {
		return err
	}
	e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
	if err := e.Sign(ctx, w.key); err != nil {
		return err
	}
	if w.token, err = signing.NewToken(signing.TokenSpec{
		Fleet: w.policy.Fleet(), Tags: map[string]string{"team": "web"}, Uses: len(w.agents),
		NotBefore: time.Now().Add(-time.Minute), Expires: time.Now().Add(window),
	}); err != nil {
		return err
	}
	if err := w.token.Envelope.Sign(ctx, w.key); err != nil {
		return err
	}
	armor, err := w.key.Armor(nil)
	if err != nil {
		return err
	}
	return errors.Join(w.write(fileKey, armor), w.write(filePolicy, e.Encode()))
}

func (w *workshop) write(name string, b []byte) error {
	return os.WriteFile(filepath.Join(w.dir, name), b, 0o600)
}

func readKey(dir string) (*signing.PrivateKey, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileKey))
	if err != nil {
		return nil, err
	}
	return signing.ReadPrivateKey(b)
}

// enrol makes the agents, and what a relay says of each.
func (w *workshop) enrol() error {
	return w.each(fileAgents, func(i int) (byte, []byte, error) {
		id, err := signing.NewIdentity()
		if err != nil {
			return 0, nil, err
		}
		w.agents[i] = id
		now := time.Now()
		member := w.token.Enroll(id.Public(), hostName(i), now)
		a := message.Agent{
			Agent: id.ID(), Membership: member.Encode(), Online: true, Seen: now, Software: "1.0.0", Policy: 1,
			Facts: signing.NewStatement(id, "facts", now, plan.EncodeFacts(facts(i))).Encode(),
		}
		return message.TypeAgent, a.Append(nil), nil
	})
}

func hostName(i int) string { return fmt.Sprintf("host-%06d.example.org", i) }

// facts are what an agent says of its machine: about as much as real ones.
func facts(i int) plan.Facts {
	return plan.Facts{
		"hostname": value.NewText(hostName(i)), "os": value.NewText("linux"), "distro": value.NewText("debian"),
		"version": value.NewVersion("12", value.AnyScheme), "distro_name": value.NewText("Debian GNU/Linux 12 (bookworm)"),
		"kernel": value.NewText("6.1.0-28-amd64"), "arch": value.NewText("amd64"), "cpus": value.NewInt(8), "memory": value.NewSize(16 << 30),
		"addresses": value.NewList([]value.Value{value.NewIP(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))}),
		"timezone":  value.NewText("UTC"), "tags.role": value.NewText("web"), "tags.site": value.NewText("vienna"),
	}
}

// each makes a frame for every agent, on all processors, and writes them in
// their order.
func (w *workshop) each(name string, frame func(i int) (byte, []byte, error)) error {
	f, err := os.Create(filepath.Join(w.dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	const batch = 4096
	for first := 0; first < len(w.agents); first += batch {
		frames := make([][]byte, min(batch, len(w.agents)-first))
		errs := make([]error, runtime.NumCPU())
		var work sync.WaitGroup
		for worker := range errs {
			work.Go(func() {
				for i := worker; i < len(frames); i += len(errs) {
					kind, body, err := frame(first + i)
					if err != nil {
						errs[worker] = err
						return
					}
					frames[i] = append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))), body...)
				}
			})
		}
		work.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		for _, b := range frames {
			if _, err := out.Write(b); err != nil {
				return err
			}
		}
	}
	return errors.Join(out.Flush(), f.Close())
}

// ask signs a plan for each question, and answers it for every agent.
func (w *workshop) ask(ctx context.Context) error {
	r, err := newRelay(w.dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() { r.serve(ctx) })
	defer serving.Wait()
	defer r.listener.Close()
	defer cancel()
	home, err := client.OpenHome(filepath.Join(w.dir, "home"))
	if err != nil {
		return err
	}
	home.Config = client.Config{Relays: []string{r.listener.Addr().String()}, Pin: r.pin, Administrators: []string{string(w.key.Fingerprint())}}
	if err := home.SaveConfig(); err != nil {
		return err
	}
	session, err := client.Dial(ctx, "", client.WithHome(home), client.WithKey(w.key))
	if err != nil {
		return err
	}
	defer session.Close()
	for _, q := range questions {
		c, err := session.Compile(lang.Source{Name: q.name, Text: q.text})
		if err != nil {
			return err
		}
		e, err := session.Sign(ctx, c.Queries[0], client.SignOptions{})
		if err != nil {
			return err
		}
		payload, err := signing.DecodePlanPayload(e.Payload)
		if err != nil {
			return err
		}
		if err := w.each(q.name+".frames", func(i int) (byte, []byte, error) { return w.answer(payload, c.Queries[0].Plan, i) }); err != nil {
			return err
		}
		if err := w.write(q.name+".envelope", e.Encode()); err != nil {
			return err
		}
	}
	return nil
}

// answer is the one chunk of an agent's answer to a plan of one table.
func (w *workshop) answer(payload *signing.PlanPayload, p *plan.Plan, i int) (byte, []byte, error) {
	id, t := w.agents[i], p.Tables[0]
	n := rowsEach
	if t.Slots[0].Module == "host" {
		n = 1
	}
	var groups []int // in the order in which an agent sends them
	for k := range n {
		groups = append(groups, (i+k*7)%500)
	}
	slices.Sort(groups)
	var plain []byte
	for k := range n {
		var row []value.Value
		if t.Group != nil {
			row = group(t.Group, groups[k])
		} else {
			for _, o := range t.Outputs {
				row = append(row, sample(o.Name, o.Type, i*n+k))
			}
		}
		plain = answer.AppendRow(plain, 0, row)
	}
	plain = answer.AppendSummary(plain, answer.Summary{Outcome: answer.Complete, Matched: int64(n), Looked: map[string]int64{t.Slots[0].Module: int64(n)}})
	b := sealing.Binding{Fleet: payload.Fleet, Plan: payload.ID, Agent: id.ID()}
	s, err := sealing.NewSealer(payload.ReplyKey, b, func(m []byte) []byte { return id.Sign(sealing.Kind, m) }, 0)
	if err != nil {
		return 0, nil, err
	}
	data, err := s.Seal(plain, true)
	if err != nil {
		return 0, nil, err
	}
	c := message.Chunk{Agent: id.ID(), Plan: payload.ID, Final: true, Data: data}
	return message.TypeChunk, c.Append(nil), nil
}

// group is what an agent knows of group n: its keys, then its aggregates.
func group(g *plan.Group, n int) []value.Value {
	row := []value.Value{value.NewText(fmt.Sprintf("package-%03d", n)), value.NewVersion(fmt.Sprintf("1.%d-2", n), value.AnyScheme)}[:len(g.Keys)]
	for range g.Aggs {
		row = append(row, value.NewInt(1)) // STACK counts rows and hosts
	}
	return row
}

// sample is a value for a column, of row n of the fleet.
func sample(name string, t value.Type, n int) value.Value {
	switch t {
	case value.Int:
		return value.NewInt(int64(n % 32768))
	case value.Size:
		return value.NewSize(int64(n))
	case value.Duration:
		return value.NewDuration(time.Duration(n) * time.Second)
	case value.Time:
		return value.NewTime(time.Unix(1_700_000_000+int64(n), 0))
	case value.Bool:
		return value.NewBool(n%2 == 0)
	case value.Version:
		return value.NewVersion("12."+fmt.Sprint(n%10), value.AnyScheme)
	case value.Text:
		return value.NewText(fmt.Sprintf("/usr/sbin/%s-%d", name, n%1000))
	}
	return value.Value{}
}

// A relay sends what is in files. It is told of no plans.
type relay struct {
	dir      string
	policy   []byte
	listener *transport.Listener
	pin      string
}

func newRelay(dir string) (*relay, error) {
	r := &relay{dir: dir}
	var err error
	if r.policy, err = os.ReadFile(filepath.Join(dir, filePolicy)); err != nil {
		return nil, err
	}
	ca, err := transport.NewCA("bench", time.Now())
	if err != nil {
		return nil, err
	}
	pair, err := ca.ServerCert([]string{"127.0.0.1"}, time.Now(), window)
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, err
	}
	r.pin = ca.Pin()
	r.listener, err = transport.Listen("127.0.0.1:0", transport.ListenOptions{Certificate: cert, CA: ca.Certificate()})
	return r, err
}
