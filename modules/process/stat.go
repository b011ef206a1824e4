package process

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// ticks is how many times a second the kernel counts the time of processes
// for those who read it, on every architecture (USER_HZ).
const ticks = 100

// A stat is what is kept of /proc/PID/stat, as proc_pid_stat(5) has it.
type stat struct {
	name              string
	state             byte
	parent, group     int64
	session, tty      int64
	flags             uint64
	cpu, user, system time.Duration // the time that it used, of that its own and the kernel's
	nice, threads     int64
	started           int64 // in ticks since the boot
	virtual, resident int64 // bytes, pages
}

// parseStat reads it. The name may hold blanks and brackets; the last bracket
// ends it.
func parseStat(text []byte) (stat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("stat: %w", hostfs.ErrMalformed)
	}
	s := stat{name: string(text[open+1 : end])}
	var n [25]int64 // the fields 3 to 24 of the manual at their numbers
	i := 3
	for f := range bytes.FieldsSeq(text[end+1:]) {
		switch {
		case i == 3 && len(f) == 1:
			s.state = f[0]
		case i > 3 && i < len(n):
			v, ok := number(f)
			if !ok {
				return stat{}, fmt.Errorf("stat: field %d: %w", i, hostfs.ErrMalformed)
			}
			n[i] = v
		}
		i++
	}
	if i < len(n) || s.state == 0 {
		return stat{}, fmt.Errorf("stat: %w", hostfs.ErrMalformed)
	}
	s.parent, s.group, s.session, s.tty, s.flags = n[4], n[5], n[6], n[7], uint64(n[9])
	s.user, s.system = time.Duration(n[14])*(time.Second/ticks), time.Duration(n[15])*(time.Second/ticks)
	s.cpu = s.user + s.system
	s.nice, s.threads, s.started, s.virtual, s.resident = n[19], n[20], n[22], n[23], n[24]
	return s, nil
}

// number reads a decimal number; one that does not fit is the largest.
func number(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, false
	}
	var v int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if v > (1<<63-10)/10 {
			return 1<<63 - 1, true
		}
		v = v*10 + int64(c-'0')
	}
	if neg {
		return -v, true
	}
	return v, true
}

// states names the letters of the third field.
func (s *stat) stateName() string {
	switch s.state {
	case 'R':
		return "running"
	case 'S':
		return "sleeping"
	case 'D':
		return "disk_sleep"
	case 'T':
		return "stopped"
	case 't':
		return "traced"
	case 'Z':
		return "zombie"
	case 'X', 'x':
		return "dead"
	case 'I':
		return "idle"
	case 'P':
		return "parked"
	}
	return ""
}

// kernel says whether it is a thread of the kernel (PF_KTHREAD).
func (s *stat) kernel() bool { return s.flags&0x0020_0000 != 0 }

// ttyName names the terminal, as devices.txt of the kernel numbers them.
func (s *stat) ttyName() string {
	if s.tty == 0 {
		return ""
	}
	major, minor := s.tty>>8&0xfff, s.tty&0xff|s.tty>>12&0xfff00
	switch {
	case major == 4 && minor < 64:
		return "tty" + strconv.FormatInt(minor, 10)
	case major == 4:
		return "ttyS" + strconv.FormatInt(minor-64, 10)
	case major >= 136 && major <= 143:
		return "pts/" + strconv.FormatInt((major-136)<<8+minor, 10)
	}
	return fmt.Sprintf("%d:%d", major, minor)
}

// An info is what is kept of /proc/PID/status.
type info struct {
	uid, euid, gid, egid int64
	savedUID, savedGID   int64
	groups               []int64
	capabilities         uint64
	noNewPrivs           bool
	seccomp              string
	tracer               int64
}

// parseInfo reads it. A kernel that does not know a line leaves it out.
func parseInfo(text []byte) (info, error) {
	var p info
	seen := false
	for line := range bytes.Lines(text) {
		key, rest, _ := bytes.Cut(line, []byte(":"))
		words := bytes.Fields(rest)
		var err error
		switch string(key) {
		case "Uid":
			seen = true
			err = ids(words, &p.uid, &p.euid, &p.savedUID)
		case "Gid":
			err = ids(words, &p.gid, &p.egid, &p.savedGID)
		case "Groups":
			p.groups, err = allIDs(words)
		case "CapEff":
			p.capabilities, err = capabilityBits(words)
		case "NoNewPrivs":
			p.noNewPrivs = len(words) == 1 && string(words[0]) == "1"
		case "Seccomp":
			p.seccomp = seccompName(words)
		case "TracerPid":
			err = ids(words, &p.tracer)
		}
		if err != nil {
			return info{}, fmt.Errorf("status: %s: %w", key, err)
		}
	}
	if !seen {
		return info{}, fmt.Errorf("status: no Uid: %w", hostfs.ErrMalformed)
	}
	return p, nil
}

// ids reads the first numbers of a line.
func ids(words [][]byte, to ...*int64) error {
	if len(words) < len(to) {
		return hostfs.ErrMalformed
	}
	for i, p := range to {
		v, ok := number(words[i])
		if !ok {
			return hostfs.ErrMalformed
		}
		*p = v
	}
	return nil
}

func allIDs(words [][]byte) ([]int64, error) {
	list := make([]int64, len(words))
	for i := range words {
		if err := ids(words[i:], &list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func capabilityBits(words [][]byte) (uint64, error) {
	if len(words) != 1 {
		return 0, hostfs.ErrMalformed
	}
	v, err := strconv.ParseUint(string(words[0]), 16, 64)
	if err != nil {
		return 0, hostfs.ErrMalformed
	}
	return v, nil
}

func seccompName(words [][]byte) string {
	if len(words) == 1 {
		switch string(words[0]) {
		case "0":
			return "none"
		case "1":
			return "strict"
		case "2":
			return "filter"
		}
	}
	return ""
}

// capabilityNames names the bits, as linux/capability.h numbers them.
func capabilityNames(set uint64) []string {
	names := [...]string{
		"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
		"linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
		"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
		"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
		"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
		"checkpoint_restore",
	}
	var list []string
	for ; set != 0; set &= set - 1 {
		if i := bits.TrailingZeros64(set); i < len(names) {
			list = append(list, "cap_"+names[i])
		} else {
			list = append(list, "cap_"+strconv.Itoa(i))
		}
	}
	return list
}

// parseArgs splits what is separated by zeros. A process may have written
// something else over it.
func parseArgs(text []byte) ([]string, error) {
	text = bytes.TrimRight(text, "\x00")
	if len(text) == 0 {
		return nil, nil
	}
	return strings.Split(string(text), "\x00"), nil
}

// parseBoot finds the time of the boot in /proc/stat.
func parseBoot(text []byte) (time.Time, error) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("btime ")); ok {
			if v, ok := number(bytes.TrimSpace(rest)); ok && v > 0 {
				return time.Unix(v, 0), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("/proc/stat: no btime: %w", hostfs.ErrMalformed)
}

// containerID finds the identity of a container in the path of a control
// group: 64 digits, as docker, podman, containerd and cri-o write it there.
func containerID(cgroup string) string {
	for _, part := range strings.FieldsFunc(cgroup, func(r rune) bool { return r == '/' || r == '-' || r == '.' || r == ':' || r == '\n' }) {
		if raw, err := hex.DecodeString(part); err == nil && len(raw) == 32 {
			return part
		}
	}
	return ""
}
