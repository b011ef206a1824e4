package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// maker writes rules such as vendors publish: most of them of programs for
// Windows and Linux, with a handful of strings each, few of which stand in
// ordinary files.
type maker struct{ rnd *rand.Rand }

// rulesOf gives n rules, always the same for a seed.
func rulesOf(n int, seed uint64) string {
	m := &maker{rand.New(rand.NewPCG(seed, 0))}
	var b strings.Builder
	for i := range n {
		m.rule(&b, i)
	}
	return b.String()
}

// guards are what conditions of public rules begin with, by share.
var guards = []string{
	"uint16(0) == 0x5A4D and filesize < 2MB and ", "uint16(0) == 0x5A4D and ", "uint16(0) == 0x5A4D and filesize < 500KB and ",
	"uint32(0) == 0x464C457F and ", "uint32(0) == 0x464C457F and filesize < 5MB and ",
	"filesize < 100KB and ", "filesize < 10MB and ", "", "", "",
}

func (m *maker) rule(b *strings.Builder, i int) {
	fmt.Fprintf(b, "rule family_%d : generated {\n  meta:\n    author = \"bench\"\n    score = %d\n  strings:\n", i, 50+m.rnd.IntN(50))
	n := 2 + m.rnd.IntN(8)
	for k := range n {
		fmt.Fprintf(b, "    $s%d = %s\n", k, m.str())
	}
	conds := []string{"any of them", "all of them", "2 of them", "$s0 and $s1", "#s0 > 1 or $s1", "any of ($s*) and filesize > 100"}
	cond := conds[m.rnd.IntN(len(conds))]
	rest := ""
	if strings.HasPrefix(cond, "$s0") || strings.HasPrefix(cond, "#s0") {
		rest = " or all of them"
	}
	fmt.Fprintf(b, "  condition:\n    %s(%s%s)\n}\n", guards[m.rnd.IntN(len(guards))], cond, rest)
}

func (m *maker) str() string {
	switch m.rnd.IntN(20) {
	case 0, 1, 2, 3, 4:
		return m.hex()
	case 5, 6:
		return m.regexp()
	case 7:
		return `"` + m.words(2) + `" xor(1-255)`
	case 8:
		return `"` + m.words(2) + `" base64`
	case 9, 10, 11:
		return `"` + m.words(2) + `" nocase`
	case 12, 13:
		return `"` + m.words(2) + `" wide ascii`
	case 14:
		return `"` + m.words(1) + `" fullword ascii`
	}
	return `"` + m.words(1+m.rnd.IntN(4)) + `"`
}

var syllables = strings.Fields("ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo zu ck ng st tr pl Get Set Open Proc Reg Crypt Http Sock Inject Shell")

// words makes a text of so many words that look like names of functions and
// of files.
func (m *maker) words(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString([]string{" ", "_", ".", "/", `\\`, "%"}[m.rnd.IntN(6)])
		}
		for range 2 + m.rnd.IntN(3) {
			b.WriteString(syllables[m.rnd.IntN(len(syllables))])
		}
	}
	return b.String()
}

func (m *maker) hex() string {
	var out []string
	for i := range 8 + m.rnd.IntN(16) {
		switch c := m.rnd.IntN(24); {
		case c == 0 && i > 3:
			out = append(out, "??")
		case c == 1 && i > 3:
			out = append(out, fmt.Sprintf("?%X", m.rnd.IntN(16)))
		case c == 2 && i > 3 && !strings.HasPrefix(out[len(out)-1], "["):
			out = append(out, fmt.Sprintf("[%d-%d]", 1+m.rnd.IntN(3), 4+m.rnd.IntN(8)))
		case c == 3 && i > 3:
			out = append(out, fmt.Sprintf("( %02X | %02X %02X )", m.rnd.IntN(256), m.rnd.IntN(256), m.rnd.IntN(256)))
		case c < 8:
			out = append(out, []string{"00", "FF", "8B", "E8", "83", "48"}[m.rnd.IntN(6)])
		default:
			out = append(out, fmt.Sprintf("%02X", m.rnd.IntN(256)))
		}
	}
	return "{ " + strings.Join(append(out, fmt.Sprintf("%02X", m.rnd.IntN(256))), " ") + " }"
}

func (m *maker) regexp() string {
	forms := []string{
		`/https?:\/\/%s\.[a-z]{2,4}\/[a-z0-9]{4,12}/`, `/%s[0-9]{2,6}\.(exe|dll|tmp)/ nocase`, `/\b%s_[A-Fa-f0-9]{8}\b/`,
		`/%s\s{0,4}=\s{0,4}["'][^"']{1,40}/`, `/(%s|cmd|powershell) -e[nc]* [A-Za-z0-9+\/]{20,}/ wide ascii`,
	}
	return fmt.Sprintf(forms[m.rnd.IntN(len(forms))], strings.NewReplacer(`\\`, "", "/", "", "%", "", ".", "").Replace(m.words(1)))
}
