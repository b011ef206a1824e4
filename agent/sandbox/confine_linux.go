package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// apply shuts the doors of this process, once and for all, and says of each
// what shuts it. One that the kernel cannot shut stays open and is told.
func (c Confinement) apply() []Door {
	makeHumble()
	doors := []Door{
		doorOf("files and core dumps", "bounds of the system: no file may grow, no core is dumped", limitResources()),
		doorOf("capabilities", "all are dropped but "+c.capabilityNames(), dropCapabilities(c.capabilities())),
		doorOf("privileges", "no_new_privs", allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)),
		c.landlock(),
	}
	filter, err := c.filter()
	if err == nil {
		err = loadFilter(filter)
	}
	return append(doors, doorOf("system calls", fmt.Sprintf("seccomp: a list of those that looking needs, in %d steps", len(filter)), err))
}

// Cgo says whether this program was built with cgo, so that it cannot be a
// child: see ErrCgo. Under the race detector it always is.
func Cgo() bool {
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_GETPID, 0, 0, 0)
	return errno == syscall.ENOTSUP
}

func doorOf(name, how string, err error) Door {
	if err != nil {
		return Door{Name: name, How: err.Error()}
	}
	return Door{Name: name, Shut: true, How: how}
}

// makeHumble has the process come last: when it wants a processor or a disk,
// and when the kernel wants memory back.
func makeHumble() {
	const whoGroup, classIdle, classShift = 2, 3, 13 // all threads of this group, of which there is no other process
	// Where one of these is refused the machine has other rules, and they hold.
	_ = unix.Setpriority(unix.PRIO_PGRP, 0, 19)
	_, _, _ = syscall.Syscall(unix.SYS_IOPRIO_SET, whoGroup, 0, classIdle<<classShift)
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("900"), 0)
}

// openFiles is how many files a child may have open.
const openFiles = 1024

func limitResources() error {
	var at unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &at); err != nil {
		return err
	}
	n := min(openFiles, at.Max)
	for _, l := range []struct {
		what int
		to   uint64
	}{{unix.RLIMIT_NOFILE, n}, {unix.RLIMIT_FSIZE, 0}, {unix.RLIMIT_CORE, 0}} {
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: l.to, Max: l.to}); err != nil {
			return err
		}
	}
	return allThreads(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
}

// capabilities are those that the kind of child needs.
func (c Confinement) capabilities() []int {
	switch c.Kind {
	case Sends:
		return nil
	case Processes:
		return []int{unix.CAP_DAC_READ_SEARCH, unix.CAP_SYS_PTRACE}
	}
	return []int{unix.CAP_DAC_READ_SEARCH}
}

func (c Confinement) capabilityNames() string {
	switch c.Kind {
	case Sends:
		return "none"
	case Processes:
		return "CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE"
	}
	return "CAP_DAC_READ_SEARCH"
}

// dropCapabilities leaves the process some of those that it has.
func dropCapabilities(keep []int) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return err
	}
	var mask [2]uint32
	for _, n := range keep {
		mask[n/32] |= 1 << (n % 32)
	}
	for i := range data {
		data[i].Permitted &= mask[i]
		data[i].Effective = data[i].Permitted
		data[i].Inheritable = 0
	}
	return allThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data[0])))
}

// allThreads makes a system call on each thread of the process.
func allThreads(call, a, b uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall(call, a, b, 0); errno != 0 {
		return errno
	}
	return nil
}

// landlock leaves the process a view of the files that it may read. Who is in
// such a domain may not look into processes outside of it: children that are
// to do so have none.
func (c Confinement) landlock() Door {
	const name = "files by Landlock"
	if c.Kind == Processes {
		return Door{Name: name, How: "none: who is in it may not look into processes"}
	}
	abi, err := landlocksys.LandlockGetABIVersion()
	if err != nil {
		return Door{Name: name, How: "this kernel has none: " + err.Error()}
	}
	conf := landlock.V7
	// Of these the kernel makes up its mind at each opening of a file, for later,
	// by going up to the root; what they forbid is no call that seccomp lets by.
	conf.HandledAccessFS &^= landlocksys.AccessFSTruncate | landlocksys.AccessFSIoctlDev
	conf = conf.BestEffort()
	var rules []landlock.Rule
	what := "what is there is read, but for the agent's folder and for devices"
	if c.Kind == Sends {
		what = "nothing is read but that by which names become addresses"
		for _, file := range resolverFiles() {
			rules = append(rules, landlock.PathAccess(landlocksys.AccessFSReadFile, file).IgnoreIfMissing())
		}
	} else if rules, err = viewWithout(c.Dir); err != nil {
		return Door{Name: name, How: err.Error()}
	}
	if c.Kind == Sends {
		err = conf.RestrictPaths(rules...)
	} else {
		err = conf.Restrict(rules...)
	}
	return doorOf(name, fmt.Sprintf("ABI %d: %s; %d rules", abi, what, len(rules)), err)
}

// resolverFiles are what names become addresses by, where links lead.
func resolverFiles() []string {
	var list []string
	for _, name := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols"} {
		if real, err := filepath.EvalSymlinks(name); err == nil {
			list = append(list, real)
		}
	}
	return list
}

// A filter is a program that the kernel asks about each system call.
type filter []unix.SockFilter

// Where the kernel shows the call: its number, the architecture, the arguments.
const (
	atNumber   = 0
	atArch     = 4
	atArgument = 16 // of 8 bytes each, the low half first
)

func (f *filter) add(code uint16, jt, jf uint8, k uint32) {
	*f = append(*f, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
}

func (f *filter) load(at uint32) { f.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, at) }

func (f *filter) allow() { f.add(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_ALLOW) }

func (f *filter) refuse(e syscall.Errno) {
	f.add(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_ERRNO|uint32(e))
}

// on has a call decided by a block, which returns whatever it finds.
func (f *filter) on(call uint32, block func(*filter)) {
	var b filter
	block(&b)
	f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, uint8(len(b)), call)
	*f = append(*f, b...)
}

// without allows a call that has none of some bits in an argument.
func without(argument int, bits uint32, e syscall.Errno) func(*filter) {
	return func(f *filter) {
		f.load(atArgument + 8*uint32(argument))
		f.add(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, 0, 1, bits)
		f.refuse(e)
		f.allow()
	}
}

// oneOf allows a call whose argument is one of some.
func oneOf(argument int, values ...uint32) func(*filter) {
	return func(f *filter) {
		f.load(atArgument + 8*uint32(argument))
		for _, v := range values {
			f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, 1, v)
			f.allow()
		}
		f.refuse(unix.EACCES)
	}
}

// thread allows clone for a thread of this process, and for nothing else.
func thread(f *filter) {
	f.load(atArgument)
	f.add(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, 1, 0, unix.CLONE_THREAD)
	f.refuse(unix.EPERM)
	f.add(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, 0, 1,
		unix.CLONE_NEWNS|unix.CLONE_NEWUTS|unix.CLONE_NEWIPC|unix.CLONE_NEWUSER|unix.CLONE_NEWPID|unix.CLONE_NEWNET|unix.CLONE_NEWCGROUP)
	f.refuse(unix.EPERM)
	f.allow()
}

// writing are the flags of an open that is for more than reading.
const writing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC | unix.O_APPEND | unix.O_TMPFILE&^unix.O_DIRECTORY

// filter makes the program: what is not named is refused.
func (c Confinement) filter() (filter, error) {
	if nativeArch == 0 {
		return nil, fmt.Errorf("there is no list of system calls for this architecture")
	}
	var f filter
	f.load(atArch)
	f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 1, 0, nativeArch)
	f.refuse(unix.EPERM)
	f.load(atNumber)
	f.on(unix.SYS_OPENAT, without(2, writing, unix.EACCES))
	if plainOpen != 0 {
		f.on(plainOpen, without(1, writing, unix.EACCES))
	}
	pid := uint32(os.Getpid())
	f.on(unix.SYS_MMAP, without(2, unix.PROT_EXEC, unix.EACCES))
	f.on(unix.SYS_MPROTECT, without(2, unix.PROT_EXEC, unix.EACCES))
	f.on(unix.SYS_CLONE, thread)
	f.on(unix.SYS_TGKILL, oneOf(0, pid))
	f.on(unix.SYS_PRLIMIT64, oneOf(0, 0, pid))
	f.on(unix.SYS_PRCTL, oneOf(0, unix.PR_SET_VMA, unix.PR_GET_DUMPABLE))
	f.on(unix.SYS_IOCTL, oneOf(1, unix.TCGETS, unix.FS_IOC_GETFLAGS, unix.SIOCGIFNAME))
	families := []uint32{unix.AF_NETLINK}
	if c.Kind == Sends {
		families = append(families, unix.AF_INET, unix.AF_INET6)
		f.on(unix.SYS_CONNECT, (*filter).allow)
	}
	f.on(unix.SYS_SOCKET, oneOf(0, families...))
	for _, call := range []uint32{unix.SYS_CLONE3, unix.SYS_OPENAT2} { // who asks for these knows the older ones
		f.on(call, func(f *filter) { f.refuse(unix.ENOSYS) })
	}
	calls := slices.Concat(commonCalls(), ownCalls())
	if c.Kind == Processes {
		calls = append(calls, unix.SYS_PROCESS_VM_READV)
	}
	for _, call := range calls {
		f.on(call, (*filter).allow)
	}
	f.refuse(unix.EPERM)
	return f, nil
}

// loadFilter has the kernel ask the program from now on, for every thread.
func loadFilter(f filter) error {
	p := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	load := func(flags uintptr) (uintptr, syscall.Errno) {
		thread, _, errno := syscall.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&p)))
		return thread, errno
	}
	// Kernels before 5.16 have whoever gets a filter guess no more, which slows
	// all that it does, unless told that nobody's code but its own runs there.
	thread, errno := load(unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW)
	if errno == unix.EINVAL { // before 4.17
		thread, errno = load(unix.SECCOMP_FILTER_FLAG_TSYNC)
	}
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if thread != 0 {
		return fmt.Errorf("seccomp: thread %d has a filter of its own", thread)
	}
	return nil
}
