package file

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"unsafe"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/yara/asking"
	"github.com/quaestor-engine/quaestor/value"
)

// answer is what a question got.
type answer uint8

const (
	unasked answer = iota
	no
	yes
	unknown
)

func (a answer) value() value.Value {
	if a == unknown {
		return value.Value{}
	}
	return value.NewBool(a == yes)
}

// A row is an entry as one request sees it. Each worker has one for each
// request and uses it again.
type row struct {
	w       *worker
	req     *request
	e       *entry
	to      target
	scanner *search.Scanner
	rules   *asking.Scanner // nil where no question is one of rules
	answers []answer

	asked   bool // answers has something in it
	told    bool // why there is no content has been reported
	toldAll bool // why there are no attributes has been reported

	path    []byte // the buffer; its front part is that of the last directory
	pathOK  bool
	inDir   *dir
	inLoc   *locator
	prefix  int // length of that front part
	located line

	foreseen map[int]value.Value // columns of the content while its lines are shown
}

// begin turns to another entry.
func (r *row) begin(e *entry, t *target) {
	r.e, r.to = e, *t
	if r.asked {
		clear(r.answers)
		r.rules.Forget()
		r.asked = false
	}
	r.told, r.toldAll, r.pathOK = false, false, false
	r.located.known = false
}

// view gives bytes as a text, valid until yield returns.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// fullPath gives the path, with the front as the user wrote it.
func (r *row) fullPath() []byte {
	if r.pathOK {
		return r.path
	}
	r.pathOK = true
	e := r.e
	switch {
	case r.to.base == nil:
		r.inDir, r.inLoc = nil, nil
		r.path = append(r.path[:0], r.to.loc.shown...)
	case r.inDir != e.d || r.inLoc != r.to.loc:
		r.path = append(r.path[:0], r.to.loc.under()...)
		r.path = e.d.appendNames(r.path, r.to.base)
		r.inDir, r.inLoc, r.prefix = e.d, r.to.loc, len(r.path)
		fallthrough
	default:
		r.path = append(r.path[:r.prefix], e.shown...)
	}
	if e.within != "" {
		r.path = append(append(r.path, "!/"...), e.within...)
	}
	return r.path
}

// trimmed gives the path without the separator that archives put behind the
// names of directories.
func (r *row) trimmed() []byte {
	if r.e.within == "" {
		return r.fullPath()
	}
	return bytes.TrimRight(r.fullPath(), "/")
}

// name gives the last part of the path.
func (r *row) name() []byte {
	if r.e.within == "" && r.to.base != nil {
		return r.e.shown
	}
	path := r.trimmed()
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' || path[i] == separator[0] {
			if i == len(path)-1 {
				return path // a root
			}
			return path[i+1:]
		}
	}
	return path
}

// dir gives the path without its last part.
func (r *row) dir() []byte {
	path, name := r.trimmed(), r.name()
	n := len(path) - len(name)
	if n == 0 {
		return path
	}
	return []byte(trimEnd(view(path[:n])))
}

// extension gives what follows the last dot of the name.
func (r *row) extension() value.Value {
	name := r.name()
	if i := bytes.LastIndexByte(name, '.'); i > 0 && i < len(name)-1 {
		return value.NewText(view(name[i+1:]))
	}
	return value.Value{}
}

// skip reports something of this row.
func (r *row) skip(kind modules.SkipKind, detail string) {
	r.req.Report.Skip(modules.Skip{Kind: kind, Where: string(r.fullPath()), Detail: detail})
}

// attrs gives what the system says of the entry, or nil.
func (r *row) attrs() *attrs {
	if r.e.stat() {
		return &r.e.attrs
	}
	if !r.toldAll {
		r.toldAll = true
		r.skip(skipKind(r.e.statErr), words(r.e.statErr))
	}
	return nil
}

// Column gives the i-th column.
func (r *row) Column(ctx context.Context, i int) (value.Value, error) {
	switch {
	case i <= colType:
		return r.naming(i), nil
	case i <= colHidden:
		return r.attribute(i), nil
	case i <= colCapabilities:
		return r.extended(i), nil
	case i <= colQuarantine:
		return r.beside(i), nil
	case i == colPackage:
		return r.broughtBy(), nil
	case i <= colContent:
		return r.fromContent(ctx, i), r.w.stopped(ctx)
	}
	if i >= colYara {
		return r.rules.Column(i - colYara)
	}
	return r.located.column(i), nil
}

// naming gives the columns that the directory tells.
func (r *row) naming(i int) value.Value {
	switch i {
	case colPath:
		return value.NewText(view(r.fullPath()))
	case colName:
		return value.NewText(view(r.name()))
	case colDir:
		return value.NewText(view(r.dir()))
	case colExtension:
		return r.extension()
	case colELF, colMachO, colPE:
		return value.NewText(view(r.fullPath()))
	}
	kind := r.e.kind
	if kind == kindUnknown {
		if a := r.attrs(); a != nil {
			kind = a.kind
		}
	}
	if name := kindName(kind); name != "" {
		return value.NewText(name)
	}
	return value.Value{}
}

// attribute gives the columns that one call to the system tells.
func (r *row) attribute(i int) value.Value {
	a := r.attrs()
	if a == nil {
		return value.Value{}
	}
	switch i {
	case colSize:
		if a.size < 0 {
			return value.Value{} // an archive that does not say
		}
		return value.NewSize(a.size)
	case colMode:
		return value.NewMode(a.mode)
	case colModeOctal:
		return value.NewText(octal(a.mode & modePerm))
	case colSUID:
		return value.NewBool(a.mode&modeSetuid != 0)
	case colSGID:
		return value.NewBool(a.mode&modeSetgid != 0)
	case colSticky:
		return value.NewBool(a.mode&modeSticky != 0)
	case colExecutable:
		return value.NewBool(a.mode&0o111 != 0)
	case colWorldWritable:
		return value.NewBool(a.mode&0o002 != 0)
	case colMTime:
		return a.mtime.value()
	case colATime:
		return a.atime.value()
	case colCTime:
		return a.ctime.value()
	case colBTime:
		return a.btime.value()
	case colImmutable:
		if !a.knows {
			return value.Value{}
		}
		return value.NewBool(a.immutable)
	}
	switch {
	case i == colAttributes || i == colHidden:
		return a.marksAs(i)
	case i == colOwner && !a.unix:
		return r.beside(i)
	case !a.unix:
		return value.Value{}
	}
	switch i {
	case colOwner:
		return r.req.owners.user(a.uid)
	case colGroup:
		return r.req.owners.group(a.gid)
	case colBlockSize:
		return value.NewSize(int64(a.block))
	}
	return value.NewInt(a.number(i))
}

// number gives the columns that are numbers of systems like Unix.
func (a *attrs) number(i int) int64 {
	switch i {
	case colUID:
		return int64(a.uid)
	case colGID:
		return int64(a.gid)
	case colInode:
		return int64(a.inode)
	case colDevice:
		return int64(a.dev)
	}
	return int64(a.links)
}

// marksAs gives the columns of what the system marks files with.
func (a *attrs) marksAs(i int) value.Value {
	switch names := markNamesOf(a.marks); {
	case !a.marked:
		return value.Value{}
	case i == colHidden:
		return value.NewBool(slices.Contains(names, "hidden"))
	default:
		return textList(names)
	}
}

// octal writes permissions as chmod takes them, in four digits.
func octal(mode uint32) string {
	return string([]byte{'0' + byte(mode>>9&7), '0' + byte(mode>>6&7), '0' + byte(mode>>3&7), '0' + byte(mode&7)})
}

// extended gives the columns that need calls of their own.
func (r *row) extended(i int) value.Value {
	e := r.e
	switch i {
	case colTarget:
		return r.target()
	case colTargetPath:
		link := r.target()
		switch {
		case link.IsNull():
			return link
		case filepath.IsAbs(link.Text()):
			return value.NewText(trimEnd(link.Text())) // as the row that is there has it
		}
		return value.NewText(filepath.Join(string(r.dir()), link.Text()))
	}
	if e.within != "" {
		return value.Value{}
	}
	v, err := r.w.fs.xattr(e.base, e.name, i == colCapabilities)
	if err != nil {
		r.skip(skipKind(err), words(err))
	}
	return v
}

// beside gives the columns of what the system keeps beside a file, each by
// calls of its own.
func (r *row) beside(i int) value.Value {
	e := r.e
	if e.within != "" {
		return value.Value{}
	}
	var v value.Value
	var err error
	switch i {
	case colOwner, colOwnerSID:
		var sid, name string
		if sid, name, err = r.w.fs.ownerOf(e.base, e.name); i == colOwner {
			sid = name
		}
		if sid != "" {
			v = value.NewText(sid)
		}
	case colStreams:
		var names []string
		if names, err = r.w.fs.attributeNames(e.base, e.name); err == nil && hasStreams {
			v = textList(names)
		}
	default:
		v, err = r.origin(i)
	}
	if err != nil {
		r.skip(skipKind(err), words(err))
	}
	return v
}

// origin gives the columns of where a file came from.
func (r *row) origin(i int) (value.Value, error) {
	e := r.e
	names, err := r.w.fs.attributeNames(e.base, e.name)
	if err != nil {
		return value.Value{}, err
	}
	o, err := readOrigin(names, func(name string) ([]byte, error) { return r.w.fs.attributeValue(e.base, e.name, name) })
	return o.column(i), err
}

// target gives where a link points, as it is written in it.
func (r *row) target() value.Value {
	e := r.e
	switch {
	case r.to.base == nil && r.to.loc.link != "":
		return value.NewText(r.to.loc.link)
	case e.link != "":
		return value.NewText(e.link)
	case e.kind != kindLink || e.within != "":
		return value.Value{}
	}
	link, err := r.w.fs.readlink(e.base, e.name)
	if err != nil {
		r.skip(skipKind(err), words(err))
		return value.Value{}
	}
	return value.NewText(link)
}

// fromContent gives the columns that need the content.
func (r *row) fromContent(ctx context.Context, i int) value.Value {
	if v, ok := r.foreseen[i]; ok {
		return v
	}
	c := r.content()
	if c == nil {
		return value.Value{}
	}
	switch i {
	case colMIME:
		c.rewind()
		if c.phase != ready {
			r.lost(c)
			return value.Value{}
		}
		return value.NewText(mimeOf(c.bytes()))
	case colContent:
		return r.wholeContent(c)
	}
	if c.sums.known&hashOf(i) == 0 {
		if c.whole() {
			c.sums.whole(i, c.bytes())
		} else {
			want := hashOf(i)
			if r.req.fused&want != 0 {
				want |= r.req.fused
			}
			want |= r.fuse(c)
			r.pass(ctx, c, want&^c.sums.known, c.member != nil || r.req.fused&hashOf(i) != 0)
		}
	}
	switch {
	case c.sums.known&hashOf(i) == 0:
		return value.Value{}
	case i == colEntropy:
		return value.NewFloat(c.sums.entropy)
	}
	at := i - colMD5
	return value.NewHash(c.sums.digest[at][:c.sums.size[at]])
}

// wholeContent gives the content, up to maxContent.
func (r *row) wholeContent(c *content) value.Value {
	if c.whole() {
		return value.NewBytes(c.bytes())
	}
	c.rewind()
	var all []byte
	for c.phase == ready {
		all = append(all, c.bytes()...)
		if len(all) > maxContent {
			r.skip(modules.SkipLimit, "content is longer than "+strconv.Itoa(maxContent)+" bytes")
			return value.Value{}
		}
		if c.eof {
			r.settle(c)
			return value.NewBytes(all)
		}
		c.more()
	}
	r.lost(c)
	return value.Value{}
}

// Ask answers the q-th question.
func (r *row) Ask(ctx context.Context, q int) (value.Value, error) {
	if r.answers[q] == unasked {
		r.asked = true
		r.answers[q] = r.answer(ctx, q)
		if err := r.w.stopped(ctx); err != nil {
			return value.Value{}, err
		}
	}
	return r.answers[q].value(), nil
}
