package relay

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
)

// A mirror that is for once ends when it has what is there, be it nothing.
func TestMirrorOnce(t *testing.T) {
	s := realSpine(t)
	for n := range 3 {
		var seen []string
		m := &mirror{stream: s.answers, subject: "answer.*.*", headers: true, once: true, log: slog.New(slog.DiscardHandler)}
		m.take = func(_ context.Context, m spineMessage) error {
			seen = append(seen, m.subject)
			return nil
		}
		ready := 0
		m.run(t.Context(), func() { ready++ })
		if len(seen) != n || ready != 1 {
			t.Errorf("of %d messages it saw %v, and was ready %d times", n, seen, ready)
		}
		if _, err := s.chunks.store(t.Context(), chunkMessage(n, 0, fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
}
