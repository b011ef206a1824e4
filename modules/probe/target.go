package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
)

// A target is one host, and one port of it, that is to be asked.
type target struct {
	text     string // as the query wrote it
	protocol string // icmp, tcp, udp or ntp
	host     string // a name; "" where an address was written
	address  netip.Addr
	port     uint16
	count    int           // attempts
	wait     time.Duration // for the answer to one
}

const ntpPort = 123

// readReach reads PROTOCOL:HOST:PORT, or icmp:HOST, with what may follow.
func readReach(text string) (target, error) {
	t := target{text: text}
	rest, err := t.options(text)
	if err != nil {
		return t, fmt.Errorf("%q: %w", text, err)
	}
	protocol, where, ok := strings.Cut(rest, ":")
	t.protocol = protocol
	switch {
	case !ok || where == "":
	case protocol == "icmp":
		err := t.place(strings.TrimSuffix(strings.TrimPrefix(where, "["), "]"), "")
		return t, wrap(text, err)
	case protocol == "tcp" || protocol == "udp":
		host, port, err := net.SplitHostPort(where)
		if err != nil {
			return t, fmt.Errorf("%q: %s needs a host and a port: write %s:192.0.2.7:443 or %s:[2001:db8::7]:443", text, protocol, protocol, protocol)
		}
		return t, wrap(text, t.place(host, port))
	}
	return t, fmt.Errorf("%q is no target: write 'icmp:192.0.2.7', 'tcp:example.org:443' or 'udp:192.0.2.7:53'", text)
}

// readClock reads HOST or HOST:PORT, with what may follow.
func readClock(text string) (target, error) {
	t := target{text: text, protocol: "ntp"}
	rest, err := t.options(text)
	if err != nil {
		return t, fmt.Errorf("%q: %w", text, err)
	}
	host, port := rest, strconv.Itoa(ntpPort)
	if _, err := netip.ParseAddr(rest); err != nil && strings.Contains(rest, ":") {
		if host, port, err = net.SplitHostPort(rest); err != nil {
			return t, fmt.Errorf("%q is no server: write ntp.example.org, 192.0.2.7 or [2001:db8::7]:123", text)
		}
	}
	return t, wrap(text, t.place(host, port))
}

func wrap(text string, err error) error {
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

// options reads ?count=3&wait=5s and gives what stands before it.
func (t *target) options(text string) (string, error) {
	rest, options, ok := strings.Cut(text, "?")
	t.count, t.wait = defaultCount, defaultWait
	if !ok {
		return rest, nil
	}
	for option := range strings.SplitSeq(options, "&") {
		name, v, _ := strings.Cut(option, "=")
		var err error
		switch name {
		case "count":
			if t.count, err = strconv.Atoi(v); err != nil || t.count < 1 || t.count > maxCount {
				return "", fmt.Errorf("count is how often it is asked, from 1 to %d, as in ?count=3", maxCount)
			}
		case "wait":
			if t.wait, err = time.ParseDuration(v); err != nil || t.wait <= 0 || t.wait > maxWait {
				return "", fmt.Errorf("wait is how long an answer is waited for, up to %s, as in ?wait=5s", maxWait)
			}
		default:
			return "", fmt.Errorf("after the ? may stand count and wait, as in ?count=3&wait=5s, and not %q", name)
		}
	}
	return rest, nil
}

// place takes host and port.
func (t *target) place(host, port string) error {
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is no port from 1 to 65535", port)
		}
		t.port = uint16(n)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		t.address = a.Unmap()
		return crowd(t.address, nil)
	}
	if !isName(host) {
		return fmt.Errorf("%q is neither an address nor a name; a target is one host, and no network", host)
	}
	t.host = strings.ToLower(host)
	return nil
}

// isName says whether a text could be the name of a host.
func isName(s string) bool {
	const longest = 253 // bytes of a name, RFC 1035
	if s == "" || len(s) > longest || s[0] == '-' || s[0] == '.' {
		return false
	}
	letter := false
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			letter = true
		case c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_':
		default:
			return false
		}
	}
	return letter // 10.0.0 and 300.1.1.1 are addresses that somebody mistyped
}

// crowd is why nothing is sent to an address: it stands for many hosts, or for
// none. The networks are those that the host is in.
func crowd(a netip.Addr, networks []netip.Prefix) error {
	switch {
	case a.IsMulticast():
		return fmt.Errorf("%s is a multicast address, and nothing is sent to many at once", a)
	case a.IsUnspecified():
		return fmt.Errorf("%s is nobody's address", a)
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%s is the broadcast address, and nothing is sent to many at once", a)
	}
	for _, n := range networks {
		const pointToPoint = 31 // such a network has no broadcast address, RFC 3021
		if a.Is4() && n.Addr().Is4() && n.Bits() < pointToPoint && n.Contains(a) && a == last(n) {
			return fmt.Errorf("%s is the broadcast address of %s, and nothing is sent to many at once", a, n.Masked())
		}
	}
	return nil
}

// last gives the last address of a network of IPv4.
func last(n netip.Prefix) netip.Addr {
	b := n.Addr().As4()
	for i := range b {
		for bit := range 8 {
			if i*8+bit >= n.Bits() {
				b[i] |= 0x80 >> bit
			}
		}
	}
	return netip.AddrFrom4(b)
}

// errUnresolved says that a name is nobody's.
var errUnresolved = errors.New("no host has that name")

// locate finds the address of a target, and asks whether anything may go
// there. The error is errUnresolved, a *leftOut, or that of the resolver.
func (t *target) locate(ctx context.Context, permit func(string) modules.SkipKind) error {
	if t.host != "" {
		if err := t.resolve(ctx); err != nil {
			return err
		}
	}
	if err := crowd(t.address, networks()); err != nil {
		return &leftOut{modules.SkipUnsupported, err.Error()}
	}
	if permit == nil {
		return nil
	}
	place := "/" + t.protocol + "/" + t.address.WithZone("").String()
	if t.port != 0 {
		place += "/" + strconv.Itoa(int(t.port))
	}
	if kind := permit(place); kind != "" {
		return &leftOut{kind, "nothing may be sent to " + place}
	}
	return nil
}

// resolve asks the system's resolver, and takes the address that it puts
// first.
func (t *target) resolve(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.wait)
	defer cancel()
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.host)
	if de := (*net.DNSError)(nil); errors.As(err, &de) && de.IsNotFound {
		return errUnresolved
	}
	if err != nil {
		return fmt.Errorf("the name could not be looked up: %w", err)
	}
	if len(list) == 0 {
		return errUnresolved
	}
	t.address = list[0].Unmap()
	return nil
}

// networks gives those that the host is in; none where the system does not say.
func networks() []netip.Prefix {
	var list []netip.Prefix
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, n)
		}
	}
	return list
}

func (t *target) end() netip.AddrPort { return netip.AddrPortFrom(t.address, t.port) }
