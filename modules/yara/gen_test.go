package yara

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

// ruleGen writes random rules, and contents in which some of them hold.
type ruleGen struct {
	rnd    *rand.Rand
	names  []string // of the rules so far
	strs   []string // of the rule
	loops  int
	vars   []string
	plants [][]byte
}

var fragments = []string{
	"abc", "abcabc", "foo", "Foo", "BARbaz", "hello world", "x1y2", "MZ", "\x7fELF", "aaaa", "aab",
	"\x00\x01\x02\x03", "\xff\xfe", "evil.example", "GET /x", "cmd.exe", "_under_", "Z", "\x90\x90\x90",
}

func (g *ruleGen) pick(list ...string) string { return list[g.rnd.IntN(len(list))] }
func (g *ruleGen) chance(n int) bool          { return g.rnd.IntN(n) == 0 }
func (g *ruleGen) fragment() string           { return fragments[g.rnd.IntN(len(fragments))] }

// content makes a file of fragments in several codings.
func (g *ruleGen) content() []byte {
	var b []byte
	for range g.rnd.IntN(60) {
		f := []byte(g.fragment())
		switch g.rnd.IntN(9) {
		case 0:
			f = widen(f)
		case 1:
			f = xored(f, byte(g.rnd.IntN(256)))
		case 2:
			f = []byte(base64.StdEncoding.EncodeToString(append(make([]byte, g.rnd.IntN(3)), f...)))
		case 3:
			f = []byte(strings.ToUpper(string(f)))
		case 4:
			f = make([]byte, g.rnd.IntN(300))
			if g.chance(2) {
				for i := range f {
					f[i] = byte(g.rnd.IntN(256))
				}
			}
		}
		b = append(b, f...)
		if g.chance(3) {
			b = append(b, g.pick(" ", "\n", ".", "_", "\x00", "a", "7")...)
		}
	}
	return b
}

// bigContent makes a file of several blocks, what is planted across whose
// edges has to be found.
func (g *ruleGen) bigContent() []byte {
	var b []byte
	for len(b) < block+g.rnd.IntN(4*block) {
		b = append(b, g.content()...)
		filler := make([]byte, g.rnd.IntN(9000))
		if g.chance(2) {
			for i := range filler {
				filler[i] = byte(g.rnd.IntN(256))
			}
		}
		b = append(b, filler...)
	}
	return b
}

func (g *ruleGen) file(n int) string {
	var b strings.Builder
	for i := range n {
		name := "p"
		if i >= 5 {
			name = "r"
		}
		b.WriteString(g.rule(fmt.Sprintf("%s%d", name, i)))
	}
	return b.String()
}

func (g *ruleGen) rule(name string) string {
	var b strings.Builder
	if g.chance(10) {
		b.WriteString("private ")
	}
	if g.chance(150) {
		b.WriteString("global ")
	}
	fmt.Fprintf(&b, "rule %s {\n", name)
	g.strs = nil
	n := g.rnd.IntN(5)
	if n > 0 {
		b.WriteString("  strings:\n")
	}
	for i := range n {
		id := fmt.Sprintf("$%c%d", 'a'+rune(g.rnd.IntN(2)), i)
		g.strs = append(g.strs, id)
		fmt.Fprintf(&b, "    %s = %s\n", id, g.str())
	}
	cond := g.condition(2)
	if n > 0 {
		// Each string is named, and most rules show where theirs stand.
		cond = g.pick("any of them", "any of them or "+cond, "("+cond+") and for all of them : ( # >= 0 )", "#"+g.one()[1:]+" >= 0 and any of them")
	}
	fmt.Fprintf(&b, "  condition:\n    %s\n}\n", cond)
	g.names = append(g.names, name)
	return b.String()
}

func (g *ruleGen) one() string { return g.strs[g.rnd.IntN(len(g.strs))] }

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteString("\\" + string(c))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "\\x%02x", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + `"`
}

func (g *ruleGen) str() string {
	switch g.rnd.IntN(3) {
	case 0:
		return g.text()
	case 1:
		return "{ " + g.hex() + " }"
	}
	return g.regex()
}

func (g *ruleGen) text() string {
	f := g.fragment()
	if g.chance(3) {
		f += g.fragment()
	}
	mods := ""
	if g.chance(3) {
		mods += " wide"
		if g.chance(2) {
			mods += " ascii"
		}
	}
	switch g.rnd.IntN(5) {
	case 0:
		mods += " nocase"
	case 1:
		if len(f) == 1 {
			f += "Z" // or it would stand at every byte
		}
		mods += g.pick(" xor", " xor(1-255)", " xor(0x20)", " xor(3-40)")
	case 2:
		if len(f) >= 3 {
			mods += g.pick(" base64", " base64wide", " base64 base64wide")
			return quote(f) + mods
		}
	}
	if g.chance(4) && !strings.Contains(mods, "xor") {
		mods += " fullword"
	}
	return quote(f) + mods
}

func (g *ruleGen) hexByte(c byte) string {
	switch g.rnd.IntN(12) {
	case 0:
		return "??"
	case 1:
		return fmt.Sprintf("%X?", c>>4)
	case 2:
		return fmt.Sprintf("?%x", c&15)
	}
	return fmt.Sprintf("%02X", c)
}

func (g *ruleGen) hex() string {
	f := g.fragment() + g.fragment()
	var out []string
	out = append(out, fmt.Sprintf("%02X", f[0]))
	for i := 1; i < len(f)-1; i++ {
		switch g.rnd.IntN(14) {
		case 0:
			if strings.HasPrefix(out[len(out)-1], "[") {
				continue // yara does not join two jumps as one would think
			}
			out = append(out, g.pick("[0-3]", "[1-4]", "[2]", "[-]", "[0-300]", "[10-400]", "[250]", "[3-]"))
			i += g.rnd.IntN(2)
			continue
		case 1:
			out = append(out, fmt.Sprintf("( %02X | %s | %02X %02X )", f[i], g.hexByte(f[i]), f[i], f[i+1]))
			continue
		}
		out = append(out, g.hexByte(f[i]))
	}
	return strings.Join(append(out, fmt.Sprintf("%02X", f[len(f)-1])), " ")
}

func regexByte(c byte) string {
	switch {
	case strings.IndexByte(`\.+*?()[]{}|^$/`, c) >= 0:
		return `\` + string(c)
	case c < ' ' || c > '~':
		return fmt.Sprintf("\\x%02x", c)
	}
	return string(c)
}

func (g *ruleGen) regex() string {
	f := g.fragment()
	if g.chance(2) {
		f += g.fragment()
	}
	if len(f) == 1 {
		f += "Z" // not to match the empty text
	}
	lazy := ""
	if g.chance(3) {
		lazy = "?"
	}
	if g.chance(4) {
		// A whole word must be one in a single way: of several, yara sees
		// the one that its atoms lead to.
		return "/" + g.regexFixed(f) + "/" + g.pick("", "i") + g.pick(" fullword", " fullword wide")
	}
	out := g.regexParts(f, lazy)
	if g.chance(12) {
		out = "^" + out
	}
	if g.chance(12) {
		out += "$"
	}
	flags := g.pick("", "", "i", "s", "is")
	if strings.Contains(out, ".*") || strings.Contains(out, ".+") {
		flags = g.pick("", "i") // how far they reach depends on the atom
	}
	out = "/" + out + "/" + flags
	if g.chance(4) {
		out += g.pick(" wide", " nocase")
	}
	return out
}

func (g *ruleGen) regexFixed(f string) string {
	out := ""
	for i := range len(f) {
		b := regexByte(f[i])
		switch g.rnd.IntN(8) {
		case 0:
			b = "[" + b + "0-9]"
		case 1:
			b = "(" + b + "|" + regexByte(g.fragment()[0]) + ")"
		case 2:
			b += "{1}"
		}
		out += b
	}
	return out
}

func (g *ruleGen) regexParts(f, lazy string) string {
	out := ""
	for i := range len(f) {
		b := regexByte(f[i])
		if i == 0 {
			out = b // where the first bytes may be missing, yara misses places
			continue
		}
		switch g.rnd.IntN(18) {
		case 0:
			b = "."
		case 1:
			b = "[" + b + "0-9]"
		case 2:
			b += g.pick("+", "?", "*", "{1,2}", "{2}", "{0,3}") + lazy
		case 3:
			b = "(" + b + "|" + regexByte(g.fragment()[0]) + ")"
		case 4:
			if lazy == "" {
				break // which end yara tells then depends on its atoms
			}
			b = "(" + b + "|" + b + regexByte('x') + ")"
		case 5:
			b += g.pick(`\w`, `\d`, `\s`, `[^a]`, `\W`) + g.pick("*", "?") + lazy
		case 6:
			b += g.pick(".{0,4}", ".{1,3}", ".*", ".+") + lazy
		case 7:
			b = g.pick(`\b`, `\B`) + b
		}
		out += b
	}
	return out
}

// condition writes a condition.
func (g *ruleGen) condition(depth int) string {
	if depth == 0 {
		return g.atom()
	}
	switch g.rnd.IntN(7) {
	case 0:
		return "(" + g.condition(depth-1) + " and " + g.condition(depth-1) + ")"
	case 1:
		return "(" + g.condition(depth-1) + " or " + g.condition(depth-1) + ")"
	case 2:
		return "not " + g.condition(depth-1)
	case 3:
		return "defined " + g.number(depth)
	}
	return g.atom()
}

func (g *ruleGen) atom() string {
	compare := g.number(2) + " " + g.pick("==", "!=", "<", ">", "<=", ">=") + " " + g.number(2)
	if len(g.strs) == 0 {
		if len(g.names) > 0 && g.chance(4) {
			return g.pick(g.names...)
		}
		if len(g.names) > 6 && g.chance(6) {
			return g.pick("any", "all", "2", "none") + " of (p*, r5)"
		}
		if g.chance(8) {
			return g.textCondition()
		}
		return compare
	}
	switch g.rnd.IntN(14) {
	case 0:
		return g.one()
	case 1:
		return g.one() + " at " + g.number(1)
	case 2:
		return g.one() + " in (" + g.number(1) + ".." + g.number(1) + ")"
	case 3:
		return g.pick("any", "all", "none", "1", "50%") + " of them"
	case 4:
		return g.pick("any", "all", "1") + " of (" + g.one()[:2] + "*)"
	case 5:
		return g.pick("any", "all", "none") + " of them in (" + g.number(0) + ".." + g.number(0) + ")"
	case 6:
		return "for " + g.pick("any", "all", "1") + " of them : ( " + g.pick("$ at 0", "# > 1", "@ < 40", "! == 3", "$ in (0..50)", "@[2] > @[1]") + " )"
	case 7:
		s := g.one()[1:]
		return "for " + g.pick("any", "all", "2") + " i in (1..#" + s + ") : ( @" + s + "[i] " + g.pick("<", ">", "==") + " " + g.number(0) + " )"
	case 8:
		return "for " + g.pick("any", "all", "2") + " i in (" + g.number(0) + ", " + g.number(0) + ", 3) : ( i " + g.pick("<", ">", "==") + " " + g.number(1) + " )"
	case 9:
		return g.textCondition()
	}
	return compare
}

func (g *ruleGen) textCondition() string {
	if g.chance(4) {
		// Bytes beyond ASCII would be negative to yara on some machines.
		return quote(g.pick("abc", "ab", "abd", "Z", "")) + " " + g.pick("<", "<=", ">", ">=") + " " + quote(g.pick("abc", "a", "b"))
	}
	return quote(g.fragment()) + " " + g.pick("contains", "icontains", "startswith", "endswith", "iendswith", "istartswith", "iequals", "==", "!=") + " " + quote(g.fragment())
}

// number writes an expression of integers.
func (g *ruleGen) number(depth int) string {
	if depth > 0 && g.chance(2) {
		switch g.rnd.IntN(9) {
		case 0:
			return "(" + g.number(depth-1) + " " + g.pick("+", "-", "*") + " " + g.number(depth-1) + ")"
		case 1:
			return "(" + g.number(depth-1) + " " + g.pick(`\`, "%") + " " + g.pick("3", "filesize", "uint8(2)", "-5") + ")"
		case 2:
			return "(" + g.number(depth-1) + " " + g.pick("&", "|", "^", "<<", ">>") + " " + g.pick("3", "1", "70", "0xff") + ")"
		case 3:
			return "~" + g.number(0)
		case 4:
			return g.pick("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint16be", "int32be", "uint8be") + "(" + g.number(depth-1) + ")"
		}
	}
	if len(g.strs) > 0 && g.chance(3) {
		s := g.one()[1:]
		return g.pick("#"+s, "@"+s, "@"+s+"[2]", "!"+s, "#"+s+" in (0..100)", "!"+s+"["+g.pick("1", "2", "9")+"]")
	}
	return g.pick("0", "1", "2", "3", "17", "0x40", "filesize", "1KB", "250")
}
