package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/plan"
)

// attributes have a child die with its agent, and keep from it what a terminal
// sends to those in front of it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// delegated says whether systemd has given a group to those who are in it.
func delegated(dir string) bool {
	for _, mark := range []string{"user.delegate", "trusted.delegate"} {
		var b [8]byte
		if n, err := unix.Getxattr(dir, mark, b[:]); err == nil && string(b[:n]) == "1" {
			return true
		}
	}
	return false
}

// place has a process begin in the group.
func (g *Group) place(a *syscall.SysProcAttr) {
	if g != nil {
		a.UseCgroupFD, a.CgroupFD = true, int(g.scan.Fd())
	}
}

// pause stops the child where it stands, or lets it go on.
func (p *process) pause(halted bool) {
	s := syscall.SIGCONT
	if halted {
		s = syscall.SIGSTOP
	}
	_ = p.cmd.Process.Signal(s) // it may have ended
}

// cpu gives the time of processors that the child has used, by the clock that
// the kernel keeps of it.
func (p *process) cpu() time.Duration {
	var ts unix.Timespec
	// The clock of a process, as clock_getcpuclockid makes its number.
	clock := ^int32(p.cmd.Process.Pid)<<3 | 2
	if unix.ClockGettime(clock, &ts) != nil {
		return time.Duration(p.used.Load())
	}
	return time.Duration(ts.Nano())
}

// memory gives what the child holds in memory of its own.
func (p *process) memory() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(fields[1], 10, 64)
	shared, _ := strconv.ParseInt(fields[2], 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}

// smallShare is the share of a processor, in percent of one, up to which a
// child need not come last: who asks for a little is to get it on a machine
// that has much to do, too.
const smallShare = 20

// wants has the kernel give the child its place among those that want a disk,
// or a processor. Where it is refused the child stays behind all others.
func (p *process) wants(l Limits) {
	if l.CPU > 0 && l.CPU <= smallShare {
		_ = unix.Setpriority(unix.PRIO_PGRP, p.cmd.Process.Pid, 0)
	}
	const whoGroup, bestEffort, idle, shift = 2, 2, 3, 13
	to := uintptr(idle << shift)
	switch l.IO {
	case plan.IOLow:
		to = bestEffort<<shift | 7
	case plan.IONormal:
		to = bestEffort<<shift | 4
	}
	_, _, _ = syscall.Syscall(unix.SYS_IOPRIO_SET, whoGroup, uintptr(p.cmd.Process.Pid), to)
}

// limitMemory has the kernel refuse memory beyond a bound. Go takes it in
// pieces of 64 MiB, and needs some beside its heap.
func limitMemory(n int64) {
	const beside = 192 << 20
	lim := unix.Rlimit{Cur: uint64(n + beside), Max: uint64(n + beside)}
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &lim) // the agent looks, too
}
