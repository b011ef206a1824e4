package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// A world is a deployment that is asked once.
type world struct {
	Name    string
	Agents  int
	Relays  int  // that agents connect to
	Box     bool // everything shares the cores of one machine, as bench/fleet has it
	Cores   int  // of each relay, or of the box
	Asker   int  // cores of the investigator
	Leaders int  // machines that the spine's stream of answers is led by: 1 of a plan

	Latency time.Duration // from an agent to its relay, the median of many
	Spread  float64       // of that, as of a log-normal
	Hop     time.Duration // between relays, and to the investigator
	Relayed float64       // bits a second of each relay
	Line    float64       // bits a second of the investigator
	Sync    time.Duration // of a disk
}

// outcome is what became of a round.
type outcome struct {
	world            world
	First, Half, All time.Duration
	parts            []part
}

// A part is something that can be the one that is waited for.
type part struct {
	name   string
	busy   time.Duration // of one of its servers
	share  float64       // of the time until all had answered
	detail string
}

// A round is a question on its way to agents, and answers on their way back:
//
//	client signs → entry relay takes the plan → spine → each relay → its agents
//	agent verifies, runs, seals → its relay → spine stores → entry relay →
//	client verifies, opens, merges
type round struct {
	world
	costs
	sim     *sim
	client  *process
	relays  []*process
	agents  *process // of the box; nil: each has a machine of its own
	lines   []*line  // of relays, to the spine
	entry   *line    // to the investigator
	disk    *disk
	arrived []time.Duration
}

// play asks once.
func play(w world, c costs, seed uint64) outcome {
	s := newSim(seed)
	r := &round{world: w, costs: c, sim: s, disk: s.disk("disk of the spine", w.Sync), entry: s.line("line of the investigator", w.Line)}
	if w.Box {
		box := s.machine("box", w.Cores)
		r.client, r.agents = box.process("investigator"), box.process("agents")
		r.relays = append(r.relays, box.process("relay"))
	} else {
		r.client = s.machine("investigator", w.Asker).process("investigator")
		for i := range w.Relays {
			r.relays = append(r.relays, s.machine(fmt.Sprint("relay ", i), w.Cores).process("relay"))
		}
	}
	for range r.relays {
		r.lines = append(r.lines, s.line("line of a relay", w.Relayed))
	}
	// What is paid once is paid before the plan leaves.
	r.client.work(c.Client.Once, func() {
		s.after(w.Hop, func() { r.relays[0].work(c.Relay.Once, func() { r.disk.store(r.spread) }) })
	})
	s.run()
	return r.outcome()
}

// spread brings the plan to every relay, and to its agents.
func (r *round) spread() {
	push := scaled(r.Relay.Each, partPush)
	for i, relay := range r.relays {
		n := r.Agents / len(r.relays)
		if i < r.Agents%len(r.relays) {
			n++
		}
		r.lines[0].send(planBytes, r.Hop, func() {
			for range n {
				relay.work(push, func() {
					r.lines[i].send(planBytes, r.latency(), func() { r.answer(i) })
				})
			}
		})
	}
}

// answer has an agent answer, and brings it back.
func (r *round) answer(relay int) {
	back := func() { r.sim.after(r.latency(), func() { r.take(relay) }) }
	if r.agents != nil {
		r.agents.work(r.Agent.Each, back)
		return
	}
	r.sim.after(r.Agent.Each, back)
}

// take stores an answer, and hands it to the investigator.
func (r *round) take(relay int) {
	r.relays[relay].work(scaled(r.Relay.Each, partTake), func() {
		r.lines[relay].send(answerBytes, r.Hop, func() {
			r.disk.store(func() {
				r.relays[0].work(scaled(r.Relay.Each, partHand), func() {
					r.entry.send(answerBytes+namedBytes, r.Hop, func() {
						r.client.work(r.Client.Each, func() { r.arrived = append(r.arrived, r.sim.now) })
					})
				})
			})
		})
	})
}

// latency draws how far an agent is away.
func (r *round) latency() time.Duration {
	if r.Spread == 0 {
		return r.Latency
	}
	return time.Duration(float64(r.Latency) * math.Exp(r.Spread*r.sim.rand.NormFloat64()))
}

func scaled(d time.Duration, f float64) time.Duration { return time.Duration(float64(d) * f) }

func (r *round) outcome() outcome {
	n := len(r.arrived)
	o := outcome{world: r.world, First: r.arrived[0], Half: r.arrived[(n-1)/2], All: r.arrived[n-1]}
	add := func(name string, busy time.Duration, servers int, detail string) {
		one := busy / time.Duration(servers)
		o.parts = append(o.parts, part{name, one, float64(one) / float64(o.All), detail})
	}
	waiting := func(p *process) string { return fmt.Sprintf("up to %s wait", number(p.longest)) }
	if r.Box {
		add("the two cores", r.client.busy+r.agents.busy+r.relays[0].busy, r.Cores, "all of it")
	} else {
		add("investigator, opening", r.client.busy, r.Asker, waiting(r.client))
		add("entry relay, processor", r.relays[0].busy, r.Cores, waiting(r.relays[0]))
		if len(r.relays) > 1 {
			add("other relays, processor", r.relays[1].busy, r.Cores, waiting(r.relays[1]))
		}
	}
	add("line of the investigator", r.entry.busy, 1, number(int(r.entry.bytes/1e6))+" MB")
	add("line of the busiest relay", r.lines[0].busy, 1, number(int(r.lines[0].bytes/1e6))+" MB")
	add("disk of the spine", r.disk.busy, 1, number(r.disk.syncs)+" syncs")
	slices.SortStableFunc(o.parts, func(a, b part) int { return cmp.Compare(b.share, a.share) })
	return o
}
