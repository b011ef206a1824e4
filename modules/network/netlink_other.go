//go:build !linux

package network

import (
	"errors"
	"net/netip"
)

// liveAddresses gives the addresses of interfaces by the interfaces' numbers.
func liveAddresses(live bool) (map[int64][]netip.Prefix, error) {
	if !live {
		return nil, errors.ErrUnsupported
	}
	return systemAddresses()
}
