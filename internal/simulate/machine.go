package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// A system is a kind of machine, and how many of a hundred are of it.
type system struct {
	share                               int
	os, distro, version, kernel, called string
}

// systems add up to a hundred.
var systems = [...]system{
	{30, "linux", "debian", "12", "6.1.0-28-amd64", "Debian GNU/Linux 12 (bookworm)"},
	{10, "linux", "debian", "11", "5.10.0-33-amd64", "Debian GNU/Linux 11 (bullseye)"},
	{20, "linux", "ubuntu", "24.04", "6.8.0-51-generic", "Ubuntu 24.04.1 LTS"},
	{10, "linux", "rocky", "9.4", "5.14.0-427.el9", "Rocky Linux 9.4 (Blue Onyx)"},
	{5, "linux", "alpine", "3.20.3", "6.6.58-0-lts", "Alpine Linux v3.20"},
	{15, "windows", "windows", "10.0.22631", "10.0.22631", "Windows 11 Pro"},
	{10, "darwin", "macos", "15.2", "24.2.0", "macOS 15.2"},
}

// What tags and the rest are drawn from.
var (
	roles  = [...]string{"web", "web", "web", "db", "mail", "build", "desk", "desk"}
	sites  = [...]string{"vienna", "graz", "berlin", "lyon"}
	stages = [...]string{"production", "production", "production", "test"}
)

// A machine is what a simulated agent says of where it runs.
type machine struct {
	name    string
	system  system
	arch    string
	cpus    int64
	memory  int64
	uptime  time.Duration
	address netip.Addr
	tags    []string // key=value
}

// nameOf is what machine n is called, and what its tree is called.
func nameOf(n int) string { return fmt.Sprintf("sim-%05d", n) }

// machineOf makes machine n up, the same one for the same seed.
func machineOf(seed uint64, n int) machine {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	m := machine{name: nameOf(n), arch: "amd64", address: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}
	draw := r.IntN(100)
	for _, s := range systems {
		if m.system = s; draw < s.share {
			break
		}
		draw -= s.share
	}
	if r.IntN(5) == 0 || m.system.os == "darwin" {
		m.arch = "arm64"
	}
	m.cpus = 2 << r.IntN(5)
	m.memory = m.cpus << 31
	m.uptime = time.Duration(r.IntN(200*24)) * time.Hour
	m.tags = []string{"role=" + roles[r.IntN(len(roles))], "site=" + sites[r.IntN(len(sites))], "stage=" + stages[r.IntN(len(stages))]}
	return m
}

// fact gives a column of the module host; null for those that nobody made up.
func (m *machine) fact(column string) value.Value {
	switch column {
	case "hostname":
		return value.NewText(m.name)
	case "os":
		return value.NewText(m.system.os)
	case "distro":
		return value.NewText(m.system.distro)
	case "version":
		return value.NewVersion(m.system.version, value.AnyScheme)
	case "distro_name":
		return value.NewText(m.system.called)
	case "kernel":
		return value.NewText(m.system.kernel)
	case "arch":
		return value.NewText(m.arch)
	case "cpus":
		return value.NewInt(m.cpus)
	case "memory":
		return value.NewSize(m.memory)
	case "uptime":
		return value.NewDuration(m.uptime)
	case "addresses":
		return value.NewList([]value.Value{value.NewIP(m.address)})
	case "timezone":
		return value.NewText("UTC")
	}
	return value.Value{}
}

// hosts is the module host of machines that are made up. It knows one by the
// name of its tree, so that all agents share it.
type hosts struct {
	modules.Module // the real one, for its schema
	seed           uint64
}

// catalogue is the modules with the host's made up.
func catalogue(list []modules.Module, seed uint64) (*modules.Catalogue, error) {
	out := make([]modules.Module, len(list))
	for i, m := range list {
		if out[i] = m; m.Schema().Name == "host" {
			out[i] = hosts{m, seed}
		}
	}
	return modules.NewCatalogue(out...)
}

// Scan gives the one row.
func (h hosts) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var n int
	if _, err := fmt.Sscanf(filepath.Base(req.Host.Root), "sim-%d", &n); err != nil {
		return fmt.Errorf("host: %q is no tree of a simulated machine: %w", req.Host.Root, err)
	}
	m := machineOf(h.seed, n)
	req.Report.Looked("hosts", 1)
	return yield(madeUp{&m, h.Schema().Columns})
}

type madeUp struct {
	machine *machine
	columns []modules.Column
}

// Column implements modules.Row.
func (r madeUp) Column(_ context.Context, i int) (value.Value, error) {
	if i < 0 || i >= len(r.columns) {
		return value.Value{}, fmt.Errorf("host: no column %d", i)
	}
	return r.machine.fact(r.columns[i].Name), nil
}
