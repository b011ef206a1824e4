package sqlite

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// files are what a database was opened from, so that it can be seen whether
// they changed.
type files struct {
	db, log, journal *os.File // nil where there is none
	size             int64
	written          time.Time
}

// A source is the content of a database, and of the log and the journal beside
// it, which may be nil.
type source struct {
	file        io.ReaderAt
	size        int64
	log         io.ReaderAt
	logSize     int64
	journal     io.ReaderAt
	journalSize int64
}

// Open opens the database of that name, with what is beside it. An empty file
// is a database without tables. The error is [hostfs.ErrMalformed] where it is
// none, which an encrypted one is not, either.
func Open(f *hostfs.FS, name string) (*DB, error) {
	d := &DB{}
	var s source
	var err error
	if d.files.db, s.size, d.files.written, err = openFile(f, name); err != nil {
		return nil, err
	}
	s.file, d.files.size = d.files.db, s.size
	if d.files.log, s.logSize, _, err = openFile(f, name+"-wal"); err == nil {
		s.log = d.files.log
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		if d.files.journal, s.journalSize, _, err = openFile(f, name+"-journal"); err == nil {
			s.journal = d.files.journal
		}
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = d.begin(s)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func openFile(f *hostfs.FS, name string) (*os.File, int64, time.Time, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, 0, time.Time{}, err
	}
	st, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, time.Time{}, err
	}
	return file, st.Size(), st.ModTime(), nil
}

// Close closes the files.
func (d *DB) Close() error {
	var errs []error
	for _, file := range []*os.File{d.files.db, d.files.log, d.files.journal} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

// Check says, after what was to be read was, whether it was all of one moment:
// the error is ErrChanged where it may not have been. What is added to the log
// meanwhile is no change, nor is what is written from it into the file, as
// long as it is what was read.
func (d *DB) Check() error {
	f := &d.files
	same, commits := d.log.same()
	if !same {
		return ErrChanged
	}
	if d.log != nil && !commits || f.size == 0 {
		return nil
	}
	st, err := f.db.Stat()
	if err != nil {
		return err
	}
	var head [headSize]byte
	if err := readFull(f.db, head[:], 0); err != nil && !errors.Is(err, hostfs.ErrMalformed) {
		return err
	}
	if head != d.head || st.Size() != f.size || !st.ModTime().Equal(f.written) {
		return ErrChanged
	}
	return nil
}
