package sandbox

import (
	"os"
	"strconv"
	"strings"
)

// OOMKills says how often the kernel has killed a process since the machine
// started, for want of memory; 0 where it does not say.
func OOMKills() int64 {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	return oomKills(string(b))
}

func oomKills(vmstat string) int64 {
	for line := range strings.Lines(vmstat) {
		if text, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return n
		}
	}
	return 0
}

// Group says in which control group of the second kind this process is, and
// its children with it: they have none of their own, since what a group would
// bound is bounded for each process, and the groups of a machine belong to
// whoever manages them. "" where nobody can say.
func Group() string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}
