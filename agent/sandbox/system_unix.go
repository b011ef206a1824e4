//go:build unix

package sandbox

import (
	"syscall"
	"time"
)

// HoldsFiles says whether the files that a plan has open can be bounded here.
const HoldsFiles = true

// limitFiles bounds the files that this process may have open.
func limitFiles(n int64) {
	var at syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &at) != nil {
		return // the bound of all children holds anyway
	}
	at.Cur = min(uint64(n), at.Max)
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &at)
}

// ownCPU gives the time of processors that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
