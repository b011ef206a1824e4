//go:build !linux && !windows

package process

import (
	"context"
	"errors"
)

// read is never called: Scan has said that this system cannot be asked.
func (r *memoryRow) read(context.Context, func(uint64, []byte) bool, func() bool) (bool, error) {
	return false, errors.ErrUnsupported
}
