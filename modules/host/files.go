package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// The facts of a Linux machine, each from the files that hold it.

func hostname(m *machine) (value.Value, error) {
	b, err := m.read("/proc/sys/kernel/hostname", "/etc/hostname")
	return line(b, err)
}

func system(m *machine) (value.Value, error) {
	if m.Live() {
		return value.NewText(runtime.GOOS), nil
	}
	return value.NewText("linux"), nil
}

func distro(m *machine) (value.Value, error) { return release(m, "ID", value.NewText) }

func distroName(m *machine) (value.Value, error) { return release(m, "PRETTY_NAME", value.NewText) }

func version(m *machine) (value.Value, error) { return release(m, "VERSION_ID", newVersion) }

func newVersion(s string) value.Value { return value.NewVersion(s, value.AnyScheme) }

// release gives a field of os-release, null where the distribution leaves it out.
func release(m *machine, key string, made func(string) value.Value) (value.Value, error) {
	b, err := m.read("/etc/os-release", "/usr/lib/os-release")
	if err != nil {
		return value.Value{}, err
	}
	if v, ok := osRelease(b, key); ok {
		return made(v), nil
	}
	return value.Value{}, nil
}

// osField makes a fact of a field of os-release.
func osField(key string) func(*machine) (value.Value, error) {
	return func(m *machine) (value.Value, error) { return release(m, key, value.NewText) }
}

// firmware makes a fact of what the firmware says; null where there is none,
// as in containers and images.
func firmware(name string) func(*machine) (value.Value, error) {
	return func(m *machine) (value.Value, error) {
		b, err := m.ReadFile("/sys/class/dmi/id/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			return value.Value{}, nil
		}
		return line(b, err)
	}
}

func kernel(m *machine) (value.Value, error) {
	b, err := m.ReadFile("/proc/sys/kernel/osrelease")
	if err == nil {
		return line(b, nil)
	}
	b, second := m.ReadFile("/proc/version")
	if words := strings.Fields(string(b)); second == nil && len(words) > 2 {
		return value.NewText(words[2]), nil // Linux version 6.1.0-18-amd64 …
	}
	return value.Value{}, err
}

func uptime(m *machine) (value.Value, error) {
	b, err := m.ReadFile("/proc/uptime")
	d, ok := uptimeOf(b)
	return checked(value.NewDuration(d), ok, "/proc/uptime", err)
}

func bootTime(m *machine) (value.Value, error) {
	b, err := m.ReadFile("/proc/stat")
	t, ok := bootTimeOf(b)
	return checked(value.NewTime(t), ok, "/proc/stat", err)
}

// memoryOf gives a fact of a line of /proc/meminfo, which in old kernels has
// fewer of them.
func memoryOf(key string) func(*machine) (value.Value, error) {
	return func(m *machine) (value.Value, error) {
		b, err := m.ReadFile("/proc/meminfo")
		if _, there := field(b, key); !there && err == nil && key != "MemTotal" {
			return value.Value{}, nil
		}
		n, ok := memoryIn(b, key)
		return checked(value.NewSize(n), ok, "/proc/meminfo", err)
	}
}

func cpus(m *machine) (value.Value, error) {
	b, err := m.ReadFile("/proc/cpuinfo")
	n := countCPUs(b)
	return checked(value.NewInt(n), n > 0, "/proc/cpuinfo", err)
}

// perProcessor gives the values of a key of /proc/cpuinfo, one a thread.
func perProcessor(m *machine, keys ...string) (map[string][]string, error) {
	b, err := m.ReadFile("/proc/cpuinfo")
	list := map[string][]string{}
	for l := range strings.Lines(string(b)) {
		key, v, _ := strings.Cut(l, ":")
		if key = strings.TrimSpace(key); slices.Contains(keys, key) {
			list[key] = append(list[key], strings.TrimSpace(v))
		}
	}
	return list, err
}

// different counts how many of a list differ; null for none.
func different(list []string) value.Value {
	slices.Sort(list)
	if n := len(slices.Compact(list)); n > 0 {
		return value.NewInt(int64(n))
	}
	return value.Value{}
}

func cores(m *machine) (value.Value, error) {
	list, err := perProcessor(m, "physical id", "core id")
	places, ids := list["physical id"], list["core id"]
	if len(places) != len(ids) {
		return value.Value{}, err
	}
	for i := range ids {
		ids[i] = places[i] + "/" + ids[i]
	}
	return different(ids), err
}

func sockets(m *machine) (value.Value, error) {
	list, err := perProcessor(m, "physical id")
	return different(list["physical id"]), err
}

func microcode(m *machine) (value.Value, error) {
	list, err := perProcessor(m, "microcode")
	if err != nil || len(list["microcode"]) == 0 {
		return value.Value{}, err
	}
	return value.NewText(list["microcode"][0]), nil
}

// cpu falls back on the name of the board, where a processor does not give its own.
func cpu(m *machine) (value.Value, error) {
	b, err := m.ReadFile("/proc/cpuinfo")
	if err != nil {
		return value.Value{}, err
	}
	if name, ok := cpuModel(b); ok {
		return value.NewText(name), nil
	}
	b, err = m.ReadFile("/proc/device-tree/model")
	return line(bytes.TrimRight(b, "\x00"), err)
}

func machineID(m *machine) (value.Value, error) {
	b, err := m.read("/etc/machine-id", "/var/lib/dbus/machine-id")
	return line(b, err)
}

func initName(m *machine) (value.Value, error) {
	b, err := m.ReadFile("/proc/1/comm")
	if err == nil {
		return line(b, nil)
	}
	if to, second := m.Readlink("/sbin/init"); second == nil {
		return value.NewText(path.Base(to)), nil
	}
	return value.Value{}, err
}

// timezone is the part of the link /etc/localtime that names a zone.
func timezone(m *machine) (value.Value, error) {
	to, err := m.Readlink("/etc/localtime")
	if _, zone, ok := strings.Cut(to, "zoneinfo/"); ok {
		return value.NewText(zone), nil
	}
	if b, second := m.ReadFile("/etc/timezone"); second == nil {
		return line(b, nil)
	}
	if zone := os.Getenv("TZ"); m.Live() && zone != "" {
		return value.NewText(strings.TrimPrefix(zone, ":")), nil
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return value.NewText("UTC"), nil // what the C library does without one
	}
	return value.Value{}, err
}

// machines names the architectures by the number in an ELF header.
func machines(n uint16) (string, bool) {
	name, ok := map[uint16]string{
		3: "386", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 258: "loong64",
	}[n]
	return name, ok
}

// arch is, in a tree, that of the programs which every system has.
func arch(m *machine) (value.Value, error) {
	if m.Live() {
		return value.NewText(runtime.GOARCH), nil
	}
	for _, name := range [...]string{"/bin/sh", "/usr/bin/sh", "/usr/bin/dash", "/usr/bin/bash", "/bin/busybox"} {
		f, err := m.Open(name)
		if err != nil {
			continue
		}
		var head [20]byte
		_, err = io.ReadFull(f, head[:])
		f.Close()
		if err != nil || string(head[:4]) != "\x7fELF" {
			continue
		}
		if a, ok := machines(binary.LittleEndian.Uint16(head[18:])); ok {
			return value.NewText(a), nil
		}
	}
	return value.Value{}, fmt.Errorf("architecture: %w", errUnsupported)
}

func addresses(m *machine) (value.Value, error) {
	if m.Live() {
		return liveAddresses()
	}
	b4, err := m.ReadFile("/proc/net/fib_trie")
	b6, err6 := m.ReadFile("/proc/net/if_inet6")
	if err != nil && err6 != nil {
		return value.Value{}, err
	}
	return addressList(append(fibTrie(b4), ifInet6(b6)...)), nil
}

// liveAddresses asks the system.
func liveAddresses() (value.Value, error) {
	ifs, err := net.Interfaces()
	if err != nil {
		return value.Value{}, fmt.Errorf("interfaces: %w", err)
	}
	var as []netip.Addr
	for _, i := range ifs {
		nets, err := i.Addrs()
		if err != nil {
			continue // it went away
		}
		for _, n := range nets {
			ip, ok := n.(*net.IPNet)
			if !ok {
				continue
			}
			a, _ := netip.AddrFromSlice(ip.IP)
			if a = a.Unmap(); a.Is6() && a.IsLinkLocalUnicast() {
				a = a.WithZone(i.Name)
			}
			as = append(as, a)
		}
	}
	return addressList(as), nil
}

func addressList(as []netip.Addr) value.Value {
	loopbackLast(as)
	vs := make([]value.Value, len(as))
	for i, a := range as {
		vs[i] = value.NewIP(a)
	}
	return value.NewList(vs)
}

func macAddresses(m *machine) (value.Value, error) {
	if m.Live() {
		return liveMACs()
	}
	links, err := m.ReadDir("/sys/class/net")
	if err != nil {
		return value.Value{}, err
	}
	var macs []string
	for _, l := range links {
		b, err := m.ReadFile("/sys/class/net/" + l.Name() + "/address")
		if mac := strings.TrimSpace(string(b)); err == nil && strings.Trim(mac, "0:") != "" {
			macs = append(macs, strings.ToLower(mac))
		}
	}
	return textList(macs), nil
}

func liveMACs() (value.Value, error) {
	ifs, err := net.Interfaces()
	if err != nil {
		return value.Value{}, fmt.Errorf("interfaces: %w", err)
	}
	var macs []string
	for _, i := range ifs {
		if mac := i.HardwareAddr.String(); strings.Trim(mac, "0:") != "" {
			macs = append(macs, mac)
		}
	}
	return textList(macs), nil
}

// textList makes a list in order, each text once.
func textList(ss []string) value.Value {
	slices.Sort(ss)
	ss = slices.Compact(ss)
	vs := make([]value.Value, len(ss))
	for i, s := range ss {
		vs[i] = value.NewText(s)
	}
	return value.NewList(vs)
}

// line gives the first line of a file that has one word or sentence.
func line(b []byte, err error) (value.Value, error) {
	if err != nil {
		return value.Value{}, err
	}
	for s := range lines(b) {
		if s != "" {
			return value.NewText(s), nil
		}
	}
	return value.Value{}, nil
}

// checked gives v where a file could be read and understood.
func checked(v value.Value, ok bool, path string, err error) (value.Value, error) {
	switch {
	case err != nil:
		return value.Value{}, err
	case !ok:
		return value.Value{}, &fs.PathError{Op: "parse", Path: path, Err: errUnsupported}
	}
	return v, nil
}
