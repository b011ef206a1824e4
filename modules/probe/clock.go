package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// Further outcomes, of servers of time.
const (
	kiss      = "kiss"      // the server does not want to be asked
	unset     = "unset"     // the server's own clock was not set
	malformed = "malformed" // what came back is no reply
)

// A watch is what a server of time said.
type watch struct {
	target
	reply
	outcome    string
	reason     string
	drift, way time.Duration // where the outcome is answered
}

func clock(p *pacer) modules.Module {
	return table.New(modules.Schema{
		Name: "clock", Doc: "How far this host's clock is from that of an NTP server. It sends packets: an agent does so only where a rule of its policy names the module.",
		Sends: true,
		Locator: modules.Locator{
			Use: modules.LocatorRequired, Column: "server",
			Doc:     "an NTP server, HOST or HOST:PORT, and behind it, where need be, ?count=3&wait=5s, how often at most and how long",
			Example: "'ntp.example.org'",
		},
	}, []table.Column[watch]{
		table.Text("server", "Whom the query named.", func(w *watch) string { return w.text }).Shown(),
		table.Value("drift", value.Duration, "How far this host's clock is ahead of the server's; negative where it is behind, null where the server did not say.", func(w *watch) value.Value { return w.told(w.drift) }).Shown(),
		table.Value("round_trip", value.Duration, "The time that question and answer were on their way: the drift is true to half of it.", func(w *watch) value.Value { return w.told(w.way) }).Shown(),
		table.Value("stratum", value.Int, "How many steps the server is from a clock that shows the time; 1 has one.", func(w *watch) value.Value {
			if w.sent.IsZero() || w.isKiss() {
				return value.Value{}
			}
			return value.NewInt(int64(w.stratum))
		}).Shown(),
		table.Text("outcome", "What came of it.", func(w *watch) string { return w.outcome }).Shown().
			OneOf(answered, kiss, unset, malformed, refused, unreachable, timeout, blocked, unresolved),
		table.IP("address", "The address that was asked.", func(w *watch) netip.Addr { return w.address }),
		table.Text("reference", "Where the server has its time from: a source as GPS, or a server's address, of IPv6 a part of its hash; of a kiss, its code.", func(w *watch) string { return w.reference }),
		table.Time("time", "What the server's clock said.", func(w *watch) time.Time { return w.sent }),
		table.Value("root_delay", value.Duration, "The time on the way between the server and a clock that shows the time.", func(w *watch) value.Value { return w.told(w.rootDelay) }),
		table.Value("root_dispersion", value.Duration, "How far the server itself says that it may be wrong.", func(w *watch) value.Value { return w.told(w.rootDispersion) }),
		table.Text("error", "What the system said, where there was no answer.", func(w *watch) string { return w.reason }),
	}, asking("clock", readClock, p.compare)).By().Blind()
}

func (w *watch) told(d time.Duration) value.Value {
	if w.outcome != answered {
		return value.Value{}
	}
	return value.NewDuration(d)
}

// compare asks a server until it answers. Where it does not, how far the clock
// is off could not be looked at, and that is reported.
func (p *pacer) compare(ctx context.Context, s *table.Scan, t target) (*watch, error) {
	w := &watch{target: t}
	switch err := w.locate(ctx, s.Permit); {
	case errors.Is(err, errUnresolved):
		w.outcome, w.reason = unresolved, err.Error()
	case err != nil:
		return nil, err
	}
	for number := 0; number < t.count && w.again(); number++ {
		if number > 0 {
			const politeness = 2 * time.Second // between two questions, RFC 5905
			if err := sleep(ctx, politeness); err != nil {
				return nil, err
			}
		}
		if err := p.turn(ctx); err != nil {
			return nil, err
		}
		err := w.ask(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
	}
	if w.outcome != answered && s.Wants("drift", "round_trip") {
		return w, &leftOut{modules.SkipIO, "the server did not say the time: " + w.reason}
	}
	return w, nil
}

// again says whether a further question may have another answer. A server that
// does not want to be asked is not asked again.
func (w *watch) again() bool {
	return w.outcome == "" || w.outcome == timeout || w.outcome == malformed
}

// ask asks once. The error is one that says nothing about the server.
func (w *watch) ask(ctx context.Context) error {
	c, err := dialer(w.wait).DialContext(ctx, "udp", w.end().String())
	if err != nil {
		return w.failed(err)
	}
	defer c.Close()
	var nonce [8]byte
	_, _ = rand.Read(nonce[:]) // it never fails
	var bad error
	begin := time.Now()
	took, err := exchange(ctx, c, w.wait, ntpAsk(nonce), func(b []byte) bool {
		r, err := parseNTP(b, nonce)
		if err != nil {
			bad = err
			return false
		}
		w.reply = r
		return true
	})
	switch {
	case err != nil && bad != nil:
		w.outcome, w.reason = malformed, bad.Error()
		return nil
	case err != nil:
		return w.failed(err)
	}
	w.judge(begin, took)
	return nil
}

// judge takes a reply to a question of that time.
func (w *watch) judge(begin time.Time, took time.Duration) {
	w.outcome, w.reason = answered, ""
	w.drift, w.way = w.reply.drift(begin, took)
	switch {
	case w.isKiss():
		w.outcome, w.reason = kiss, fmt.Sprintf("it does not want to be asked (%s)", w.reference)
	case !w.isSet():
		w.outcome, w.reason = unset, "its own clock was not set"
	case w.way < 0:
		w.outcome, w.reason = malformed, "it says that it took longer than there was time"
	}
}

func (w *watch) failed(err error) error {
	outcome, told := outcomeOf(err)
	if !told {
		return err
	}
	w.outcome, w.reason = outcome, err.Error()
	return nil
}
