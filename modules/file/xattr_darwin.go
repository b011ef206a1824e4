package file

import (
	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/value"
)

const noAttribute = unix.ENOATTR

func (s *fsys) attributePath(base handle, name []byte) string { return osJoin(base, name) }

// xattr gives the names of the extended attributes; there are no capabilities.
func (s *fsys) xattr(base handle, name []byte, caps bool) (value.Value, error) {
	if caps {
		return value.Value{}, nil
	}
	names, err := s.attributeNames(base, name)
	if err != nil {
		return value.Value{}, err
	}
	return textList(names), nil
}
