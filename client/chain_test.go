package client_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// An investigator who was long away, or never there, comes to the newest policy
// over those that changed the administrators, and not past one that is missing.
func TestChainOfPolicies(t *testing.T) {
	m := newMallory(t)
	key := m.key
	chain := [][]byte{m.envelope}
	for v := 2; v <= 5; v++ {
		next, err := signing.NewPrivateKey(fmt.Sprint("Admin ", v), "", time.Now().Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		text := signing.NewPolicyText(signing.PolicySpec{
			Fleet: testFleet, Name: "test",
			Administrators: []signing.PrincipalSpec{{Name: "Admin", Key: next.Public()}},
			Investigators:  []signing.PrincipalSpec{{Name: "Ada", Key: m.key.Public(), Weight: 1}},
		})
		text = strings.Replace(text, "version = 1", fmt.Sprintf("version = %d", v), 1)
		e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
		for _, k := range []*signing.PrivateKey{key, next} {
			if err := e.Sign(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		chain, key = append(chain, e.Encode()), next
	}
	fresh := t.TempDir()
	for _, c := range []struct {
		name, home string
		shown      int
		chain      [][]byte
		want       int64 // 0: refused
	}{
		{"the first", m.home, 0, nil, 1},
		{"a step is missing", m.home, 4, chain[2:], 0},
		{"away", m.home, 3, chain[1:4], 4},
		{"one step needs no chain", m.home, 4, nil, 5},
		{"never there, and no chain", fresh, 4, nil, 0},
		{"never there", fresh, 4, chain, 5},
	} {
		m.home, m.envelope, m.chain = c.home, chain[c.shown], c.chain
		s, err := m.dial()
		switch {
		case c.want == 0 && !errors.Is(err, signing.ErrRefused):
			t.Errorf("%s: %v", c.name, err)
		case c.want > 0 && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want > 0 && s.Policy().Version() != c.want:
			t.Errorf("%s: version %d", c.name, s.Policy().Version())
		}
	}
	// A relay that leads on for ever is left.
	m.home, m.envelope = t.TempDir(), chain[4]
	m.chain = nil
	for range signing.MaxChain + 1 {
		m.chain = append(m.chain, chain[0])
	}
	if _, err := m.dial(); !errors.Is(err, message.ErrMalformed) {
		t.Errorf("a chain without an end: %v", err)
	}
}
