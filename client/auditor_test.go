package client

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// What a policy forbids behind which it stands in the log is good by the one
// before where the relay says that it is older, and told all the same: a relay
// that has the key of somebody who was taken out dates back.
func TestDatedBack(t *testing.T) {
	c := newCensus(t)
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, x := range map[string]struct {
		at        time.Time
		forbids   int64 // the version of the policy that does
		unchecked string
		refused   bool
	}{
		"as it should be":       {noon.Add(time.Hour), 0, "", false},
		"older, and still good": {noon.Add(-time.Hour), 0, "", false},
		"dated back":            {noon.Add(-time.Hour), 2, "by policy version 1, and not by version 2", false},
		"later":                 {noon.Add(time.Hour), 2, "", true},
	} {
		a := &auditor{Audit: &Audit{}, chain: []dated{
			{c.policy(), noon.Add(-2 * time.Hour)},
			{c.policy("version = 1", "version = 2"), noon},
		}}
		err := a.byPolicy(7, translog.Entry{Kind: translog.KindPlan, Name: signing.NewID().String(), At: x.at}, func(p *signing.Policy) error {
			if p.Version() == x.forbids {
				return errors.New("forbidden")
			}
			return nil
		})
		if told := strings.Join(a.Unchecked, "; "); (err != nil) != x.refused || (told != "") != (x.unchecked != "") || !strings.Contains(told, x.unchecked) {
			t.Errorf("%s: %v; unchecked %q", name, err, told)
		}
	}
}
