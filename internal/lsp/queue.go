package lsp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
)

// maxQueued is how many messages wait before no more is read.
const maxQueued = 1000

// A queued message waits for its turn.
type queued struct {
	message
	cancelled bool
}

// A queue keeps messages in their order, so that one that is cancelled while it
// waits is never worked on.
type queue struct {
	mu    sync.Mutex
	waits []*queued
	ended bool
	more  chan struct{} // of capacity one: something changed
	room  chan struct{} // of capacity maxQueued: a place for each that waits
	busy  bool          // what was given last may have made work for an idle moment
}

func newQueue() *queue {
	return &queue{more: make(chan struct{}, 1), room: make(chan struct{}, maxQueued)}
}

// fill reads messages until there are no more.
func (q *queue) fill(ctx context.Context, r *bufio.Reader, w *wire) error {
	for {
		body, err := readMessage(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m := &queued{}
		if err := json.Unmarshal(body, &m.message); err != nil {
			if err := w.send(message{ID: json.RawMessage("null"), Error: &failure{codeParse, err.Error()}}); err != nil {
				return err
			}
			continue
		}
		switch {
		case m.Method == "$/cancelRequest":
			q.cancel(m.Params)
		case m.Method == "" && m.ID != nil:
			// An answer: nothing was asked.
		default:
			select {
			case q.room <- struct{}{}:
				q.add(m)
			case <-ctx.Done():
				return nil
			}
		}
		if m.Method == "exit" {
			return nil
		}
	}
}

func (q *queue) add(m *queued) {
	q.mu.Lock()
	q.waits = append(q.waits, m)
	q.mu.Unlock()
	q.ring()
}

func (q *queue) ring() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *queue) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.ring()
}

func (q *queue) cancel(params json.RawMessage) {
	var p struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(params, &p) != nil || p.ID == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.waits {
		if m.ID != nil && string(m.ID) == string(p.ID) {
			m.cancelled = true
		}
	}
}

// next gives the next message; nil and idle where there is none for now, once
// after every message, and nil alone where there will be none any more.
func (q *queue) next(ctx context.Context) (m *queued, idle bool) {
	for {
		q.mu.Lock()
		ended := q.ended
		if len(q.waits) > 0 {
			m, q.waits = q.waits[0], q.waits[1:]
		}
		q.mu.Unlock()
		switch {
		case m != nil:
			<-q.room
			q.busy = true
			return m, false
		case q.busy:
			q.busy = false
			return nil, true
		case ended:
			return nil, false
		}
		select {
		case <-q.more:
		case <-ctx.Done():
			return nil, false
		}
	}
}
