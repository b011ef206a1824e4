//go:build !linux && !windows && !darwin

package network

import "errors"

func liveNeighbours(map[int64]string) ([]neighbour, error) { return nil, errors.ErrUnsupported }
