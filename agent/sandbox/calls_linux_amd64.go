package sandbox

import "golang.org/x/sys/unix"

// nativeArch is how the kernel calls the architecture that this is built for.
const nativeArch = unix.AUDIT_ARCH_X86_64

// plainOpen is the open without a directory.
const plainOpen = unix.SYS_OPEN

// ownCalls are those that this architecture has of old. The numbers of x32 are
// not among them.
func ownCalls() []uint32 {
	return []uint32{
		unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_NEWFSTATAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_GETDENTS, unix.SYS_DUP2, unix.SYS_PIPE,
		unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_CREATE, unix.SYS_ARCH_PRCTL, unix.SYS_GETRLIMIT, unix.SYS_TIME, unix.SYS_GETPGRP,
	}
}
