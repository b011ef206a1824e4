//go:build !linux

package network

import (
	"errors"
	"net/netip"
)

func liveAddresses(bool) (map[int64][]netip.Prefix, error) { return nil, errors.ErrUnsupported }

func liveNeighbours(map[int64]string) ([]neighbour, error) { return nil, errors.ErrUnsupported }
