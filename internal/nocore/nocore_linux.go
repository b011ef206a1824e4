package nocore

import "golang.org/x/sys/unix"

// Guard makes the process one that dumps no core, and that no other process
// of its user can trace or read. The limit alone would not do: where cores go
// to a program, the kernel does not ask it. What the process starts itself is
// guarded no more once another program was loaded, but keeps the limit.
func Guard() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
