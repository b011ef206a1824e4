package file

import (
	"errors"
	"io/fs"
	"syscall"
	"time"
)

// openQuietly asks for nothing: opening a file does not wait here.
const openQuietly = 0

// fillAttrs reads what package os found.
func fillAttrs(fi fs.FileInfo, a *attrs) {
	osAttrs(fi, a)
	st, ok := fi.Sys().(*syscall.Win32FileAttributeData)
	if !ok {
		return
	}
	a.atime = fileTime(st.LastAccessTime)
	a.btime = fileTime(st.CreationTime)
	a.marks, a.marked = st.FileAttributes, true
}

func fileTime(t syscall.Filetime) moment {
	ns := t.Nanoseconds()
	sec := ns / int64(time.Second)
	return moment{sec, ns - sec*int64(time.Second), true}
}

// hasStreams says that files have streams beside their content.
const hasStreams = true

func markNamesOf(marks uint32) []string { return windowsMarks(marks) }

func isTooLong(err error) bool {
	return errors.Is(err, syscall.Errno(206)) // ERROR_FILENAME_EXCED_RANGE
}

// isFull says that too many files are open, which passes.
func isFull(err error) bool {
	return errors.Is(err, syscall.Errno(4)) // ERROR_TOO_MANY_OPEN_FILES
}

func isDry(error) bool { return false }

// pause waits for files to be closed elsewhere.
func pause() { time.Sleep(time.Millisecond) }
