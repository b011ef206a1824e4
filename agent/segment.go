package agent

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// The files of the spool, by the plan's ID in hex: PLAN.head holds the head of
// its answer as JSON, PLAN.SEQ.chunks its chunks from the one with that number.
// Chunks are records, one after the other:
//
//	4 bytes   sequence number, big-endian
//	1 byte    1 for the final chunk, else 0
//	4 bytes   length of the chunk, big-endian
//	4 bytes   CRC-32C of the nine bytes above and the chunk, big-endian
//	          the chunk
//
// A record that does not hold ends its file: it is what a machine that lost
// its power was writing.
const (
	headExt    = ".head"
	segmentExt = ".chunks"
	recordHead = 4 + 1 + 4 + 4
	// segmentSize is the length in bytes from which on a new file is begun, so
	// that the disk gets back what a relay has taken.
	segmentSize = 8 << 20
	maxHead     = 16 << 10 // bytes: the reply key has 1.2 KB
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A head is what is needed to end the answer to a plan, whoever began it.
type head struct {
	Plan     signing.ID `json:"plan"`
	Fleet    signing.ID `json:"fleet"`
	ReplyKey []byte     `json:"reply_key"`
	Expires  time.Time  `json:"expires"`
	Made     time.Time  `json:"made"`
}

func (h head) path(dir string) string { return filepath.Join(dir, h.Plan.String()+headExt) }

// write makes the file of the head. It is one step all the same: what a kill
// leaves is cut, and a head that was cut is none, to a later life, as one that
// was not begun.
func (h head) write(dir string) error {
	f, err := os.OpenFile(h.path(dir), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(message.Marshal(h))
	if err = errors.Join(err, f.Close()); err != nil {
		h.remove(dir) // what a full disk took of it is of no use
	}
	return err
}

func (h head) remove(dir string) { os.Remove(h.path(dir)) }

func readHead(name string) (head, error) {
	var h head
	f, err := os.Open(name)
	if err != nil {
		return h, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxHead))
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, err
	}
	if h.Plan.String()+headExt != filepath.Base(name) {
		return h, errors.New("it speaks of another plan")
	}
	return h, nil
}

// A segment is one file of chunks.
type segment struct {
	file   chunkFile
	size   int64
	pieces int // chunks in it that are not acknowledged
}

// A chunkFile is the file of a segment: an *os.File, but in tests.
type chunkFile interface {
	io.WriterAt
	io.ReaderAt
	io.Closer
	Truncate(size int64) error
	Name() string
}

func createFile(name string) (chunkFile, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
}

func (s *spool) createSegment(plan signing.ID, seq uint32) (*segment, error) {
	f, err := s.create(filepath.Join(s.dir, fmt.Sprintf("%s.%08x%s", plan, seq, segmentExt)))
	if err != nil {
		return nil, err
	}
	return &segment{file: f}, nil
}

// append writes a chunk and says where in the file it stands.
func (g *segment) append(seq uint32, final bool, data []byte) (int64, error) {
	b := make([]byte, recordHead, recordHead+len(data))
	putRecordHead(b, seq, final, data)
	if _, err := g.file.WriteAt(append(b, data...), g.size); err != nil {
		// What a full disk took of it would end the file for a later life, and
		// the files behind it.
		return 0, errors.Join(err, g.file.Truncate(g.size))
	}
	at := g.size + recordHead
	g.size = at + int64(len(data))
	return at, nil
}

func putRecordHead(b []byte, seq uint32, final bool, data []byte) {
	binary.BigEndian.PutUint32(b, seq)
	if final {
		b[4] = 1
	}
	binary.BigEndian.PutUint32(b[5:], uint32(len(data)))
	sum := crc32.Update(crc32.Checksum(b[:9], castagnoli), castagnoli, data)
	binary.BigEndian.PutUint32(b[9:], sum)
}

func (g *segment) read(at int64, size int) ([]byte, error) {
	b := make([]byte, size)
	if _, err := g.file.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("agent: spool: %w", err)
	}
	return b, nil
}

func (g *segment) remove() {
	g.file.Close()
	os.Remove(g.file.Name())
}

// reopen takes up one answer of an earlier life.
func (s *spool) reopen(name string, now time.Time) error {
	h, err := readHead(filepath.Join(s.dir, name))
	if err != nil || now.After(h.Expires.Add(retention)) {
		// Whatever it was, nobody can be given it any more.
		return s.removeAll(strings.TrimSuffix(name, headExt))
	}
	o := &outgoing{head: h, spool: s}
	for _, file := range s.segmentsOf(h.Plan.String()) {
		whole, err := o.read(file)
		if err != nil {
			return err
		}
		if !whole || o.done {
			break // one that the disk does not give back is removed as a stray
		}
	}
	o.cut = !o.done
	s.answers[h.Plan] = o
	return nil
}

// spooled gives how many bytes of chunks wait in a folder that is nobody's just
// now.
func spooled(dir string) (n int64) {
	names, _ := filepath.Glob(filepath.Join(dir, "*"+segmentExt)) // the pattern is good
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			n += info.Size()
		}
	}
	return n
}

// segmentsOf lists the files of chunks of a plan, the earliest first.
func (s *spool) segmentsOf(plan string) []string {
	names, _ := filepath.Glob(filepath.Join(s.dir, plan+".*"+segmentExt)) // the pattern is good
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(startOf(a), startOf(b)) })
	return names
}

// startOf gives the sequence number in the name of a segment.
func startOf(name string) uint64 {
	part := strings.TrimSuffix(filepath.Base(name), segmentExt)
	n, err := strconv.ParseUint(part[strings.LastIndexByte(part, '.')+1:], 16, 32)
	if err != nil {
		return 1 << 32
	}
	return n
}

// read takes up the chunks of a file as far as they hold and the disk gives them
// back, and cuts off the rest. It says whether all of them hold.
func (o *outgoing) read(name string) (whole bool, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return false, nil // a sector that is lost ends an answer, and not the agent
	}
	g := &segment{}
	for {
		seq, final, data, ok := nextRecord(b[g.size:])
		if !ok || len(o.pieces) > 0 && seq != o.next() || o.done {
			break
		}
		if len(o.pieces) == 0 {
			o.first = seq
		}
		o.pieces = append(o.pieces, piece{seg: g, at: g.size + recordHead, size: len(data), final: final})
		o.spool.kept += int64(len(data))
		o.done = final
		g.size += int64(recordHead + len(data))
		g.pieces++
	}
	if g.pieces == 0 {
		return false, os.Remove(name)
	}
	if g.file, err = os.OpenFile(name, os.O_RDWR, 0o600); err != nil {
		return false, err
	}
	o.segs = append(o.segs, g)
	return g.size == int64(len(b)), g.file.Truncate(g.size)
}

// nextRecord reads the record at the beginning of b.
func nextRecord(b []byte) (seq uint32, final bool, data []byte, ok bool) {
	if len(b) < recordHead || b[4] > 1 {
		return 0, false, nil, false
	}
	size := binary.BigEndian.Uint32(b[5:])
	if uint64(size) > uint64(len(b)-recordHead) {
		return 0, false, nil, false
	}
	data = b[recordHead : recordHead+int(size)]
	sum := crc32.Update(crc32.Checksum(b[:9], castagnoli), castagnoli, data)
	return binary.BigEndian.Uint32(b), b[4] == 1, data, sum == binary.BigEndian.Uint32(b[9:])
}

// removeAll removes the files of one plan.
func (s *spool) removeAll(plan string) error {
	errs := []error{os.Remove(filepath.Join(s.dir, plan+headExt))}
	for _, name := range s.segmentsOf(plan) {
		errs = append(errs, os.Remove(name))
	}
	return errors.Join(errs...)
}

// removeStrays removes files that belong to no answer: a life that ended
// between two removals left them.
func (s *spool) removeStrays(entries []fs.DirEntry) error {
	used := map[string]bool{}
	for _, o := range s.answers {
		used[filepath.Base(o.head.path(s.dir))] = true
		for _, g := range o.segs {
			used[filepath.Base(g.file.Name())] = true
		}
	}
	var errs []error
	for _, e := range entries {
		if name := e.Name(); !used[name] && (strings.HasSuffix(name, segmentExt) || strings.HasSuffix(name, wholefile.Ext)) {
			if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
