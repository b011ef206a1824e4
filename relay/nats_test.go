package relay_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// natsServer starts a spine that is in no relay.
func natsServer(t *testing.T) *server.Server {
	t.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, MaxPayload: 8 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server of the test does not start")
	}
	return srv
}

// A spine elsewhere does as well: what a relay kept there is found by one that
// is started again with nothing in its own folder.
func TestSpineElsewhere(t *testing.T) {
	t.Parallel()
	srv := natsServer(t)
	f := newFleet(t)
	f.nats = srv.ClientURL()
	f.restart()
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	a.say(message.TypeChunk, a.chunk(p.ID, 0, true, "rows"))
	a.wantAck(a.line, p.ID, 1)
	f.restart()
	if s := f.login(f.alice).stored(p.ID); s.data(a.id.ID()) != "rows" {
		t.Errorf("%q is stored", s.data(a.id.ID()))
	}
	f.hangUp()
	f.halt()
}
