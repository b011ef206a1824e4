package file

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cwd stands for no directory: paths that go with it are absolute.
const cwd = unix.AT_FDCWD

// bigEndian is the order in which this machine keeps a record's length.
var bigEndian = func() bool { n := uint16(1); return *(*byte)(unsafe.Pointer(&n)) == 0 }()

// openQuietly never waits, and never takes a terminal.
const openQuietly = syscall.O_NONBLOCK | syscall.O_NOCTTY | syscall.O_NOFOLLOW

// rawScratch is memory for the system's answers, so that none is allocated.
type rawScratch struct {
	statx unix.Statx_t
	stat  unix.Stat_t
}

const (
	dirFlags  = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
	fileFlags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
)

// openat tries without a trace in the file's access time first, which the
// system allows its owner and who may act for any. Who may not tries it only
// where what is his is likely to be: a refusal costs as much as an opening.
func (s *fsys) openat(base handle, name []byte, flags int) (handle, error) {
	if !s.atime || base.own || base.fd == cwd {
		flags |= unix.O_NOATIME
	}
	for {
		fd, _, errno := syscall.Syscall6(unix.SYS_OPENAT, uintptr(base.fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(name))), uintptr(flags), 0, 0, 0)
		switch {
		case errno == 0:
			return handle{fd: int(fd)}, nil
		case errno == unix.EINTR:
		case errno == unix.EPERM && flags&unix.O_NOATIME != 0:
			s.atime = true
			flags &^= unix.O_NOATIME
		case errno == unix.ELOOP || errno == unix.ENOTDIR:
			return handle{}, fs.ErrNotExist // another thing took its place
		default:
			return handle{}, errno
		}
	}
}

func (s *fsys) openDir(base handle, name []byte) (handle, error) {
	if s.portable {
		return osOpenDir(base, name)
	}
	return s.openat(base, name, dirFlags)
}

// open opens a file to read it. It never waits and never follows a link.
func (s *fsys) open(base handle, name []byte) (handle, error) {
	if s.portable {
		return osOpen(base, name)
	}
	return s.openat(base, name, fileFlags)
}

// list fills buf with entries; 0 is the end, and nothing less is: the kernel
// returns early when a signal waits.
func (s *fsys) list(h handle, buf []byte) (int, error) {
	if s.portable {
		return osList(h, buf)
	}
	for {
		n, _, errno := syscall.Syscall(unix.SYS_GETDENTS64, uintptr(h.fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)))
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// stat tells of a name, never following a link.
func (s *fsys) stat(base handle, name []byte, a *attrs) error {
	if s.portable {
		return osStat(base, name, a)
	}
	for !s.oldStat {
		x := &s.raw.statx
		_, _, errno := syscall.Syscall6(unix.SYS_STATX, uintptr(base.fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(name))),
			unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT,
			unix.STATX_BASIC_STATS|unix.STATX_BTIME, uintptr(unsafe.Pointer(x)), 0)
		switch errno {
		case 0:
			fromStatx(x, a)
			return nil
		case unix.EINTR:
		case unix.ENOSYS, unix.EPERM:
			s.oldStat = true
		default:
			return errno
		}
	}
	text := unsafe.String(unsafe.SliceData(name), len(name))
	for {
		err := unix.Fstatat(base.fd, text, &s.raw.stat, unix.AT_SYMLINK_NOFOLLOW)
		if err != unix.EINTR {
			fromStat(&s.raw.stat, a)
			return err
		}
	}
}

// fstat tells of an open file.
func (s *fsys) fstat(h handle, a *attrs) error {
	if s.portable {
		return osFstat(h, a)
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_FSTAT, uintptr(h.fd), uintptr(unsafe.Pointer(&s.raw.stat)), 0)
	if errno != 0 {
		return errno
	}
	fromStat(&s.raw.stat, a)
	return nil
}

// read reads at off, or where the file stands if off is negative; 0 is the end.
func (s *fsys) read(h handle, buf []byte, off int64) (int, error) {
	if s.portable {
		return osRead(h, buf, off)
	}
	for {
		var n uintptr
		var errno syscall.Errno
		at := uintptr(unsafe.Pointer(unsafe.SliceData(buf)))
		if off < 0 {
			n, _, errno = syscall.Syscall(unix.SYS_READ, uintptr(h.fd), at, uintptr(len(buf)))
		} else {
			n, _, errno = syscall.Syscall6(unix.SYS_PREAD64, uintptr(h.fd), at, uintptr(len(buf)), uintptr(off), 0, 0)
		}
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

func (s *fsys) close(h handle) {
	if s.portable {
		h.f.Close()
		return
	}
	syscall.RawSyscall(unix.SYS_CLOSE, uintptr(h.fd), 0, 0)
}

// readlink gives where a link points.
func (s *fsys) readlink(base handle, name []byte) (string, error) {
	if s.portable {
		return os.Readlink(osJoin(base, name))
	}
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(base.fd, string(name), buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", err
		}
		if n < size {
			return string(buf[:n]), nil
		}
	}
}

// system tells of the file system of h: what it is called if it shows the
// kernel's own state instead of keeping files, and whether the sizes that it
// gives can be relied on, which those of a network or of a user's program
// cannot.
func (s *fsys) system(h handle) (name string, pseudo, exact bool) {
	fd := h.fd
	if s.portable {
		fd = int(h.f.Fd())
	}
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return "", false, false
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.SQUASHFS_MAGIC, unix.RAMFS_MAGIC:
		return "", false, true
	}
	name, pseudo = pseudoNames()[uint32(st.Type)]
	return name, pseudo, false
}

// pseudoNames lists file systems that show the kernel's state.
func pseudoNames() map[uint32]string {
	return map[uint32]string{
		unix.PROC_SUPER_MAGIC: "proc", unix.SYSFS_MAGIC: "sysfs", unix.DEVPTS_SUPER_MAGIC: "devpts",
		unix.CGROUP_SUPER_MAGIC: "cgroup", unix.CGROUP2_SUPER_MAGIC: "cgroup2",
		unix.TRACEFS_MAGIC: "tracefs", unix.DEBUGFS_MAGIC: "debugfs", unix.SECURITYFS_MAGIC: "securityfs",
		unix.BPF_FS_MAGIC: "bpf", unix.PSTOREFS_MAGIC: "pstore", unix.EFIVARFS_MAGIC: "efivarfs",
		unix.SELINUX_MAGIC: "selinuxfs", unix.SMACK_MAGIC: "smackfs", unix.AAFS_MAGIC: "apparmorfs",
		unix.BINFMTFS_MAGIC: "binfmt_misc", unix.BINDERFS_SUPER_MAGIC: "binder",
		unix.RDTGROUP_SUPER_MAGIC: "resctrl", unix.XENFS_SUPER_MAGIC: "xenfs", unix.NSFS_MAGIC: "nsfs",
		configfsMagic: "configfs", mqueueMagic: "mqueue", fusectlMagic: "fusectl",
	}
}

// File systems that package unix does not name.
const (
	configfsMagic = 0x62656570
	mqueueMagic   = 0x19800202
	fusectlMagic  = 0x65735543
)

func fromStatx(x *unix.Statx_t, a *attrs) {
	*a = attrs{
		mode: uint32(x.Mode), kind: uint8(x.Mode & modeKindMask >> 12), unix: true,
		uid: x.Uid, gid: x.Gid, size: int64(x.Size), inode: x.Ino,
		dev: unix.Mkdev(x.Dev_major, x.Dev_minor), links: uint64(x.Nlink), block: uint32(x.Blksize),
		atime:     moment{x.Atime.Sec, int64(x.Atime.Nsec), true},
		mtime:     moment{x.Mtime.Sec, int64(x.Mtime.Nsec), true},
		ctime:     moment{x.Ctime.Sec, int64(x.Ctime.Nsec), true},
		btime:     moment{x.Btime.Sec, int64(x.Btime.Nsec), x.Mask&unix.STATX_BTIME != 0},
		immutable: x.Attributes&unix.STATX_ATTR_IMMUTABLE != 0,
		knows:     x.Attributes_mask&unix.STATX_ATTR_IMMUTABLE != 0,
	}
}

func fromStat(st *unix.Stat_t, a *attrs) {
	*a = attrs{
		mode: st.Mode, kind: uint8(st.Mode & modeKindMask >> 12), unix: true,
		uid: st.Uid, gid: st.Gid, size: st.Size, inode: st.Ino, dev: uint64(st.Dev), links: uint64(st.Nlink), block: uint32(st.Blksize),
		atime: moment{int64(st.Atim.Sec), int64(st.Atim.Nsec), true},
		mtime: moment{int64(st.Mtim.Sec), int64(st.Mtim.Nsec), true},
		ctime: moment{int64(st.Ctim.Sec), int64(st.Ctim.Nsec), true},
	}
}

// fillAttrs reads what package os found.
func fillAttrs(fi fs.FileInfo, a *attrs) {
	osAttrs(fi, a)
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	a.mode, a.unix = st.Mode, true
	a.uid, a.gid, a.inode, a.dev, a.links, a.block = st.Uid, st.Gid, st.Ino, uint64(st.Dev), uint64(st.Nlink), uint32(st.Blksize)
	a.atime = moment{int64(st.Atim.Sec), int64(st.Atim.Nsec), true}
	a.ctime = moment{int64(st.Ctim.Sec), int64(st.Ctim.Nsec), true}
}

// hasStreams says that files have streams beside their content.
const hasStreams = false

func markNamesOf(uint32) []string { return nil }

func isTooLong(err error) bool { return errors.Is(err, unix.ENAMETOOLONG) }

// isFull says that too many files are open, which passes.
func isFull(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

// isDry says that a file has nothing to read now and may have later.
func isDry(err error) bool { return errors.Is(err, unix.EAGAIN) }

// openBound is how many directories a scan may keep open: a part of what the
// system allows the process, so that the rest of it never runs dry.
func openBound() int {
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) != nil {
		return 32
	}
	return int(max(16, min(lim.Cur/8, 1024)))
}

// pause waits for files to be closed elsewhere.
func pause() { time.Sleep(time.Millisecond) }
