package relay_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// A byte that was changed in what one relay of several holds costs nobody an
// answer: who asks, at whichever relay, is given what another copy has.
func TestByteChanged(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	a, b, d := c.relays[0], c.relays[1], c.relays[2]
	w := a.agent("web-1", "linux")
	w.settle()
	c.all(1)
	p := d.plan("")
	d.login(d.alice).submit(d.signed(p, d.alice))
	w.wantPlan(p.ID)
	// The server begins a file after 8 MB, and mends what is missing behind the
	// damage in the last one itself, in some seconds.
	const chunks, size = 20, 900_000
	for seq := range uint32(chunks) {
		w.say(message.TypeChunk, w.chunk(p.ID, seq, seq == chunks-1, strings.Repeat("x", size)))
		w.wantAck(w.line, p.ID, seq+1)
	}
	b.halt()
	changeByte(t, filepath.Join(b.dir, "cluster"))
	b.start()
	for n, f := range c.relays {
		for range 2 { // each time of a copy that chance picks
			if got := len(f.login(f.bob).stored(p.ID).data(w.id.ID())); got != chunks*size {
				t.Errorf("relay %d shows %d of %d bytes", n, got, chunks*size)
			}
		}
	}
}

// changeByte changes one in the middle of the first file of the answers that a
// spine holds.
func changeByte(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".blk" || !strings.Contains(name, "QUAESTOR_ANSWERS") {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		text[len(text)/2] ^= 1
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return err
		}
		return fs.SkipAll
	})
	if err != nil {
		t.Fatal(err)
	}
}
