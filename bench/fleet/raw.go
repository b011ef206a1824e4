package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/fanout"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
)

// Of the raw limit a turn has few plans, so that it is measured as the fleet is;
// of cryptography so many are done at once that the system's clock tells them.
const (
	rawPlans    = 3
	cryptoPlans = 1000
)

// raw measures the limit that TLS and the multiplexer set: as many connections
// of as many processes, a plan of 2 KB out and a reply of 200 bytes back, and
// nothing that a fleet does beside.
func (s *settings) raw(ctx context.Context) (t fanout.Turn, err error) {
	cast, err := fanout.NewCast(s.agents)
	if err != nil {
		return t, err
	}
	crowd, err := fanout.Start(ctx, fanout.Options{Way: fanout.Ours, Processes: s.processes, Cast: cast})
	if err != nil {
		return t, err
	}
	defer func() {
		if stopped := crowd.Stop(); err == nil {
			err = stopped
		}
	}()
	if _, err := crowd.Turn(1); err != nil { // what grows with the first plan
		return t, err
	}
	var turns []fanout.Turn
	for range s.rounds {
		turn, err := crowd.Turn(rawPlans)
		if err != nil {
			return t, err
		}
		turns = append(turns, turn)
	}
	slices.SortFunc(turns, func(a, b fanout.Turn) int { return int(a.Took - b.Took) })
	return turns[len(turns)/2], nil
}

// against prints what the fleet, asked for its hosts, reaches of the raw limit.
func (s *settings) against(ctx context.Context, session *client.Session) error {
	limit := s.limit
	crypto, err := cryptoOf(ctx, session)
	if err != nil {
		return err
	}
	n := float64(s.agents)
	row := func(what string, all, cpu float64) {
		fmt.Printf("| %s: agents a second; of the raw limit; the same in processor time | %.0f; %.3f; %.3f |\n",
			what, n/all*1e3, ms(limit.Took)/all, ms(limit.Server+limit.Clients)/cpu)
	}
	fmt.Printf("| raw limit, TLS and multiplexer alone: agents a second; processor time of a round, an agent: relay; agents | %.0f; %.3f ms; %.3f ms |\n",
		n/limit.Took.Seconds(), ms(limit.Server)/n, ms(limit.Clients)/n)
	all, cpu, part := s.kept.All, s.kept.Relay+s.kept.Agent+s.kept.Client, ms(crypto)*n
	row("`FIND host`", all, cpu)
	fmt.Printf("| an agent's cryptography for a plan: verify, seal, sign | %.3f ms |\n", ms(crypto))
	row("… with that counted out, on all cores", all-part/float64(runtime.NumCPU()), cpu-part)
	return nil
}

// cryptoOf is the processor time that one agent's cryptography takes for one
// plan, as agents do it: the envelope is verified by the policy, a key is agreed
// on with who asks, and a chunk is sealed and signed.
func cryptoOf(ctx context.Context, session *client.Session) (time.Duration, error) {
	c, err := session.Compile(lang.Source{Name: "bench", Text: `FROM fleet FIND host`})
	if err != nil {
		return 0, err
	}
	e, err := session.Sign(ctx, c.Queries[0], client.SignOptions{})
	if err != nil {
		return 0, err
	}
	id, err := signing.NewIdentity()
	if err != nil {
		return 0, err
	}
	raw, policy, plain := e.Encode(), session.Policy(), make([]byte, fanout.ReplySize)
	sign := func(msg []byte) []byte { return id.Sign(sealing.Kind, msg) }
	before := cpuOf(os.Getpid())
	for range cryptoPlans {
		e, err := signing.ParseEnvelope(raw)
		if err != nil {
			return 0, err
		}
		v, err := policy.Verify(e, signing.VerifyOptions{At: time.Now()})
		if err != nil {
			return 0, err
		}
		p := v.Payload()
		sealer, err := sealing.NewSealer(p.ReplyKey, sealing.Binding{Fleet: p.Fleet, Plan: p.ID, Agent: id.ID()}, sign, 0)
		if err != nil {
			return 0, err
		}
		if _, err := sealer.Seal(plain, true); err != nil {
			return 0, err
		}
	}
	return (cpuOf(os.Getpid()) - before) / cryptoPlans, nil
}
