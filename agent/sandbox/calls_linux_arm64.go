package sandbox

import "golang.org/x/sys/unix"

// nativeArch is how the kernel calls the architecture that this is built for.
const nativeArch = unix.AUDIT_ARCH_AARCH64

// plainOpen is the open without a directory, which there is none of.
const plainOpen = 0

// ownCalls are those that are called otherwise elsewhere.
func ownCalls() []uint32 {
	return []uint32{unix.SYS_NEWFSTATAT, unix.SYS_GETRLIMIT}
}
