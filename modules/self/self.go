// Package self is the module about whoever looks: the agent, with the policy
// that it obeys and what was asked of it, or else the program that asks of its
// own machine.
//
// [Modules] gives it. An agent says what it knows of itself through
// modules.Host; the package must not look for that by itself.
package self

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// Modules gives the module of this package.
func Modules() []modules.Module { return []modules.Module{agent()} }

// A looker is the program that looks.
type looker struct {
	modules.Self
	kind string
	now  time.Time
}

func agent() modules.Module {
	return table.New(modules.Schema{
		Name: "agent", Doc: "Who looks: the agent with its policy and its journal; without a fleet the program that asks, of which less is known.",
	}, []table.Column[looker]{
		table.Text("kind", "What looks: an agent of a fleet, or a program that asks of its own machine.", func(l *looker) string { return l.kind }).OneOf("agent", "program").Shown(),
		table.Text("version", "The version of the program.", func(l *looker) string { return l.Software }).Shown(),
		table.Value("policy", value.Int, "The version of the policy that the agent obeys; null of a program, which obeys none.", of(func(l *looker) value.Value { return value.NewInt(l.Policy) })).Shown(),
		table.Value("uptime", value.Duration, "How long the agent has been at work; null of a program.", of(func(l *looker) value.Value { return value.NewDuration(l.now.Sub(l.Started)) })).Shown(),
		table.Value("pid", value.Int, "Its process.", func(l *looker) value.Value { return value.NewInt(l.pid()) }).To("process").Shown(),
		table.Size("memory", "What its process has from the system, as the runtime of Go counts it.", func(l *looker) int64 { return l.memory() }).Shown(),
		table.Text("id", "The ID of the agent.", func(l *looker) string { return l.Agent }),
		table.Text("fleet", "The ID of its fleet.", func(l *looker) string { return l.Fleet }),
		table.Text("fleet_name", "The name of its fleet.", func(l *looker) string { return l.FleetName }),
		table.Text("outcast", "Why the policy takes the agent for no member of the fleet; null where it does.", func(l *looker) string { return l.Outcast }),
		table.Text("upgrade", "What became of the latest release of the agent: fetching, waiting, trying, installed, rolled-back, failed or refused; null where none was offered.", func(l *looker) string { return l.Upgrade }),
		table.Text("upgrade_version", "Which release that was.", func(l *looker) string { return l.UpgradeVersion }),
		table.Text("upgrade_reason", "Why it is not installed.", func(l *looker) string { return l.UpgradeReason }),
		table.Text("relay", "The relay that it is connected to.", func(l *looker) string { return l.Relay }),
		table.Time("started", "When the agent took up its work.", func(l *looker) time.Time { return l.Started }),
		table.Time("certificate_expires", "When its certificate for the relay expires.", func(l *looker) time.Time { return l.Certificate }),
		table.Value("running", value.Int, "Plans that were accepted and have not ended, this one too.", of(func(l *looker) value.Value { return value.NewInt(l.Running) })),
		table.Value("asked", value.Int, "Plans in its journal, the refused ones too.", of(func(l *looker) value.Value { return value.NewInt(l.Asked) })),
		table.Value("refused", value.Int, "Plans in its journal that it refused.", of(func(l *looker) value.Value { return value.NewInt(l.Refused) })),
		table.Value("last_plans", value.List, "The IDs of the latest plans in its journal, the newest first.", of(func(l *looker) value.Value { return table.ListOf(l.Last, value.NewText) })).Of(value.Text),
		table.Time("last_at", "When the newest of them was written down.", func(l *looker) time.Time { return l.LastAt }),
		table.Value("journal_size", value.Size, "What its journal takes on the disk.", of(func(l *looker) value.Value { return value.NewSize(l.JournalBytes) })),
		table.Value("spool_size", value.Size, "What waits in it for a relay.", of(func(l *looker) value.Value { return value.NewSize(l.SpoolBytes) })),
		table.Value("max_timeout", value.Duration, "How long a plan may run here at most.", of(func(l *looker) value.Value { return value.NewDuration(l.Timeout) })),
		table.Value("max_rows", value.Int, "How many rows an answer may have.", of(func(l *looker) value.Value { return value.NewInt(l.Rows) })),
		table.Value("max_bytes", value.Size, "How many bytes an answer may have.", of(func(l *looker) value.Value { return value.NewSize(l.Bytes) })),
		table.Value("max_memory", value.Size, "What a plan may hold.", of(func(l *looker) value.Value { return value.NewSize(l.Self.Memory) })),
		table.Value("max_workers", value.Int, "How many threads a plan may have.", of(func(l *looker) value.Value { return value.NewInt(l.Workers) })),
		table.Value("max_concurrent", value.Int, "How many plans may run at once.", of(func(l *looker) value.Value { return value.NewInt(l.Concurrent) })),
		table.Text("os", "The system that the program was built for.", func(*looker) string { return runtime.GOOS }),
		table.Text("architecture", "The machine that the program was built for.", func(*looker) string { return runtime.GOARCH }),
		table.Int("processors", "How many processors it may use at once.", func(*looker) int64 { return int64(runtime.GOMAXPROCS(0)) }),
	}, func(s *table.Scan, yield func(*looker) error) error {
		l := &looker{kind: "program", now: s.Host.Now()}
		if s.Host.Self != nil {
			l.kind, l.Self = "agent", s.Host.Self()
		} else if info, ok := debug.ReadBuildInfo(); ok {
			l.Software = info.Main.Version
		}
		return yield(l)
	}).Blind()
}

// of gives what an agent alone has.
func of(get func(*looker) value.Value) func(*looker) value.Value {
	return func(l *looker) value.Value {
		if l.kind != "agent" {
			return value.Value{}
		}
		return get(l)
	}
}

// pid gives the process of an agent, or that of a program.
func (l *looker) pid() int64 {
	if l.Process != 0 {
		return l.Process
	}
	return int64(os.Getpid())
}

func (l *looker) memory() int64 {
	if l.Process != 0 {
		return l.Held
	}
	return memory()
}

// memory gives what this process has from the system, as the runtime counts it.
func memory() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
