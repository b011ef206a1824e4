package faults

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// A kind is what is done to a process.
type kind int

const (
	kill    kind = iota // SIGKILL; it is started again
	pause               // SIGSTOP, and SIGCONT after a while
	cut                 // its connections break, and no new one is made
	stall               // its connections stay and carry nothing
	skew                // its clock shows another time
	starve              // it may open no file or connection more
	fill                // its disk is full
	corrupt             // a byte of a file that it keeps changes while it is down
)

var kinds = [...]string{"kill", "pause", "cut", "stall", "skew", "starve", "fill", "corrupt"}

func (k kind) String() string { return kinds[k] }

// theRelay is the first relay, as a victim: the others are the numbers below.
const theRelay = -1

// A fault happens once.
type fault struct {
	at     time.Duration // since the plans began
	length time.Duration
	kind   kind
	victim int           // the number of an agent, or theRelay or below
	clock  time.Duration // how far off it is, of a skew
}

func (f fault) String() string {
	who := fmt.Sprint("agent ", f.victim)
	if f.victim < 0 {
		who = fmt.Sprint("relay ", theRelay-f.victim)
	}
	return fmt.Sprintf("%6.1fs %s %s for %.1fs", f.at.Seconds(), f.kind, who, f.length.Seconds())
}

// A weather says how many faults there are of what.
type weather struct {
	seed   uint64
	length time.Duration
	relays int
	agents int
	disks  int           // agents, from the first, whose disk can be filled
	every  time.Duration // the mean time from one fault to the next
	kinds  []kind
}

// schedule draws faults. No two of them overlap at the same victim, nor at any
// two relays.
func (w weather) schedule() []fault {
	rng := rand.New(rand.NewPCG(w.seed, 1))
	busy := map[int]time.Duration{}
	var all []fault
	for at := time.Duration(0); ; {
		at += time.Duration(rng.ExpFloat64() * float64(w.every))
		if at >= w.length {
			return all
		}
		f := fault{at: at, kind: w.kinds[rng.IntN(len(w.kinds))], victim: rng.IntN(w.agents)}
		if rng.IntN(12) == 0 {
			f.victim = theRelay
		}
		if f.kind == fill && f.victim >= 0 {
			f.victim = rng.IntN(w.disks)
		}
		f.length = 200*time.Millisecond + time.Duration(rng.ExpFloat64()*float64(2*time.Second))
		f.length = min(f.length, 10*time.Second)
		// Far behind an agent refuses, and a little off it must not. Far ahead
		// is left out: who was there refuses until that time has come.
		f.clock = time.Duration(rng.IntN(8)-4) * time.Minute
		if f.victim >= 0 && rng.IntN(3) == 0 {
			f.clock = -time.Hour
		}
		if f.at < busy[f.victim] {
			continue
		}
		busy[f.victim] = f.at + f.length + 3*time.Second
		if f.victim == theRelay {
			f.victim -= rng.IntN(w.relays)
		}
		all = append(all, f)
	}
}

// One seed is one schedule, and another is another.
func TestScheduleIsOfItsSeed(t *testing.T) {
	w := weather{seed: 7, length: time.Minute, relays: 3, agents: 30, disks: 3, every: 200 * time.Millisecond, kinds: []kind{kill, fill, skew}}
	a, b := w.schedule(), w.schedule()
	if len(a) < 50 || !reflect.DeepEqual(a, b) {
		t.Errorf("%d faults, and then %d others", len(a), len(b))
	}
	w.seed = 8
	if reflect.DeepEqual(a, w.schedule()) {
		t.Error("two seeds have one schedule")
	}
	last, struck := map[int]time.Duration{}, map[int]bool{}
	for _, f := range a {
		who := max(f.victim, theRelay) // all relays are one
		if f.at < last[who] || f.kind == fill && f.victim >= w.disks {
			t.Errorf("%v comes while the one before lasts, or to who has no small disk", f)
		}
		last[who] = f.at + f.length
		struck[f.victim] = true
	}
	for k := range w.relays {
		if !struck[theRelay-k] {
			t.Errorf("nothing happens to relay %d", k)
		}
	}
}
