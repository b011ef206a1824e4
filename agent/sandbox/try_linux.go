package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// run tries each door. What would do harm is asked for so that it cannot
// succeed, and tells by the error which it is whether it would have been
// allowed.
func (t Trial) run() []Door {
	tries := []struct {
		name string
		try  func() error
	}{
		{"make a file", t.makeFile},
		{"change a file's mode", func() error { return os.Chmod(t.program(), 0o755) }},
		{"remove a file", func() error { return unix.Unlink("/quaestor-has-no-such-file") }},
		{"reach other hosts", func() error { return socket(unix.AF_INET, unix.SOCK_STREAM) }},
		{"reach programs of this host", func() error { return socket(unix.AF_UNIX, unix.SOCK_STREAM) }},
		{"start a process", startProcess},
		{"run a program", func() error { return unix.Exec("/quaestor-has-no-such-program", nil, nil) }},
		{"signal a process", func() error { return unix.Kill(t.Agent, 0) }},
		{"trace a process", func() error { return call(unix.SYS_PTRACE, unix.PTRACE_PEEKDATA, uintptr(t.Agent), 0) }},
		{"read the agent's memory", t.readMemory},
		{"read the agent's key", func() error { return open(filepath.Join(t.Dir, "identity.pem")) }},
		{"read users and their passwords", func() error { return open("/etc/shadow") }},
		{"mount a file system", func() error { return unix.Mount("none", "/quaestor-has-no-such-folder", "none", 0, "") }},
		{"load a kernel module", func() error { return call(unix.SYS_INIT_MODULE, 0, 0, 0) }},
		{"load a BPF program", func() error { return call(unix.SYS_BPF, ^uintptr(0), 0, 0) }},
		{"use kernel keys", func() error { return call(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, ^uintptr(2), 0) }},
		{"leave its namespaces", func() error { return unix.Unshare(unix.CLONE_NEWUTS) }},
		{"set the clock", func() error {
			return call(unix.SYS_CLOCK_SETTIME, unix.CLOCK_REALTIME, uintptr(unsafe.Pointer(&unix.Timespec{Nsec: -1})), 0)
		}},
		{"use io_uring", func() error { return call(unix.SYS_IO_URING_SETUP, 0, 0, 0) }},
	}
	var doors []Door
	for _, d := range tries {
		doors = append(doors, tried(d.name, d.try()))
	}
	if disk := anyDisk(); disk != "" {
		doors = append(doors, tried("read a disk past its files", open(disk)))
	}
	return doors
}

// anyDisk gives the file of one of the machine's disks; "" where none is shown.
func anyDisk() string {
	list, _ := os.ReadDir("/sys/block")
	for _, e := range list {
		name := filepath.Join(devices, e.Name())
		if _, err := os.Lstat(name); err == nil {
			return name
		}
	}
	return ""
}

// tried makes a door of how an attempt ended: it is shut where the kernel said
// that it is not allowed, and open where it said anything else.
func tried(name string, err error) Door {
	switch {
	case err == nil:
		return Door{Name: name, How: "it can"}
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOSYS):
		return Door{Name: name, Shut: true, How: err.Error()}
	}
	return Door{Name: name, How: fmt.Sprintf("it was let try: %v", err)}
}

func (t Trial) program() string {
	name, err := os.Executable()
	if err != nil {
		return "/proc/self/exe"
	}
	return name
}

func (t Trial) makeFile() error {
	f, err := os.CreateTemp("", "quaestor-door-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// startProcess makes a process that ends at once, if it can.
func startProcess() error {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

func (t Trial) readMemory() error {
	if err := open(fmt.Sprintf("/proc/%d/mem", t.Agent)); err == nil || !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) {
		return err
	}
	var b [1]byte
	local := unix.Iovec{Base: &b[0], Len: 1}
	_, err := unix.ProcessVMReadv(t.Agent, []unix.Iovec{local}, []unix.RemoteIovec{{Base: 0, Len: 1}}, 0)
	return err
}

func open(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return f.Close()
}

func socket(family, kind int) error {
	fd, err := unix.Socket(family, kind, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func call(n, a, b, c uintptr) error {
	if _, _, errno := syscall.Syscall(n, a, b, c); errno != 0 {
		return errno
	}
	return nil
}
