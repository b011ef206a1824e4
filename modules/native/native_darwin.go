package native

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// What bsd/sys/proc_info.h and syscalls.master of XNU fix.
const (
	sysProcInfo = 336 // the number of the call
	callPidInfo = 2   // PROC_INFO_CALL_PIDINFO
)

// The flavours of ProcessInfo.
const (
	TaskInfo      = 4  // a proc_taskinfo: memory, time, threads
	VnodePathInfo = 9  // a proc_vnodepathinfo: working directory and root
	PathInfo      = 11 // the path of the program
)

// ProcessInfo asks about a process, as proc_pidinfo of libproc does, and says
// how many bytes of b were written; for a path that is 0, and it ends at the
// first zero.
func ProcessInfo(pid, flavor int, b []byte) (int, error) {
	n, _, errno := unix.Syscall6(sysProcInfo, callPidInfo, uintptr(pid), uintptr(flavor), 0, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
