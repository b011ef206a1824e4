package packages

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/sqlite"
)

// eachRpm gives the headers of the databases of rpm that are there, in the
// form in which rpm keeps them today (SQLite), in that of SUSE (ndb), and in
// that of Berkeley DB, which rpm has given up: it counts only where it is the
// one that there is, since it may have been left behind by a change to another.
func eachRpm(f *hostfs.FS, yield func(file string, h rpmHeader) error) error {
	seen := ""
	for _, dir := range []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm"} {
		real, err := f.Real(dir)
		if err != nil || real == seen { // one of them is a link to the other on most hosts
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				f.Fail(dir, err)
			}
			continue
		}
		seen = real
		found := false
		for _, db := range []rpmDatabase{
			{dir + "/rpmdb.sqlite", readRpmSqlite}, {dir + "/Packages.db", readRpmNdb}, {dir + "/Packages", readRpmBdb},
		} {
			if !f.Exists(db.name) || found && db.name == dir+"/Packages" {
				continue
			}
			found = true
			if err := db.headers(f, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// An rpmDatabase is a file and what reads the headers in such a one.
type rpmDatabase struct {
	name string
	read func(f *hostfs.FS, name string, yield func([]byte) error) error
}

// headers tells a failure of the database, which goes to the report, from one
// of yield.
func (d rpmDatabase) headers(f *hostfs.FS, yield func(string, rpmHeader) error) error {
	var own error
	err := d.read(f, d.name, func(blob []byte) error {
		h, ok := parseRpmHeader(blob)
		if !ok {
			f.Fail(d.name, hostfs.ErrMalformed)
			return nil
		}
		own = yield(d.name, h)
		return own
	})
	if own != nil {
		return own
	}
	if err != nil {
		f.Fail(d.name, err)
	}
	return nil
}

func readRpmSqlite(f *hostfs.FS, name string, yield func([]byte) error) error {
	db, err := sqlite.Open(f, name)
	if err != nil {
		return err
	}
	defer db.Close()
	table, ok := db.Table("Packages")
	if !ok {
		return hostfs.ErrMalformed
	}
	if err := db.Rows(context.Background(), table, func(r *sqlite.Row) error {
		if len(r.Values) < 2 {
			return hostfs.ErrMalformed
		}
		return yield(r.Values[1].Bytes)
	}); err != nil {
		return err
	}
	return db.Check()
}

func readRpmNdb(f *hostfs.FS, name string, yield func([]byte) error) error {
	file, err := f.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return err
	}
	return ndbBlobs(file, st.Size(), yield)
}

func readRpmBdb(f *hostfs.FS, name string, yield func([]byte) error) error {
	file, err := f.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	db, err := openBdb(file)
	if err != nil {
		return err
	}
	return db.values(yield)
}

// The parts of an ndb database, in bytes. It begins with pages of slots, of
// which the head takes the first two; a slot points to a block, and the
// package's header is in blocks from there on, after a head of its own.
// Numbers are little endian.
const (
	ndbMagic     = "RpmP"
	ndbSlotMagic = "Slot"
	ndbBlobMagic = "BlbS"
	ndbPage      = 4 << 10
	ndbSlot      = 16
	ndbBlock     = 16
	maxBlob      = 64 << 20 // bytes of a header; that of a package of 100,000 files has 16 MB
	maxNdbPages  = 1 << 14  // of slots: four million packages
)

// ndbBlobs reads an ndb database. What it holds cannot be more than its size,
// unless slots point to the same blocks.
func ndbBlobs(r io.ReaderAt, size int64, yield func([]byte) error) error {
	var head [2 * ndbSlot]byte
	if n, _ := r.ReadAt(head[:], 0); n < len(head) || string(head[:4]) != ndbMagic || binary.LittleEndian.Uint32(head[4:]) != 0 {
		return hostfs.ErrMalformed
	}
	pages := binary.LittleEndian.Uint32(head[12:])
	if pages == 0 || pages > maxNdbPages {
		return hostfs.ErrMalformed
	}
	page := make([]byte, ndbPage)
	for i := range int64(pages) {
		if n, _ := r.ReadAt(page, i*ndbPage); n < len(page) {
			return hostfs.ErrMalformed
		}
		slots := page
		if i == 0 {
			slots = page[len(head):]
		}
		for ; len(slots) >= ndbSlot; slots = slots[ndbSlot:] {
			if string(slots[:4]) != ndbSlotMagic {
				return hostfs.ErrMalformed
			}
			if binary.LittleEndian.Uint32(slots[4:]) == 0 {
				continue // free
			}
			blob, err := ndbBlob(r, slots[:ndbSlot])
			if size -= int64(len(blob)) + ndbBlock; size < 0 {
				err = hostfs.ErrMalformed
			}
			if err != nil {
				return err
			}
			if err := yield(blob); err != nil {
				return err
			}
		}
	}
	return nil
}

// ndbBlob reads what a slot points to.
func ndbBlob(r io.ReaderAt, slot []byte) ([]byte, error) {
	at, blocks := int64(binary.LittleEndian.Uint32(slot[8:]))*ndbBlock, int64(binary.LittleEndian.Uint32(slot[12:]))*ndbBlock
	var head [ndbBlock]byte
	n, _ := r.ReadAt(head[:], at)
	size := int64(binary.LittleEndian.Uint32(head[12:]))
	if n < len(head) || string(head[:4]) != ndbBlobMagic || string(head[4:8]) != string(slot[4:8]) || size > maxBlob || size+ndbBlock > blocks {
		return nil, hostfs.ErrMalformed
	}
	blob, err := io.ReadAll(io.NewSectionReader(r, at+ndbBlock, size))
	if err == nil && int64(len(blob)) < size {
		err = hostfs.ErrMalformed
	}
	return blob, err
}

func listRpm(l *lister) error {
	return eachRpm(l.FS, func(file string, h rpmHeader) error {
		p, ok := h.pkg()
		if !ok {
			l.Fail(file, hostfs.ErrMalformed)
			return nil
		}
		p.path = file
		return l.give(&p)
	})
}

func rpmPacked(c *crate) error {
	return eachRpm(c.FS, func(file string, h rpmHeader) error {
		p, named := h.pkg()
		if !named {
			c.Fail(file, hostfs.ErrMalformed)
			return nil
		}
		ok, err := h.files(p.id(), c.give)
		if !ok {
			c.Fail(file+" of "+p.id(), hostfs.ErrMalformed)
		}
		return err
	})
}
