package machine

import (
	"os"

	"golang.org/x/sys/unix"
)

// statfs asks for the room of what is mounted at a path in the list of a
// process. Where the first process lives in another namespace than this one,
// it is asked for through the root of that.
func statfs(list, path string) (*room, error) {
	if list == "/proc/1/mountinfo" {
		first, err := os.Readlink("/proc/1/ns/mnt")
		own, _ := os.Readlink("/proc/self/ns/mnt")
		if err == nil && first != own {
			path = "/proc/1/root" + path
		}
	}
	var st unix.Statfs_t
	for {
		if err := unix.Statfs(path, &st); err == nil {
			break
		} else if err != unix.EINTR {
			return nil, err
		}
	}
	unit := st.Frsize
	if unit == 0 {
		unit = st.Bsize
	}
	size := func(blocks uint64) int64 { return int64(blocks) * int64(unit) }
	return &room{size(st.Blocks), size(st.Bfree), size(st.Bavail), int64(st.Files), int64(st.Ffree), int64(unit)}, nil
}
