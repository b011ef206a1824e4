//go:build linux || darwin

package file

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"
)

// maxXattr is the most that Linux keeps in a list of names, or in a value;
// values of macOS may be longer, and none that is read here is.
const maxXattr = 64 << 10

// attributeNames lists the extended attributes of a name, which is never
// followed; nil where the file system keeps none.
func (s *fsys) attributeNames(base handle, name []byte) ([]string, error) {
	b, err := s.askAttribute(func(path string, buf []byte) (int, error) { return unix.Llistxattr(path, buf) }, base, name)
	var names []string
	for part := range bytes.SplitSeq(b, []byte{0}) {
		if len(part) > 0 {
			names = append(names, string(part))
		}
	}
	return names, err
}

// attributeValue reads one of them; nil where it is not there.
func (s *fsys) attributeValue(base handle, name []byte, attribute string) ([]byte, error) {
	return s.askAttribute(func(path string, buf []byte) (int, error) { return unix.Lgetxattr(path, attribute, buf) }, base, name)
}

func (s *fsys) askAttribute(ask func(string, []byte) (int, error), base handle, name []byte) ([]byte, error) {
	buf := make([]byte, maxXattr)
	for {
		n, err := ask(s.attributePath(base, name), buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, noAttribute) || errors.Is(err, unix.ENOTSUP):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return buf[:n], nil
	}
}

// ownerOf is of Windows: here the owner is known with the other attributes.
func (s *fsys) ownerOf(handle, []byte) (sid, name string, err error) { return "", "", nil }
