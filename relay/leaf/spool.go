package leaf

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/relay/meter"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Names below a leaf's folder.
const (
	dirSpool   = "spool"   // PLAN.AGENT: the chunks of an answer
	dirMembers = "members" // AGENT: its membership
)

// recordHead is what stands before a chunk in a file: four bytes of length and
// four of CRC-32C, big-endian.
const recordHead = 8

// maxSyncs is how many files are written at the same time, each by a thread that
// waits for the disk. File systems bring to the disk together what is synced
// together.
const maxSyncs = 64

// A key names an answer.
type key struct{ plan, agent message.ID }

func (k key) name() string { return k.plan.String() + "." + k.agent.String() }

// A spool holds chunks that the centre does not have yet. A chunk that it took
// is on the disk.
//
// An agent sends from where it was acknowledged, so that the first chunk that
// is seen of an answer says where that is. Files are removed when the centre
// has all that is in them.
type spool struct {
	dir   string
	limit int64 // bytes of all files
	log   *slog.Logger
	// syncDir has the names in a folder on the disk, and syncFile what is in a file;
	// unlink removes one.
	syncDir  func(dir string) error
	syncFile func(f *os.File) error
	unlink   func(name string) error
	names    gathered      // in the folder of answers
	syncs    chan struct{} // of capacity maxSyncs: a place of each who writes
	meters   spoolMeters

	mu     sync.Mutex
	all    map[key]*held
	bytes  int64
	shares map[message.ID]*share // by agent
	ready  []key                 // that have something to send, in the order in which it came
	bell   chan struct{}         // of capacity one: ready has grown
}

// A held is what is held of one answer.
type held struct {
	size   int64  // of its file, which is opened when it is needed; 0: nothing is in it yet
	chunks []span // from base on
	base   uint32 // chunks that the centre has, or that came before
	sent   uint32 // up to which chunk the centre was sent
	final  bool   // the last chunk is here, or was
	queued bool
	paused bool // it is not sent until again says so
	tries  int  // how often it was paused since the centre had more of it
	// busy is closed when the chunk is on the disk that is being put, or is not,
	// or when the file is gone; nil: neither is going on.
	busy     chan struct{}
	unwanted bool // nobody wants it: it goes when that is over
	leaving  bool // its file is being removed
}

// A span is where a chunk stands in the file.
type span struct {
	at   int64
	size int
}

func (h *held) next() uint32 { return h.base + uint32(len(h.chunks)) }

// put takes a chunk, and says how far the answer is held or was: the agent is
// acknowledged that much. An error is that it is not, and the agent keeps it;
// what it sent behind that chunk is not taken either. Answers of many agents are
// put at the same time.
func (s *spool) put(c *message.Chunk, body []byte) (uint32, error) {
	k := key{c.Plan, c.Agent}
	h, next, err := s.begin(k, c.Seq, int64(recordHead+len(body)))
	if h == nil {
		return next, err
	}
	began := time.Now()
	err = s.append(k, h, body)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(h.busy)
	h.busy = nil
	size, mine := int64(recordHead+len(body)), s.share(c.Agent)
	if err != nil {
		s.meters.failed.Inc()
		s.bytes, mine.bytes = s.bytes-size, mine.bytes-size
		next, err = h.next(), mine.refuse(c.Plan, h.next(), err) // first: an agent of whom nothing is left is forgotten
		if h.size == 0 {
			delete(s.all, k)
			mine.answers--
		} else if len(h.chunks) == 0 || h.unwanted {
			err = errors.Join(err, s.remove(k, h))
		}
		return next, err
	}
	s.meters.kept.Inc()
	s.meters.keptBytes.Add(uint64(len(body)))
	s.meters.toDisk.Observe(time.Since(began))
	delete(mine.refused, c.Plan)
	h.chunks = append(h.chunks, span{h.size + recordHead, len(body)})
	h.size += size
	h.final = c.Final
	next = h.next()
	if h.unwanted {
		return next, s.remove(k, h)
	}
	s.queue(k, h)
	return next, nil
}

// begin makes room for a chunk that is the next of its answer, of which nobody
// else puts one before h.busy is closed; or it says how far the answer is.
func (s *spool) begin(k key, seq uint32, size int64) (h *held, next uint32, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h = s.all[k]; h != nil && h.busy != nil; h = s.all[k] {
		busy := h.busy
		s.mu.Unlock()
		<-busy
		s.mu.Lock()
	}
	mine, fresh := s.share(k.agent), h == nil
	if fresh {
		if next, was := mine.refused[k.plan]; was && seq != next {
			return nil, next, nil
		}
		h = &held{base: seq, sent: seq}
	}
	if seq != h.next() || h.final {
		return nil, h.next(), nil
	}
	if err := s.room(mine, size, fresh); err != nil {
		s.meters.full.Inc()
		return nil, h.next(), mine.refuse(k.plan, h.next(), err)
	}
	if fresh {
		s.all[k] = h
		mine.answers++
	}
	s.bytes, mine.bytes = s.bytes+size, mine.bytes+size
	h.busy = make(chan struct{})
	return h, 0, nil
}

// append puts a chunk behind what is held of an answer, and returns when it is
// on the disk. Files are synced side by side, as many as maxSyncs, and their
// names for all who wait: one by one ten thousand answers took as long as twenty
// thousand turns of the disk. h is busy.
func (s *spool) append(k key, h *held, body []byte) error {
	record := binary.BigEndian.AppendUint32(make([]byte, 0, recordHead+len(body)), uint32(len(body)))
	record = binary.BigEndian.AppendUint32(record, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	record = append(record, body...)
	s.syncs <- struct{}{}
	err := s.write(k, h.size, record)
	<-s.syncs
	if err != nil || h.size > 0 {
		return err
	}
	if err = s.names.wait(); err != nil {
		return errors.Join(err, os.Remove(s.path(k))) // the next try makes it, and its name, anew
	}
	return nil
}

// write writes a record into the file of an answer, and syncs it. What was
// written of one that could not be goes: it is not acknowledged.
func (s *spool) write(k key, at int64, record []byte) error {
	flags := os.O_WRONLY
	if at == 0 {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(s.path(k), flags, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = f.WriteAt(record, at); err == nil {
		err = s.syncFile(f)
	}
	switch {
	case err != nil && at == 0:
		return errors.Join(err, os.Remove(s.path(k)))
	case err != nil:
		return errors.Join(err, f.Truncate(at))
	}
	return nil
}

// queue says that there is something to send of an answer; mu is held.
func (s *spool) queue(k key, h *held) {
	if h.queued || h.paused || h.sent >= h.next() {
		return
	}
	h.queued = true
	s.ready = append(s.ready, k)
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// take gives the next chunk that the centre is to be sent; none where there is
// none.
func (s *spool) take() (k key, body []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) > 0 {
		k, s.ready = s.ready[0], s.ready[1:]
		h := s.all[k]
		if h == nil {
			continue // nobody wants it any more
		}
		h.queued = false
		if h.paused || h.leaving || h.sent < h.base || h.sent >= h.next() {
			continue
		}
		seq, at := h.sent, h.chunks[h.sent-h.base]
		h.sent++
		s.queue(k, h)
		s.mu.Unlock()
		body, err = s.read(k, seq, at)
		s.mu.Lock()
		if s.all[k] != h || h.leaving {
			continue // it went meanwhile
		}
		return k, body, err
	}
	return k, nil, nil
}

// read reads a chunk. One that is not what was put is not sent: a relay that is
// told nonsense hangs up on the whole site.
func (s *spool) read(k key, seq uint32, at span) ([]byte, error) {
	f, err := os.Open(s.path(k))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, body, err := readRecord(f, at.at-recordHead)
	if err == nil && (c.Plan != k.plan || c.Agent != k.agent || c.Seq != seq || len(body) != at.size) {
		err = errRecord
	}
	return body, err
}

// pause has an answer not sent until again is called, and says when that should
// be: each time later, until the centre has more of it. It is not ok where that
// is to happen anyway, or nothing is held.
func (s *spool) pause(k key) (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.all[k]
	if h == nil || h.paused {
		return 0, false
	}
	h.paused = true
	s.meters.tries.Inc()
	wait = min(sendAgain<<h.tries, sendAgainMost)
	if wait < sendAgainMost {
		h.tries++
	}
	return wait, true
}

// stored takes how far the centre has an answer. Where that is no further than
// it was, a chunk was not stored, and it is sent again when again is called.
func (s *spool) stored(a message.Stored) (stuck bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{a.Plan, a.Agent}
	h := s.all[k]
	switch {
	case h == nil:
		return false, nil
	case a.Gone && h.busy != nil:
		h.unwanted = true
		return false, nil
	case a.Gone:
		s.meters.unwanted.Inc()
		return false, s.remove(k, h)
	case a.Next <= h.base:
		return h.sent > h.base, nil
	}
	n := min(a.Next, h.next()) - h.base
	s.meters.stored.Add(uint64(n))
	h.chunks, h.base, h.tries = h.chunks[n:], h.base+n, 0
	h.sent = max(h.sent, h.base)
	if len(h.chunks) > 0 || h.busy != nil {
		return false, nil
	}
	return false, s.remove(k, h) // where it goes on its next chunk says
}

// again sends an answer from where the centre has it; all of them after a new
// line was made.
func (s *spool) again(which ...key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if which == nil {
		for k := range s.all {
			which = append(which, k)
		}
	}
	for _, k := range which {
		if h := s.all[k]; h != nil {
			h.sent, h.paused = h.base, false
			s.queue(k, h)
		}
	}
}

// remove removes the file of an answer, and forgets it. It needs mu, and lets go
// of it meanwhile: who would put a chunk of this answer waits, and nobody else.
func (s *spool) remove(k key, h *held) error {
	h.leaving, h.busy = true, make(chan struct{})
	s.mu.Unlock()
	err := s.unlink(s.path(k))
	s.mu.Lock()
	close(h.busy)
	h.busy = nil
	delete(s.all, k)
	mine := s.share(k.agent)
	mine.answers, mine.bytes = mine.answers-1, mine.bytes-h.size
	s.tidy(k.agent)
	s.bytes -= h.size
	return err
}

// next says how far an answer is held, and whether its end is; 0 is that nothing
// is held.
func (s *spool) next(k key) (next uint32, final bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.all[k]
	if h == nil || h.size == 0 {
		return 0, false
	}
	return h.next(), h.final
}

// waits says how many answers wait for the centre, how many of them could not be
// sent or stored and are tried again later, and how many bytes wait.
func (s *spool) waits() (answers, paused int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.all {
		if h.paused {
			paused++
		}
	}
	return len(s.all), paused, s.bytes
}

// spoolMeters are what a spool counts.
type spoolMeters struct {
	kept, keptBytes meter.Counter // chunks that are on the disk
	stored          meter.Counter // chunks that the centre has since
	unwanted        meter.Counter // answers
	full, failed    meter.Counter // chunks that were not taken: there is no room, or the disk refused
	tries           meter.Counter // that an answer could not be sent or stored
	damaged         meter.Counter // answers with chunks that were acknowledged and could not be read
	toDisk          meter.Histogram
}

// keepMember keeps the membership of an agent, without which the centre takes
// none of its chunks, unless it is kept.
func (s *spool) keepMember(id message.ID, membership []byte) error {
	s.syncs <- struct{}{}
	defer func() { <-s.syncs }()
	name := filepath.Join(s.dir, dirMembers, id.String())
	if have, err := os.ReadFile(name); err == nil && string(have) == string(membership) {
		return nil
	}
	return wholefile.Keep(name, 0o600, membership)
}

func (s *spool) member(id message.ID) ([]byte, error) {
	return os.ReadFile(filepath.Join(s.dir, dirMembers, id.String()))
}
