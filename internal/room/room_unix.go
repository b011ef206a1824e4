//go:build unix

package room

import "golang.org/x/sys/unix"

// Of gives the disk that a folder is on.
func Of(dir string) (Disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Disk{}, err
	}
	return Disk{Free: uint64(st.Bavail) * uint64(st.Bsize), Size: uint64(st.Blocks) * uint64(st.Bsize)}, nil
}
