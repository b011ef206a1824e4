package hostile

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// Agents and relays log by slog's TextHandler and JSONHandler, and what others
// wrote is a value there, never the message.
func TestLog(t *testing.T) {
	for _, v := range Values() {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Warn("refused", "reason", v, "why", errors.New(v), slog.Group(v, v, 1))
		if strings.Count(b.String(), "\n") != 1 || strings.Contains(b.String(), " level=ERROR") && !strings.Contains(b.String(), `level=ERROR msg=\"forged\"`) {
			t.Errorf("a log of more than one line, or of another: %.200q", b.String())
		}
		if err := Terminal(b.String()); err != nil {
			t.Error(err)
		}
	}
}
