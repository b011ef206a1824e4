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
	return countOf(string(b), "oom_kill")
}

// countOf reads a count out of lines of a name and a number.
func countOf(text, name string) int64 {
	for line := range strings.Lines(text) {
		if count, ok := strings.CutPrefix(line, name+" "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(count), 10, 64)
			return n
		}
	}
	return 0
}
