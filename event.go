package quaestor

import (
	"iter"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/plan/answer"
)

// An Event is something that happens to an answer: a RowEvent, a WarningEvent,
// a ProgressEvent, an AgentEvent, or, at the end, a SummaryEvent.
type Event interface{ event() }

// A RowEvent is a row that was found. It is valid until the next event.
type RowEvent struct{ Row Row }

// A WarningEvent is a doubt about a query. They come first.
type WarningEvent struct{ Warning Warning }

// A ProgressEvent says how far the answer has come.
type ProgressEvent struct {
	Looked map[string]int64 // what was looked at, by kind
	Rows   int64
}

// An AgentEvent says that the state of an agent of a fleet has changed.
type AgentEvent struct{ Agent Agent }

// A SummaryEvent is the account, and the last event of an answer that did not
// end in an error.
type SummaryEvent struct {
	Summary  answer.Summary
	Coverage Coverage // of a fleet; the zero one of this machine
}

func (RowEvent) event()      {}
func (WarningEvent) event()  {}
func (ProgressEvent) event() {}
func (AgentEvent) event()    {}
func (SummaryEvent) event()  {}

// Events gives what happens to the answer, once, in the place of All. Progress
// comes about so often as every says; where it is 0, never. It is for who
// shows an answer while it comes. After an error there are no more events.
func (r *Rows) Events(every time.Duration) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for _, w := range r.warnings {
			if !yield(WarningEvent{w}, nil) {
				return
			}
		}
		e := &events{rows: r, states: map[string]State{}}
		if !e.stream(every, yield) {
			return
		}
		end := SummaryEvent{Summary: r.Summary()}
		end.Coverage, _ = r.Coverage()
		yield(end, nil)
	}
}

// events mixes rows with what is seen of the answer from time to time.
type events struct {
	rows   *Rows
	states map[string]State // of the agents, as they were told
	next   time.Time        // not before it agents are looked at again
}

// namingShare is how many times as long as naming many agents takes it is then
// left alone: they change faster than anybody reads.
const namingShare = 20

type rowOrError struct {
	row Row
	err error
}

// stream gives everything but the end, and false where nobody reads on or the
// answer failed.
func (e *events) stream(every time.Duration, yield func(Event, error) bool) bool {
	var ticks <-chan time.Time
	if every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		ticks = t.C
	}
	rows, taken, stop := make(chan rowOrError), make(chan struct{}), make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { e.read(rows, taken, stop) })
	ended := false
	// However the reading ends, by a panic of who reads too, the answer ends
	// with it.
	defer func() {
		if close(stop); !ended {
			_ = e.rows.Close() // it never fails, and rows end
		}
		reading.Wait()
	}()
	for {
		select {
		case got, more := <-rows:
			switch {
			case !more:
				ended = true
				return e.agents(yield)
			case got.err != nil:
				ended = true
				yield(nil, got.err)
				return false
			case !yield(RowEvent{got.row}, nil):
				return false
			}
			taken <- struct{}{}
		case <-ticks:
			looked, n := e.rows.Progress()
			if !yield(ProgressEvent{looked, n}, nil) || time.Now().After(e.next) && !e.agents(yield) {
				return false
			}
		}
	}
}

// read hands the rows on, and closes them at the end. A row is valid until the
// next one: it waits until each was taken.
func (e *events) read(rows chan<- rowOrError, taken, stop <-chan struct{}) {
	defer close(rows)
	for row, err := range e.rows.All() {
		select {
		case rows <- rowOrError{row, err}:
		case <-stop:
			return
		}
		select {
		case <-taken:
		case <-stop:
			return
		}
	}
}

// agents tells which agents have changed.
func (e *events) agents(yield func(Event, error) bool) bool {
	start := time.Now()
	c, fleet := e.rows.Coverage()
	if !fleet {
		return true
	}
	e.next = start.Add(namingShare * time.Since(start))
	for _, a := range c.Agents {
		if e.states[a.Agent] != a.State {
			e.states[a.Agent] = a.State
			if !yield(AgentEvent{a}, nil) {
				return false
			}
		}
	}
	return true
}
