package yara

import (
	"context"
	"io"
)

// A Content says what is known of a content before its blocks come.
type Content struct {
	// Size is the length in bytes, negative where it is not known before the
	// end. Conditions on filesize then wait for it.
	Size int64
	// Process says that this is the memory of a process: offsets are
	// addresses, blocks may leave gaps, and filesize is undefined.
	Process bool
	// At reads again what has gone by, at the same offsets: conditions and
	// modules ask when all blocks have come. Where there is nothing, as
	// between the regions of a memory, it gives io.EOF; any other error
	// makes the rules that asked undecided. nil where nothing can be read
	// twice: these rules are then undecided, by [ErrGone].
	At io.ReaderAt
}

// A Scanner asks rules of one content after the other. It belongs to one
// goroutine and is meant to be used for millions of contents.
type Scanner struct {
	rules *Rules
	run   *run
}

// NewScanner returns a scanner for one goroutine.
func (r *Rules) NewScanner(l Limits) *Scanner {
	return &Scanner{rules: r, run: newRun(r, l)}
}

// Whole scans a content that is in memory. The error is that of ctx alone:
// what could not be decided stands in the result.
func (s *Scanner) Whole(ctx context.Context, b []byte) (*Result, error) {
	s.run.start(Content{Size: int64(len(b))})
	s.run.whole(ctx, b)
	return s.run.end(ctx)
}

// Start begins a content that comes in blocks.
func (s *Scanner) Start(c Content) { s.run.start(c) }

// Feed takes the next block, which begins at an offset of the content and may
// be reused afterwards. Blocks come in the order of their offsets and do not
// overlap; the scanner itself keeps of each what a string across its edge
// needs. Where a block does not begin at the end of the one before, a region
// ends: no string lies across that. done says that no more blocks need come,
// as every answer is known: go on with End.
func (s *Scanner) Feed(ctx context.Context, off int64, block []byte) (done bool) {
	return s.run.feed(ctx, off, block)
}

// End gives the result of the content begun by Start: all of its blocks have
// come, or Feed said done. The error is that of ctx alone.
func (s *Scanner) End(ctx context.Context) (*Result, error) { return s.run.end(ctx) }
