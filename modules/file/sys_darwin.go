package file

import (
	"errors"
	"io/fs"
	"syscall"
	"time"
)

// openQuietly never waits, and never takes a terminal.
const openQuietly = syscall.O_NONBLOCK | syscall.O_NOCTTY | syscall.O_NOFOLLOW

// fillAttrs reads what package os found.
func fillAttrs(fi fs.FileInfo, a *attrs) {
	osAttrs(fi, a)
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	const immutable = 0x2 | 0x20000 // UF_IMMUTABLE, SF_IMMUTABLE
	a.mode, a.unix = uint32(st.Mode), true
	a.uid, a.gid, a.inode, a.dev, a.links, a.block = st.Uid, st.Gid, st.Ino, uint64(st.Dev), uint64(st.Nlink), uint32(st.Blksize)
	a.atime = moment{st.Atimespec.Sec, st.Atimespec.Nsec, true}
	a.ctime = moment{st.Ctimespec.Sec, st.Ctimespec.Nsec, true}
	a.btime = moment{st.Birthtimespec.Sec, st.Birthtimespec.Nsec, true}
	a.immutable, a.knows = st.Flags&immutable != 0, true
	a.marks, a.marked = st.Flags, true
}

// hasStreams says that files have streams beside their content.
const hasStreams = false

func markNamesOf(marks uint32) []string { return macMarks(marks) }

func isTooLong(err error) bool { return errors.Is(err, syscall.ENAMETOOLONG) }

// isFull says that too many files are open, which passes.
func isFull(err error) bool { return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) }

// isDry says that a file has nothing to read now and may have later.
func isDry(err error) bool { return errors.Is(err, syscall.EAGAIN) }

// pause waits for files to be closed elsewhere.
func pause() { time.Sleep(time.Millisecond) }
