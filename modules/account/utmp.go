package account

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// The bounds of what is read of one file of logins.
const (
	maxRecords   = 1 << 20 // records, 384 MB of them
	maxMalformed = 100     // malformed records that are named
)

// utmpSize is the length of a record of utmp(5), as Linux writes it where a
// time has 32 bits: on all but a few systems.
const utmpSize = 384

// The types of a record.
const (
	typeEmpty, typeRunLevel, typeBoot, typeNewTime, typeOldTime       = 0, 1, 2, 3, 4
	typeInit, typePrompt, typeUser, typeDead, typeAccounting    int16 = 5, 6, 7, 8, 9
)

// A utmpRecord is a record of utmp(5), as far as it says something.
type utmpRecord struct {
	kind            int16
	pid             int32
	tty, user, host string
	address         netip.Addr
	at              time.Time
	zero            bool // nothing but zeros
}

// parseUtmp reads a record:
//
//	  0 type   2 bytes, then 2 of padding
//	  4 pid    4
//	  8 tty    32, ends at the first zero; so do all texts
//	 40 id     4
//	 44 user   32
//	 76 host   256
//	332 exit status 4, session 4
//	340 time   4 of seconds, 4 of microseconds
//	348 address 16; of IPv4 only the first 4
//	364 nothing, 20
//
// Numbers have their lowest byte first, but for the address.
func parseUtmp(b []byte) (utmpRecord, bool) {
	if len(b) != utmpSize {
		return utmpRecord{}, false
	}
	sec, usec := binary.LittleEndian.Uint32(b[340:]), binary.LittleEndian.Uint32(b[344:])
	r := utmpRecord{
		kind: int16(binary.LittleEndian.Uint16(b)),
		pid:  int32(binary.LittleEndian.Uint32(b[4:])),
		tty:  zeroEnded(b[8:40]), user: zeroEnded(b[44:76]), host: zeroEnded(b[76:332]),
		address: parseAddress([16]byte(b[348:364])),
		zero:    len(bytes.Trim(b, "\x00")) == 0,
	}
	if sec != 0 {
		r.at = time.Unix(int64(sec), int64(usec)*1000)
	}
	return r, r.kind >= typeEmpty && r.kind <= typeAccounting && usec < 1e6 && r.pid >= 0
}

// utmpxSize is the length of a record of utmpx, as 64-bit macOS writes it.
const utmpxSize = 628

// parseUtmpx reads a record of macOS:
//
//	  0 user   256, ends at the first zero; so do all texts
//	256 id     4
//	260 tty    32
//	292 pid    4
//	296 type   2, then 2 of padding
//	300 time   4 of seconds, 4 of microseconds
//	308 host   256
//	564 nothing, 64
//
// Types are those of Linux, but for 10, which the first record has and says
// nothing by, and 11, of a system that went down.
func parseUtmpx(b []byte) (utmpRecord, bool) {
	const signature, shutdown = 10, 11
	if len(b) != utmpxSize {
		return utmpRecord{}, false
	}
	e := binary.LittleEndian
	sec, usec := e.Uint32(b[300:]), e.Uint32(b[304:])
	r := utmpRecord{
		kind: int16(e.Uint16(b[296:])), pid: int32(e.Uint32(b[292:])),
		tty: zeroEnded(b[260:292]), user: zeroEnded(b[:256]), host: zeroEnded(b[308:564]),
		zero: len(bytes.Trim(b, "\x00")) == 0,
	}
	r.address, _ = netip.ParseAddr(r.host)
	if sec != 0 {
		r.at = time.Unix(int64(sec), int64(usec)*1000)
	}
	switch r.kind {
	case signature:
		r = utmpRecord{}
	case shutdown:
		r.kind, r.user = typeRunLevel, "shutdown"
	}
	return r, r.kind >= typeEmpty && r.kind <= typeAccounting && usec < 1e6 && r.pid >= 0
}

func zeroEnded(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}

func parseAddress(b [16]byte) netip.Addr {
	switch {
	case b == [16]byte{}:
		return netip.Addr{}
	case [12]byte(b[4:]) == [12]byte{}:
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b).Unmap()
}

// down says whether a record tells that the system went down.
func (r *utmpRecord) down() bool {
	level := r.pid & 0xff
	return r.kind == typeRunLevel && (r.user == "shutdown" || level == '0' || level == '6')
}

// eachUtmp reads the records of a file in order, with their numbers from 1.
// What is wrong with it goes to fail, of malformed records the first hundred.
func eachUtmp(f *hostfs.FS, name string, fail func(modules.Skip), yield func(int, *utmpRecord) error) error {
	in, err := openRecords(f, name)
	if err != nil {
		fail(hostfs.SkipOf(name, err))
		return nil
	}
	defer in.Close()
	malformed := 0
	size, parse := utmpSize, parseUtmp
	if path.Base(name) == "utmpx" {
		size, parse = utmpxSize, parseUtmpx
	}
	buf := make([]byte, size)
	for n := 1; ; n++ {
		if n > maxRecords {
			fail(hostfs.SkipOf(name, hostfs.ErrTooLarge))
			return nil
		}
		_, err := io.ReadFull(in, buf)
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			fail(hostfs.SkipOf(name, err))
			return nil
		}
		r, ok := parse(buf)
		if err != nil || !ok {
			if malformed++; malformed <= maxMalformed {
				fail(hostfs.SkipOf(name+":"+strconv.Itoa(n), hostfs.ErrMalformed))
			}
			if err != nil {
				return nil
			}
			continue
		}
		if err := yield(n, &r); err != nil {
			return err
		}
	}
}

// A recordFile is a file whose records are read one after the other.
type recordFile struct {
	io.Reader
	io.Closer
}

// openRecords opens a file, and looks into it if it is a gzip.
func openRecords(f *hostfs.FS, name string) (io.ReadCloser, error) {
	for _, suffix := range []string{".xz", ".bz2", ".zst"} {
		if strings.HasSuffix(name, suffix) {
			return nil, &fs.PathError{Op: "read", Path: name, Err: errors.ErrUnsupported}
		}
	}
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(name, ".gz") {
		return recordFile{bufio.NewReaderSize(file, 64<<10), file}, nil
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return recordFile{bufio.NewReaderSize(unpacked, 64<<10), file}, nil
}

// A lastRecord is what lastlog(8) keeps of a user, whose number is that of
// the record: 4 bytes of seconds, 32 of the tty, 256 of the host.
type lastRecord struct {
	at        time.Time
	tty, host string
}

const lastSize = 4 + 32 + 256

func parseLast(b []byte) (lastRecord, bool) {
	if len(b) != lastSize {
		return lastRecord{}, false
	}
	sec := binary.LittleEndian.Uint32(b)
	if sec == 0 {
		return lastRecord{}, false
	}
	return lastRecord{time.Unix(int64(sec), 0), zeroEnded(b[4:36]), zeroEnded(b[36:])}, true
}

// maxWholeLast is the size of a lastlog that is read from end to end, in
// bytes: users up to number 200,000. A file is as long as its highest number
// asks for, with holes in between, so that of a longer one only the records of
// users that are known are read.
const maxWholeLast = 200_000 * lastSize

// eachLast reads a lastlog.
func eachLast(s *table.Scan, name string, yield func(uid int64, r lastRecord) error) error {
	file, err := s.FS.Open(name)
	if err != nil {
		s.Fail(name, err)
		return nil
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		s.Fail(name, err)
		return nil
	}
	var uids []int64
	if st.Size() > maxWholeLast {
		s.Fail(name, hostfs.ErrTooLarge)
		for _, u := range Users(s.FS) {
			uids = append(uids, u.UID)
		}
	}
	if st.Size()%lastSize != 0 {
		s.Fail(name, hostfs.ErrMalformed)
	}
	in, buf := io.NewSectionReader(file, 0, st.Size()), make([]byte, lastSize)
	whole := bufio.NewReaderSize(in, 64<<10)
	for i := int64(0); i < st.Size()/lastSize && (uids == nil || i < int64(len(uids))); i++ {
		uid := i
		if uids == nil {
			_, err = io.ReadFull(whole, buf)
		} else {
			uid = uids[i]
			_, err = in.ReadAt(buf, uid*lastSize)
		}
		if r, ok := parseLast(buf); err == nil && ok {
			if err := yield(uid, r); err != nil {
				return err
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			s.Fail(name, err)
			return nil
		}
	}
	return nil
}
