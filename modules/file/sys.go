package file

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// fsys is the file system as a scan needs it. On Linux it makes its own
// system calls; portable makes it use package os, as it does elsewhere.
type fsys struct {
	portable bool
	oldStat  bool // the kernel has no statx
	atime    bool // the system does not let us read what is others' without a trace
	self     int  // who we are
	raw      rawScratch
}

// handle is an open file or directory, or with path alone a place that names
// are relative to.
type handle struct {
	fd   int
	f    *os.File
	path string
	own  bool // a directory that is ours
}

// nowhere is the base of absolute paths.
func nowhere() handle { return handle{fd: cwd} }

// The kinds of a directory entry, in the numbers of Linux.
const (
	kindUnknown = 0
	kindFIFO    = 1
	kindChar    = 2
	kindDir     = 4
	kindBlock   = 6
	kindFile    = 8
	kindLink    = 10
	kindSocket  = 12
)

// kindName gives the text of the column type.
func kindName(kind uint8) string {
	switch kind {
	case kindFIFO:
		return "fifo"
	case kindChar:
		return "char"
	case kindDir:
		return "directory"
	case kindBlock:
		return "block"
	case kindFile:
		return "file"
	case kindLink:
		return "link"
	case kindSocket:
		return "socket"
	}
	return ""
}

// moment is a time as file systems keep it.
type moment struct {
	sec  int64
	nsec int64
	ok   bool
}

func (m moment) value() value.Value {
	if !m.ok {
		return value.Value{}
	}
	return value.NewTime(time.Unix(m.sec, m.nsec))
}

// attrs is what one call tells of a file.
type attrs struct {
	mode             uint32 // st_mode
	kind             uint8
	unix             bool // owner, inode, device and links are known
	uid, gid         uint32
	size             int64
	inode, dev       uint64
	links            uint64
	block            uint32 // what the file system likes to read at once
	atime, mtime     moment
	ctime, btime     moment
	immutable, knows bool // knows says that immutable is an answer
	marks            uint32
	marked           bool // marks are what the system marks files with
}

// Bits of st_mode.
const (
	modeKindMask = 0o170000
	modeSetuid   = 0o4000
	modeSetgid   = 0o2000
	modeSticky   = 0o1000
	modePerm     = 0o7777
)

// recordHead is what stands before the name in an entry of a listing, which has the form of
// getdents64: inode, offset, length of the record, kind, name, NUL.
const recordHead = 19

// nextRecord takes the first entry off a listing. The byte behind name is NUL.
func nextRecord(buf []byte) (name []byte, kind uint8, rest []byte) {
	size := int(buf[16]) | int(buf[17])<<8
	if bigEndian {
		size = int(buf[17]) | int(buf[16])<<8
	}
	end := recordHead
	for buf[end] != 0 {
		end++
	}
	return buf[recordHead:end], buf[18], buf[size:]
}

// isDot says whether a name is . or .., which listings of the system hold.
func isDot(name []byte) bool {
	return name[0] == '.' && (len(name) == 1 || len(name) == 2 && name[1] == '.')
}

// skipKind sorts an error of the system.
func skipKind(err error) modules.SkipKind {
	switch {
	case os.IsNotExist(err):
		return modules.SkipVanished
	case os.IsPermission(err):
		return modules.SkipPermission
	case isTooLong(err):
		return modules.SkipTooDeep
	case errors.Is(err, syscall.ELOOP):
		return modules.SkipLoop
	}
	return modules.SkipIO
}

// terminated gives a name with the NUL behind it that the system wants.
func terminated(name string) []byte {
	b := make([]byte, len(name)+1)
	copy(b, name)
	return b[:len(name)]
}
