package main

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// A sim is a world in which time passes from event to event. Everything in it
// happens on one goroutine, and is the same for the same seed.
type sim struct {
	now    time.Duration
	events events
	serial int64
	rand   *rand.Rand
}

func newSim(seed uint64) *sim { return &sim{rand: rand.New(rand.NewPCG(seed, 0))} }

// An event is something that happens at a time; of two at the same time the one
// that was planned first comes first.
type event struct {
	at     time.Duration
	serial int64
	do     func()
}

type events []event

// Len, Less, Swap, Push and Pop are heap.Interface.
func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].serial < e[j].serial
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }

// Pop takes the last event off, as heap.Interface asks.
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	(*e)[len(*e)-1] = event{}
	*e = (*e)[:len(*e)-1]
	return last
}

// after has something happen later.
func (s *sim) after(d time.Duration, do func()) {
	s.serial++
	heap.Push(&s.events, event{s.now + d, s.serial, do})
}

// run lets time pass until nothing more happens.
func (s *sim) run() {
	for len(s.events) > 0 {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.do()
	}
}

// A task is work that somebody waits for.
type task struct {
	size time.Duration
	came time.Duration
	done func()
}

// A machine has cores, and processes that share them as an operating system
// has them do: a free core goes to the process with waiting work that has had
// least. Work within a process is done in the order in which it came.
type machine struct {
	sim   *sim
	name  string
	cores int
	free  int
	procs []*process
	last  time.Duration // when it last finished something
}

// A process is a queue of work on a machine.
type process struct {
	machine *machine
	name    string
	queue   []task
	had     time.Duration // what counts for whose turn it is
	busy    time.Duration // processor time
	waited  time.Duration // by all tasks together, before they began
	tasks   int
	longest int // queue
}

func (s *sim) machine(name string, cores int) *machine {
	return &machine{sim: s, name: name, cores: cores, free: cores}
}

func (m *machine) process(name string) *process {
	p := &process{machine: m, name: name}
	m.procs = append(m.procs, p)
	return p
}

// work does something of a size, and then what follows it.
func (p *process) work(size time.Duration, done func()) {
	m := p.machine
	if len(p.queue) == 0 {
		p.had = max(p.had, m.least()) // who slept has no claim on what passed
	}
	p.queue = append(p.queue, task{size, m.sim.now, done})
	p.longest = max(p.longest, len(p.queue))
	m.next()
}

// least is what the process with waiting work has had that had least.
func (m *machine) least() time.Duration {
	least, any := time.Duration(0), false
	for _, p := range m.procs {
		if len(p.queue) > 0 && (!any || p.had < least) {
			least, any = p.had, true
		}
	}
	return least
}

// next gives free cores work.
func (m *machine) next() {
	for m.free > 0 {
		var p *process
		for _, q := range m.procs {
			if len(q.queue) > 0 && (p == nil || q.had < p.had) {
				p = q
			}
		}
		if p == nil {
			return
		}
		t := p.queue[0]
		p.queue[0] = task{}
		p.queue = p.queue[1:]
		p.had += t.size
		p.busy += t.size
		p.waited += m.sim.now - t.came
		p.tasks++
		m.free--
		m.sim.after(t.size, func() {
			m.free++
			m.last = m.sim.now
			if t.done != nil {
				t.done()
			}
			m.next()
		})
	}
}

// A line carries bytes one after the other, and each arrives a latency later.
type line struct {
	sim   *sim
	name  string
	speed float64 // bytes a second
	until time.Duration
	busy  time.Duration
	bytes int64
}

func (s *sim) line(name string, bitsPerSecond float64) *line {
	return &line{sim: s, name: name, speed: bitsPerSecond / 8}
}

// send carries bytes, and then does what follows their arrival.
func (l *line) send(bytes int64, latency time.Duration, done func()) {
	took := time.Duration(float64(bytes) / l.speed * float64(time.Second))
	l.until = max(l.until, l.sim.now) + took
	l.busy += took
	l.bytes += bytes
	l.sim.after(l.until-l.sim.now+latency, done)
}

// A disk makes what waits safe together: while it syncs, more gathers.
type disk struct {
	sim     *sim
	name    string
	sync    time.Duration
	waiting []func()
	syncing bool
	syncs   int
	busy    time.Duration
}

func (s *sim) disk(name string, sync time.Duration) *disk {
	return &disk{sim: s, name: name, sync: sync}
}

// store has something safe, and then does what follows.
func (d *disk) store(done func()) {
	d.waiting = append(d.waiting, done)
	if !d.syncing {
		d.commit()
	}
}

func (d *disk) commit() {
	batch := d.waiting
	d.waiting, d.syncing = nil, true
	d.syncs++
	d.busy += d.sync
	d.sim.after(d.sync, func() {
		d.syncing = false
		for _, done := range batch {
			done()
		}
		if len(d.waiting) > 0 && !d.syncing {
			d.commit()
		}
	})
}
