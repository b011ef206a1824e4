//go:build !linux

package network

// askKernel is for Linux.
func askKernel(string, func(*socket) error) (asked bool, err error) { return false, nil }
