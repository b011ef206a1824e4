package probe

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A reached is what came of a target.
type reached struct {
	target
	outcome           string
	reason            string
	sent, received    int64
	least, sum, worst time.Duration
}

func reach(p *pacer) modules.Module {
	return table.New(modules.Schema{
		Name: "reach", Doc: "Whether other hosts can be reached from this one. It sends packets: an agent does so only where a rule of its policy names the module.",
		Sends: true,
		Locator: modules.Locator{
			Use: modules.LocatorRequired, Column: "target",
			Doc:     "whom to ask: icmp:HOST, tcp:HOST:PORT or udp:HOST:PORT, and behind it, where need be, ?count=3&wait=5s, how often and how long",
			Example: "'tcp:192.0.2.7:443'",
		},
	}, []table.Column[reached]{
		table.Text("target", "Whom the query named.", func(r *reached) string { return r.text }).Shown(),
		table.Value("reachable", value.Bool, "Whether what was named answered; null where silence does not tell, as of UDP.", reachable).Shown(),
		table.Text("outcome", "What came of it. Of several attempts the best counts.", func(r *reached) string { return r.outcome }).Shown().
			OneOf(open, answered, refused, unreachable, timeout, blocked, unresolved),
		table.Value("rtt", value.Duration, "The time until the answer, on the average; null without one.", func(r *reached) value.Value { return r.mean() }).Shown(),
		table.Text("protocol", "What was spoken.", func(r *reached) string { return r.protocol }).OneOf("icmp", "tcp", "udp"),
		table.Text("name", "The name that the query has; null where it has an address.", func(r *reached) string { return r.host }),
		table.IP("address", "The address that was asked.", func(r *reached) netip.Addr { return r.address }),
		table.Value("port", value.Int, "The port that was asked; null with ICMP.", func(r *reached) value.Value {
			if r.port == 0 {
				return value.Value{}
			}
			return value.NewInt(int64(r.port))
		}),
		table.Value("rtt_min", value.Duration, "The shortest time until an answer.", func(r *reached) value.Value { return r.time(r.least) }),
		table.Value("rtt_max", value.Duration, "The longest time until an answer.", func(r *reached) value.Value { return r.time(r.worst) }),
		table.Int("sent", "Attempts: packets, or connections of TCP, of which the system repeats the first packet by itself.", func(r *reached) int64 { return r.sent }),
		table.Int("received", "Attempts that were answered.", func(r *reached) int64 { return r.received }),
		table.Text("error", "What the system said, where there was no answer.", func(r *reached) string { return r.reason }),
	}, asking("reach", readReach, p.reach)).By().Blind()
}

func (r *reached) time(d time.Duration) value.Value {
	if r.received == 0 {
		return value.Value{}
	}
	return value.NewDuration(d)
}

func (r *reached) mean() value.Value { return r.time(r.sum / time.Duration(max(1, r.received))) }

// silent says that nothing came back where nothing need come back.
func (r *reached) silent() bool { return r.protocol == "udp" && r.outcome == timeout }

func reachable(r *reached) value.Value {
	if r.silent() {
		return value.Value{}
	}
	return value.NewBool(r.received > 0)
}

// reach asks one target as often as it says.
func (p *pacer) reach(ctx context.Context, s *table.Scan, t target) (*reached, error) {
	r := &reached{target: t}
	switch err := r.locate(ctx, s.Permit); {
	case errors.Is(err, errUnresolved):
		r.outcome, r.reason = unresolved, err.Error()
		return r, nil
	case err != nil:
		return nil, err
	}
	for number := range t.count {
		if number > 0 {
			if err := sleep(ctx, pause); err != nil {
				return nil, err
			}
		}
		if err := p.turn(ctx); err != nil {
			return nil, err
		}
		took, err := r.attempt(ctx, number)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := r.take(took, err); err != nil {
			return nil, err
		}
	}
	if r.silent() && s.Wants("reachable") {
		return r, &leftOut{modules.SkipUnsupported, "nothing came back, and of UDP that may mean that the port is open"}
	}
	return r, nil
}

func (r *reached) attempt(ctx context.Context, number int) (time.Duration, error) {
	switch r.protocol {
	case "tcp":
		return connect(ctx, &r.target)
	case "udp":
		return knock(ctx, &r.target)
	}
	return ping(ctx, &r.target, number)
}

// take adds what came of one attempt. The error is one that says nothing about
// the target.
func (r *reached) take(took time.Duration, err error) error {
	if err != nil {
		outcome, told := outcomeOf(err)
		if !told {
			return err
		}
		r.sent++
		if r.outcome == "" || r.outcome == timeout {
			r.outcome, r.reason = outcome, err.Error()
		}
		return nil
	}
	r.sent++
	if r.received == 0 || took < r.least {
		r.least = took
	}
	r.received++
	r.sum, r.worst = r.sum+took, max(r.worst, took)
	if r.outcome, r.reason = open, ""; r.protocol == "icmp" {
		r.outcome = answered
	}
	return nil
}
