package plan

import (
	"net/netip"
	"testing"

	"github.com/quaestor-engine/quaestor/value"
)

// in_cidr of a list asks for some address in it; what is no address is none.
func TestInCIDRList(t *testing.T) {
	net := value.NewCIDR(netip.MustParsePrefix("10.0.0.0/8"))
	in, out := value.NewIP(netip.MustParseAddr("::ffff:10.1.2.3")), value.NewIP(netip.MustParseAddr("192.168.0.1"))
	for _, c := range [...]struct {
		list []value.Value
		want bool
	}{{nil, false}, {[]value.Value{out}, false}, {[]value.Value{out, {}, in}, true}} {
		if got := inCIDR([]value.Value{value.NewList(c.list), net}).Bool(); got != c.want {
			t.Errorf("%v: %v", c.list, got)
		}
	}
	if _, err := inCIDRType([]value.Type{value.List, value.CIDR}); err != nil {
		t.Error(err)
	}
	if _, err := inCIDRType([]value.Type{value.Text, value.CIDR}); err == nil {
		t.Error("a text is taken for an address")
	}
}
