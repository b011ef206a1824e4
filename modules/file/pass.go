package file

import (
	"context"
	"errors"
	"io"
	"regexp/syntax"
	"strconv"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/file/unpack"
	"github.com/quaestor-engine/quaestor/modules/yara"
)

// Bounds of what is read.
const (
	maxContent = 1 << 20  // bytes of the column content: a row travels and is kept
	maxLine    = 1 << 20  // bytes of a line that can be asked about; each worker may hold one
	maxFused   = 64 << 20 // a file up to this is read again from memory rather than hashed in vain
)

// stopped says why a scan is to end, if it is: its context's cause, or that
// every request has enough. A failure has been noted where it came from.
func (w *worker) stopped(ctx context.Context) error {
	if !w.s.stopped.Load() {
		return nil
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return modules.ErrEnough
}

// content gives what the request wants to read of the entry, its beginning
// read; or nil, and the reason has been reported.
func (r *row) content() *content {
	e := r.e
	if ok, why := e.readable(); !ok {
		if why != "" {
			r.tell(why, "")
		}
		return nil
	}
	c := &e.raw
	if c.phase == fresh {
		if c.member != nil {
			c.openStream(c.member)
		} else {
			c.openFile(e)
		}
		n := &r.w.count[r.req.index]
		if c.phase == ready {
			n.opened++
		}
		n.bytes += c.off
	}
	if c.phase != ready {
		r.tell(c.fault, c.detail)
		return nil
	}
	if r.req.Settings.Decompress {
		if p := r.decompressed(c); p != nil {
			c = p
		}
	}
	if c.phase == ready && r.tooLarge(c) {
		return nil
	}
	if c.phase != ready {
		r.tell(c.fault, c.detail)
		return nil
	}
	return c
}

// tooLarge reports content over the bound that the request sets.
func (r *row) tooLarge(c *content) bool {
	most := r.req.Settings.MaxFileBytes
	if most <= 0 {
		return false
	}
	size := c.off
	if c.open == nil && c.attrs.kind == kindFile {
		size = max(size, c.attrs.size)
	}
	if size <= most {
		return false
	}
	r.tell(modules.SkipLimit, strconv.FormatInt(size, 10)+" bytes")
	return true
}

// decompressed gives the content inside a compressed one, or nil.
func (r *row) decompressed(c *content) *content {
	p := &r.e.plain
	if p.phase == fresh {
		c.rewind()
		if c.phase != ready {
			return nil
		}
		format := unpack.Detect(c.bytes())
		if !format.Compressed() {
			p.fail("", "") // there is none, which is no fault
			return nil
		}
		if r.e.within != "" && !c.whole() {
			// A member comes as a stream, which may be read only once.
			p.fail(modules.SkipLimit, "a compressed member of more than "+strconv.Itoa(bufBytes)+" bytes is not decompressed")
			return p
		}
		p.openStream(func() (io.Reader, error) {
			return unpack.NewReader(&fileReader{c: c}, format, unpack.NewBudget())
		})
		p.limit = r.req.Settings.MaxFileBytes
	}
	if p.phase == failed && p.fault == "" {
		return nil
	}
	return p
}

// fileReader reads a content anew, beside its buffer.
type fileReader struct {
	c   *content
	off int64
}

func (f *fileReader) Read(b []byte) (int, error) {
	n, err := f.ReadAt(b, f.off)
	f.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt fills b unless the file ends or fails.
func (f *fileReader) ReadAt(b []byte, off int64) (int, error) {
	if f.c.whole() && off <= int64(f.c.n) {
		n := copy(b, f.c.bytes()[off:])
		if n < len(b) {
			return n, io.EOF
		}
		return n, nil
	}
	n := 0
	for n < len(b) {
		k, err := f.c.w.fs.read(f.c.h, b[n:], off+int64(n))
		n += k
		if err != nil {
			return n, err
		}
		if k == 0 {
			return n, io.EOF
		}
	}
	return n, nil
}

// streamFault sorts an error of unpacking.
func streamFault(err error) (modules.SkipKind, string) {
	if errors.Is(err, unpack.ErrBudget) {
		return modules.SkipLimit, err.Error()
	}
	return modules.SkipArchive, err.Error()
}

// tell reports once why the content of this row is not known.
func (r *row) tell(kind modules.SkipKind, detail string) {
	if !r.told {
		r.told = true
		r.skip(kind, detail)
	}
}

// lost reports that reading failed on the way.
func (r *row) lost(c *content) {
	if c.phase == failed {
		r.tell(c.fault, c.detail)
	}
}

// answer answers one question now, from memory if the content is there, and
// otherwise all of them in one pass.
func (r *row) answer(ctx context.Context, q int) answer {
	c := r.content()
	if c == nil {
		return unknown
	}
	if !c.whole() {
		r.pass(ctx, c, r.fuse(c)&^c.sums.known, true)
		return r.answers[q]
	}
	if r.rules.Asks(q) {
		if r.rules.Whole(ctx, q, c.bytes()) != nil {
			return unknown // the scan has ended
		}
		return r.verdict(q)
	}
	return r.inMemory(&r.req.ask.list[q], c.bytes())
}

// verdict gives what rules came to, and reports what nobody can say.
func (r *row) verdict(q int) answer {
	if doubt := r.rules.Doubt(q); doubt != "" {
		r.skip(modules.SkipUndecided, doubt)
	}
	if cut := r.rules.Cut(q); cut != "" {
		r.skip(modules.SkipLimit, cut)
	}
	v := r.rules.Answer(q)
	if v.IsNull() {
		return unknown
	}
	return sure(v.Bool())
}

// inMemory answers a question of a whole content.
func (r *row) inMemory(q *question, b []byte) answer {
	if q.whole || q.sieve {
		found := r.scanner.Whole(q.pattern, b)
		if q.whole || !found {
			return sure(found)
		}
	}
	a := unasked
	for len(b) > 0 && a == unasked {
		var text []byte
		text, b = cutLine(b)
		a = r.byLine(q, text)
	}
	if a == unasked {
		a = sure(q.Lines == modules.EveryLine)
	}
	return a
}

// fuse gives the hashes that a pass for questions computes on the way: those
// that will be asked for, if what was read cannot be read again, and those
// that may be, if that would go to the disk again.
func (r *row) fuse(c *content) hashes {
	switch {
	case c.member != nil:
		return r.req.hashed
	case c.open == nil && c.attrs.size > maxFused:
		return r.req.fused
	}
	return 0
}

func sure(b bool) answer {
	if b {
		return yes
	}
	return no
}

// byLine asks one line; unasked means that the next one must be asked too.
func (r *row) byLine(q *question, text []byte) answer {
	switch hit := r.holds(q, text); {
	case hit && q.Lines != modules.EveryLine:
		return yes
	case !hit && q.Lines == modules.EveryLine:
		return no
	}
	return unasked
}

// holds says whether a line answers a question with yes.
func (r *row) holds(q *question, text []byte) bool {
	if q.Test != nil {
		return q.Test(text)
	}
	return r.scanner.Whole(q.pattern, text)
}

// pass takes the content once from its beginning, for hashes and, with ask,
// for all questions that have no answer yet. It ends early when nothing more
// is wanted, and when the scan is stopped.
func (r *row) pass(ctx context.Context, c *content, want hashes, ask bool) {
	c.rewind()
	w := r.w
	var seek, lines, rules bool
	if ask {
		r.asked = true
		seek, lines, rules = r.want(c)
	}
	w.hashers.start(want)
	w.carry.reset()
	asked := seek || lines || rules
	for c.phase == ready {
		b := c.bytes()
		if seek {
			seek = !r.scanner.Feed(b, c.eof)
		}
		if lines {
			lines = r.feedLines(b, c.eof)
		}
		if rules {
			rules = r.rules.Feed(ctx, c.off-int64(len(b)), b)
		}
		if want != 0 {
			w.hashers.write(b)
		}
		if c.eof || want == 0 && !seek && !lines && !rules || w.s.stopped.Load() || ctx.Err() != nil {
			break
		}
		before := c.off
		c.more()
		w.count[r.req.index].bytes += c.off - before
		// Whoever bounds what is read must hear of it while it is read.
		w.flush()
	}
	if most := r.req.Settings.MaxFileBytes; most > 0 && c.off > most {
		c.fail(modules.SkipLimit, "")
	}
	ended := c.phase == ready && c.eof
	if asked {
		r.conclude(ctx, ended, ended || !seek && !lines)
	}
	if ended && want != 0 {
		w.hashers.finish(&c.sums)
	}
	r.settle(c)
}

// settle reports that reading failed on the way, or came to an end behind
// which the content is another than when it began.
func (r *row) settle(c *content) {
	r.lost(c)
	if c.phase == ready && c.eof && c.moved && c.changed() {
		r.tell(modules.SkipChanged, "")
	}
}

// want tells the scanners what to look for and says whether there is anything
// for each of them, and whether lines have to be cut.
func (r *row) want(c *content) (seek, lines, rules bool) {
	for i := range r.req.ask.list {
		q := &r.req.ask.list[i]
		switch {
		case r.answers[i] != unasked:
		case r.rules.Asks(i):
			r.rules.Start(i, c.described())
			rules = true
		case !q.whole:
			lines = true
		default:
			if !seek {
				r.scanner.Start()
				seek = true
			}
			r.scanner.Want(q.pattern)
		}
	}
	return seek, lines, rules
}

// described says of a content what rules want to know before it comes. What
// is unpacked cannot be read again at any place.
func (c *content) described() yara.Content {
	if c.open != nil || c.attrs.kind != kindFile {
		return yara.Content{Size: -1}
	}
	size := c.attrs.size
	if size < c.off { // as of what the kernel makes while it is read
		size = -1
	}
	return yara.Content{Size: size, At: &fileReader{c: c}}
}

// conclude writes down what a pass has found. What it has not found is known
// only if the pass was complete; of rules, only if the content has ended.
func (r *row) conclude(ctx context.Context, ended, complete bool) {
	for i := range r.req.ask.list {
		q := &r.req.ask.list[i]
		if r.answers[i] != unasked {
			continue
		}
		switch {
		case r.rules.Asks(i):
			r.answers[i] = unknown
			if r.rules.End(ctx, i, ended) == nil {
				r.answers[i] = r.verdict(i)
			}
		case q.whole && r.scanner.Found(q.pattern):
			r.answers[i] = yes
		case !complete || !q.whole && r.w.carry.lost:
			r.answers[i] = unknown
		default:
			r.answers[i] = sure(!q.whole && q.Lines == modules.EveryLine)
		}
	}
	if r.w.carry.lost {
		r.tell(modules.SkipLimit, "a line is longer than "+strconv.Itoa(maxLine)+" bytes")
	}
}

// withinLine says that a pattern matches in a content exactly if it matches
// in one of its lines.
func withinLine(p search.Pattern) bool {
	for _, l := range append(p.List, p.Literal) {
		for _, b := range l {
			if b == '\n' || b == '\r' {
				return false
			}
		}
	}
	return p.Regexp == ""
}

// unanchored says that a pattern which matches in a line matches in the
// content too.
func unanchored(p search.Pattern) bool {
	if p.Regexp == "" {
		return true
	}
	re, err := syntax.Parse(p.Regexp, syntax.Perl&^syntax.OneLine)
	return err == nil && free(re)
}

// free says that nothing in an expression speaks of the edge of the text, or
// of the end of a line, before which a line loses its return.
func free(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText:
		return false
	}
	for _, sub := range re.Sub {
		if !free(sub) {
			return false
		}
	}
	return true
}
