package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

const (
	// enough is how many bytes are gathered before a write.
	enough = 32 << 10
	// tick is how long a row may wait for the next ones, and progress is told
	// every progressTicks of them.
	tick          = 100 * time.Millisecond
	progressTicks = 3
)

// A stream writes the lines of an answer. Its methods may be called from
// several goroutines. After an error of the connection it writes nothing more,
// and ends the answer.
type stream struct {
	w      http.ResponseWriter
	ctl    *http.ResponseController
	limit  time.Duration // of a write
	cancel context.CancelFunc

	mu    sync.Mutex
	buf   []byte
	first bool // a row was written
	began bool // a line was written
	gone  bool // nobody reads
}

func newStream(w http.ResponseWriter, limit time.Duration, cancel context.CancelFunc) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &stream{w: w, ctl: http.NewResponseController(w), limit: limit, cancel: cancel}
}

// line writes an object, at once.
func (s *stream) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("gateway: a line that JSON cannot say: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = append(append(s.buf, value.EscapeJSON(b)...), '\n')
	s.flush()
}

// row writes a row. The first is written at once, others within a tick.
func (s *stream) row(head []byte, keys [][]byte, values []value.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = append(s.buf, head...)
	for i, key := range keys {
		s.buf = value.AppendJSON(append(s.buf, key...), values[i])
	}
	s.buf = append(s.buf, "}}\n"...)
	if !s.first || len(s.buf) >= enough {
		s.first = true
		s.flush()
	}
}

// refuse answers with a problem alone, unless lines went before it.
func (s *stream) refuse(p *Problem) {
	s.mu.Lock()
	began := s.began
	s.mu.Unlock()
	if began {
		s.line(p)
		return
	}
	fail(s.w, p)
}

// tick writes what waits.
func (s *stream) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
}

func (s *stream) flush() {
	if len(s.buf) == 0 {
		return
	}
	s.began = true
	if !s.gone {
		err := s.ctl.SetWriteDeadline(time.Now().Add(s.limit))
		if err == nil || errors.Is(err, http.ErrNotSupported) {
			_, err = s.w.Write(s.buf)
		}
		if err == nil {
			err = s.ctl.Flush()
		}
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			s.gone = true
			s.cancel()
		}
	}
	s.buf = s.buf[:0]
}
