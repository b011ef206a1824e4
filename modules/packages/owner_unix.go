//go:build unix

package packages

import (
	"io/fs"
	"syscall"
)

// ownerOf gives who owns a file.
func ownerOf(st fs.FileInfo) (uid, gid uint32, ok bool) {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return s.Uid, s.Gid, true
}
