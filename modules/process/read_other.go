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

// A memoryReader is never used, as read.
type memoryReader struct{ region *region }

// ReadAt implements io.ReaderAt.
func (m *memoryReader) ReadAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
