package main

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup lets a cancelled command take its children along.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// peakRSS is the largest resident memory of a process or of one of its
// children, in bytes.
func peakRSS(s *os.ProcessState) int64 {
	if ru, ok := s.SysUsage().(*syscall.Rusage); ok {
		return int64(ru.Maxrss) << 10
	}
	return 0
}

// pin keeps the calling thread, and what it starts, on the first two cores it
// may use: the peers are told to use two threads, and so ours sees two.
func pin() error {
	runtime.LockOSThread()
	var all, two unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	for i := 0; two.Count() < min(2, all.Count()); i++ {
		if all.IsSet(i) {
			two.Set(i)
		}
	}
	return unix.SchedSetaffinity(0, &two)
}
