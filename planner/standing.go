package planner

import (
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/value"
)

// Bounds of EVERY.
const (
	minPeriod = time.Second
	maxPeriod = 7 * 24 * time.Hour
)

// every reads EVERY into the plan.
func (c *compiler) every(e lang.Expr) {
	if e == nil {
		return
	}
	v, ok := (&scope{c: c}).constant(e, value.Duration)
	switch {
	case !ok:
	case v.Duration() < minPeriod || v.Duration() > maxPeriod:
		c.report(periodOutOfRange(e))
	case c.plan.Source == "case":
		c.report(everyCase(e.Span()))
	case c.plan.Source != "local":
		c.report(notYet(e.Span(), "EVERY over a fleet"))
	default:
		c.plan.Every = v.Duration()
	}
}
