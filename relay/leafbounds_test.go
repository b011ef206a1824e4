package relay_test

import (
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// Who reaches a leaf, and is nobody, cuts nobody off: what no agent says is not
// carried, and of many who would enrol at once only so many.
func TestLeafStrangers(t *testing.T) {
	s := newSite(t, newFleet(t))
	s.line(true)
	since := time.Now()
	for _, kind := range []message.Type{message.TypeEnvelope, message.TypeItem, message.TypeChunk} {
		l := s.open(s.dial(nil), message.KindEnroll)
		_ = l.WriteFrame(kind, make([]byte, 3<<20)) // it is refused before all of it is sent
		l.wantEnd()
	}
	if up := time.Since(since); !s.leaf.State().Line || s.leaf.State().For < up {
		t.Error("a stranger has cut the line")
	}
	const some = 65
	heard := make(chan string, some)
	for range some {
		l := s.open(s.dial(nil), message.KindEnroll)
		go func() {
			_, body, _ := l.next(long)
			heard <- string(body)
		}()
	}
	if why := <-heard; !strings.Contains(why, "64 others enrol") {
		t.Errorf("the first that ends hears %q", why)
	}
	s.hangUp()
}
