package network

import (
	"net/netip"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A resolution is a setting of how names become addresses.
type resolution struct {
	kind, name, path string
	address          netip.Addr
	line             int64
}

func dns() modules.Module {
	return table.New(modules.Schema{
		Name: "dns", Doc: "How names become addresses here: nameservers, search domains, the hosts file. Nobody is asked.",
	}, []table.Column[resolution]{
		table.Text("kind", "What the row is.", func(r *resolution) string { return r.kind }).Shown().
			OneOf("nameserver", "search", "option", "host", "order"),
		table.Text("name", "A name of the hosts file, a search domain, an option, or where names are looked up first.", func(r *resolution) string { return r.name }).Shown(),
		table.IP("address", "The address of a nameserver, or of a name of the hosts file.", func(r *resolution) netip.Addr { return r.address }).Shown(),
		table.Text("path", "The file that says so; null where the system itself does, as on Windows.", func(r *resolution) string { return r.path }).To("file").Shown(),
		table.Value("line", value.Int, "The line of that file.", func(r *resolution) value.Value { return numberOr(r.line, 0) }),
	}, func(s *table.Scan, yield func(*resolution) error) error {
		windowsHosts, _ := s.FS.Windows("/Windows/System32/drivers/etc/hosts")
		for _, f := range []struct {
			path  string
			parse func(words []string) ([]resolution, bool)
		}{
			{"/etc/hosts", parseHost},
			{windowsHosts, parseHost},
			{"/etc/resolv.conf", parseResolver},
			{"/run/systemd/resolve/resolv.conf", parseResolver},
			{"/etc/nsswitch.conf", parseOrder},
		} {
			if err := eachResolution(s, f.path, f.parse, yield); err != nil {
				return err
			}
		}
		for path := range s.FS.Glob("/etc/resolver/*") { // of macOS, each for a domain
			if err := eachResolution(s, path, parseResolver, yield); err != nil {
				return err
			}
		}
		if !s.FS.Live() {
			return nil
		}
		list, err := systemResolvers()
		if err != nil {
			s.Fail("nameservers", err)
		}
		return yieldAll(list, yield)
	})
}

func eachResolution(s *table.Scan, path string, parse func([]string) ([]resolution, bool), yield func(*resolution) error) error {
	text, _ := s.FS.Get(path)
	for n, line := range table.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], ";") {
			continue
		}
		list, ok := parse(words)
		if !ok {
			s.Fail(path, hostfs.ErrMalformed)
		}
		for _, r := range list {
			r.path, r.line = path, int64(n)
			if err := yield(&r); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseHost reads a line of hosts(5): an address and its names.
func parseHost(words []string) (list []resolution, ok bool) {
	a, err := netip.ParseAddr(words[0])
	if err != nil || len(words) < 2 {
		return nil, false
	}
	for _, name := range words[1:] {
		list = append(list, resolution{kind: "host", name: name, address: a})
	}
	return list, true
}

// parseResolver reads a line of resolv.conf(5).
func parseResolver(words []string) (list []resolution, ok bool) {
	switch words[0] {
	case "nameserver":
		if len(words) < 2 {
			return nil, false
		}
		a, err := netip.ParseAddr(words[1])
		if err != nil {
			return nil, false
		}
		list = append(list, resolution{kind: "nameserver", address: a})
	case "search", "domain":
		for _, name := range words[1:] {
			list = append(list, resolution{kind: "search", name: name})
		}
	case "options":
		for _, name := range words[1:] {
			list = append(list, resolution{kind: "option", name: name})
		}
	}
	return list, true
}

// parseOrder reads the line of nsswitch.conf(5) that is about hosts.
func parseOrder(words []string) (list []resolution, ok bool) {
	if words[0] == "hosts:" {
		for _, name := range words[1:] {
			list = append(list, resolution{kind: "order", name: name})
		}
	}
	return list, true
}
