package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// usage is what this process has used.
func usage() unix.Rusage {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic("answers: getrusage: " + err.Error()) // it fails for wrong arguments alone
	}
	return u
}

// spent is the processor time of this process, user and system.
func spent() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak is the most memory that this process had, resident, in bytes.
func peak() int64 {
	u := usage()
	return u.Maxrss << 10
}
