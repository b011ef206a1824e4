package file

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/windows"

	"github.com/quaestor-engine/quaestor/modules/native"
)

// maxStream is how much of a stream is read that says where a file came from,
// in bytes.
const maxStream = 64 << 10

// attributeNames lists the streams of a file beside its content.
func (s *fsys) attributeNames(base handle, name []byte) ([]string, error) {
	var names []string
	err := native.Streams(osJoin(base, name), func(data []byte) bool {
		if stream := streamName(data); stream != "" {
			names = append(names, stream)
		}
		return true
	})
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) || errors.Is(err, windows.ERROR_NOT_SUPPORTED) {
		return nil, nil // a file system without streams
	}
	return names, err
}

// attributeValue reads one of them.
func (s *fsys) attributeValue(base handle, name []byte, stream string) ([]byte, error) {
	f, err := os.Open(osJoin(base, name) + ":" + stream)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxStream))
}

// ownerOf gives the identity of the owner, and its name where it has one: with
// its domain before it, but for those of this machine.
func (s *fsys) ownerOf(base handle, name []byte) (sid, account string, err error) {
	d, err := windows.GetNamedSecurityInfo(osJoin(base, name), windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return "", "", err
	}
	owner, _, err := d.Owner()
	if err != nil || owner == nil {
		return "", "", err
	}
	return owner.String(), native.AccountName(owner), nil
}
