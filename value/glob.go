package value

import (
	"fmt"
	"math/bits"
	"strings"
)

// GlobOptions say how a glob reads its pattern and paths.
type GlobOptions struct {
	// Fold makes case not matter.
	Fold bool
	// Windows makes the backslash a separator beside the slash, in pattern and path, and no escape.
	Windows bool
	// Flat is for names that are no paths: nothing is a separator, and * takes every character.
	Flat bool
}

// Glob is a compiled pattern for paths. It is safe for use by several goroutines.
//
//   - any characters within one level        ?      one character
//     **     any characters over any levels         [a-z]  one of; [!a-z] and [^a-z] none of
//     {a,b}  alternatives, which may nest           \x     the character x (not with Windows)
//
// As a whole segment between others ** stands for any number of levels, none included: /a/**/b matches /a/b.
// At the end it stands for one level at least: /etc/** is all under /etc, not /etc. Within a segment it crosses
// levels too: /etc/**.conf. Braces without a comma stand for themselves. Empty segments count neither in the
// pattern nor in the path, nor does a separator at the end. A first segment that is empty is the root, which
// only a leading separator matches, or a leading * or **.
//
// Match asks for a whole path. A walker starts at Prefix with Root, and goes down with Step.
type Glob struct {
	pattern string
	opts    GlobOptions
	nodes   []globVertex
	accept  GlobState // nodes at which a path may end
	more    GlobState // nodes that a further segment can leave or keep
	prefix  string
	root    GlobState
	literal bool
}

// GlobState is where a walk stands in a glob: a set of nodes. The zero state is dead: nothing below matches.
// It may be compared with == and copied, and belongs to the Glob that made it.
type GlobState struct{ lo, hi uint64 }

// Bounds of a glob.
const (
	maxGlobNodes    = 128 // the bits of a GlobState
	maxGlobVariants = 64  // patterns, once ** in a segment and alternatives over separators are written out
	maxGlobChoices  = 256 // alternatives of one segment
)

// globVertex is a node of the automaton over segments.
type globVertex struct {
	edges []globEdge
	deep  int       // node of ** that is entered without a segment, or 0
	loop  bool      // any segment stays here
	reach GlobState // the node itself, with deep
}

type globEdge struct {
	seg *segment
	to  int
}

// BackslashSeparates says whether a glob is of a kind in which \ stands between the parts, and is no escape: of paths
// of Windows, which begin with a drive or with \\, and of keys of its registry, which begin with HKLM or its like.
func BackslashSeparates(pattern string) bool {
	if strings.HasPrefix(pattern, `\\`) || len(pattern) > 2 && pattern[1] == ':' && (pattern[2] == '\\' || pattern[2] == '/') {
		return true
	}
	root, _, ok := strings.Cut(pattern, `\`)
	return ok && (strings.EqualFold(root, "HKLM") || strings.EqualFold(root, "HKU") || strings.EqualFold(root, "HKCU") ||
		strings.EqualFold(root, "HKCR") || len(root) > 5 && strings.EqualFold(root[:5], "HKEY_"))
}

// EscapeGlob makes a pattern that matches the path alone, read as BackslashSeparates says of the pattern. There is none
// for the empty text.
func EscapeGlob(path string) string {
	out := globEscaper.Replace(path)
	if BackslashSeparates(out) {
		return out
	}
	rest, first := strings.CutPrefix(out, `\`)
	out = strings.ReplaceAll(rest, `\`, `\\`)
	if first {
		out = `[\\]` + out // two backslashes would begin a path of Windows
	}
	return out
}

// globEscaper writes as classes what a pattern would not take for itself, which it does in paths of Windows, too.
var globEscaper = strings.NewReplacer(`*`, `[*]`, `?`, `[?]`, `[`, `[[]`, `{`, `[{]`, `}`, `[}]`)

// CompileGlob compiles a pattern. Errors give the offset of what is wrong: an empty pattern, one longer than
// MaxPattern, a bracket or brace that is not closed, too many alternatives.
func CompileGlob(pattern string, opts GlobOptions) (*Glob, error) {
	switch {
	case pattern == "":
		return nil, fmt.Errorf("the glob is empty: write * for any name")
	case len(pattern) > MaxPattern:
		return nil, fmt.Errorf("the glob has %d bytes: at most %d are allowed", len(pattern), MaxPattern)
	}
	p := globParser{src: pattern, opts: opts}
	nodes, err := p.sequence(0)
	if err != nil {
		return nil, err
	}
	variants, err := p.variants(nodes)
	if err != nil {
		return nil, err
	}
	g := &Glob{pattern: pattern, opts: opts, nodes: make([]globVertex, 1)}
	for _, v := range variants {
		g.insert(v)
		if len(g.nodes) > maxGlobNodes {
			return nil, fmt.Errorf("glob %q is too large: write it as several globs", pattern)
		}
	}
	g.finish()
	return g, nil
}

// insert adds the path of segments to the trie, sharing what is there.
func (g *Glob) insert(segs []*segment) {
	at := 0
	for i, s := range segs {
		last := i == len(segs)-1
		switch {
		case s.deep && last:
			to := g.child(at, &segment{key: "**", any: true})
			g.nodes[to].loop = true
			at = to
		case s.deep:
			if g.nodes[at].deep == 0 {
				g.nodes = append(g.nodes, globVertex{loop: true})
				g.nodes[at].deep = len(g.nodes) - 1
			}
			at = g.nodes[at].deep
		default:
			at = g.child(at, s)
		}
	}
	if len(g.nodes) <= maxGlobNodes {
		g.accept = g.accept.with(at)
	}
}

func (g *Glob) child(at int, s *segment) int {
	for _, e := range g.nodes[at].edges {
		if e.seg.key == s.key {
			return e.to
		}
	}
	g.nodes = append(g.nodes, globVertex{})
	to := len(g.nodes) - 1
	g.nodes[at].edges = append(g.nodes[at].edges, globEdge{s, to})
	return to
}

// finish computes what Step and Root need.
func (g *Glob) finish() {
	for i := range g.nodes {
		n := &g.nodes[i]
		n.reach = GlobState{}.with(i)
		if n.deep != 0 {
			n.reach = n.reach.with(n.deep)
		}
		if n.loop || n.deep != 0 || len(n.edges) > 0 {
			g.more = g.more.with(i)
		}
	}
	var path []string
	g.root = g.nodes[0].reach
	for s := g.root; ; {
		name, ok := g.onlyName(s)
		if !ok {
			break
		}
		next, full, deeper := g.Step(s, name)
		if full && deeper {
			// The prefix itself matches too, and a walker only looks below it.
			break
		}
		s, path = next, append(path, name)
		g.root, g.literal = s, full
	}
	g.prefix = g.join(path)
}

// onlyName gives the one name that leads on from the state.
func (g *Glob) onlyName(s GlobState) (string, bool) {
	name, found := "", false
	for s != (GlobState{}) {
		var i int
		i, s = s.pop()
		n := g.nodes[i]
		if n.loop {
			return "", false
		}
		for _, e := range n.edges {
			if !e.seg.exact || found && e.seg.text != name {
				return "", false
			}
			name, found = e.seg.text, true
		}
	}
	return name, found
}

func (g *Glob) join(path []string) string {
	sep := "/"
	if g.opts.Windows {
		sep = `\`
	}
	p := strings.Join(path, sep)
	isDrive := g.opts.Windows && len(path) == 1 && strings.HasSuffix(p, ":")
	if len(path) == 1 && (p == "" || p == `\`) && !g.opts.Flat || isDrive {
		p += sep
	}
	return p
}

// String gives the pattern.
func (g *Glob) String() string { return g.pattern }

// Prefix gives the longest literal directory in front of the pattern, where a walk begins: "/etc" for
// /etc/*.conf, `C:\` for C:\*, the whole path if Literal. It is "" for a pattern that may begin anywhere.
func (g *Glob) Prefix() string { return g.prefix }

// Literal reports that Prefix is the only path that matches. With Fold and without Windows a letter is not literal.
func (g *Glob) Literal() bool { return g.literal }

// Root gives the state at Prefix.
func (g *Glob) Root() GlobState { return g.root }

// Step goes one segment down. full says that a path which ends with this segment matches, deeper that
// something below it could. Step does not allocate and does not keep name.
func (g *Glob) Step(s GlobState, name string) (next GlobState, full, deeper bool) {
	for s != (GlobState{}) {
		var i int
		i, s = s.pop()
		n := &g.nodes[i]
		if n.loop {
			next = next.with(i)
		}
		for _, e := range n.edges {
			if e.seg.match(name) {
				next = next.union(g.nodes[e.to].reach)
			}
		}
	}
	return next, next.meets(g.accept), next.meets(g.more)
}

// Match reports whether the whole path matches.
func (g *Glob) Match(path string) bool {
	if g.opts.Flat {
		_, full, _ := g.Step(g.nodes[0].reach, path)
		return full
	}
	s, full := g.nodes[0].reach, false
	first, rest := g.cutRoot(path)
	if rest != path {
		s, full, _ = g.Step(s, first)
	}
	for rest != "" && s != (GlobState{}) {
		n := 0
		for n < len(rest) && !g.isSep(rest[n]) {
			n++
		}
		s, full, _ = g.Step(s, rest[:n])
		rest = g.trimSeps(rest[n:])
	}
	return full && rest == ""
}

// cutRoot takes the leading separators off a path and gives the name of that root: "", or "\" for the two
// that begin a network path of Windows.
func (g *Glob) cutRoot(path string) (root, rest string) {
	rest = g.trimSeps(path)
	if g.opts.Windows && len(path)-len(rest) >= 2 {
		return `\`, rest
	}
	return "", rest
}

func (g *Glob) isSep(c byte) bool { return c == '/' || g.opts.Windows && c == '\\' }

func (g *Glob) trimSeps(s string) string {
	for s != "" && g.isSep(s[0]) {
		s = s[1:]
	}
	return s
}

func (s GlobState) with(i int) GlobState {
	if i < 64 {
		s.lo |= 1 << i
	} else {
		s.hi |= 1 << (i - 64)
	}
	return s
}

func (s GlobState) union(t GlobState) GlobState { return GlobState{s.lo | t.lo, s.hi | t.hi} }

func (s GlobState) meets(t GlobState) bool { return s.lo&t.lo != 0 || s.hi&t.hi != 0 }

// pop gives the lowest node and the rest; s is not empty.
func (s GlobState) pop() (int, GlobState) {
	if s.lo != 0 {
		return bits.TrailingZeros64(s.lo), GlobState{s.lo & (s.lo - 1), s.hi}
	}
	return 64 + bits.TrailingZeros64(s.hi), GlobState{0, s.hi & (s.hi - 1)}
}
