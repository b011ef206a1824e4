//go:build !linux && !darwin

package file

import "github.com/quaestor-engine/quaestor/value"

// xattr knows nothing here.
func (s *fsys) xattr(handle, []byte, bool) (value.Value, error) { return value.Value{}, nil }
