//go:build !linux

package file

import "os"

// cwd stands for no directory.
const cwd = -1

// bigEndian is the order in which records are written here.
const bigEndian = false

type rawScratch struct{}

func (s *fsys) openDir(base handle, name []byte) (handle, error) { return osOpenDir(base, name) }

func (s *fsys) open(base handle, name []byte) (handle, error) { return osOpen(base, name) }

func (s *fsys) list(h handle, buf []byte) (int, error) { return osList(h, buf) }

func (s *fsys) stat(base handle, name []byte, a *attrs) error { return osStat(base, name, a) }

func (s *fsys) fstat(h handle, a *attrs) error { return osFstat(h, a) }

func (s *fsys) read(h handle, buf []byte, off int64) (int, error) { return osRead(h, buf, off) }

func (s *fsys) close(h handle) { h.f.Close() }

func (s *fsys) readlink(base handle, name []byte) (string, error) {
	return os.Readlink(osJoin(base, name))
}

// system knows nothing of file systems here.
func (s *fsys) system(handle) (name string, pseudo, exact bool) { return "", false, false }

// openBound is how many directories a scan may keep open.
func openBound() int { return 32 }
