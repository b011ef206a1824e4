package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// osJoin gives the path of a name below a base.
func osJoin(base handle, name []byte) string {
	if base.path == "" {
		return string(name)
	}
	return base.path + string(filepath.Separator) + string(name)
}

func osOpenDir(base handle, name []byte) (handle, error) {
	path := osJoin(base, name)
	fi, err := os.Lstat(path)
	if err != nil {
		return handle{}, err
	}
	if !fi.IsDir() {
		return handle{}, fs.ErrNotExist // another thing took its place
	}
	f, err := os.Open(path)
	if err != nil {
		return handle{}, err
	}
	return handle{fd: cwd, f: f, path: path}, nil
}

// osList fills buf with records, at least one unless the directory ends.
func osList(h handle, buf []byte) (int, error) {
	// A record holds at most a name of 255 UTF-16 units, as UTF-8, its head
	// and the NUL: no batch of this size outgrows the buffer.
	const most = 255*4 + recordHead + 1
	entries, err := h.f.ReadDir(min(len(buf)/most, 64))
	n := 0
	for _, e := range entries {
		size := recordHead + len(e.Name()) + 1
		if n+size > len(buf) {
			return n, errors.New("name too long")
		}
		rec := buf[n : n+size]
		lo, hi := byte(size), byte(size>>8)
		if bigEndian {
			lo, hi = hi, lo
		}
		rec[16], rec[17], rec[18] = lo, hi, kindOf(e.Type())
		copy(rec[recordHead:], e.Name())
		rec[size-1] = 0
		n += size
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func osStat(base handle, name []byte, a *attrs) error {
	fi, err := os.Lstat(osJoin(base, name))
	if err != nil {
		return err
	}
	fillAttrs(fi, a)
	return nil
}

// osOpen opens a file to read it, without waiting for a FIFO's other end.
func osOpen(base handle, name []byte) (handle, error) {
	path := osJoin(base, name)
	f, err := os.OpenFile(path, os.O_RDONLY|openQuietly, 0)
	if err != nil {
		return handle{}, err
	}
	return handle{fd: cwd, f: f, path: path}, nil
}

func osFstat(h handle, a *attrs) error {
	fi, err := h.f.Stat()
	if err != nil {
		return err
	}
	fillAttrs(fi, a)
	return nil
}

// osRead reads at off, or where the file stands if off is negative. It gives
// 0 at the end.
func osRead(h handle, buf []byte, off int64) (int, error) {
	var n int
	var err error
	if off < 0 {
		n, err = h.f.Read(buf)
	} else {
		n, err = h.f.ReadAt(buf, off)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if n > 0 {
		err = nil // it comes again with the next read
	}
	return n, err
}

// kindOf gives the kind of the type bits.
func kindOf(m fs.FileMode) uint8 {
	switch {
	case m.IsRegular():
		return kindFile
	case m.IsDir():
		return kindDir
	case m&fs.ModeSymlink != 0:
		return kindLink
	case m&fs.ModeNamedPipe != 0:
		return kindFIFO
	case m&fs.ModeSocket != 0:
		return kindSocket
	case m&fs.ModeCharDevice != 0:
		return kindChar
	case m&fs.ModeDevice != 0:
		return kindBlock
	}
	return kindUnknown
}

// unixMode writes a mode of package fs as st_mode.
func unixMode(m fs.FileMode) uint32 {
	mode := uint32(kindOf(m))<<12 | uint32(m.Perm())
	for _, b := range [...]struct {
		from fs.FileMode
		to   uint32
	}{{fs.ModeSetuid, modeSetuid}, {fs.ModeSetgid, modeSetgid}, {fs.ModeSticky, modeSticky}} {
		if m&b.from != 0 {
			mode |= b.to
		}
	}
	return mode
}

// osAttrs fills in what package fs knows.
func osAttrs(fi fs.FileInfo, a *attrs) {
	t := fi.ModTime()
	*a = attrs{
		mode:  unixMode(fi.Mode()),
		kind:  kindOf(fi.Mode()),
		size:  fi.Size(),
		mtime: moment{t.Unix(), int64(t.Nanosecond()), true},
	}
}
