package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
)

// Bounds of the spool.
const (
	maxAnswers    = 1024    // that are not acknowledged
	maxEnds       = 256     // beyond these, of answers that are an end alone
	defaultMemory = 8 << 20 // bytes of chunks held in memory
	// defaultDisk is how many bytes of chunks wait on disk for a relay.
	defaultDisk = 512 << 20
	// reserve is what closing chunks and refusals may take beyond that: an
	// answer can always be ended.
	reserve = 64 << 20
	// retention is how long after the end of its plan's window an answer that
	// no relay took is kept.
	retention = 7 * 24 * time.Hour
)

var (
	errSpoolFull = errors.New("agent: the spool is full")
	errGone      = errors.New("agent: nobody wants the answer any more")
	errEnded     = errors.New("agent: the answer has ended")
	errUnread    = errors.New("a part of what was found is lost: this host's disk does not give it back")
)

// A spool keeps the sealed chunks of answers until a relay has said that they
// are stored for good. While one is connected they are in memory, as far as
// its bound allows; else, and beyond it, they are in files below a folder. The
// chunks are sealed to the investigator before they come here: nothing in the
// folder can be read by who finds it.
type spool struct {
	dir    string
	memory int64 // bound of held
	disk   int64 // bound of kept
	// create and perFile are createFile and segmentSize, but in tests.
	create  func(name string) (chunkFile, error)
	perFile int64

	mu      sync.Mutex
	answers map[signing.ID]*outgoing
	held    int64         // bytes in memory
	kept    int64         // bytes of segments
	online  bool          // a relay takes chunks
	room    chan struct{} // closed when bytes become free; nil: nobody waits
}

// An outgoing answer is one whose chunks have not all been acknowledged. Its
// fields but head and spool are under the spool's lock.
type outgoing struct {
	head  head
	spool *spool

	pieces []piece // in sequence, those on disk first
	first  uint32  // the sequence number of the first of them
	given  uint32  // a relay may have those before it
	done   bool    // the final one was among them
	cut    bool    // an earlier life left it without a final one
	gone   bool
	lost   bool // the disk does not give back a part of it: nothing follows but its end
	stands bool // its plan does: it has no end for a long time
	segs   []*segment
	more   chan struct{} // closed when a chunk comes or it is gone; nil: nobody waits
}

// A piece is one chunk, in memory or in a segment.
type piece struct {
	data  []byte
	seg   *segment
	at    int64
	size  int
	final bool
}

// openSpool reads what an earlier life left. What is damaged is cut off, and
// what is older than its retention is removed.
func openSpool(dir string, memory, disk int64, now time.Time) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &spool{
		dir: dir, memory: memory, disk: disk, create: createFile, perFile: segmentSize,
		answers: map[signing.ID]*outgoing{},
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == headExt {
			if err := s.reopen(e.Name(), now); err != nil {
				return nil, err
			}
		}
	}
	return s, s.removeStrays(entries)
}

// begin makes room for the answer to a plan. It fails where there are too
// many, or the disk does not take its head.
func (s *spool) begin(h head) (*outgoing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.answers[h.Plan] != nil:
		return nil, fmt.Errorf("agent: plan %s is being answered", h.Plan)
	case len(s.answers) >= maxAnswers:
		return nil, fmt.Errorf("%w: %d answers wait for a relay", errSpoolFull, len(s.answers))
	case s.held+s.kept > s.memory+s.disk+reserve/2:
		return nil, fmt.Errorf("%w: %d bytes wait for a relay", errSpoolFull, s.held+s.kept)
	}
	if err := h.write(s.dir); err != nil {
		return nil, err
	}
	o := &outgoing{head: h, spool: s}
	s.answers[h.Plan] = o
	return o, nil
}

// beginEnd makes room for an answer that will be an end and nothing else, since
// begin failed. It needs no disk: an investigator is told why even where a disk
// is full. A kill before a relay has taken it leaves the journal alone to tell.
func (s *spool) beginEnd(h head) (*outgoing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.answers[h.Plan] != nil:
		return nil, fmt.Errorf("agent: plan %s is being answered", h.Plan)
	case len(s.answers) >= maxAnswers+maxEnds:
		return nil, fmt.Errorf("%w: %d answers wait for a relay", errSpoolFull, len(s.answers))
	}
	_ = h.write(s.dir) // it may have room by now, and its owner hears of it elsewhere
	o := &outgoing{head: h, spool: s}
	s.answers[h.Plan] = o
	return o, nil
}

// find gives the answer to a plan, or nil.
func (s *spool) find(plan signing.ID) *outgoing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers[plan]
}

// open lists the answers that are not wholly acknowledged.
func (s *spool) open() []*outgoing {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*outgoing
	for _, o := range s.answers {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *outgoing) int { return a.head.Made.Compare(b.head.Made) })
	return all
}

// bytes says how much waits for a relay.
func (s *spool) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held + s.kept
}

// setOnline says whether a relay takes chunks. When none does any more, what
// was in memory goes to disk.
func (s *spool) setOnline(yes bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.online = yes
	if yes {
		return nil
	}
	var errs []error
	for _, o := range s.answers {
		errs = append(errs, o.spill())
	}
	return errors.Join(errs...)
}

// stale lists the answers that no relay took in time.
func (s *spool) stale(now time.Time) (all []*outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.answers {
		if now.After(o.head.Expires.Add(retention)) {
			all = append(all, o)
		}
	}
	return all
}

// close closes files. What waits stays on disk.
func (s *spool) close() error {
	err := s.setOnline(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.answers {
		for _, g := range o.segs {
			err = errors.Join(err, g.file.Close())
		}
	}
	return err
}

// put adds a chunk, which must be the next. It waits for room until ctx ends, or
// so long that it is errUnsent; the final chunk of an answer waits for none.
func (o *outgoing) put(ctx context.Context, patience time.Duration, data []byte, final bool) error {
	s := o.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := int64(len(data)); !final && !o.takes(n) {
		if err := o.await(ctx, patience, n); err != nil {
			return err
		}
	}
	switch {
	case o.gone:
		return errGone
	case o.done:
		return errEnded
	case o.lost && !final:
		return errUnread
	}
	o.pieces = append(o.pieces, piece{data: data, size: len(data), final: final})
	s.held += int64(len(data))
	if !s.online || s.held > s.memory {
		// A disk that takes no more does not keep an answer from being ended.
		if err := o.spill(); err != nil && !final {
			o.pieces = o.pieces[:len(o.pieces)-1]
			s.held -= int64(len(data))
			return err
		}
	}
	o.done = final
	tell(&o.more)
	return nil
}

// takes says whether nobody waits who puts so many bytes more: there is room, or
// it is in vain.
func (o *outgoing) takes(n int64) bool { return o.gone || o.done || o.lost || o.fits(n) }

// await waits until takes.
func (o *outgoing) await(ctx context.Context, patience time.Duration, n int64) error {
	s := o.spool
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errUnsent)
	defer cancel()
	for !o.takes(n) {
		wait(ctx, &s.mu, &s.room)
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", errSpoolFull, context.Cause(ctx))
		}
	}
	return nil
}

// wait lets go of a lock until what it guards is closed, or ctx has ended.
func wait(ctx context.Context, mu *sync.Mutex, news *chan struct{}) {
	if *news == nil {
		*news = make(chan struct{})
	}
	come := *news
	mu.Unlock()
	select {
	case <-come:
	case <-ctx.Done():
	}
	mu.Lock()
}

// tell wakes those who wait.
func tell(news *chan struct{}) {
	if *news != nil {
		close(*news)
		*news = nil
	}
}

// fits says whether so many bytes more are within the bounds.
func (o *outgoing) fits(n int64) bool {
	s := o.spool
	if s.online && s.held+n <= s.memory {
		return true
	}
	for _, p := range o.pieces {
		if p.seg == nil {
			n += int64(p.size)
		}
	}
	return s.kept+n <= s.disk
}

// spill writes the pieces in memory to disk. The end of an answer that the disk
// has lost a part of is not left to it.
func (o *outgoing) spill() error {
	if o.lost {
		return nil
	}
	for i := range o.pieces {
		p := &o.pieces[i]
		if p.seg != nil {
			continue
		}
		g, err := o.segment(o.first + uint32(i))
		if err != nil {
			return fmt.Errorf("agent: spool: %w", err)
		}
		at, err := g.append(o.first+uint32(i), p.final, p.data)
		if err != nil {
			return fmt.Errorf("agent: spool: %w", err)
		}
		o.spool.held -= int64(p.size)
		o.spool.kept += int64(p.size)
		p.data, p.seg, p.at = nil, g, at
		g.pieces++
	}
	return nil
}

// segment gives the file that the next chunk is written to.
func (o *outgoing) segment(seq uint32) (*segment, error) {
	if n := len(o.segs); n > 0 && o.segs[n-1].size < o.spool.perFile {
		return o.segs[n-1], nil
	}
	g, err := o.spool.createSegment(o.head.Plan, seq)
	if err == nil {
		o.segs = append(o.segs, g)
	}
	return g, err
}

// holds gives the sequence number of the first chunk that is held, and whether
// an earlier life left the answer without its end.
func (o *outgoing) holds() (first uint32, cut bool) {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	return o.first, o.cut && !o.done
}

// stand says that the answer's plan stands: an earlier life did not cut it off.
func (o *outgoing) stand() {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	o.stands, o.cut = true, false
}

// ended says whether all chunks of the answer are here, or were.
func (o *outgoing) ended() bool {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	return o.done || o.gone
}

// stood says whether the answer's plan stands.
func (o *outgoing) stood() bool {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	return o.stands
}

// quiet says whether the answer is one of a plan that stands, of which all that
// was found so far is acknowledged.
func (o *outgoing) quiet() bool {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	return o.stands && len(o.pieces) == 0
}

// whole says whether all of the answer was acknowledged, or nobody wants it.
func (o *outgoing) whole() bool {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	return o.gone
}

// skipTo makes the next chunk that with the given number, where none is held
// and a relay has those before it: an earlier life had them in memory alone.
func (o *outgoing) skipTo(next uint32) {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	if len(o.pieces) == 0 && next > o.first {
		o.first = next
	}
}

// following is next, for who does not hold the lock.
func (o *outgoing) following() uint32 {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	return o.next()
}

// next is the sequence number of the chunk that would be put next.
func (o *outgoing) next() uint32 { return o.first + uint32(len(o.pieces)) }

// ack forgets the chunks before next, which are stored for good. It says
// whether that was all of the answer.
func (o *outgoing) ack(next uint32) (whole bool) {
	s := o.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.gone || next <= o.first {
		return false
	}
	n := min(int(next-o.first), len(o.pieces))
	for _, p := range o.pieces[:n] {
		o.drop(p)
	}
	o.pieces = slices.Delete(o.pieces, 0, n)
	o.first += uint32(n)
	tell(&s.room)
	if o.done && len(o.pieces) == 0 {
		o.forget()
		return true
	}
	return false
}

// drop gives back what a piece took. A segment that holds no more is removed.
func (o *outgoing) drop(p piece) {
	if p.seg == nil {
		o.spool.held -= int64(p.size)
		return
	}
	o.spool.kept -= int64(p.size)
	if p.seg.pieces--; p.seg.pieces == 0 {
		o.segs = slices.DeleteFunc(o.segs, func(g *segment) bool { return g == p.seg })
		p.seg.remove()
	}
}

// abandon forgets the answer: nobody wants it.
func (o *outgoing) abandon() {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	o.forget()
}

func (o *outgoing) forget() {
	if o.gone {
		return
	}
	// The head first: chunks without one are removed by the next life, and a
	// head without chunks would be an answer that was cut off.
	o.head.remove(o.spool.dir)
	for _, p := range o.pieces {
		o.drop(p)
	}
	for _, g := range o.segs {
		g.remove() // one that a full disk let nothing into
	}
	o.pieces, o.segs, o.gone = nil, nil, true
	delete(o.spool.answers, o.head.Plan)
	tell(&o.more)
	tell(&o.spool.room)
}
