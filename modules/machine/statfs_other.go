//go:build !linux

package machine

import "errors"

// statfs is asked for on Linux alone.
func statfs(string, string) (*room, error) { return nil, errors.ErrUnsupported }
