package host

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/value"
)

// native asks the kernel of macOS for a fact.
func native(column string) (value.Value, error) {
	switch column {
	case "hostname":
		return sysctl("kern.hostname", value.NewText)
	case "os":
		return value.NewText(runtime.GOOS), nil
	case "distro":
		return value.NewText("macos"), nil
	case "version":
		return sysctl("kern.osproductversion", newVersion)
	case "distro_name":
		return sysctl("kern.osproductversion", func(s string) value.Value { return value.NewText("macOS " + s) })
	case "kernel":
		return sysctl("kern.osrelease", value.NewText)
	case "arch":
		return value.NewText(runtime.GOARCH), nil
	case "cpu":
		return sysctl("machdep.cpu.brand_string", value.NewText)
	case "addresses":
		return liveAddresses()
	case "mac_addresses":
		return liveMACs()
	}
	return number(column)
}

// number asks for the facts that are no text.
func number(column string) (value.Value, error) {
	switch column {
	case "uptime", "boot_time":
		tv, err := unix.SysctlTimeval("kern.boottime")
		if err != nil {
			return value.Value{}, fmt.Errorf("kern.boottime: %w", err)
		}
		boot := time.Unix(tv.Unix())
		if column == "uptime" {
			return value.NewDuration(time.Since(boot)), nil
		}
		return value.NewTime(boot), nil
	case "cpus":
		n, err := unix.SysctlUint32("hw.logicalcpu")
		if err != nil {
			return value.Value{}, fmt.Errorf("hw.logicalcpu: %w", err)
		}
		return value.NewInt(int64(n)), nil
	case "memory":
		n, err := unix.SysctlUint64("hw.memsize")
		if err != nil {
			return value.Value{}, fmt.Errorf("hw.memsize: %w", err)
		}
		return value.NewSize(int64(n)), nil
	case "timezone":
		to, err := os.Readlink("/etc/localtime")
		if _, zone, ok := strings.Cut(to, "zoneinfo/"); ok {
			return value.NewText(zone), nil
		}
		return value.Value{}, err
	case "container", "virtualisation", "init":
		return value.Value{}, nil // of Linux
	}
	return value.Value{}, errUnsupported
}

func sysctl(name string, made func(string) value.Value) (value.Value, error) {
	s, err := unix.Sysctl(name)
	if err != nil {
		return value.Value{}, fmt.Errorf("%s: %w", name, err)
	}
	return made(s), nil
}
