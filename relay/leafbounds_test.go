package relay_test

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Who reaches a leaf, and is nobody, cuts nobody off: what no agent says is not
// carried, and of many who would enrol at once only so many.
func TestLeafStrangers(t *testing.T) {
	t.Parallel()
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

// ownLine gives a line to the relay as a leaf makes it.
func ownLine(t *testing.T, f *fleet) *line {
	s := newSite(t, f)
	s.down()
	pem := filepath.Join(s.folder, "leaf.pem")
	cert := must(tls.LoadX509KeyPair(pem, pem))(t)
	l := f.open(f.dial(&cert), message.KindLeaf)
	l.say(message.TypeLeaf, message.Leaf{Version: 1, Name: "site"})
	l.want(message.TypeLeaf)
	return l
}

// A relay that does not know a plan or an agent, and cannot learn what others
// know, never says that nobody wants an answer: the leaf would delete it.
func TestLeafRelayBehind(t *testing.T) {
	t.Parallel()
	for name, unknown := range map[string]bool{"a plan": false, "an agent": true} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			l := ownLine(t, f)
			a := f.newAgent("web-1", f.token(1)).enroll()
			if !unknown {
				a.up("linux")
				a.settle()
			}
			if err := f.relay.EndSpine(); err != nil {
				t.Fatal(err)
			}
			l.say(message.TypeMember, a.mem)
			_ = l.WriteFrame(message.TypeChunk, a.chunk(signing.NewID(), 0, true, "found"))
			for {
				kind, body, err := l.next(long)
				if err != nil {
					break // the relay ends, and with it the line
				}
				if kind != message.TypeStored {
					continue
				}
				for _, s := range must(message.DecodeStored(body))(t) {
					if s.Gone {
						t.Errorf("%+v of an answer of which nothing is known", s)
					}
				}
			}
			<-f.done
			f.stop = nil
		})
	}
}

// What a leaf brings of a member is stored whatever this relay would offer the
// agent: another one offered it, and died before it told.
func TestLeafOfferedElsewhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	l := ownLine(t, f)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	p := f.plan("windows")
	i.submit(f.signed(p, f.alice))
	l.say(message.TypeMember, a.mem)
	l.say(message.TypeChunk, a.chunk(p.ID, 0, true, "found"))
	all := must(message.DecodeStored(l.want(message.TypeStored)))(t)
	if len(all) != 1 || all[0].Gone || all[0].Next != 1 {
		t.Errorf("%+v", all)
	}
	if got := i.stored(p.ID).data(a.id.ID()); got != "found" {
		t.Errorf("%q is stored", got)
	}
}
