package network

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A route says where packets go.
type route struct {
	destination netip.Prefix
	gateway     netip.Addr
	iface       string
	metric      int64 // noMetric where the system has none
	reject      bool
	noReject    bool // the system does not say
}

// noMetric stands for the metric of a system whose routes have none.
const noMetric = -1

// Bits of a route, as linux/route.h has them.
const (
	routeUp     = 0x1
	routeReject = 0x200
)

func routes() modules.Module {
	return table.New(modules.Schema{
		Name: "route", Doc: "Where packets go: on Linux the main table of IPv4 and the tables of IPv6.",
	}, []table.Column[route]{
		table.Value("destination", value.CIDR, "The network that is reached so; 0.0.0.0/0 and ::/0 are all others.", func(r *route) value.Value { return value.NewCIDR(r.destination) }).Shown(),
		table.IP("gateway", "Who passes the packets on; null where the network is on the link.", func(r *route) netip.Addr { return r.gateway }).Shown(),
		table.Text("interface", "The interface that they leave by.", func(r *route) string { return r.iface }).To("interface").Shown(),
		table.Value("metric", value.Int, "Of several routes the one with the smallest metric is taken; on Windows that of the interface is added to it. Null on macOS, which has none.",
			func(r *route) value.Value { return numberOr(r.metric, noMetric) }).Shown(),
		table.Value("reject", value.Bool, "Whether packets are refused; null on Windows, which keeps no such routes.", func(r *route) value.Value {
			if r.noReject {
				return value.Value{}
			}
			return value.NewBool(r.reject)
		}),
	}, func(s *table.Scan, yield func(*route) error) error {
		if s.FS.Live() && asksSystem {
			list, err := systemRoutes(interfaceNames(s.FS))
			if err != nil {
				s.Fail("routes", err)
			}
			return yieldAll(list, yield)
		}
		if err := eachRoute(s, "/proc/net/route", 1, parseRoute4, yield); err != nil {
			return err
		}
		return eachRoute(s, "/proc/net/ipv6_route", 0, parseRoute6, yield)
	})
}

// yieldAll yields what was gathered.
func yieldAll[T any](list []T, yield func(*T) error) error {
	for i := range list {
		if err := yield(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// eachRoute reads a table of routes, whose first lines are headings.
func eachRoute(s *table.Scan, path string, headings int, parse func([]string) (r route, up, ok bool), yield func(*route) error) error {
	text, err := s.FS.Append(nil, path, maxTable)
	if err != nil {
		if s.FS.Exists(path) || s.FS.Live() && headings > 0 {
			s.Fail(path, err)
		}
		return nil
	}
	for n, line := range table.Lines(text) {
		if n <= headings || line == "" {
			continue
		}
		r, up, ok := parse(strings.Fields(line))
		if !ok {
			s.Fail(path+":"+strconv.Itoa(n), hostfs.ErrMalformed)
			continue
		}
		if !up {
			continue
		}
		if err := yield(&r); err != nil {
			return err
		}
	}
	return nil
}

// parseRoute4 reads Iface Destination Gateway Flags RefCnt Use Metric Mask….
func parseRoute4(w []string) (r route, up, ok bool) {
	if len(w) < 8 {
		return r, false, false
	}
	var n [4]uint32 // destination, gateway, flags, mask
	for i, text := range []string{w[1], w[2], w[3], w[7]} {
		v, err := strconv.ParseUint(text, 16, 32)
		if err != nil {
			return r, false, false
		}
		n[i] = uint32(v)
	}
	metric, err := strconv.ParseInt(w[6], 10, 64)
	address := func(v uint32) netip.Addr { return netip.AddrFrom4([4]byte(binary.LittleEndian.AppendUint32(nil, v))) }
	r = route{
		destination: netip.PrefixFrom(address(n[0]), bits.OnesCount32(n[3])),
		iface:       w[0], metric: metric, reject: n[2]&routeReject != 0,
	}
	if n[1] != 0 {
		r.gateway = address(n[1])
	}
	return r, n[2]&routeUp != 0, err == nil
}

// parseRoute6 reads destination, its length, source, its length, next hop,
// metric, references, use, flags, interface.
func parseRoute6(w []string) (r route, up, ok bool) {
	if len(w) != 10 {
		return r, false, false
	}
	to, err1 := hex.DecodeString(w[0])
	length, err2 := strconv.ParseUint(w[1], 16, 8)
	next, err3 := hex.DecodeString(w[4])
	metric, err4 := strconv.ParseUint(w[5], 16, 32)
	flags, err5 := strconv.ParseUint(w[8], 16, 32)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return r, false, false
		}
	}
	if len(to) != 16 || len(next) != 16 || length > 128 {
		return r, false, false
	}
	r = route{
		destination: netip.PrefixFrom(netip.AddrFrom16([16]byte(to)), int(length)),
		iface:       w[9], metric: int64(metric), reject: flags&routeReject != 0,
	}
	if hop := netip.AddrFrom16([16]byte(next)); !hop.IsUnspecified() {
		r.gateway = hop
	}
	return r, flags&routeUp != 0, true
}
