package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// machine describes where and with what the table was made.
func machine(v vars) string {
	var b strings.Builder
	model := "unknown processor"
	if _, rest, ok := strings.Cut(fileText("/proc/cpuinfo"), "model name\t: "); ok {
		model, _, _ = strings.Cut(rest, "\n")
	}
	fmt.Fprintf(&b, "%s; %s, %d cores; Linux %s; harness by %s; load at the end %s\n\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), model, runtime.NumCPU(),
		strings.TrimSpace(fileText("/proc/sys/kernel/osrelease")), runtime.Version(), strings.TrimSpace(fileText("/proc/loadavg")))
	for _, argv := range [][]string{{v.ours, "version"}, {"rg", "--version"}, {"grep", "--version"}, {"ugrep", "--version"},
		{"fdfind", "--version"}, {"find", "--version"}, {"hashdeep", "-V"}, {"rhash", "--version"},
		{"openssl", "version"}, {"sha256sum", "--version"}} {
		out, err := exec.Command(argv[0], argv[1:]...).Output()
		first, _, _ := strings.Cut(string(out), "\n")
		if argv[0] == "" || err != nil {
			first = "not run"
		}
		fmt.Fprintf(&b, "- %s: %s\n", argv[0], first)
	}
	return b.String()
}

// fileText is the content of a file, or nothing where there is none.
func fileText(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(b)
}
